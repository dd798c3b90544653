"""Synthetic heads with known truth: anatomies, contrasts, a scanner, and what goes wrong in it."""

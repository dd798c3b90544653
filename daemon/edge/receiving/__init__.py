"""Associations from scanners: who may come in, what is said to them, what is kept."""

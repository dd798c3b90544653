"""Heads with known truth judged as the daemon judges them, and the tables and figures of it."""

"""The daemon's parts and processes, and what is stored."""

"""Torch networks, one idea a file; never imported on a scanner host."""

"""Scanners over the weeks, and single series step by step, out of what the line has recorded."""

"""The daemon beside the scanner: receives series, judges them, reports."""

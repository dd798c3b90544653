"""Commands that play the scanner."""

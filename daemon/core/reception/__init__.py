"""When a series is complete, and how it comes: geometry, rhythm of a scanner, turns, what may be deleted."""

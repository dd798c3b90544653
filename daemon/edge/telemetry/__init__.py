"""What operations sees: logs without patient data, metrics, what is late, progress."""

"""The golden heads of bundles: what ships with one, and the numbers that every host must get."""

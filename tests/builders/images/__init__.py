"""Series, volumes and label maps."""

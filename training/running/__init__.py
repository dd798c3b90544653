"""A training run: its plan as command line options, its loop, its checkpoints and log."""

"""What was received, in append-only segments: written by the receiver, read by everybody else."""

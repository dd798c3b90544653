"""What the method of heads computes on the host, beside its networks."""

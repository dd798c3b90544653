"""What the method of cine hearts computes on the host, beside its networks."""

"""A site's own people train a lesion network that goes on from a bundle's, judge it, and report on it."""

"""Measures of an image's quality by formula, of any anatomy, without a network."""

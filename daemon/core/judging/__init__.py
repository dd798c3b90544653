"""Routes, references, what joins what, and from an assessment to a verdict."""

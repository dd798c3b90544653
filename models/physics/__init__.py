"""Artefacts as physics in k-space: what each does, its parameters at a severity, and how a spectrum shows it."""

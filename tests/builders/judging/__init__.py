"""Judgements, reports, bundles and their graphs."""

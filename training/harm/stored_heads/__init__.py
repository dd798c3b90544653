"""Whole synthetic heads as a scanner stores them, clean, with their tissues: what judged tables are made of."""

"""Whom the daemon talks to, well behaved or not."""

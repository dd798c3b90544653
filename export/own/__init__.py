"""A bundle of a user's own people, in one command that resumes."""

"""The page, what it shows, and a browser."""

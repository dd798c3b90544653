"""What the series of one study are to one another, in SQL."""

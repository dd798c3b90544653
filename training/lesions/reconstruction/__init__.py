"""The image without its lesions, drawn anew, and where a FLAIR departs from it: the error maps of paper 001."""

"""People in a folder after the Brain Imaging Data Structure (BIDS 1.10): images, their labels, what is wrong in it."""

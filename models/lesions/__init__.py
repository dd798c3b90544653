"""White-matter lesions in FLAIR, without torch: the box, the passes, the numbers."""

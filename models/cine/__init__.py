"""Short-axis cine without torch: the fixed frame, the heart's place, its numbers, what is wrong with its slices."""

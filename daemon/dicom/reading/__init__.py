"""From data sets to volumes, a step a module: pixels, frames, stacks, geometry."""

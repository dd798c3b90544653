"""The parts of the summary picture: colours, symbols, slices and charts."""

"""What runs a bundle's graphs, one runtime a module, without torch; each imports its runtime when it is made."""

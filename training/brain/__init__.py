"""The trainers of the brain bundle's networks."""

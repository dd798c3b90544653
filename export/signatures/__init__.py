"""What causes do to the measures of any image: phantoms of random contrast, and the fit to them."""

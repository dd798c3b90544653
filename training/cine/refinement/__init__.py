"""A trained network of hearts refined on hearts without labels, by what the autoencoder of masks makes of its masks."""

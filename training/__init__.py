"""Trains the torch models that export/ turns into bundles; never needed on a scanner host."""

"""The commands of ``scanside`` beside ``run``, ``work`` and ``receive``: a module each, by the name that users know."""

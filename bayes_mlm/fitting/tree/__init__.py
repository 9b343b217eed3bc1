"""The tree of a fit: ArviZ's groups as labelled arrays, the costly ones computed when read."""

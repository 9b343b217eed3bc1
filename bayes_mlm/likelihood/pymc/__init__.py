"""PyMC models of a design."""

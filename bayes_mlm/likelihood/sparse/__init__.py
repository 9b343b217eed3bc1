"""Sparse Cholesky factorisation of the likelihood of several grouping factors."""

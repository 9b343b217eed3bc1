"""Integrals over the effects of each group, of outcomes that are not Gaussian."""

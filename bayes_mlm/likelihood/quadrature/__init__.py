"""Likelihoods of outcomes that are not Gaussian, group effects integrated out by quadrature."""

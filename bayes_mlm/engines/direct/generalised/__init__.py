"""Direct draws for outcomes that are not Gaussian, with one grouping factor or none.

The coefficients have no conjugate distribution, so everything but the group effects is proposed
from a nested Laplace approximation (`proposal`) and weighted by its exact density, in which the
effects of each group are integrated out on a lattice (`lattice`); the effects are then drawn by
rejection.
"""

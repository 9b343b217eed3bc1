"""Block Gibbs sampling of two crossed random intercepts, where no factorisation is affordable.

Given the effects of one factor the table is a one-way layout of the other: its sds, the
coefficients and its effects have a joint distribution from which they are drawn exactly, the sds by
slices of a density in two dimensions in which everything else is integrated out. Two such blocks
make a sweep.
"""

"""The direct engine for models with several grouping factors.

Every factor adds a block of group effects to the same linear mixed model: given the relative
covariances of all blocks, the sums over the data are those of one sparse Cholesky factor
(`bayes_mlm.likelihood.sparse`), and everything else is as with one factor: the same densities,
proposals and weights.
"""

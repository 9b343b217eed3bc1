"""REML and maximum likelihood of models with several grouping factors."""

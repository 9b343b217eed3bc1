"""Expected outcomes where the linear predictor is not on their scale: the inverse link and means.

A mean over groups is the inverse link integrated over the normal distribution of group effects, one
integral in the linear predictor whatever the number of effects and factors.
"""

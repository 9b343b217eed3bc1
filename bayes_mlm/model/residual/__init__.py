"""How residuals depart from independent ones of one sd, and that by row.

=========== =================================== ==================================================
request     meaning                             parameters
=========== =================================== ==================================================
``sigma``   a residual sd for each level   ``sigma_e[sex=Male]``, ...; ``sigma_e`` is the sd
            of a factor                         over all rows, the root of their mean variance
``ar``      residuals of a group that are near  ``rho_e``, the correlation of residuals one step
            in time are alike: AR(1)            apart
=========== =================================== ==================================================
"""

from bayes_mlm.model.residual.rows import ResidualRows, lay_out_residual, strata_of
from bayes_mlm.model.residual.structure import Residual, as_residual
from bayes_mlm.model.residual.whitening import colour, log_spread, whiten

__all__ = [
    "Residual",
    "ResidualRows",
    "as_residual",
    "colour",
    "lay_out_residual",
    "log_spread",
    "strata_of",
    "whiten",
]

from .priors import Prior as Prior, parse_prior as parse_prior, role_of as role_of
from .request import (
    NO_SETTINGS as NO_SETTINGS,
    HasRequest as HasRequest,
    ModelRequest as ModelRequest,
    SamplerSettings as SamplerSettings,
    check_request as check_request,
)
from .residual import (
    Residual as Residual,
    ResidualRows as ResidualRows,
    as_residual as as_residual,
    colour as colour,
    lay_out_residual as lay_out_residual,
    log_spread as log_spread,
    strata_of as strata_of,
    whiten as whiten,
)
from .residual.rows import MAX_STRATA as MAX_STRATA
from .residual.structure import PLAIN as PLAIN
from .residual.whitening import carried as carried
from .spec import (
    KINDS as KINDS,
    UNNAMED as UNNAMED,
    Kind as Kind,
    ModelSpec as ModelSpec,
    is_formula as is_formula,
)

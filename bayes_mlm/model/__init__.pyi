from .distributions import read_distribution as read_distribution
from .families import (
    FAMILIES as FAMILIES,
    GAUSSIAN as GAUSSIAN,
    LEAST_NU as LEAST_NU,
    STUDENT_T as STUDENT_T,
    family_of as family_of,
)
from .family import Auxiliary as Auxiliary, Family as Family, Known as Known
from .links import LINKS as LINKS, Link as Link
from .parameter import (
    Parameter as Parameter,
    Role as Role,
    default_of as default_of,
    half_student_t as half_student_t,
)
from .prior import Prior as Prior, is_within as is_within
from .priors import (
    DIRECT_FAMILIES as DIRECT_FAMILIES,
    parse_prior as parse_prior,
    prior_target as prior_target,
)
from .replicates import (
    REPLICATIONS as REPLICATIONS,
    Replicates as Replicates,
    as_replicates as as_replicates,
)
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
from .residual.autoregression import (
    GivenNeighbours as GivenNeighbours,
    given_neighbours as given_neighbours,
    given_previous as given_previous,
    lag_correlation as lag_correlation,
)
from .residual.rows import MAX_STRATA as MAX_STRATA, plain_rows as plain_rows
from .residual.structure import PLAIN as PLAIN, check_structure as check_structure
from .residual.whitening import (
    log_innovation_variances as log_innovation_variances,
    previous_correlation as previous_correlation,
)
from .spec import (
    KINDS as KINDS,
    UNNAMED as UNNAMED,
    Kind as Kind,
    ModelSpec as ModelSpec,
    is_formula as is_formula,
)
from .weights import (
    SCALINGS as SCALINGS,
    STANDARD_ERRORS as STANDARD_ERRORS,
    SURVEYS as SURVEYS,
    UNWEIGHTED as UNWEIGHTED,
    Scaling as Scaling,
    StandardErrors as StandardErrors,
    Weights as Weights,
    as_weights as as_weights,
)

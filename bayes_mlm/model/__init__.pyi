from .families import (
    FAMILIES as FAMILIES,
    GAUSSIAN as GAUSSIAN,
    LEAST_NU as LEAST_NU,
    STUDENT_T as STUDENT_T,
)
from .family import Auxiliary as Auxiliary, Family as Family
from .parameter import (
    Parameter as Parameter,
    Role as Role,
    default_of as default_of,
    half_student_t as half_student_t,
)
from .printed import Published as Published, check_published_fields as check_published_fields
from .prior import Prior as Prior
from .priors import parse_prior as parse_prior, prior_target as prior_target
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
from .residual.structure import PLAIN as PLAIN, check_structure as check_structure
from .residual.whitening import carried as carried
from .spec import (
    IN_MEMORY as IN_MEMORY,
    KINDS as KINDS,
    WORKED_STUDY as WORKED_STUDY,
    Kind as Kind,
    Record as Record,
    Settings as Settings,
    as_starter as as_starter,
    baseline as baseline,
    check_record as check_record,
    dump_record as dump_record,
    is_formula as is_formula,
    load_record as load_record,
    models_directory as models_directory,
    records as records,
    related_record as related_record,
)

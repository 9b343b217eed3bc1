from .bounded import (
    check_bounded as check_bounded,
    check_bounded_rows as check_bounded_rows,
    exact_outcome as exact_outcome,
    nothing_left as nothing_left,
)
from .conditional import group_effects as group_effects
from .default_priors import (
    GroupPriors as GroupPriors,
    ModelPriors as ModelPriors,
    expect_priors as expect_priors,
    model_priors as model_priors,
)
from .effect_centring import (
    design_transform as design_transform,
    effects_transform as effects_transform,
    hold_at_means as hold_at_means,
    transform_spread as transform_spread,
)
from .free_variables import free_dims as free_dims, free_values as free_values
from .gaussian import (
    LOG_2PI as LOG_2PI,
    Method as Method,
    cholesky as cholesky,
    invert_classes as invert_classes,
    invert_lower as invert_lower,
    profiled_loglik as profiled_loglik,
    quadratic as quadratic,
    residual_df as residual_df,
)
from .identification import unidentified as unidentified
from .joint_kernels import (
    curvature_rows as curvature_rows,
    joint_rows as joint_rows,
    joint_sums as joint_sums,
    project as project,
)
from .likelihood import Likelihood as Likelihood, Point as Point
from .many_groups import (
    curvature_sums as curvature_sums,
    derivative_sums as derivative_sums,
    summarise_groups as summarise_groups,
    sums_by_group as sums_by_group,
)
from .parameters import (
    GroupParameters as GroupParameters,
    Parameters as Parameters,
    TermNames as TermNames,
    factor_dim as factor_dim,
    group_dim as group_dim,
    group_parameters as group_parameters,
    group_views as group_views,
    known_parameters as known_parameters,
    outcome_variable as outcome_variable,
    parameters_of as parameters_of,
    row_dim as row_dim,
    term_names as term_names,
)
from .patterns import (
    MOST_DISTINCT as MOST_DISTINCT,
    find_patterns as find_patterns,
    likelihood_rows as likelihood_rows,
)
from .prior_densities import log_density as log_density
from .prior_distributions import draw_priors as draw_priors, log_priors as log_priors
from .pymc.compiled import LogDensity as LogDensity, compile_log_density as compile_log_density
from .pymc.models import (
    FACTORIES as FACTORIES,
    between as between,
    mundlak as mundlak,
    no_pooling as no_pooling,
    partial_pooling as partial_pooling,
    pooled as pooled,
    within as within,
)
from .pymc.parts import effect_pairs as effect_pairs
from .quadrature.codes import (
    Outcomes as Outcomes,
    code_of as code_of,
    constants as constants,
)
from .quadrature.kernels import (
    find_group_modes as find_group_modes,
    integrate_groups as integrate_groups,
)
from .quadrature.row_kernels import row as row, row_second as row_second
from .sparse.factor import (
    Factor as Factor,
    draw_effects as draw_effects,
    evaluate as evaluate,
    evaluate_responses as evaluate_responses,
    split as split,
)
from .sparse.identified import (
    NO_RESIDUALS as NO_RESIDUALS,
    check_bounded_outcome as check_bounded_outcome,
    explained_effects as explained_effects,
)
from .sparse.plan import Plan as Plan, make_plan as make_plan
from .whitened_design import Whitened as Whitened, whitened as whitened

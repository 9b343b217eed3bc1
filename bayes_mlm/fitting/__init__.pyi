from . import derived as derived
from .agreement import (
    Compared as Compared,
    EngineComparison as EngineComparison,
    PrintedFigure as PrintedFigure,
    join_engines as join_engines,
    printed_figures as printed_figures,
)
from .derived import icc as icc
from .elsewhere import no_function as no_function
from .entry import fit as fit, fit_by as fit_by, fit_design as fit_design
from .estimate import (
    Estimate as Estimate,
    estimate_design as estimate_design,
)
from .estimates import (
    QuantityRow as QuantityRow,
    Summary as Summary,
    estimate_texts as estimate_texts,
)
from .group_sample import (
    sample_groups as sample_groups,
    sample_rows as sample_rows,
    sample_table as sample_table,
)
from .imputation.entry import impute as impute
from .imputation.result import Imputations as Imputations
from .linear_predictor import (
    conditional_log_densities as conditional_log_densities,
    linear_predictors as linear_predictors,
)
from .parameter_points import ParameterPoints as ParameterPoints
from .predictions import Solution as Solution, expected_outcomes as expected_outcomes
from .ratios import median_name as median_name, ratio_of as ratio_of
from .request import (
    as_request as as_request,
    make_settings as make_settings,
    named_apart as named_apart,
)
from .residuals import (
    ResidualDraws as ResidualDraws,
    make_outcomes as make_outcomes,
    residual_draws as residual_draws,
)
from .result import Fit as Fit
from .results import (
    estimate_of as estimate_of,
    expect_draws as expect_draws,
    posterior_of as posterior_of,
    with_estimate as with_estimate,
)
from .side_by_side import (
    Analysis as Analysis,
    analyse as analyse,
)
from .source import (
    CoefficientSource as CoefficientSource,
    DrawSummary as DrawSummary,
    FactorValues as FactorValues,
    GroupEffects as GroupEffects,
    IntervalKind as IntervalKind,
    ParameterValues as ParameterValues,
    Value as Value,
    shortest_interval as shortest_interval,
    summarise_draws as summarise_draws,
    summarise_values as summarise_values,
    summarise_wald as summarise_wald,
)
from .storage import load_fit as load_fit, save_fit as save_fit
from .structured_densities import (
    conditional_model as conditional_model,
    group_log_densities as group_log_densities,
    row_log_densities as row_log_densities,
    spaced as spaced,
)
from .summary import summarise as summarise
from .versions import installed_versions as installed_versions

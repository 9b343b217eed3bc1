"""Fit multilevel linear models, Bayesian beside REML, from one design.

How much of an outcome's variation lies within groups and how much between them, and what do
predictors at each level have to do with it?

Importing the package is quick: every public name below is loaded when it is first used, and the
heavy libraries (PyMC, ArviZ, pandas, statsmodels) only when a function needs them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from bayes_mlm._version import __version__

if TYPE_CHECKING:
    from bayes_mlm.comparison import compare
    from bayes_mlm.contextual import contextual_effects, contextual_effects_classical
    from bayes_mlm.criticism import check
    from bayes_mlm.data import as_table, read_table
    from bayes_mlm.datasets import (
        load_dataset,
        load_dyestuff2,
        load_hsb,
        load_orthodont,
        load_sleepstudy,
    )
    from bayes_mlm.description import crosstab, describe
    from bayes_mlm.design import Design, build_design
    from bayes_mlm.design_priors import model_priors
    from bayes_mlm.effects import comparisons, crossing, slopes
    from bayes_mlm.errors import BayesMLMError
    from bayes_mlm.factories import (
        between,
        mundlak,
        no_pooling,
        partial_pooling,
        pooled,
        within,
    )
    from bayes_mlm.fitted import Fit
    from bayes_mlm.fitting import fit
    from bayes_mlm.group_file import write_group_effects
    from bayes_mlm.hausman_test import hausman
    from bayes_mlm.kinds import for_kind, replay
    from bayes_mlm.leave_out import leave_one_group_out, leave_one_row_out
    from bayes_mlm.marginal_likelihood import log_marginal_likelihood
    from bayes_mlm.model_comparison import compare_models
    from bayes_mlm.ols import fit_ols
    from bayes_mlm.own_lines import group_lines, population_line
    from bayes_mlm.prediction import predict
    from bayes_mlm.published import check_published
    from bayes_mlm.reml import fit_reml
    from bayes_mlm.sampling import sample_groups
    from bayes_mlm.scan import open_data, sum_more_rows, sum_rows
    from bayes_mlm.sensitivity import prior_sensitivity
    from bayes_mlm.spec import load_record, records
    from bayes_mlm.storage import load_fit, save_fit
    from bayes_mlm.summary import summarise
    from bayes_mlm.sums_file import load_sums, save_sums, small_groups
    from bayes_mlm.sums_merge import merge_sums
    from bayes_mlm.time_coding import code_time
    from bayes_mlm.variance import variance_by_level, variance_by_level_classical

_HOME = {
    "BayesMLMError": "errors",
    "Design": "design",
    "Fit": "fitted",
    "as_table": "data",
    "between": "factories",
    "build_design": "design",
    "check": "criticism",
    "check_published": "published",
    "code_time": "time_coding",
    "compare": "comparison",
    "compare_models": "model_comparison",
    "comparisons": "effects",
    "contextual_effects": "contextual",
    "contextual_effects_classical": "contextual",
    "crossing": "effects",
    "crosstab": "description",
    "describe": "description",
    "fit": "fitting",
    "for_kind": "kinds",
    "group_lines": "own_lines",
    "hausman": "hausman_test",
    "leave_one_group_out": "leave_out",
    "leave_one_row_out": "leave_out",
    "load_dataset": "datasets",
    "load_dyestuff2": "datasets",
    "load_fit": "storage",
    "load_hsb": "datasets",
    "load_orthodont": "datasets",
    "load_record": "spec",
    "load_sleepstudy": "datasets",
    "load_sums": "sums_file",
    "log_marginal_likelihood": "marginal_likelihood",
    "merge_sums": "sums_merge",
    "model_priors": "design_priors",
    "mundlak": "factories",
    "no_pooling": "factories",
    "fit_ols": "ols",
    "open_data": "scan",
    "partial_pooling": "factories",
    "pooled": "factories",
    "population_line": "own_lines",
    "predict": "prediction",
    "prior_sensitivity": "sensitivity",
    "read_table": "data",
    "records": "spec",
    "fit_reml": "reml",
    "replay": "kinds",
    "sample_groups": "sampling",
    "save_fit": "storage",
    "save_sums": "sums_file",
    "slopes": "effects",
    "small_groups": "sums_file",
    "sum_more_rows": "scan",
    "sum_rows": "scan",
    "summarise": "summary",
    "variance_by_level": "variance",
    "variance_by_level_classical": "variance",
    "within": "factories",
    "write_group_effects": "group_file",
}
__all__ = [
    "BayesMLMError",
    "Design",
    "Fit",
    "__version__",
    "as_table",
    "between",
    "build_design",
    "check",
    "check_published",
    "code_time",
    "compare",
    "compare_models",
    "comparisons",
    "contextual_effects",
    "contextual_effects_classical",
    "crossing",
    "crosstab",
    "describe",
    "fit",
    "fit_ols",
    "fit_reml",
    "for_kind",
    "group_lines",
    "hausman",
    "leave_one_group_out",
    "leave_one_row_out",
    "load_dataset",
    "load_dyestuff2",
    "load_fit",
    "load_hsb",
    "load_orthodont",
    "load_record",
    "load_sleepstudy",
    "load_sums",
    "log_marginal_likelihood",
    "merge_sums",
    "model_priors",
    "mundlak",
    "no_pooling",
    "open_data",
    "partial_pooling",
    "pooled",
    "population_line",
    "predict",
    "prior_sensitivity",
    "read_table",
    "records",
    "replay",
    "sample_groups",
    "save_fit",
    "save_sums",
    "slopes",
    "small_groups",
    "sum_more_rows",
    "sum_rows",
    "summarise",
    "variance_by_level",
    "variance_by_level_classical",
    "within",
    "write_group_effects",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its module when it is first used."""
    if name not in _HOME:
        raise AttributeError(f"module 'bayes_mlm' has no attribute {name!r}")
    value = getattr(import_module(f"bayes_mlm.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted(__all__)

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
    from bayes_mlm.kinds import for_kind, replay
    from bayes_mlm.leave_out import leave_one_group_out, leave_one_row_out
    from bayes_mlm.marginal_likelihood import log_marginal_likelihood
    from bayes_mlm.model_comparison import compare_models
    from bayes_mlm.ols import fit_ols
    from bayes_mlm.published import check_published
    from bayes_mlm.reml import fit_reml
    from bayes_mlm.sensitivity import prior_sensitivity
    from bayes_mlm.spec import load_record, records
    from bayes_mlm.storage import load_fit, save_fit
    from bayes_mlm.summary import summarise

_HOME = {
    "BayesMLMError": "errors",
    "Design": "design",
    "Fit": "fitted",
    "as_table": "data",
    "between": "factories",
    "build_design": "design",
    "check_published": "published",
    "compare": "comparison",
    "compare_models": "model_comparison",
    "crosstab": "description",
    "describe": "description",
    "fit": "fitting",
    "for_kind": "kinds",
    "leave_one_group_out": "leave_out",
    "leave_one_row_out": "leave_out",
    "load_dataset": "datasets",
    "load_dyestuff2": "datasets",
    "load_fit": "storage",
    "load_hsb": "datasets",
    "load_orthodont": "datasets",
    "load_record": "spec",
    "load_sleepstudy": "datasets",
    "log_marginal_likelihood": "marginal_likelihood",
    "model_priors": "design_priors",
    "mundlak": "factories",
    "no_pooling": "factories",
    "fit_ols": "ols",
    "partial_pooling": "factories",
    "pooled": "factories",
    "prior_sensitivity": "sensitivity",
    "read_table": "data",
    "records": "spec",
    "fit_reml": "reml",
    "replay": "kinds",
    "save_fit": "storage",
    "summarise": "summary",
    "within": "factories",
}
__all__ = [
    "BayesMLMError",
    "Design",
    "Fit",
    "__version__",
    "as_table",
    "between",
    "build_design",
    "check_published",
    "compare",
    "compare_models",
    "crosstab",
    "describe",
    "fit",
    "fit_ols",
    "fit_reml",
    "for_kind",
    "leave_one_group_out",
    "leave_one_row_out",
    "load_dataset",
    "load_dyestuff2",
    "load_fit",
    "load_hsb",
    "load_orthodont",
    "load_record",
    "load_sleepstudy",
    "log_marginal_likelihood",
    "model_priors",
    "mundlak",
    "no_pooling",
    "partial_pooling",
    "pooled",
    "prior_sensitivity",
    "read_table",
    "records",
    "replay",
    "save_fit",
    "summarise",
    "within",
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

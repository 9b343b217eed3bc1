"""Multiverse: every model that an analyst might defend, from one pass over the rows."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Literal

import numpy as np

from bayes_mlm.assess.marginal_likelihood import refuse_flat
from bayes_mlm.assess.specifications.assembly import Fitted, assemble
from bayes_mlm.assess.specifications.choices import Choices, read_choices
from bayes_mlm.assess.specifications.posterior import Posteriors
from bayes_mlm.assess.specifications.tables import (
    Changes,
    LeftOutRow,
    Models,
    Multiverse,
    SpecificationRow,
    Specifications,
)
from bayes_mlm.assess.specifications.universe import Universe
from bayes_mlm.base import DEFAULT_PROB, EngineError, Floats, check_prob, check_whole, suggest
from bayes_mlm.data import ReadOptions
from bayes_mlm.design import Rows, design_of
from bayes_mlm.engines import Submodels, why_not_direct
from bayes_mlm.fitting import as_request
from bayes_mlm.likelihood import model_priors
from bayes_mlm.moments import rotate_moments

__all__ = [
    "Changes",
    "Models",
    "Multiverse",
    "SpecificationRow",
    "Specifications",
    "multiverse",
]

# Arguments of `fit` that would make the models others than those of a multiverse.
_OF_OTHERS = ("kind", "group", "residual", "family", "link", "trials")


def multiverse(
    formula: str,
    data: Any,
    optional: Sequence[str] = (),
    *,
    alternatives: Mapping[str, Sequence[str]] | None = None,
    focal: str | Sequence[str] | None = None,
    posterior: bool = True,
    priors: Mapping[str, Any] | None = None,
    missing: Literal["error", "drop"] = "error",
    prob: float = DEFAULT_PROB,
    random_seed: int = 1,
    **reading: Any,
) -> Multiverse:
    """Fit every model that a set of choices makes, from one pass over the rows.

    Parameters
    ----------
    formula : str
        What all models have: ``"mathach ~ ses + (1 | schoolid)"``; of a Gaussian outcome with one
        grouping factor and an intercept.
    data : data frame, mapping, str or Path
        As of `bayes_mlm.fit`.
    optional : sequence of str
        Parts of a formula that a model may have or not: ``["minority", "C(race)",
        "ses:sector"]``. Each is one choice, however many columns it becomes.
    alternatives : mapping of str to sequence of str
        Choices by name, with the parts of a formula of which a model has exactly one: ``{"ses":
        ["ses", "within(ses) + between(ses)"], "effects": ["(1 | school)", "(1 + ses |
        school)"]}``; an empty text stands for nothing. Group effects are stated in the formula or
        in one of the choices.
    focal : str or sequence of str, optional
        Coefficients of interest: predictors, or columns of them (``"race[black]"``). By default the
        first predictor of the formula.
    posterior : bool
        Whether to compute posteriors, marginal likelihoods and leave-one-group-out, for averages by
        stacking and by posterior probability; else REML alone.
    priors : mapping, optional
        As of `bayes_mlm.fit`, by the names of all models' parameters; they must be proper unless
        `posterior` is False.
    missing : {"error", "drop"}
        With "drop" a row that lacks a value in any column of any model is left out of all of them.
    prob : float
        Of the intervals.
    random_seed : int
        Of draws, which models with several group effects or t priors need.
    **reading
        How data are read, as of `bayes_mlm.fit`: `rows`, `strip`, `decimal`, `sheet`, ...

    Returns
    -------
    Multiverse
        A row for each coefficient of interest: range over the models, and averages. Its
        `specifications`, `models` and `changes` are tables with `to_frame`.

    Raises
    ------
    FormulaError, EngineError, DataError, DesignError
        If the choices make no models, the data do not suit them, or a prior is flat.

    Notes
    -----
    A model with a product has all of the products' parents, one with a power ``I(x ** 2)`` has x,
    and one with a slope by group has its mean; other combinations are no models of a multiverse. An
    estimate is a slope averaged over the rows: the coefficient, and those of its products times the
    means of what it is multiplied by, so that it is of the same quantity in all models.

    Models are fitted from sums by group, the rows being read once. REML is by the compiled search
    of `bayes_mlm.bootstrap`; the posterior of a model with one group effect and normal priors by
    quadrature (0.01 s), of others as the direct engine draws it (a second). Choices of outcome and
    of rows are not among those that can be left open: compare such analyses by calling it for each.

    References
    ----------
    Steegen, Tuerlinckx, Gelman & Vanpaemel (2016), Perspectives on Psychological Science 11(5);
    Simonsohn, Simmons & Nelson (2020), Nature Human Behaviour 4, on specification curves; Yao,
    Vehtari, Simpson & Gelman (2018), Bayesian Analysis 13(3), on stacking.

    Examples
    --------
    >>> found = multiverse("mathach ~ ses + (1 | schoolid)", "hsb",
    ...                    optional=["minority", "sector", "ses:sector"], posterior=False)
    >>> len(found.models), round(found["ses"].lowest, 2), round(found["ses"].highest, 2)
    (6, 2.05, 2.39)
    """
    check_prob(prob)
    check_whole("random_seed", random_seed, 0)
    choices = read_choices(formula, optional, {} if alternatives is None else alternatives)
    universe = _universe(choices, data, priors=priors, missing=missing, **reading)
    wanted = universe.focal(focal)
    if not choices.specifications:
        raise EngineError(
            "no combination of the options respects the hierarchy: a product needs its parents, "
            "and a slope by group its mean"
        )
    return fit_universe(universe, wanted, posterior, priors, prob, random_seed)


def fit_universe(
    universe: Universe,
    wanted: Mapping[str, tuple[int, Floats]],
    posterior: bool,
    priors: Mapping[str, Any] | None,
    prob: float,
    random_seed: int,
) -> Multiverse:
    """Fit every model from the sums of all columns; the arguments are those of `multiverse`."""
    design = universe.design
    bound = model_priors(design, priors) if posterior or priors else None
    if posterior and bound is not None:
        refuse_flat(design, bound)
        refusal = why_not_direct(bound)
        if refusal:
            raise EngineError(f"no exact posterior: {refusal}; change it, or posterior=False")
    kept: list[Fitted] = []
    without: list[LeftOutRow] = []
    by_effects: dict[tuple[tuple[int, ...], bool], tuple[Submodels, Posteriors | None]] = {}
    for specification in universe.choices.specifications:
        z, correlated = universe.effects(specification), specification.group_term.correlated
        if (z, correlated) not in by_effects:
            statistics = universe.statistics.select(z=z)
            reduced = rotate_moments(statistics, aliased=True)
            of_priors = None
            if posterior and bound is not None:
                some = universe.priors_of(bound, z, correlated=correlated)
                of_priors = Posteriors(design, statistics, reduced, some, prob, random_seed)
            by_effects[z, correlated] = Submodels(reduced, correlated=correlated), of_priors
        submodels, posteriors = by_effects[z, correlated]
        x = universe.columns(specification)
        reason = submodels.why_not(x)
        if reason:
            formula_of = universe.formula(specification)
            without.append(LeftOutRow(formula=formula_of, reason=reason))
            continue
        focal_here = [name for name, (place, _) in wanted.items() if place in x]
        contrasts = np.array([wanted[name][1][x] for name in focal_here]).reshape(-1, len(x))
        kept.append(
            Fitted(
                specification=specification,
                focal=focal_here,
                reml=submodels.fit(x, contrasts),
                posterior=None if posteriors is None else posteriors.of(x, contrasts),
            )
        )
    if not kept:
        raise EngineError(f"the data identify none of the models: {without[0].reason}")
    return assemble(universe, kept, without, list(wanted), prob)


def _universe(choices: Choices, data: Any, *, rows: Rows = "auto", **options: Any) -> Universe:
    """Read the data and lay out the columns of all models."""
    known = ["priors", "missing", "rows", "strip", "group_level"]
    known += ["imputation", *(one.name for one in fields(ReadOptions))]
    for name in _OF_OTHERS:
        if options.get(name) is not None:
            raise EngineError(
                f"{name} is not an argument of a multiverse, whose models have a Gaussian outcome "
                "and group effects; omit it"
            )
    for name in options.keys() - {*known, *_OF_OTHERS}:
        raise EngineError(f"unknown argument {name!r}{suggest(name, known)}")
    if options.pop("imputation", None) is not None or isinstance(data, (list, tuple)):
        raise EngineError(
            "a multiverse is of one data set, and imputations are several; take one of them"
        )
    request = as_request(str(choices.union), data, **options)
    return Universe(choices=choices, design=design_of(request, data, rows=rows, aliased=True))

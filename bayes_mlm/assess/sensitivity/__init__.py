"""Prior sensitivity: the results under other priors of sigma_u, in milliseconds.

The likelihood does not depend on the prior. So each model is fitted once, under its reference
prior, by the direct engine and without drawing group effects; the other priors' posteriors are the
same draws with weights (`bayes_mlm.assess.sensitivity.reweighting`). Where weights will not do, the
model is fitted anew.
"""

import difflib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from bayes_mlm.assess.sensitivity.fits import VariedModel, vary_prior
from bayes_mlm.assess.sensitivity.grid import choose_priors
from bayes_mlm.assess.sensitivity.rows import Sensitivity, conclude
from bayes_mlm.base import DEFAULT_PROB, EngineError, SpecError, check_prob, level
from bayes_mlm.design import INTERCEPT, Design, design_of, rows_or_source
from bayes_mlm.engines import Settings, why_not_direct
from bayes_mlm.fitting import Fit, as_request, make_settings, named_apart
from bayes_mlm.formula import parse_formula
from bayes_mlm.likelihood import group_parameters, model_priors
from bayes_mlm.model import HasRequest, ModelRequest, ModelSpec


def prior_sensitivity(
    models: str | Path | HasRequest | Sequence[str | Path | HasRequest] | None = None,
    data: Any = None,
    *,
    priors: Sequence[Any] | None = None,
    terms: Sequence[str] | None = None,
    missing: Literal["error", "drop"] = "error",
    strip: bool = False,
    prob: float = DEFAULT_PROB,
    draws: int | None = None,
    random_seed: int | None = None,
) -> Sensitivity:
    """Refit models under several priors of sigma_u, and say what moves.

    Parameters
    ----------
    models : str, Path, Record, ModelRequest or sequence of them
        As `bayes_mlm.fit` takes them: formulas, names or paths of records; with
        `bayes_mlm.prior_sensitivity` by default every model of the worked study with a sigma_u.
    data : data frame, mapping, str or Path, optional
        As for `bayes_mlm.fit`.
    priors : sequence of str, Prior or mapping, optional
        Such as ``["HalfNormal(5)", "Flat"]``, in outcome units, or
        ``{"sigma_u[ses]": "HalfNormal(1)"}`` for one of several; by default the grid of
        `bayes_mlm.assess.sensitivity.grid`. The record's prior is always there, to compare
        with.
    terms : sequence of str, optional
        Coefficients to look at, such as ``["ses", "sector"]``; by default those of predictors
        constant within groups, and of their products with others.
    missing : {"error", "drop"}
        What to do with rows that miss a value.
    strip : bool
        Remove spaces at the ends of labels.
    prob : float
        Probability of the intervals.
    draws : int, optional
        Draws a chain, as for `bayes_mlm.fit`.
    random_seed : int, optional
        By default each record's, else a fresh one. With the same seed the rows of the record's
        prior are those of `bayes_mlm.fit`, to the digit.

    Returns
    -------
    Sensitivity
        A row each for the sds of the group effects, the icc where there is one, and the
        coefficients, under each prior. A prior under which the posterior is improper has rows
        without numbers, whose verdict says so.

    Raises
    ------
    SpecError
        If a model has no group effects, or is given twice.
    PriorError
        If a prior cannot be read, or is not one of sigma_u.
    EngineError
        If the direct engine cannot fit a model under its reference prior.

    Examples
    --------
    >>> from bayes_mlm import prior_sensitivity
    >>> found = prior_sensitivity("hsb_sector", priors=["HalfNormal(1)", "Flat"], random_seed=1)
    >>> for row in found.of("hsb_sector", "icc"):
    ...     print(f"{row.label:32} {row.method:10} {row.estimate:.2f} {row.shift:+.1f}")
    HalfStudentT(nu=3, sigma=6.878)  refitted   0.09 +0.0
    HalfNormal(sigma=1)              reweighted 0.09 -0.3
    Flat()                           reweighted 0.09 +0.0
    """
    started = time.perf_counter()
    check_prob(prob)
    chosen = choose_models(models, data, missing, strip=strip)
    tables = {}
    ready = []
    for request in chosen:
        source = request.source.location if data is None else data
        options = request.source.options
        key = (str(source) if isinstance(source, (str, Path)) else "", options)
        if key not in tables:
            tables[key] = rows_or_source(source, options)
        settings = make_settings(request, draws=draws, random_seed=random_seed)
        design = design_of(request, tables[key])
        ready.append(_prepare(request.model, design, priors, terms, settings))
    _check_terms(ready, terms)
    return _vary(ready, prob, started)


def sensitivity_of_fits(fits: Sequence[Fit], *, prob: float = DEFAULT_PROB) -> Sensitivity:
    """Return the results of fitted models under a grid of priors of sigma_u.

    Parameters
    ----------
    fits : sequence of Fit
        Of different models, each with a sigma_u, by any engine; what was laid out for them is used
        again.
    prob : float
        Probability of the intervals.

    Raises
    ------
    EngineError
        If the direct engine cannot fit a model under its reference prior.

    Examples
    --------
    >>> from bayes_mlm import fit
    >>> found = sensitivity_of_fits([fit("hsb_ses", random_seed=1)])
    >>> found.conclusions[0].depends
    'little'
    """
    started = time.perf_counter()
    check_prob(prob)
    ready = [_prepare(one.spec, one.design, None, None, one.settings) for one in fits]
    return _vary(ready, prob, started)


def _vary(ready: Sequence[VariedModel], prob: float, started: float) -> Sensitivity:
    """Find the posteriors of models that are ready, and say what moves."""
    prepared = time.perf_counter()
    by_model = [vary_prior(model, prob) for model in ready]
    interval = f"{level(prob)} HDI"
    return Sensitivity(
        rows=tuple(row for rows in by_model for row in rows),
        conclusions=tuple(conclude(rows, interval) for rows in by_model),
        interval=interval,
        seconds=time.perf_counter() - started,
        seconds_fitting=time.perf_counter() - prepared,
    )


def has_sigma_u(model: ModelSpec) -> bool:
    """Return whether a model has group effects whose sd is a parameter.

    Examples
    --------
    >>> has_sigma_u(ModelSpec(formula="y ~ x + (1 | g)", kind="partial_pooling"))
    True
    """
    return bool(parse_formula(model.formula).effects)


def choose_models(
    models: Any, data: Any, missing: Literal["error", "drop"], **options: Any
) -> list[ModelRequest]:
    """Return the requests of models (`as_request`), several formulas named after themselves.

    Raises
    ------
    SpecError
        If one has no group effects, or is given twice.

    Examples
    --------
    >>> (found,) = choose_models("reaction ~ days + (1 | subject)", "sleepstudy", "error")
    >>> found.model.name
    'model'
    """
    several = isinstance(models, Sequence) and not isinstance(models, str)
    given = list(models) if several else [models]
    if not given or models is None:
        raise SpecError("no model was given; leave models out for the worked study")
    found = named_apart([as_request(model, data, missing=missing, **options) for model in given])
    for k, request in enumerate(found):
        model = request.model
        if not has_sigma_u(model):
            raise SpecError(
                f"{model.name!r} has no group effects, so there is no sigma_u whose prior could be "
                f"varied ({model.formula}, {model.kind}); add (1 | group) to the formula"
            )
        if model.name in [one.model.name for one in found[:k]]:
            raise SpecError(f"the model {model.name!r} is given twice; keep one")
    return found


def _prepare(
    model: ModelSpec,
    design: Design,
    priors: Sequence[Any] | None,
    terms: Sequence[str] | None,
    settings: Settings,
) -> VariedModel:
    if design.imputations:
        raise EngineError(
            f"posteriors of {len(design.imputations)} imputations are not redrawn under other "
            "priors; vary those of one imputation, or fit all with each (priors=...)"
        )
    design.require_likelihood("the sensitivity to priors")
    stated = model_priors(design, model.priors)
    choices = choose_priors(design, stated, priors)
    refusal = why_not_direct(stated.with_group_sds(choices[0].sigma_u))
    if refusal:
        raise EngineError(
            f"the priors of {model.name!r} cannot be varied: {refusal}, and only the direct engine "
            "redraws a posterior under each prior; fit the model under each by fit(..., "
            "priors={'sigma_u': ...}), or weight one fit's draws by arviz.psense_summary(fit.data)"
        )
    shown = _group_terms(design) if terms is None else [t for t in terms if t in design.terms]
    sds = [name for one in group_parameters(design) for name in one.sd_names]
    if len(design.factors) == 1 and not design.has_icc:
        sds = [f"sigma_u[{effect}]" for effect in design.effects]
    icc = ["icc"] if design.has_icc else []
    return VariedModel(
        model=model,
        design=design,
        statistics=design.moments() if len(design.factors) == 1 else None,
        priors=stated,
        choices=choices,
        wanted=(*sds, *icc, *(f"beta[{term}]" for term in shown)),
        settings=settings,
    )


def _group_terms(design: Design) -> list[str]:
    """List the terms constant within groups, and the products that have one as a factor."""
    varies = dict(zip(design.base.terms, design.base.varies, strict=True)) if design.base else {}
    constant = {term for term in design.terms if not varies.get(term, False)} - {INTERCEPT}
    return [term for term in design.terms if term in constant or constant & {*term.split(":")}]


def _check_terms(ready: Sequence[VariedModel], terms: Sequence[str] | None) -> None:
    """Refuse a term that no model has, which would otherwise be left out in silence."""
    known = sorted({term for model in ready for term in model.design.terms})
    for term in terms or ():
        if term not in known:
            near = difflib.get_close_matches(term, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ";"
            raise SpecError(f"no model has a term {term!r}{hint} there are: {', '.join(known)}")

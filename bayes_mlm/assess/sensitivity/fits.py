"""Find the posterior of one model under several priors of sigma_u."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from bayes_mlm.assess.sensitivity.grid import PriorChoice
from bayes_mlm.assess.sensitivity.reweighting import (
    Moments,
    Weights,
    covers,
    equal_weights,
    reweight,
    summarise_weighted,
)
from bayes_mlm.assess.sensitivity.rows import SensitivityRow
from bayes_mlm.base import Array, EngineError, Finding, Floats, Verdict, count, scaled
from bayes_mlm.design import Design
from bayes_mlm.engines import Direct, Settings, cautions, quantities, sample_direct, why_improper
from bayes_mlm.likelihood import (
    ModelPriors,
    design_transform,
    group_parameters,
    group_views,
    transform_spread,
)
from bayes_mlm.model import ModelSpec
from bayes_mlm.moments import GroupMoments

# Weights may cost three draws of four, no more: Monte Carlo errors are then twice those of a refit.
LEAST_SHARE = 0.25
# Above it the weights have no variance. They can be relied on up to 0.7; but sigma_u itself may
# have a long tail where its weights have, and a refit is cheap.
MAX_K_HAT = 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class VariedModel:
    """One model, prepared to be fitted under several priors of sigma_u.

    Attributes
    ----------
    model : ModelSpec
    design : Design
        Laid out for its kind.
    statistics : GroupMoments or None
        Of a design with one grouping factor.
    priors : ModelPriors
        The reference priors.
    choices : tuple of PriorChoice
        The priors of sigma_u; the first is the reference.
    wanted : tuple of str
        Names of the quantities to look at.
    settings : Settings
        Draws, chains and seed, the same under every prior.
    """

    model: ModelSpec
    design: Design
    statistics: GroupMoments | None
    priors: ModelPriors
    choices: tuple[PriorChoice, ...]
    wanted: tuple[str, ...]
    settings: Settings


@dataclass(frozen=True, kw_only=True, eq=False)
class _Posterior:
    """One posterior: values (N, k) of the quantities, their weights, and diagnostics."""

    values: Floats
    weights: Weights
    method: Literal["refitted", "reweighted"]
    ess: float
    k_hat: float | None
    error: float | None
    verdict: Verdict


def vary_prior(model: VariedModel, prob: float) -> list[SensitivityRow]:
    """Find the posterior under each prior: a row for each prior and quantity, the reference first.

    Raises
    ------
    EngineError
        If the model cannot be fitted under its reference prior.
    """
    base = _sample(model, model.choices[0])
    log_sigma_u = _log_sigma_u(base, model)
    baseline = _refitted(model, model.choices[0], base)
    centre = summarise_weighted(baseline.values, baseline.weights, prob)
    rows = []
    for choice in model.choices:
        found: _Posterior | EngineError = baseline
        if not choice.baseline:
            found = _reweighted(model, choice, baseline, log_sigma_u, base) or _refit(model, choice)
        rows += _rows(model, choice, found, centre, prob)
    return rows


def _sample(model: VariedModel, choice: PriorChoice) -> Direct:
    return sample_direct(
        model.design,
        model.priors.with_group_sds(choice.sigma_u),
        draws=model.settings.draws,
        chains=model.settings.chains,
        random_seed=model.settings.random_seed,
        statistics=model.statistics,
        effects=False,
    )


def _log_sigma_u(fitted: Direct, model: VariedModel) -> Floats:
    """Return the logarithms of the sds that the priors are for."""
    found = []
    terms = zip(group_views(model.design), group_parameters(model.design), strict=True)
    for place, (view, names) in enumerate(terms):
        sds = fitted.draws[names.sigma_u.name]
        if view.group_term.pairs:
            back = np.linalg.inv(design_transform(view, model.priors.of_term(place)))
            sds, _ = transform_spread(back, sds, fitted.draws[names.rho_u.name])
        found.append(sds.reshape(-1, view.q))
    with np.errstate(divide="ignore"):  # an sd below 1e-308 is 0
        log_sd: Array = np.log(np.concatenate(found, axis=1))
    return log_sd


def _refitted(model: VariedModel, choice: PriorChoice, fitted: Direct) -> _Posterior:
    named = dict(quantities(fitted.draws))
    values = np.stack([named[name].ravel() for name in model.wanted], axis=1)
    report = fitted.report
    return _Posterior(
        values=values,
        weights=equal_weights(len(values)),
        method="refitted",
        ess=report.ess,
        k_hat=report.k_hat,
        error=report.error,
        verdict=_judge(model, choice, report.verdict.findings, len(values)),
    )


def _refit(model: VariedModel, choice: PriorChoice) -> _Posterior | EngineError:
    """Fit anew; give the engine's refusal where there is no posterior under this prior."""
    try:
        return _refitted(model, choice, _sample(model, choice))
    except EngineError as refusal:
        return refusal


def _reweighted(
    model: VariedModel, choice: PriorChoice, baseline: _Posterior, log_sigma_u: Floats, base: Direct
) -> _Posterior | None:
    """Return the importance-weighted draws of the reference; None where they are unreliable."""
    old, new = model.priors.group_sds, choice.sigma_u
    if not base.report.trusted or not covers(old, new):
        return None
    # The weights of an improper posterior look like any others: it must be found out beforehand.
    flat = any(not prior.is_proper for prior in new)
    if flat and (
        model.statistics is None or why_improper(model.priors.with_group_sds(new), model.statistics)
    ):
        return None
    weights = reweight(log_sigma_u, old, new)
    if weights is None or weights.k_hat > MAX_K_HAT or weights.share < LEAST_SHARE:
        return None
    ess = baseline.ess * weights.share
    message = f"Pareto k-hat {scaled(weights.k_hat, 2)} of the weights, worth {count(ess)} draws"
    findings = (*base.report.verdict.findings, Finding("reweighting", True, message))
    return _Posterior(
        values=baseline.values,
        weights=weights,
        method="reweighted",
        ess=ess,
        k_hat=weights.k_hat,
        error=baseline.error,
        verdict=_judge(model, choice, findings, ess),
    )


def _judge(
    model: VariedModel, choice: PriorChoice, findings: Sequence[Finding], worth: float
) -> Verdict:
    """Add to the engine's findings what it does not see."""
    priors = model.priors.with_group_sds(choice.sigma_u)
    return Verdict((*findings, *cautions(model.design, priors, math.floor(worth))))


def _rows(
    model: VariedModel,
    choice: PriorChoice,
    found: _Posterior | EngineError,
    centre: Moments,
    prob: float,
) -> list[SensitivityRow]:
    """Write one posterior as rows; or its refusal, without numbers."""
    refusal = str(found) if isinstance(found, EngineError) else ""
    blank = [
        SensitivityRow(
            model=model.model.name,
            outcome=model.design.outcome,
            label=choice.label,
            prior=choice.text,
            baseline=choice.baseline,
            method="refused",
            quantity=name,
            ok=False,
            verdict=refusal,
        )
        for name in model.wanted
    ]
    if isinstance(found, EngineError):
        return blank
    moments = summarise_weighted(found.values, found.weights, prob)
    return [
        replace(
            row,
            method=found.method,
            estimate=float(moments.mean[k]),
            sd=float(moments.sd[k]),
            lower=float(moments.lower[k]),
            upper=float(moments.upper[k]),
            mcse_mean=float(moments.mcse[k]),
            shift=float((moments.mean[k] - centre.mean[k]) / centre.sd[k]),
            ess=found.ess,
            k_hat=found.k_hat,
            error=found.error,
            ok=found.verdict.ok,
            verdict=str(found.verdict),
        )
        for k, row in enumerate(blank)
    ]

"""Summary of posterior draws: means, sds, intervals and diagnostics, a row a quantity."""

import math
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from bayes_mlm.base import Array, EngineError, Verdict, level
from bayes_mlm.design import Design
from bayes_mlm.engines import Convergence, Draws, convergence, has_chains, quantities
from bayes_mlm.fitting import derived as posterior
from bayes_mlm.fitting.estimates import QuantityRow, Summary
from bayes_mlm.fitting.ratios import (
    exponentiated_draws,
    latent_notes,
    latent_quantities,
    ratio_note,
)
from bayes_mlm.fitting.source import IntervalKind, summarise_draws
from bayes_mlm.likelihood import group_parameters, parameters_of


class Posterior(Protocol):
    """Draws with what made them: what a `Fit` is to its summary."""

    @property
    def name(self) -> str:
        """Name of the model."""

    @property
    def engine(self) -> str:
        """What made the draws, a name in `ENGINES`."""

    @property
    def design(self) -> Design:
        """The arrays, laid out for the kind of model."""

    @property
    def draws(self) -> Draws:
        """Draws of every parameter."""

    @property
    def verdict(self) -> Verdict:
        """Whether the draws can be relied on."""


def summarise_posterior(
    fit: Posterior,
    *,
    null: Posterior | None = None,
    prob: float,
    interval: IntervalKind = "hdi",
    groups: bool = False,
    exponentiate: bool = False,
) -> Summary:
    """Summarise draws; arguments as in `summarise`."""
    named = dict(quantities(fit.draws, groups=groups))
    named |= dict(_shares(fit))
    named |= dict(_derived(fit, null))
    named |= latent_quantities(fit.design, lambda name: _drawn(fit, name))
    notes = latent_notes(fit.design, list(named))
    if exponentiate:
        named = exponentiated_draws(named, fit.design.family)
        notes = (*notes, ratio_note(fit.design.family, drawn=True))
    stacked = np.stack(list(named.values()), axis=-1)
    chains = has_chains(fit.engine) or fit.draws.is_chain
    if fit.design.imputations:
        found, chains = _of_mixture(stacked, chains=chains), False
    else:
        found = convergence(stacked) if chains else _independent(stacked)
    shown = summarise_draws(stacked.reshape(-1, stacked.shape[-1]), prob, interval)
    rows = tuple(
        QuantityRow(
            model=fit.name,
            engine=fit.engine,
            quantity=name,
            estimate=float(shown.mean[k]),
            sd=float(shown.sd[k]),
            lower=float(shown.lower[k]),
            upper=float(shown.upper[k]),
            ess_bulk=float(found.ess_bulk[k]),
            ess_tail=float(found.ess_tail[k]),
            r_hat=float(found.r_hat[k]) if chains else None,
            mcse_mean=float(found.mcse_mean[k]),
        )
        for k, name in enumerate(named)
    )
    return Summary(
        rows=rows,
        interval=f"{level(prob)} {interval.upper()}",
        verdict=fit.verdict,
        notes=notes,
    )


def _drawn(fit: Posterior, name: str) -> Array | None:
    return fit.draws[name] if name in fit.draws.posterior else None


def _shares(fit: Posterior) -> Iterator[tuple[str, Any]]:
    """Yield each factor's share of the variance left by X, of several with intercepts alone."""
    sds = [one.sigma_u for one in group_parameters(fit.design)]
    if len(sds) < 2 or any(sd.dims for sd in sds) or not fit.design.family.is_additive:
        return
    variances = [np.square(fit.draws[sd.name]) for sd in sds]
    total = sum(variances) + np.square(fit.draws[str(fit.design.family.residual_sd)])
    for sd, variance in zip(sds, variances, strict=True):
        yield f"icc[{sd.factor}]", variance / total


def _derived(fit: Posterior, null: Posterior | None) -> Iterator[tuple[str, Any]]:
    if not fit.design.has_icc or "icc" not in fit.draws.posterior:
        return
    if fit.design.residual is None:
        yield from posterior.derived(fit.design, fit.draws["icc"]).items()
    elif "rho_e" in fit.draws.posterior:
        yield "corr_next", posterior.correlation_at(fit.draws["icc"], fit.draws["rho_e"])
    if null is None or null.name == fit.name:
        return
    if null.design.terms != ("Intercept",) or null.design.n != fit.design.n:
        raise EngineError(
            f"{null.name!r} is no null model of {fit.name!r}: it must have the same "
            f"{fit.design.n} rows and no predictors"
        )
    if null.draws["icc"].shape != fit.draws["icc"].shape:
        raise EngineError(
            "R² draw by draw needs as many draws of the null model: give both the same settings"
        )
    # Made from one seed, draws of two models are the same quantiles of their posteriors, and R²
    # would seem far too certain. Shifted by half their number they are independent: an outer bound.
    (sigma_u,) = parameters_of(fit.design).role("group sd")
    names = (sigma_u.name, str(fit.design.family.residual_sd))
    sds = [fit.draws[name] for name in names]
    other = [null.draws[name] for name in names]
    shifted = [np.roll(values, values.size // 2).reshape(values.shape) for values in other]
    yield from posterior.r_squared(*sds, *shifted).items()


def _of_mixture(values: Array, *, chains: bool) -> Convergence:
    """Compute the same of a mixture, a chain of which is an imputation, with other means."""
    parts = [convergence(one[None]) if chains else _independent(one[None]) for one in values]
    return Convergence(
        r_hat=np.full(values.shape[2], np.nan),
        ess_bulk=np.sum([one.ess_bulk for one in parts], axis=0),
        ess_tail=np.sum([one.ess_tail for one in parts], axis=0),
        mcse_mean=np.sqrt(np.sum([np.square(one.mcse_mean) for one in parts], axis=0)) / len(parts),
    )


def _independent(values: Array) -> Convergence:
    """Compute for independent draws what ArviZ estimates of dependent ones; there is no R-hat."""
    k, n = values.shape[2], values.shape[0] * values.shape[1]
    return Convergence(
        r_hat=np.full(k, np.nan),
        ess_bulk=np.full(k, float(n)),
        ess_tail=np.full(k, float(n)),
        mcse_mean=values.reshape(n, k).std(axis=0, ddof=1) / math.sqrt(n),
    )

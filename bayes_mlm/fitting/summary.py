"""Summary of a result: a posterior, or an estimate, as rows of one shape."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from bayes_mlm.base import DEFAULT_PROB, Array, EngineError, check_prob, expect, level
from bayes_mlm.engines import Convergence, convergence, has_chains, quantities
from bayes_mlm.fitting import derived as posterior
from bayes_mlm.fitting.estimate import Estimate, estimate_of, expect_draws, posterior_of
from bayes_mlm.fitting.estimates import QuantityRow, Summary
from bayes_mlm.fitting.result import Fit
from bayes_mlm.fitting.source import IntervalKind, summarise_draws
from bayes_mlm.likelihood import parameters_of


def summarise(
    fit: Fit | Estimate,
    *,
    null: Fit | Estimate | None = None,
    prob: float | None = None,
    interval: IntervalKind = "hdi",
    groups: bool = False,
) -> Summary:
    """Summarise every quantity that is defined for a model.

    Parameters
    ----------
    fit : Fit or Estimate
    null : Fit or Estimate, optional
        The model without predictors, for R² by level (`r2_between`, `r2_within`).
    prob : float
        Of the intervals: 0.95 by default; of an estimate those it was fitted with.
    interval : {"hdi", "eti"}
        Of draws: highest density interval, or equal tails.
    groups : bool
        Whether every group effect has a row too.

    Returns
    -------
    Summary
        Fixed effects, then ``sigma_u``, ``rho_u``, ``sigma_e``; with a random intercept as the
        only group effect also ``icc``, ``design_effect`` and ``reliability``, and against a null
        model ``r2_between`` and ``r2_within``; with AR(1) residuals ``corr_next``, the correlation
        of two outcomes of a group one step apart; with `groups`, ``u[1224]`` for every group.

    Raises
    ------
    EngineError
        If `prob` is not between 0 and 1, or `null` is not a null model of the same data.
    """
    expect("summarise", fit, Fit, Estimate)
    if null is not None:
        expect("summarise (null)", null, Fit, Estimate)
    check_prob(DEFAULT_PROB if prob is None else prob)
    if interval not in ("hdi", "eti"):
        raise EngineError(f"interval must be 'hdi' or 'eti', found {interval!r}")
    posterior = posterior_of(fit)
    if posterior is None:
        found = estimate_of(fit) if prob is None else estimate_of(fit).at_prob(prob)
        return found.summary(null=None if null is None else estimate_of(null), groups=groups)
    if null is not None:
        expect_draws("a summary of draws (null)", null)
    of_null = None if null is None else posterior_of(null)
    return _of_draws(posterior, of_null, DEFAULT_PROB if prob is None else prob, interval, groups)


def _of_draws(
    fit: Fit, null: Fit | None, prob: float, interval: IntervalKind, groups: bool
) -> Summary:
    named = dict(quantities(fit.draws, groups=groups))
    named |= dict(_derived(fit, null))
    stacked = np.stack(list(named.values()), axis=-1)
    chains = has_chains(fit.engine)
    found = convergence(stacked) if chains else _independent(stacked)
    shown = summarise_draws(stacked.reshape(-1, stacked.shape[-1]), prob, interval)
    rows = tuple(
        QuantityRow(
            model=fit.spec.name,
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
    return Summary(rows=rows, interval=f"{level(prob)} {interval.upper()}", verdict=fit.verdict)


def _derived(fit: Fit, null: Fit | None) -> Iterator[tuple[str, Any]]:
    if not fit.design.has_icc or "icc" not in fit.draws.posterior:
        return
    if fit.design.residual is None:
        yield from posterior.derived(fit.design, fit.draws["icc"]).items()
    elif "rho_e" in fit.draws.posterior:
        yield "corr_next", posterior.correlation_at(fit.draws["icc"], fit.draws["rho_e"])
    if null is None or null.spec.name == fit.spec.name:
        return
    if null.design.terms != ("Intercept",) or null.design.n != fit.design.n:
        raise EngineError(
            f"{null.spec.name!r} is no null model of {fit.spec.name!r}: it must have the same "
            f"{fit.design.n} rows and no predictors"
        )
    if null.draws["icc"].shape != fit.draws["icc"].shape:
        raise EngineError(
            "R² draw by draw needs as many draws of the null model: give both the same settings"
        )
    # Made from one seed, draws of two models are the same quantiles of their posteriors, and R²
    # would seem far too certain. Shifted by half a turn they are independent: an outer bound.
    (sigma_u,) = parameters_of(fit.design).role("group sd")
    names = (sigma_u.name, str(fit.design.family.residual_sd))
    sds = [fit.draws[name] for name in names]
    other = [null.draws[name] for name in names]
    turned = [np.roll(values, values.size // 2).reshape(values.shape) for values in other]
    yield from posterior.r_squared(*sds, *turned).items()


def _independent(values: Array) -> Convergence:
    """Compute for independent draws what ArviZ estimates of dependent ones; there is no R-hat."""
    k, n = values.shape[2], values.shape[0] * values.shape[1]
    return Convergence(
        r_hat=np.full(k, np.nan),
        ess_bulk=np.full(k, float(n)),
        ess_tail=np.full(k, float(n)),
        mcse_mean=values.reshape(n, k).std(axis=0, ddof=1) / math.sqrt(n),
    )

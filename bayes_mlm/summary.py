"""Summarise a fit: the posterior, or the REML or OLS estimate, as rows of one shape."""

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np

from bayes_mlm import posterior
from bayes_mlm.diagnostics import convergence
from bayes_mlm.draws import quantities
from bayes_mlm.errors import EngineError
from bayes_mlm.estimates import Estimate, Summary
from bayes_mlm.fitted import Fit

DEFAULT_MASS = 0.94
type IntervalKind = Literal["hdi", "eti"]


def summarise(
    fit: Fit,
    *,
    null: Fit | None = None,
    mass: float = DEFAULT_MASS,
    interval: IntervalKind = "hdi",
    groups: bool = False,
) -> Summary:
    """Summarise the posterior of every quantity that is defined for a model.

    Parameters
    ----------
    fit : Fit
    null : Fit, optional
        The model without predictors, for R² by level (`r2_between`, `r2_within`).
    mass : float
        Posterior probability of the interval, 0.94 by default.
    interval : {"hdi", "eti"}
        Highest density interval, or equal tails.
    groups : bool
        Whether to give every group effect a row too.

    Returns
    -------
    Summary
        Fixed effects, then ``sigma_u``, ``rho_u``, ``sigma_e``; with a random intercept as the
        only group effect also ``icc``, ``design_effect`` and ``reliability``.

    Raises
    ------
    EngineError
        If `mass` is not between 0 and 1, or `null` is not a null model of the same data.
    """
    check_mass(mass)
    if interval not in ("hdi", "eti"):
        raise EngineError(f"interval must be 'hdi' or 'eti', found {interval!r}")
    named = dict(quantities(fit.draws, groups=groups))
    named |= dict(_derived(fit, null))
    stacked = np.stack(list(named.values()), axis=-1)
    found = convergence(stacked)
    lower, upper = _interval(stacked, mass, interval)
    rows = tuple(
        Estimate(
            model=fit.record.name,
            engine=fit.engine,
            quantity=name,
            estimate=float(stacked[:, :, k].mean()),
            sd=float(stacked[:, :, k].std(ddof=1)),
            lower=float(lower[k]),
            upper=float(upper[k]),
            ess_bulk=float(found.ess_bulk[k]),
            ess_tail=float(found.ess_tail[k]),
            r_hat=float(found.r_hat[k]),
            mcse_mean=float(found.mcse_mean[k]),
        )
        for k, name in enumerate(named)
    )
    return Summary(rows=rows, interval=f"{mass:.0%} {interval.upper()}", verdict=fit.verdict)


def check_mass(mass: float) -> None:
    """Refuse an interval's mass that is no probability."""
    if not 0 < mass < 1:
        raise EngineError(f"the interval's mass must be between 0 and 1, found {mass}")


def _derived(fit: Fit, null: Fit | None) -> Iterator[tuple[str, Any]]:
    if not fit.design.has_icc or "icc" not in fit.draws.posterior:
        return
    yield from posterior.derived(fit.design, fit.draws["icc"]).items()
    if null is None or null.record.name == fit.record.name:
        return
    if null.design.terms != ("Intercept",) or null.design.n != fit.design.n:
        raise EngineError(
            f"{null.record.name!r} is no null model of {fit.record.name!r}: it must have the same "
            f"{fit.design.n} rows and no predictors"
        )
    if null.draws["icc"].shape != fit.draws["icc"].shape:
        raise EngineError(
            "R² draw by draw needs as many draws of the null model: give both the same settings"
        )
    # The two posteriors are independent, so any pairing of their draws gives R²'s distribution.
    parts = [source.draws[name] for source in (fit, null) for name in ("sigma_u", "sigma_e")]
    yield from posterior.r_squared(*parts).items()


def _interval(values: Any, mass: float, kind: str) -> tuple[Any, Any]:
    flat = values.reshape(-1, values.shape[-1])
    if kind == "eti":
        tail = (1 - mass) / 2
        lower, upper = np.quantile(flat, [tail, 1 - tail], axis=0)
        return lower, upper
    from arviz_stats.base import array_stats

    ends = np.asarray(array_stats.hdi(flat, mass, axis=0))
    return ends[..., 0], ends[..., 1]

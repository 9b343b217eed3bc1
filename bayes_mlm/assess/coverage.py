"""Coverage of the intervals of a model, and bias, in data drawn from it at its REML estimate."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from bayes_mlm.assess.bootstrap import Resampler, quantities_of
from bayes_mlm.assess.simulated_posteriors import Placed, SimulatedPosteriors
from bayes_mlm.base import (
    DEFAULT_PROB,
    Column,
    EngineError,
    ResultTable,
    Stream,
    check_prob,
    check_whole,
    count,
    expect,
    level,
    probability,
    scaled,
    stream,
)
from bayes_mlm.engines import Refits
from bayes_mlm.fitting import Estimate, Fit, estimate_of

_FEWEST = 100
# Monte Carlo errors by which a coverage differs from what it should be before it is called off.
_OFF = 4.0


@dataclass(frozen=True, kw_only=True)
class CoverageRow:
    """One quantity.

    Parameters
    ----------
    model, quantity : str
    truth : float
        The estimate of the data, which the simulated data are drawn with.
    bias : float
        Mean of the estimates less the truth.
    sd : float
        Of the estimates.
    se : float
        Root mean square of the standard errors reported; nan of a quantity without one here.
    coverage : float
        Share of the intervals that hold the truth, by t with Satterthwaite's degrees of freedom;
        nan of a quantity without one here.
    coverage_normal : float
        The same by the normal distribution.
    bias_posterior, coverage_posterior : float
        Of a posterior: mean of its means less the truth, and share of the highest density
        intervals that hold the truth; nan of an estimate.
    """

    model: str
    quantity: str
    truth: float
    bias: float
    sd: float
    se: float
    coverage: float
    coverage_normal: float
    bias_posterior: float = math.nan
    coverage_posterior: float = math.nan


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Coverage(ResultTable[CoverageRow]):
    """Coverage and bias of a REML estimate; ``table["beta[ses]"]`` is a row.

    Parameters
    ----------
    prob : float
        Nominal coverage.
    simulations : int
        Data sets that were refitted.
    singular : float
        Share of them with a singular covariance of the group effects.
    """

    key = ("quantity",)
    row_type = CoverageRow

    prob: float
    simulations: int
    singular: float

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns of the view."""
        drawn = any(not math.isnan(row.coverage_posterior) for row in self.rows)
        posterior = (
            Column(
                name="bias_posterior",
                heading="bias (posterior)",
                text=lambda row: _number(row.bias_posterior),
            ),
            Column(
                name="coverage_posterior",
                heading="(HDI)",
                text=lambda row: _share(row.coverage_posterior),
            ),
        )
        return (
            Column(name="quantity"),
            Column(name="truth", kind="number"),
            Column(name="bias", kind="error"),
            Column(name="sd", kind="error"),
            Column(name="se", text=lambda row: _number(row.se)),
            Column(name="coverage", heading="coverage (t)", text=lambda row: _share(row.coverage)),
            Column(
                name="coverage_normal",
                heading="(normal)",
                text=lambda row: _share(row.coverage_normal),
            ),
            *(posterior if drawn else ()),
        )


def calibrate(
    result: Fit | Estimate,
    n: int = 1000,
    *,
    prob: float = DEFAULT_PROB,
    random_seed: int = 1,
) -> Coverage:
    """Refit data drawn from the fitted model: coverage of its intervals, and bias.

    Parameters
    ----------
    result : Fit or Estimate
        Of a Gaussian outcome with one grouping factor. Data are drawn at the REML estimate; of a
        posterior, that of every data set is drawn too, by the direct engine under the same priors.
    n : int
        Simulated data sets, on the rows and groups of the data.
    prob : float
        Nominal coverage of the intervals.
    random_seed : int

    Returns
    -------
    Coverage

    Raises
    ------
    UnsupportedModelError, EngineError
        As `bootstrap`.

    Notes
    -----
    This calibrates within the model: that the model itself is right is assumed. Coverage of
    a posterior at one truth is not its probability, which is over truths of the prior
    (`simulation_based_calibration`): it tells how the priors serve near the estimate. Coverage of
    coefficients by REML is of t intervals with Satterthwaite's degrees of freedom and of normal
    ones; of sds and the icc the bias alone is computed.

    Examples
    --------
    >>> from bayes_mlm import fit
    >>> found = fit("reaction ~ days + (1 | subject)", "sleepstudy", engine="reml")
    >>> row = calibrate(found, 400)["beta[days]"]
    >>> bool(abs(row.coverage - 0.95) < 0.05), bool(abs(row.bias) < row.sd)
    (True, True)
    """
    expect("calibrate", result, Fit, Estimate)
    check_prob(prob)
    check_whole("n, the simulated data sets,", n, _FEWEST)
    resampler = Resampler(estimate=estimate_of(result, prob))
    solution = resampler.solution
    every = resampler.simulation.refits(
        solution.beta,
        solution.cov_u,
        solution.sigma_e**2,
        contrasts=resampler.contrasts,
        size=n,
        rng=stream(random_seed, Stream.SIMULATED_TRUTHS),
    )
    refits = every.where(~every.failed)
    done = len(refits.sigma2)
    if done < _FEWEST:
        raise EngineError(f"{count(n - done)} of {count(n)} refits found no maximum")
    rows = tuple(_rows(resampler, refits, prob))
    posterior: tuple[str, ...] = ()
    if isinstance(result, Fit):
        placed = _placed(result, resampler, n, prob, random_seed)
        rows, posterior = _with_posterior(rows, placed), placed.caution
    singular = float(refits.singular.mean())
    return Coverage(
        rows=rows,
        prob=prob,
        simulations=done,
        singular=singular,
        verdict=resampler.estimate.verdict,
        notes=(
            f"{count(done)} data sets drawn from the model at its REML estimate and refitted, "
            f"seed {random_seed}; {level(prob)} intervals; se: as reported on average; singular "
            f"in {probability(singular)} of them",
            "this calibrates within the model, and assumes that it is right",
        ),
        cautions=(*_cautions(rows, prob, done, n), *posterior),
    )


def _rows(resampler: Resampler, refits: Refits, prob: float) -> Iterator[CoverageRow]:
    from scipy.special import ndtri, stdtrit

    solution, name = resampler.solution, resampler.estimate.name
    tail = 0.5 + prob / 2.0
    p = len(solution.beta)
    apart, se = np.abs(refits.beta - solution.beta), np.sqrt(refits.variance)
    by_t = (apart <= stdtrit(np.maximum(refits.df, 1.0), tail) * se).mean(axis=0)
    normal = (apart <= ndtri(tail) * se).mean(axis=0)
    truths = _truths(resampler)
    for place, (quantity, values) in enumerate(quantities_of(refits, resampler).items()):
        known = values[np.isfinite(values)]
        has_se = place < p
        yield CoverageRow(
            model=name,
            quantity=quantity,
            truth=truths[quantity],
            bias=float(known.mean()) - truths[quantity] if len(known) else math.nan,
            sd=float(known.std(ddof=1)) if len(known) > 1 else math.nan,
            se=float(np.sqrt(refits.variance[:, place].mean())) if has_se else math.nan,
            coverage=float(by_t[place]) if has_se else math.nan,
            coverage_normal=float(normal[place]) if has_se else math.nan,
        )


def _placed(fit: Fit, resampler: Resampler, n: int, prob: float, seed: int) -> Placed:
    """Return where the posteriors of n further data sets place the estimate."""
    solution, pairs = resampler.solution, fit.design.group_term.pairs
    truth = {"beta": solution.beta, "sigma_u": solution.sigma_u}
    if pairs:  # undefined where an sd is zero, and without effect
        truth["rho_u"] = np.array([np.nan_to_num(solution.rho_u[pair]) for pair in pairs])
    truth["sigma_e"] = np.array([solution.sigma_e])
    return SimulatedPosteriors(fit=fit).place(
        {name: np.broadcast_to(value, (n, len(value))) for name, value in truth.items()},
        stream(seed, Stream.SIMULATED_POSTERIORS),
        prob=prob,
    )


def _with_posterior(rows: tuple[CoverageRow, ...], placed: Placed) -> tuple[CoverageRow, ...]:
    """Return the rows with what posteriors have of each; of an undefined truth nothing."""
    at = {name: place for place, name in enumerate(placed.names)}
    bias, held = (placed.mean - placed.truth).mean(axis=0), placed.held.mean(axis=0)
    return tuple(
        row
        if math.isnan(row.truth)
        else replace(
            row,
            bias_posterior=float(bias[at[row.quantity]]),
            coverage_posterior=float(held[at[row.quantity]]),
        )
        for row in rows
    )


def _truths(resampler: Resampler) -> dict[str, float]:
    values = quantities_of(resampler.at_data, resampler)
    return {name: float(one[0]) for name, one in values.items()}


def _cautions(rows: tuple[CoverageRow, ...], prob: float, done: int, asked: int) -> tuple[str, ...]:
    error = math.sqrt(prob * (1.0 - prob) / done)
    texts = []
    fields = {"t": "coverage", "normal": "coverage_normal", "HDI": "coverage_posterior"}
    for what, field in fields.items():
        low = [row.quantity for row in rows if getattr(row, field) < prob - _OFF * error]
        if low:
            texts.append(f"{what} intervals of {', '.join(low)} hold less than {level(prob)}")
    if asked > done:
        texts.append(f"{count(asked - done)} refits found no maximum, and are left out")
    return tuple(texts)


def _share(value: float) -> str:
    return "" if math.isnan(value) else probability(value)


def _number(value: float) -> str:
    return "" if math.isnan(value) else scaled(value, 3)

"""Simulation-based calibration: truths from the prior, and where their posteriors place them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bayes_mlm.assess.simulated_posteriors import Placed, SimulatedPosteriors
from bayes_mlm.base import (
    DEFAULT_PROB,
    Column,
    Floats,
    ResultTable,
    Stream,
    check_prob,
    check_whole,
    count,
    level,
    probability,
    scaled,
    stream,
)
from bayes_mlm.fitting import Fit, expect_draws
from bayes_mlm.likelihood import draw_priors

if TYPE_CHECKING:
    import pandas as pd

_FEWEST = 50
# Of the adjusted p-values of uniform ranks, below which a posterior is called off.
_OFF = 0.001


@dataclass(frozen=True, kw_only=True)
class SimulationBasedRow:
    """One quantity.

    Parameters
    ----------
    model, quantity : str
    below : float
        Mean share of the posterior below the truth; one half where it is right.
    coverage : float
        Share of the highest density intervals that hold the truth.
    p : float
        Of the Kolmogorov-Smirnov test that the shares below the truth are uniform.
    """

    model: str
    quantity: str
    below: float
    coverage: float
    p: float


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class SimulationBasedCalibration(ResultTable[SimulationBasedRow]):
    """Ranks of truths in their posteriors; ``table["sigma_u"]`` is a row.

    Parameters
    ----------
    prob : float
        Of the intervals.
    pit : ndarray, shape (simulations, quantities)
        Share of each posterior below its truth, with ties at random: ranks over draws.
    """

    key = ("quantity",)
    row_type = SimulationBasedRow

    prob: float
    pit: Floats

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns of the view."""
        return (
            Column(name="quantity"),
            Column(name="below", heading="mean share below", text=lambda row: scaled(row.below, 3)),
            Column(
                name="coverage",
                heading=f"{level(self.prob)} HDI covers",
                text=lambda row: probability(row.coverage),
            ),
            Column(name="p", heading="p (uniform)", kind="p"),
        )

    def shares(self) -> "pd.DataFrame":
        """Return the shares below the truth as a tidy table: simulation, quantity, share."""
        import pandas as pd

        many, k = self.pit.shape
        return pd.DataFrame(
            {
                "simulation": np.repeat(np.arange(many), k),
                "quantity": np.tile([row.quantity for row in self.rows], many),
                "share_below": self.pit.ravel(),
            }
        )


def simulation_based_calibration(
    fit: Fit, n: int = 1000, *, prob: float = DEFAULT_PROB, random_seed: int = 1
) -> SimulationBasedCalibration:
    """Draw truths from the prior and data given them, and find where their posteriors place them.

    Parameters
    ----------
    fit : Fit
        Of a Gaussian outcome with one grouping factor; its rows, groups and priors are kept.
    n : int
        Simulated data sets.
    prob : float
        Of the intervals.
    random_seed : int

    Returns
    -------
    SimulationBasedCalibration

    Raises
    ------
    UnsupportedModelError
        If the model is another.
    EngineError
        If a prior is improper, which has no draws, or `n` is below 50.

    Notes
    -----
    If truths are drawn from the prior and data given them, the share of a right posterior that
    lies below the truth is uniform, whatever the model (Cook, Gelman & Rubin 2006, J. Comput.
    Graph. Stat. 15(3); Talts et al. 2018, arXiv:1804.06788). This tests the computation of the
    posterior on this design under these priors, and not whether the model or the priors suit the
    data; `calibrate` has the coverage at the estimate.

    Examples
    --------
    >>> from bayes_mlm import fit
    >>> found = fit("reaction ~ days + (1 | subject)", "sleepstudy", random_seed=1)
    >>> table = simulation_based_calibration(found, 60)
    >>> table.pit.shape, table["sigma_u"].p > 0.001
    ((60, 5), True)
    """
    expect_draws("simulation_based_calibration", fit)
    check_prob(prob)
    check_whole("n, the simulated data sets,", n, _FEWEST)
    posteriors = SimulatedPosteriors(fit=fit)
    rng = stream(random_seed, Stream.PRIOR_TRUTHS)
    truths = draw_priors(fit.design, fit.priors, n, rng)
    placed = posteriors.place(truths, rng, prob=prob)
    rows = tuple(_rows(fit.name, placed))
    return SimulationBasedCalibration(
        rows=rows,
        prob=prob,
        pit=placed.pit,
        verdict=fit.verdict,
        notes=(
            f"{count(n)} truths drawn from the prior, data drawn from each, and the posterior of "
            f"each by the direct engine, seed {random_seed}",
            "where the computation is right the share of a posterior below its truth is uniform; "
            "whether model and priors suit the data is not tested",
        ),
        cautions=_cautions(rows, placed, prob),
    )


def _rows(model: str, placed: Placed) -> Iterator[SimulationBasedRow]:
    from scipy.stats import kstest

    for k, name in enumerate(placed.names):
        yield SimulationBasedRow(
            model=model,
            quantity=name,
            below=float(placed.pit[:, k].mean()),
            coverage=float(placed.held[:, k].mean()),
            p=float(kstest(placed.pit[:, k], "uniform").pvalue),
        )


def _cautions(rows: tuple[SimulationBasedRow, ...], placed: Placed, prob: float) -> tuple[str, ...]:
    texts = []
    off = [row.quantity for row in rows if row.p * len(rows) < _OFF]
    if off:
        texts.append(f"the posteriors of {', '.join(off)} are off: their shares are not uniform")
    few = 4.0 * math.sqrt(prob * (1.0 - prob) / len(placed.pit))
    low = [
        row.quantity for row in rows if abs(row.coverage - prob) > few and row.quantity not in off
    ]
    if low:
        texts.append(f"intervals of {', '.join(low)} do not hold {level(prob)} of the truths")
    return (*texts, *placed.caution)

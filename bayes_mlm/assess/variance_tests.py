"""Tests that a variance of the group effects is zero, by the restricted likelihood ratio."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bayes_mlm.assess.bootstrap import Resampler
from bayes_mlm.base import (
    Column,
    DesignError,
    Floats,
    ResultTable,
    Stream,
    check_whole,
    count,
    expect,
    scaled,
    stream,
)
from bayes_mlm.engines import (
    Designs,
    OutcomeDistribution,
    OutcomeSums,
    Simulation,
    fit_reml,
    refit,
)
from bayes_mlm.fitting import Estimate, Fit, estimate_of
from bayes_mlm.likelihood import profiled_loglik
from bayes_mlm.moments import RotatedMoments, rotate_moments

# Fewest null data sets; numbers of a null distribution that are in memory at once.
_FEWEST, _AT_ONCE = 100, 4_000_000
# Points of the search for the maximum of each, and steps that refine the best.
_GRID, _STEPS = 48, 4
# Largest matrix whose eigenvalues are taken: seconds.
_MOST_EIGENVALUES = 3_000
# Eigenvalues that differ by less, relatively, are one; below this share of the largest, zero.
_SAME, _ZERO = 1e-9, 1e-10


@dataclass(frozen=True, kw_only=True)
class VarianceTestRow:
    """Test that one effect does not vary between groups.

    Parameters
    ----------
    model, quantity : str
    statistic : float
        Twice the restricted log-likelihood of the model less that without the effect.
    p : float
        Share of null data sets with at least this statistic, the data counted among them.
    p_mixture : float
        By the asymptotic mixture of chi-squared distributions.
    null : {"exact", "simulated"}
        Distribution drawn from: the exact one of a single variance, or refits of simulated data.
    draws : int
    """

    model: str
    quantity: str
    statistic: float
    p: float
    p_mixture: float
    null: str
    draws: int


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class VarianceTests(ResultTable[VarianceTestRow]):
    """Tests of the variances of group effects; ``table["sigma_u"]`` is a row."""

    key = ("quantity",)
    row_type = VarianceTestRow

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns of the view."""
        return (
            Column(name="quantity"),
            Column(name="statistic", heading="RLRT", text=lambda row: scaled(row.statistic, 3)),
            Column(name="p", kind="p"),
            Column(name="p_mixture", heading="p (mixture)", kind="p"),
            Column(name="null", heading="null distribution"),
        )


def variance_tests(
    result: Fit | Estimate, n: int = 10_000, *, random_seed: int = 1
) -> VarianceTests:
    """Test that an effect does not vary between groups: that its sd, a boundary, is zero.

    Parameters
    ----------
    result : Fit or Estimate
        Of a Gaussian outcome with one grouping factor; of a posterior, the REML estimate of its
        model is taken. The only effect of a factor is tested, or of several each slope, together
        with its correlations.
    n : int
        Null data sets.
    random_seed : int

    Returns
    -------
    VarianceTests

    Raises
    ------
    UnsupportedModelError
        As `bootstrap`.
    DesignError
        If there are too many groups of different sizes for the exact distribution.

    Notes
    -----
    Under the hypothesis the statistic is 0 in half of the data sets or more, so that a chi-squared
    p-value is at least twice too large. Of a single variance its distribution is exact in finite
    samples (Crainiceanu & Ruppert 2004, JRSS B 66(1), theorem 1); of balanced groups the test is
    the F test of analysis of variance. Of a slope, data sets are drawn from the model without it
    and refitted by both. The mixture is the asymptotic ``(chi2_k-1 + chi2_k) / 2`` of the k-th
    effect (Self & Liang 1987, J. Am. Stat. Assoc. 82(398); Stram & Lee 1994, Biometrics 50(4)),
    which rejects too rarely.

    Examples
    --------
    >>> from bayes_mlm import fit
    >>> found = fit("reaction ~ days + (days | subject)", "sleepstudy", engine="reml")
    >>> row = variance_tests(found, 500)["sigma_u[days]"]
    >>> print(f"{row.statistic:.2f} {row.p < 0.01}")
    42.84 True
    """
    expect("variance_tests", result, Fit, Estimate)
    check_whole("n, the simulated data sets,", n, _FEWEST)
    found = estimate_of(result)
    resampler = Resampler(estimate=found)
    make = _exact if found.design.q == 1 else _simulated
    rows = tuple(make(resampler, n, random_seed))
    if not rows:
        raise DesignError(
            "no effect can be tested: of several effects each slope is, and here is none besides "
            "the intercept"
        )
    return VarianceTests(
        rows=rows,
        verdict=found.verdict,
        notes=(
            f"restricted likelihood-ratio tests that an sd is 0, by {count(n)} null data sets, "
            f"seed {random_seed}; the mixture is asymptotic, and rejects too rarely",
        ),
    )


def mixture_p(statistic: float, lower: int, upper: int) -> float:
    """Return the p-value by an equal mixture of chi-squared distributions; of 0 degrees it is 0.

    Examples
    --------
    >>> round(mixture_p(2.7055, 0, 1), 4), mixture_p(0.0, 0, 1)
    (0.05, 1.0)
    """
    from scipy.special import chdtrc

    if statistic <= 0.0:
        return 1.0
    below = float(chdtrc(lower, statistic)) if lower else 0.0
    return 0.5 * below + 0.5 * float(chdtrc(upper, statistic))


def _share(draws: Floats, statistic: float) -> float:
    """Return the share of draws of at least the statistic, which is counted among them."""
    if statistic <= 0.0:
        return 1.0
    return float((1 + np.count_nonzero(draws >= statistic)) / (1 + len(draws)))


def _exact(resampler: Resampler, n: int, seed: int) -> Iterator[VarianceTestRow]:
    """Test the variance of the only effect."""
    reduced, solution = resampler.simulation.reduced, resampler.solution
    none = float(profiled_loglik(reduced, np.zeros((1, 1, 1)), "REML")[0])
    statistic = max(2.0 * (solution.loglik - none), 0.0)
    design = resampler.estimate.design
    yield VarianceTestRow(
        model=resampler.estimate.name,
        quantity="sigma_u" if design.has_icc else f"sigma_u[{solution.effects[0]}]",
        statistic=statistic,
        p=_share(exact_null(reduced, n, stream(seed, Stream.VARIANCE_TEST)), statistic),
        p_mixture=mixture_p(statistic, 0, 1),
        null="exact",
        draws=n,
    )


def exact_null(reduced: RotatedMoments, n: int, rng: np.random.Generator) -> Floats:
    """Draw n restricted likelihood ratios of data whose one variance of effects is zero.

    With mu the eigenvalues of Z'P_0 Z, w independent chi-squared numbers with their multiplicities
    as degrees of freedom, c one with those left, and D(t) = sum w / (1 + t mu) + c, the ratio is
    ``sup (n - p) log(D(0) / D(t)) - sum log(1 + t mu)`` over t >= 0.
    """
    mu, times = _eigenvalues(reduced)
    df = reduced.n - reduced.p
    grid = np.geomspace(1e-4, 1e4, _GRID) / np.average(mu, weights=times)
    shrunk = 1.0 / (1.0 + grid[:, None] * mu)
    penalty = np.log(shrunk) @ times
    width, found = np.log(grid[1] / grid[0]), []
    at_once = max(1, _AT_ONCE // (_GRID + 6 * len(mu)))
    for start in range(0, n, at_once):
        size = min(at_once, n - start)
        w = rng.chisquare(times, (size, len(mu)))
        c = rng.chisquare(df - times.sum(), size) if df > times.sum() else np.zeros(size)
        total = w.sum(axis=1) + c
        values = df * np.log(total[:, None] / (w @ shrunk.T + c[:, None])) + penalty
        best = values.argmax(axis=1)
        top = np.maximum(values[np.arange(size), best], 0.0)
        rising = np.flatnonzero(top > 0.0)
        w, c, total = w[rising], c[rising], total[rising]
        t = np.log(grid[best[rising]])
        low, high = t - width, t + width
        for _ in range(_STEPS):  # Newton's method in log t, within the neighbours of the best
            part = 1.0 / (1.0 + np.exp(t)[:, None] * mu)
            d = (w * part).sum(axis=1) + c
            d1 = -(w * part * (1.0 - part)).sum(axis=1)
            d2 = -(w * part * (1.0 - part) * (2.0 * part - 1.0)).sum(axis=1)
            value = df * np.log(total / d) + np.log(part) @ times
            top[rising] = np.maximum(top[rising], value)
            slope = -df * d1 / d - (1.0 - part) @ times
            curve = -df * (d2 / d - (d1 / d) ** 2) - (part * (1.0 - part)) @ times
            t = np.clip(t - np.where(curve < 0.0, slope / curve, 0.0), low, high)
        found.append(top)
    return np.concatenate(found)


def _eigenvalues(reduced: RotatedMoments) -> tuple[Floats, Floats]:
    """Return the distinct positive eigenvalues of Z'P_0 Z, and how often each occurs.

    The matrix is ``R (I - C (X'X)^-1 C') R``, a diagonal less one of rank p: of a class of equal
    groups all but p eigenvalues are its R squared, and a triangle stands for the class.
    """
    p, r = reduced.p, reduced.r[:, 0, 0]
    c = reduced.c[:, 0, :p]
    root = np.linalg.cholesky(reduced.rest[:p, :p] + c.T @ c)
    half = np.linalg.solve(root, c.T).T
    blocks, squares, values, times = [], [], [], []
    order = np.argsort(reduced.of_group, kind="stable")
    starts = np.cumsum(reduced.size[:-1]).astype(np.int64)
    for k, places in enumerate(np.split(order, starts)):
        part = half[places] if len(places) <= p else np.linalg.qr(half[places], mode="r")
        blocks.append(r[k] * part)
        squares.append(np.full(len(part), r[k] ** 2))
        values.append(r[k] ** 2)
        times.append(float(len(places) - len(part)))
    diagonal, low = np.concatenate(squares), np.concatenate(blocks)
    if len(diagonal) > _MOST_EIGENVALUES:
        raise DesignError(
            f"{count(len(diagonal))} groups of different sizes are too many for the exact null "
            f"distribution (at most {count(_MOST_EIGENVALUES)}); the profile interval of the sd "
            "says how far it is from 0"
        )
    mu = np.append(np.linalg.eigvalsh(np.diag(diagonal) - low @ low.T), values)
    often = np.append(np.ones(len(diagonal)), times)
    kept = (mu > _ZERO * mu.max()) & (often > 0.0)
    order = np.argsort(mu[kept])
    mu, often = mu[kept][order], often[kept][order]
    first = np.flatnonzero(np.append(True, np.diff(mu) > _SAME * mu[1:]))
    return mu[first], np.add.reduceat(often, first)


def _simulated(resampler: Resampler, n: int, seed: int) -> Iterator[VarianceTestRow]:
    """Test each slope, with its correlations, by refits of data of the model without it."""
    design, solution = resampler.estimate.design, resampler.solution
    moments, constant = design.moments(), resampler.simulation.reduced.z_constant
    correlated = design.group_term.correlated
    for place, effect in enumerate(solution.effects):
        if place == constant:
            continue
        others = [a for a in range(design.q) if a not in (place, constant)]
        kept = others if constant is None else [constant, *others]
        smaller = moments.select(z=kept)
        null = fit_reml(smaller, correlated=correlated, profile=False)
        statistic = max(2.0 * (solution.loglik - null.loglik), 0.0)
        ordered = rotate_moments(moments.select(z=[*kept, place]))
        ratios = _ratios(
            Simulation(reduced=ordered, correlated=correlated),
            null.cov_u,
            null.sigma_e**2,
            n,
            stream(seed, Stream.VARIANCE_TEST, place),
        )
        below = design.q - 1 if correlated else 0
        yield VarianceTestRow(
            model=resampler.estimate.name,
            quantity=f"sigma_u[{effect}]",
            statistic=statistic,
            p=_share(ratios, statistic),
            p_mixture=mixture_p(statistic, below, below + 1),
            null="simulated",
            draws=len(ratios),
        )


def _ratios(
    full: Simulation, cov_u: Floats, sigma2: float, n: int, rng: np.random.Generator
) -> Floats:
    """Return likelihood ratios for the last effect of data drawn without it.

    R is triangular, the last effect's row the last: what the smaller model reads is a part of what
    the larger one does, and the rest lies outside the span of its Z.
    """
    reduced, q, p = full.reduced, full.reduced.q, full.reduced.p
    sigma = np.zeros((q, q))
    sigma[:-1, :-1] = cov_u
    law = OutcomeDistribution.of(reduced, reduced.z_centring @ sigma @ reduced.z_centring.T, sigma2)
    designs, turn, none = full.designs, full.turn, np.zeros((0, p))
    last = designs.c_x[0, :, -1]
    smaller = Designs(
        r=designs.r[..., :-1, :-1],
        c_x=designs.c_x[:, :, :-1],
        x_x=designs.x_x + last.T @ last,
        n=designs.n,
        correlated=designs.correlated,
    )
    start, found = turn @ sigma @ turn.T, []
    at_once = max(1, _AT_ONCE // max(1, len(reduced.c) * q))
    for begin in range(0, n, at_once):
        drawn = law.draw(min(at_once, n - begin), rng)
        beyond = drawn.c_y[:, :, -1]
        less = OutcomeSums(
            c_y=drawn.c_y[:, :, :-1],
            x_y=drawn.x_y + beyond @ last,
            y_y=drawn.y_y + np.square(beyond).sum(axis=1),
        )
        one = refit(designs, drawn, none, start, sigma2)
        other = refit(smaller, less, none, start[:-1, :-1], sigma2)
        fine = ~(one.failed | other.failed)
        found.append(np.maximum(other.deviance - one.deviance, 0.0)[fine])
    return np.concatenate(found)

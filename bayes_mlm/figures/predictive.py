"""Check by replicates of the data what the model says of rows, of groups and of extremes."""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.assess import Replicates, replicate, skewness_of
from bayes_mlm.base import Floats, count, number, p_value, percent
from bayes_mlm.fitting import Analysis

# A p-value nearer 0 or 1 than this says that the data are unlike the replicates.
_UNLIKELY = 0.025
_LEAST_GROUPS = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Statistic:
    """Hold one statistic of the data and of the replicates.

    Parameters
    ----------
    name : str
    level : {"rows", "groups"}
    observed : float
    replicated : ndarray, shape (R,)
    """

    name: str
    level: str
    observed: float
    replicated: Floats

    @property
    def p(self) -> float:
        """Posterior predictive p-value: share of replicates above the data, ties by half."""
        above = np.count_nonzero(self.replicated > self.observed)
        ties = np.count_nonzero(self.replicated == self.observed)
        return float((above + 0.5 * ties) / self.replicated.size)

    @property
    def unlike(self) -> bool:
        """Tell whether the data are in the outer parts of the replicates."""
        return not _UNLIKELY <= self.p <= 1.0 - _UNLIKELY


@dataclass(frozen=True, kw_only=True, eq=False)
class Ordered:
    """Hold ordered values of the data beside the band that replicates' ordered values have.

    Parameters
    ----------
    observed, centre, lower, upper : ndarray, shape (J,)
        In outcome units; the band is by place, of probability `prob`.
    """

    observed: Floats
    centre: Floats
    lower: Floats
    upper: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictive:
    """Hold posterior predictive checks by level.

    Parameters
    ----------
    model, engine, outcome : str
    group : str or None
    n : int
        Rows.
    n_replicates : int
    edges : ndarray, shape (k + 1,)
        Bins of the outcome.
    observed, centre, lower, upper : ndarray, shape (k,)
        Share of rows in each bin: of the data, and of the replicates (median and band).
    smallest, largest : float
        Observed outcomes.
    above, below : float
        Share of replicated outcomes above the largest observed one, and below the smallest.
    means, sds : Ordered or None
        Group means (with new group effects, where the model has them), and sds within groups.
    new_effects : bool
        Whether the replicated group means are of new groups with the same rows.
    statistics : tuple of Statistic
    prob : float
        Of the bands.
    """

    model: str
    engine: str
    outcome: str
    group: str | None
    n: int
    n_replicates: int
    edges: Floats
    observed: Floats
    centre: Floats
    lower: Floats
    upper: Floats
    smallest: float
    largest: float
    above: float
    below: float
    means: Ordered | None
    sds: Ordered | None
    new_effects: bool
    statistics: tuple[Statistic, ...]
    prob: float

    @property
    def title(self) -> str:
        """What the figure is of."""
        return f"Does {self.model} foretell data like these?"

    @property
    def caption(self) -> str:
        """What there is to see."""
        spread = float(np.ptp(self.edges)) / 100
        unlike = [item for item in self.statistics if item.unlike]
        if unlike:
            listed = ", ".join(f"{item.name} ({p_text(item)})" for item in unlike)
            said = f"Unlike the replicates are: {listed}."
        else:
            said = "Nothing that was looked at is unlike the replicates."
        means = (
            f" Replicated {self.group} means have group effects drawn anew."
            if self.new_effects
            else ""
        )
        return (
            f"{said} Of replicated outcomes {_share(self.above)} lie above the largest observed "
            f"one ({number(self.largest, spread)}) and {_share(self.below)} below the smallest "
            f"({number(self.smallest, spread)}); {count(self.n_replicates, 'replicate')} of "
            f"{count(self.n, 'row')}.{means}"
        )

    @property
    def alt(self) -> str:
        """What is drawn."""
        groups = (
            f"; the ordered {self.group} means and sds within {self.group}s against bands of "
            "replicates"
            if self.means is not None
            else ""
        )
        return (
            f"Histogram of {self.outcome} over the band of replicated histograms{groups}; and "
            "each statistic of the data among those of the replicates, with its p-value."
        )


def p_text(item: Statistic) -> str:
    """Write a p-value: no nearer to 0 or 1 than the replicates can tell."""
    return p_value(item.p, 1.0 / item.replicated.size)


def _share(share: float) -> str:
    return "none" if share == 0.0 else percent(share)


def predictive_checks(analysis: Analysis) -> Predictive | None:
    """Replicate the data and compare densities, group means, group sds and extremes.

    Returns
    -------
    Predictive or None
        None without a posterior.

    References
    ----------
    Gelman, Carlin, Stern, Dunson, Vehtari & Rubin (2013), Bayesian Data Analysis, 3rd ed., ch. 6.
    """
    if not analysis.fits:
        return None
    fit = analysis.fits[0]
    design = fit.design
    made = replicate(fit)
    tail = (1.0 - analysis.prob) / 2
    shares = made.counts / design.n
    lower, centre, upper = np.quantile(shares, [tail, 0.5, 1.0 - tail], axis=0)
    grouped = made.observed_means is not None and made.observed_means.size >= _LEAST_GROUPS
    return Predictive(
        model=analysis.spec.name,
        engine=fit.engine,
        outcome=design.outcome,
        group=design.group,
        n=design.n,
        n_replicates=made.n,
        edges=made.edges,
        observed=made.observed_counts / design.n,
        centre=centre,
        lower=lower,
        upper=upper,
        smallest=float(design.y.min()),
        largest=float(design.y.max()),
        above=made.above,
        below=made.below,
        means=_ordered(made.observed_means, made.new_means, tail) if grouped else None,
        sds=_ordered(made.observed_sds, made.sds, tail) if grouped else None,
        new_effects=made.has_new_effects,
        statistics=_statistics(design.y, made, grouped=grouped),
        prob=analysis.prob,
    )


def _ordered(observed: Floats | None, replicated: Floats | None, tail: float) -> Ordered | None:
    if observed is None or replicated is None or not observed.size:
        return None
    lower, centre, upper = np.quantile(replicated, [tail, 0.5, 1.0 - tail], axis=0)
    return Ordered(observed=observed, centre=centre, lower=lower, upper=upper)


def _statistics(y: Floats, made: Replicates, *, grouped: bool) -> tuple[Statistic, ...]:
    found = [
        ("smallest outcome", "rows", float(y.min()), made.extremes[:, 0]),
        ("largest outcome", "rows", float(y.max()), made.extremes[:, 1]),
        ("skewness", "rows", skewness_of(y), made.skewness),
    ]
    for what, observed, replicated in (
        ("group mean", made.observed_means, made.new_means),
        ("group sd", made.observed_sds, made.sds),
    ):
        if not grouped or observed is None or replicated is None or observed.size < _LEAST_GROUPS:
            continue
        found += [
            (f"smallest {what}", "groups", float(observed[0]), replicated[:, 0]),
            (f"largest {what}", "groups", float(observed[-1]), replicated[:, -1]),
            (f"sd of {what}s", "groups", float(observed.std()), replicated.std(axis=1)),
        ]
    return tuple(
        Statistic(name=name, level=level, observed=value, replicated=values)
        for name, level, value, values in found
    )

"""Statistics of the data among those of replicates: computed, judged and drawn."""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.assess import Replicates, skewness_of
from bayes_mlm.base import Floats, p_value, shorten
from bayes_mlm.design import Design
from bayes_mlm.figures.lettering import embolden
from bayes_mlm.figures.style import BLACK, BLUE, GREY, ORANGE, Axes

# A p-value nearer 0 or 1 than this: the data are unlike the replicates.
_UNLIKELY = 0.025
LEAST_GROUPS = 3
_MOST_SHARES = 6


@dataclass(frozen=True, kw_only=True, eq=False)
class Statistic:
    """One statistic of the data and of the replicates.

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
        """Test whether the data are in the tails of the replicates."""
        return not _UNLIKELY <= self.p <= 1.0 - _UNLIKELY


def p_text(item: Statistic) -> str:
    """Write a p-value: no nearer to 0 or 1 than the number of replicates allows."""
    return p_value(item.p, 1.0 / item.replicated.size)


def categories_of(design: Design) -> tuple[str, ...]:
    """Return the names of an outcome's categories; empty of numbers."""
    if design.family.outcome == "number":
        return ()
    levels = design.encoding.outcome_levels
    if levels is None:
        return "0", "1"
    return tuple(levels.name(place) for place in range(len(levels.levels)))


def statistics_of_rows(
    design: Design, made: Replicates, categories: tuple[str, ...]
) -> tuple[Statistic, ...]:
    """Return the statistics of all rows: shares, zeros and spread of counts, or extremes."""
    y, found = design.y, []
    shares = made.counts / y.size, made.observed_counts / y.size
    if categories:
        first = 1 if len(categories) == 2 else 0  # one share says the other
        for place in range(first, min(len(categories), _MOST_SHARES)):
            name = f"share of {shorten(categories[place], 18)}"
            found.append((name, float(shares[1][place]), shares[0][:, place]))
    elif made.whole:
        if (y == 0).any():
            found.append(("share of zeros", float((y == 0).mean()), made.zeros))
        found.append(("sd of outcomes", float(y.std()), made.spread))
        found.append(("largest outcome", float(y.max()), made.extremes[:, 1]))
    else:
        found = [
            ("smallest outcome", float(y.min()), made.extremes[:, 0]),
            ("largest outcome", float(y.max()), made.extremes[:, 1]),
            ("skewness", skewness_of(y), made.skewness),
        ]
    return tuple(
        Statistic(name=name, level="rows", observed=value, replicated=values)
        for name, value, values in found
    )


def statistics_of_groups(made: Replicates, *, binary: bool) -> tuple[Statistic, ...]:
    """Return the statistics of means and sds of groups; of 0/1 outcomes, of shares."""
    found = []
    kinds = [("group mean", made.observed_means, made.new_means)]
    if binary:
        kinds = [("group share", made.observed_means, made.new_means)]
    else:
        kinds.append(("group sd", made.observed_sds, made.sds))
    for what, observed, replicated in kinds:
        if observed is None or replicated is None or observed.size < LEAST_GROUPS:
            continue
        found += [
            (f"smallest {what}", float(observed[0]), replicated[:, 0]),
            (f"largest {what}", float(observed[-1]), replicated[:, -1]),
            (f"sd of {what}s", float(observed.std()), replicated.std(axis=1)),
        ]
    return tuple(
        Statistic(name=name, level="groups", observed=value, replicated=values)
        for name, value, values in found
    )


def draw_statistics(ax: Axes, statistics: tuple[Statistic, ...]) -> None:
    """Draw each statistic of the data in sds of the replicates', on one axis."""
    for k, item in enumerate(statistics):
        centre, sd = float(item.replicated.mean()), float(item.replicated.std())
        sd = sd if sd > 0 else 1.0
        low, high = (np.quantile(item.replicated, [0.025, 0.975]) - centre) / sd
        ax.plot([low, high], [k, k], color=BLUE, alpha=0.35, lw=5.0, solid_capstyle="butt")
        at = float(np.clip((item.observed - centre) / sd, -6.0, 6.0))
        beyond = abs(at) == 6.0
        marker = (">" if at > 0 else "<") if beyond else "o"
        ax.plot(at, k, marker, color=ORANGE if item.unlike else BLACK, ms=6.0 if beyond else 4.5)
        shown = ax.text(
            1.02,
            k,
            p_text(item),
            transform=ax.get_yaxis_transform(),
            va="center",
            fontsize=8,
        )
        if item.unlike:
            embolden(shown)
    ax.axvline(0.0, color=GREY, lw=0.8, zorder=0)
    ax.set_yticks(range(len(statistics)), [item.name for item in statistics])
    ax.set_ylim(len(statistics) - 0.5, -0.5)
    ax.set_xlim(-6.8, 6.8)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.set_xlabel("data, in sds of the replicates")

"""Groups of a model: how large each is, its mean, and its effects with their intervals."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import batched, chain
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayes_mlm.base import Floats, Ints, Tabular, View, count, digits, level
from bayes_mlm.design import outcome_means
from bayes_mlm.engines import ENGINES, has_random_effects, samples
from bayes_mlm.figures import effects_of, roles_of
from bayes_mlm.fitting import Analysis, Fit, shortest_interval

# A page stays quick to search with this many rows; of more groups the most telling are shown.
MOST_GROUPS = 300


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupTable(Tabular):
    """Groups of one model, the one with the largest effect first.

    Parameters
    ----------
    group, outcome, model, engine : str
        Names.
    n_groups : int
        Groups of the model; more than are listed if there are many.
    labels : ndarray, shape (m,)
    sizes : ndarray of int, shape (m,)
        Rows in each.
    means : ndarray, shape (m,)
        Their means of the outcome, in its units.
    split : str or None
        Binary group-level predictor.
    sides : tuple of str
        Its level in each group; empty without one.
    effects : tuple of str, length q
        Group effects; "Intercept" alone for a no-pooling model, whose groups have intercepts.
    estimate, lower, upper : ndarray, shape (m, q)
        Posterior means and intervals; of REML predictions, of OLS group-specific intercepts, and
        mean ± so many sds, if there is no posterior. In units of the outcome (for one unit of x).
    interval : str
        What the intervals are.
    """

    group: str
    outcome: str
    model: str
    engine: str
    n_groups: int
    labels: NDArray[Any]
    sizes: Ints
    means: Floats
    split: str | None
    sides: tuple[str, ...]
    effects: tuple[str, ...]
    estimate: Floats
    lower: Floats
    upper: Floats
    interval: str

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns of the data."""
        ends = ((one, f"{one} lower", f"{one} upper") for one in self.effects)
        return (self.group, *([self.split] if self.split else []), "rows", "mean", *chain(*ends))

    def raw(self) -> Iterator[Sequence[Any]]:
        """Return groups, their sizes and means, and effects with the ends of their intervals."""
        effects = np.stack([self.estimate, self.lower, self.upper], axis=2)
        for k, label in enumerate(self.labels.tolist()):
            side = [self.sides[k]] if self.split else []
            size, mean = int(self.sizes[k]), float(self.means[k])
            yield (label, *side, size, mean, *effects[k].ravel().tolist())

    def view(self) -> View:
        """Return the table as text, with one number of decimals a column."""
        spreads = np.median(self.upper - self.lower, axis=0) / 4
        columns = [
            digits(self.estimate[:, q], spread, style="table") for q, spread in enumerate(spreads)
        ]
        means = digits(self.means, float(spreads[0]), style="table")
        headings = [self.group, *([self.split] if self.split else [])]
        headings += ["rows", f"mean of {self.outcome}"]
        for effect in self.effects:
            name = "effect" if self.effects == ("Intercept",) else effect
            headings += [name, f"{self.interval} of it"]
        labelled = self.labels.dtype.kind not in "iuf"
        cells, values = [], []
        for label, *others in self.raw():
            side = others[:1] if self.split else []
            size, mean, *ends = others[len(side) :]
            texts = [str(label), *side, count(size), means.number(mean)]
            numbers = [None if labelled else float(label), *(None for _ in side), float(size), mean]
            for shown, (estimate, lower, upper) in zip(columns, batched(ends, 3), strict=True):
                texts += [shown.number(estimate), shown.interval(lower, upper)]
                numbers += [estimate, lower]
            cells.append(tuple(texts))
            values.append(tuple(numbers))
        listed = f"The {count(self.labels.size)} of {count(self.n_groups)} groups"
        every = self.labels.size == self.n_groups
        which = "Every group" if every else f"{listed} that stand out most"
        return View(
            title=(
                f"{which} of {self.model} ({ENGINES[self.engine].label}): rows, mean, and effect, "
                f"the largest first. An effect is in units of {self.outcome}; that of a group with "
                "few data is drawn towards zero."
            ),
            headings=tuple(headings),
            cells=tuple(cells),
            values=tuple(values),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Effects:
    """Effects of every group: arrays (J, q), and what made them."""

    engine: str
    estimate: Floats
    sd: Floats
    lower: Floats
    upper: Floats
    interval: str


def group_table(analysis: Analysis, *, most: int = MOST_GROUPS) -> GroupTable | None:
    """Return the groups of one model.

    Parameters
    ----------
    analysis : Analysis
    most : int
        Of more groups, those are taken whose effects lie the most sds from the middle one.

    Returns
    -------
    GroupTable or None
        None for a model without group effects, or with several factors.

    Examples
    --------
    >>> from bayes_mlm import load_record
    >>> from bayes_mlm.fitting import analyse
    >>> found = group_table(analyse(load_record("hsb_ses").request, None, engines=["reml"]))
    >>> int(found.labels[0]), found.engine, found.labels.size
    (3427, 'reml', 160)
    """
    design = analysis.design
    if len(design.factors) != 1 or not design.q:
        return None
    found = _effects_of(analysis)
    means = outcome_means(design)
    kept = _most_telling(found, most)
    kept = kept[np.argsort(-found.estimate[kept, 0], kind="stable")]
    roles = roles_of(design)
    sides: tuple[str, ...] = ()
    if roles.subgroup is not None:
        values = [label.removeprefix(f"{roles.moderator} = ") for label in roles.subgroup_labels]
        sides = tuple(values[side] for side in roles.subgroup[kept])
    return GroupTable(
        group=str(design.group),
        outcome=design.outcome,
        model=analysis.spec.name,
        engine=found.engine,
        n_groups=design.J,
        labels=design.labels[kept],
        sizes=design.group_sizes[kept],
        means=means[kept],
        split=roles.moderator if sides else None,
        sides=sides,
        effects=design.effects,
        estimate=found.estimate[kept],
        lower=found.lower[kept],
        upper=found.upper[kept],
        interval=found.interval,
    )


def _effects_of(analysis: Analysis) -> _Effects:
    if analysis.fits:
        fit = analysis.fits[0]
        made = _joined if has_random_effects(fit.design) else _drawn
        return made(fit, analysis.prob)
    found = analysis.estimate.solution
    return _normal(found.engine, found.u, found.u_sd, analysis.prob)


def _drawn(fit: Fit, prob: float) -> _Effects:
    """Summarise the draws of a model whose groups have group-specific intercepts (no pooling)."""
    u = samples(fit.draws, "u")
    lower, upper = shortest_interval(u.reshape(len(u), -1), prob)
    return _Effects(
        engine=fit.engine,
        estimate=u.mean(axis=0),
        sd=u.std(axis=0, ddof=1),
        lower=lower.reshape(u.shape[1:]),
        upper=upper.reshape(u.shape[1:]),
        interval=f"{level(prob)} HDI",
    )


def _joined(fit: Fit, prob: float) -> _Effects:
    """Arrange the effects of a model with random effects in rows of groups."""
    found = effects_of(fit, prob)
    return _Effects(
        engine=fit.engine,
        estimate=np.stack([one.mean for one in found], axis=1),
        sd=np.stack([one.sd for one in found], axis=1),
        lower=np.stack([one.lower for one in found], axis=1),
        upper=np.stack([one.upper for one in found], axis=1),
        interval=f"{level(prob)} HDI" if "u" in fit.draws.posterior else f"{level(prob)} interval",
    )


def _normal(engine: str, estimate: Floats, sd: Floats, prob: float) -> _Effects:
    reach = NormalDist().inv_cdf(0.5 + prob / 2.0)
    return _Effects(
        engine=engine,
        estimate=estimate,
        sd=sd,
        lower=estimate - reach * sd,
        upper=estimate + reach * sd,
        interval=f"{level(prob)} interval",
    )


def _most_telling(found: _Effects, most: int) -> NDArray[np.int64]:
    """Return the groups whose effects differ most from those of the others."""
    away = np.abs(found.estimate - np.median(found.estimate, axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        telling = np.where(found.sd > 0.0, away / found.sd, 0.0).max(axis=1)
    order = np.argsort(-telling, kind="stable")[:most]
    return np.asarray(order, dtype=np.int64)

"""Groups of a model: how large each is, its mean, and its effects with their intervals."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import batched, chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayes_mlm.base import Floats, Ints, Tabular, View, count, digits, level
from bayes_mlm.design import mean_name, outcome_means, predictor_name
from bayes_mlm.engines import ENGINES
from bayes_mlm.figures import roles_of
from bayes_mlm.fitting import Analysis, GroupEffects

# With this many rows a page is quick to search; of more groups the most extreme are shown.
MOST_GROUPS = 300


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupTable(Tabular):
    """Groups of one model, the one with the largest effect first.

    Parameters
    ----------
    group, mean_name, model, engine : str
        Names; of the mean of the outcome, the second.
    scale : str
        What the effects are differences in: the outcome, or its linear predictor.
    n_groups : int
        Groups of the model, of which the table may list a part.
    labels : ndarray, shape (m,)
    sizes : ndarray of int, shape (m,)
        Rows in each.
    means : ndarray, shape (m,)
        Their means of the outcome, in its units.
    moderator : str or None
        Binary group-level predictor.
    subgroups : tuple of str
        Its level in each group; empty without one.
    effects : tuple of str, length q
        Group effects; "Intercept" for a no-pooling model.
    estimate, lower, upper : ndarray, shape (m, q)
        Posterior means and intervals; without a posterior predictions (REML) or group-specific
        intercepts (OLS) and normal intervals. In units of `scale` (for one unit of x).
    interval : str
        Description of the intervals: "95 % HDI".
    """

    group: str
    mean_name: str
    scale: str
    model: str
    engine: str
    n_groups: int
    labels: NDArray[Any]
    sizes: Ints
    means: Floats
    moderator: str | None
    subgroups: tuple[str, ...]
    effects: tuple[str, ...]
    estimate: Floats
    lower: Floats
    upper: Floats
    interval: str

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns of the data."""
        ends = ((one, f"{one} lower", f"{one} upper") for one in self.effects)
        return (
            self.group,
            *([self.moderator] if self.moderator else []),
            "rows",
            "mean",
            *chain(*ends),
        )

    def raw(self) -> Iterator[Sequence[Any]]:
        """Yield groups, their sizes and means, and effects with their intervals."""
        effects = np.stack([self.estimate, self.lower, self.upper], axis=2)
        for k, label in enumerate(self.labels.tolist()):
            subgroup = [self.subgroups[k]] if self.moderator else []
            size, mean = int(self.sizes[k]), float(self.means[k])
            yield (label, *subgroup, size, mean, *effects[k].ravel().tolist())

    def view(self) -> View:
        """Return the table as text, with one number of decimals a column."""
        spreads = np.median(self.upper - self.lower, axis=0) / 4
        columns = [
            digits(self.estimate[:, q], spread, style="table") for q, spread in enumerate(spreads)
        ]
        means = digits(self.means, float(spreads[0]), style="table")
        headings = [self.group, *([self.moderator] if self.moderator else [])]
        headings += ["rows", self.mean_name]
        for effect in self.effects:
            name = "effect" if self.effects == ("Intercept",) else effect
            headings += [name, self.interval]
        labelled = self.labels.dtype.kind not in "iuf"
        cells, values = [], []
        for label, *others in self.raw():
            subgroup = others[:1] if self.moderator else []
            size, mean, *ends = others[len(subgroup) :]
            texts = [str(label), *subgroup, count(size), means.number(mean)]
            numbers = [None if labelled else float(label), *(None for _ in subgroup)]
            numbers += [float(size), mean]
            for shown, (estimate, lower, upper) in zip(columns, batched(ends, 3), strict=True):
                texts += [shown.number(estimate), shown.interval(lower, upper)]
                numbers += [estimate, lower]
            cells.append(tuple(texts))
            values.append(tuple(numbers))
        every = self.labels.size == self.n_groups
        listed = f"{count(self.labels.size)} of {count(self.n_groups)} groups"
        which = "Groups" if every else f"The {listed} with the most extreme effects"
        return View(
            title=(
                f"{which} of {self.model} ({ENGINES[self.engine].label}): rows, mean and effect, "
                f"the largest first. Effects are in {self.scale}; those of groups with "
                "few rows are shrunk most towards zero."
            ),
            headings=tuple(headings),
            cells=tuple(cells),
            values=tuple(values),
        )


def group_table(analysis: Analysis, *, most: int = MOST_GROUPS) -> GroupTable | None:
    """Return the groups of one model.

    Parameters
    ----------
    analysis : Analysis
    most : int
        Largest number of groups; those with effects furthest from the median in sds are kept.

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
    result = analysis.results[0]
    found = result.group_effects(analysis.prob)
    if found is None:
        return None
    means = outcome_means(design)
    kept = _most_extreme(found, most)
    kept = kept[np.argsort(-found.mean[kept, 0], kind="stable")]
    roles = roles_of(design)
    subgroups: tuple[str, ...] = ()
    if roles.subgroup is not None:
        values = [label.removeprefix(f"{roles.moderator} = ") for label in roles.subgroup_labels]
        subgroups = tuple(values[place] for place in roles.subgroup[kept])
    return GroupTable(
        group=str(design.group),
        mean_name=mean_name(design),
        scale=predictor_name(design)
        if design.family.predictor_scale
        else f"units of {design.outcome}",
        model=analysis.spec.name,
        engine=result.engine,
        n_groups=design.J,
        labels=design.labels[kept],
        sizes=design.group_sizes[kept],
        means=means[kept],
        moderator=roles.moderator if subgroups else None,
        subgroups=subgroups,
        effects=design.effects,
        estimate=found.mean[kept],
        lower=found.lower[kept],
        upper=found.upper[kept],
        interval=f"{level(analysis.prob)} {found.interval}",
    )


def _most_extreme(found: GroupEffects, most: int) -> NDArray[np.int64]:
    """Return the groups whose effects are furthest from the median, in sds."""
    distance = np.abs(found.mean - np.median(found.mean, axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        extremity = np.where(found.sd > 0.0, distance / found.sd, 0.0).max(axis=1)
    order = np.argsort(-extremity, kind="stable")[:most]
    return np.asarray(order, dtype=np.int64)

"""Survey weights of a design: of its rows, of its groups, and what their scaling makes of sums."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bayes_mlm.base import DataError, Floats, Ints
from bayes_mlm.data import Groups, Table, group_spread, label_text
from bayes_mlm.model import REPLICATIONS, Replicates, Scaling, Weights
from bayes_mlm.moments import GroupMoments, refuse_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SHOWN = 3
# What is kept of weights by group.
WEIGHT_SUMS = ("rows", "total", "square", "level2")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class GroupWeights:
    """Sums of the weights of rows by group, and the weights of the groups.

    Parameters
    ----------
    spec : Weights
    rows : ndarray of int, shape (J,)
        Rows of each group.
    total, square : ndarray, shape (J,)
        Sums of the weights of its rows as they were given, and of their squares.
    level2 : ndarray, shape (J,)
        Weights of the groups as they were given; ones without.
    given : ndarray, shape (n,), or None
        Weights of the rows as they were given, ones without; None of sums.
    replicates : ndarray, shape (n, G), or None
        Replicate weights of the rows, unconditional.
    """

    spec: Weights
    rows: Ints
    total: Floats
    square: Floats
    level2: Floats
    given: Floats | None = None
    replicates: Floats | None = None

    def __repr__(self) -> str:
        """Return the levels with their columns, and the scaling."""
        return f"<GroupWeights {self.spec}, scaling {self.spec.scaling}>"

    @property
    def of_rows(self) -> Floats:
        """Weights of the rows as they were given, (n,).

        Raises
        ------
        RowsNeededError
            Of sums.
        """
        if self.given is None:
            refuse_rows("weights")
        return self.given

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.rows.sum())

    @property
    def conditional(self) -> Floats:
        """Sums (J,) of the weights of rows conditional on their group."""
        return self.total / self.level2 if self.spec.overall else self.total

    @property
    def whole_totals(self) -> Floats:
        """Sums (J,) of the unconditional weights of rows."""
        return self.conditional * self.level2

    @property
    def n_replicates(self) -> int:
        """Number of sets of replicate weights."""
        return 0 if self.replicates is None else self.replicates.shape[1]

    @property
    def n_zones(self) -> int:
        """Number of zones that replicates were made of; 0 where they are columns."""
        spec = self.spec.replicates
        if spec is None or spec.zone is None:
            return 0
        return self.n_replicates // REPLICATIONS[spec.method].per_zone

    @property
    def effective_rows(self) -> Floats:
        """Effective number of rows of each group (J,): ``(sum w)^2 / sum w^2`` (Kish 1965)."""
        return np.asarray(self.total**2 / self.square)

    @property
    def effective_groups(self) -> float:
        """Effective number of groups, by their weights."""
        return float(self.level2.sum() ** 2 / (self.level2**2).sum())

    def scaled_totals(self, scaling: Scaling | None = None) -> Floats:
        """Return what the conditional weights of each group sum to when scaled, (J,)."""
        scaling = self.spec.scaling if scaling is None else scaling
        if scaling == "size":
            return self.rows.astype(float)
        return self.effective_rows if scaling == "effective" else self.conditional

    def scaled(self, moments: GroupMoments, scaling: Scaling | None = None) -> GroupMoments:
        """Return sums by weights, however they were scaled, as sums by weights of one scaling.

        Parameters
        ----------
        moments : GroupMoments
        scaling : {"size", "effective", "none"}, optional
            By default that of the specification.

        Returns
        -------
        GroupMoments
            With level-2 weights of mean one, which changes no estimate (their unit is free), and
            makes the log pseudo-likelihood one of as many groups as there are.

        References
        ----------
        Pfeffermann, Skinner, Holmes, Goldstein & Rasbash (1998), J. R. Stat. Soc. B 60(1),
        sec. 3.2: scaling methods 2 ("size") and 1 ("effective").
        """
        totals = self.scaled_totals(scaling)
        factor = totals / moments.counts
        return replace(
            moments,
            counts=totals,
            scatter=moments.scatter * factor[:, None, None],
            weights=self.level2 / self.level2.mean(),
        )

    def whole(self, codes: Ints) -> Floats:
        """Return the unconditional weights of the rows (n,), of groups (n,)."""
        return self.of_rows if self.spec.overall else self.of_rows * self.level2[codes]

    def population_weights(self, codes: Ints) -> Floats:
        """Return the unconditional weights of the rows (n,), of mean one."""
        found = self.whole(codes)
        return np.asarray(found * (found.size / found.sum()))


def weights_of(table: Table, spec: Weights, groups: Groups) -> GroupWeights | None:
    """Return the weights of a table's rows; None without weights.

    Raises
    ------
    DataError
        If a weight is text, zero, negative or infinite, or a group's weight varies within it.
    """
    if not spec:
        return None
    codes, J = groups.codes, groups.labels.size
    of_rows = np.ones(table.n)
    if spec.rows is not None:
        of_rows = _positive(table.columns[spec.rows], spec.rows)
    level2 = np.ones(J)
    if spec.level2 is not None:
        values = _positive(table.columns[spec.level2], spec.level2)
        _constant(values, spec.level2, groups)
        level2[codes] = values
    found = group_weights(spec, of_rows, codes, level2)
    if spec.replicates is None:
        return found
    return replace(found, replicates=_replicates(table, spec.replicates, found, codes))


def _replicates(table: Table, spec: Replicates, weights: GroupWeights, codes: Ints) -> Floats:
    """Return replicate weights (n, G): their columns, or made of zones and units."""
    if spec.columns:
        found = np.empty((table.n, len(spec.columns)), order="F")
        for k, name in enumerate(spec.columns):
            found[:, k] = _positive(table.columns[name], name, zero=True)
        return found
    whole = weights.whole(codes)
    zones, at = np.unique(table.columns[str(spec.zone)], return_inverse=True)
    unit = table.columns[str(spec.unit)]
    made = []
    for zone, label in enumerate(zones.tolist()):
        inside = at == zone
        units = np.unique(unit[inside])
        if units.size != 2:
            raise DataError(
                f"the zone {label_text(label)} of {spec.zone!r} has {units.size} units in "
                f"{spec.unit!r}, and a pair has two; join it with another zone"
            )
        doubled = units[::-1][: REPLICATIONS[spec.method].per_zone]
        made += [np.where(inside, np.where(unit == one, 2.0, 0.0), 1.0) * whole for one in doubled]
    return np.stack(made, axis=1)


def group_weights(spec: Weights, of_rows: Floats, codes: Ints, level2: Floats) -> GroupWeights:
    """Return the weights of rows (n,) with their groups (n,), and of groups (J,)."""
    J = len(level2)
    return GroupWeights(
        spec=spec,
        rows=np.bincount(codes, minlength=J),
        total=np.bincount(codes, of_rows, minlength=J),
        square=np.bincount(codes, of_rows**2, minlength=J),
        level2=level2,
        given=of_rows,
    )


def _positive(values: "NDArray[Any]", name: str, *, zero: bool = False) -> Floats:
    if values.dtype.kind not in "fiu":
        raise DataError(
            f"the weights {name!r} are not numbers ({values[0]!r}); give a numeric column"
        )
    found = np.asarray(values, dtype=float)
    if not (found >= 0.0 if zero else found > 0.0).all():
        refuse_weights_that_are(name, int((found <= 0.0).sum()), float(found.min()))
    return found


def refuse_weights_that_are(name: str, wrong: int, least: float) -> None:
    """Refuse weights of which some are zero or negative."""
    what = "zero" if least == 0.0 else "zero or negative"
    raise DataError(
        f"{wrong} of the weights {name!r} are {what} (least {least:g}); a weight is one over "
        "the probability of being drawn: omit rows that are not to count, and correct the others"
    )


def _constant(values: Floats, name: str, groups: Groups) -> None:
    varying = np.flatnonzero(group_spread(values, groups))
    if not varying.size:
        return
    shown = []
    for code in varying[:_SHOWN]:
        found = np.unique(values[groups.codes == code])[:_SHOWN]
        texts = ", ".join(label_text(value) for value in found)
        shown.append(f"{label_text(groups.labels[code])}: {texts}")
    raise DataError(
        f"the weights {name!r} are given as those of {groups.name!r}, and vary within "
        f"{varying.size} of {groups.sizes.size} groups ({'; '.join(shown)}); weights of rows are "
        "level1 (conditional on the group) or overall (unconditional)"
    )

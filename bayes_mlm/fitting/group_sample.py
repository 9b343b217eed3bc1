"""Fetch the rows of some groups for a fit of summed data, so that they can be looked at."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bayes_mlm.base import (
    DataError,
    DesignError,
    Ints,
    SeveralFactorsError,
    Stream,
    expect,
    stream,
)
from bayes_mlm.data import (
    Table,
    engine_errors,
    explain_absent,
    find_groups,
    from_arrow,
    label_text,
    narrowed,
)
from bayes_mlm.design import (
    Design,
    GroupMeans,
    Response,
    Scan,
    as_scan,
    collect_rows,
    encode,
    inputs_of,
    is_missing,
    open_data,
    replay,
    weights_of,
)
from bayes_mlm.fitting.estimate import Estimate
from bayes_mlm.fitting.result import Fit
from bayes_mlm.fitting.source import CoefficientSource
from bayes_mlm.model import UNWEIGHTED, plain_rows

# Rows fetched at most.
MOST_ROWS = 500_000
# Of a column's size: how far the mean of a group may be from that of its sums.
_SAME = 1e-6


def sample_groups[R: CoefficientSource](
    fit: R,
    data: Any,
    *,
    n_groups: int = 200,
    groups: Sequence[Any] | None = None,
    random_seed: int | None = None,
) -> R:
    """Fetch the rows of some groups, at random or by name, and join them to the fit of all.

    Parameters
    ----------
    fit : Fit or Estimate
        Of summed data.
    data : Scan, frame, str or Path
        The data that were summed.
    n_groups : int
        Groups in a random sample; fewer if they would have more than half a million rows.
    groups : sequence of labels, optional
        These groups instead.
    random_seed : int, optional
        By default the fit's; 0 of an estimate.

    Returns
    -------
    Fit or Estimate
        The posterior is that of all data, and so is the likelihood estimate; the design has the
        rows of the sample, which its last note names. For figures, checks of rows and averages over
        rows; questions that leave rows or groups out are for the fit itself.

    Raises
    ------
    DesignError
        If the fit has its rows, or no groups, or none of a name.
    DataError
        If the data are not those that were summed, or the groups have too many rows.

    Examples
    --------
    >>> from bayes_mlm import check, fit, load_hsb
    >>> students = load_hsb()
    >>> whole = fit("mathach ~ ses + (1 | schoolid)", students, rows="sum", random_seed=1)
    >>> some = sample_groups(whole, students, n_groups=20)
    >>> some.design.J, some.design.notes[-1]
    (20, 'a random sample: 20 of 160 groups, 814 of 7,185 rows')
    """
    expect("sample_groups", fit, Fit, Estimate)
    sampled, _ = sample_rows(fit, data, n_groups=n_groups, groups=groups, random_seed=random_seed)
    return sampled


def sample_rows[R: CoefficientSource](
    fit: R,
    data: Any,
    *,
    n_groups: int = 200,
    groups: Sequence[Any] | None = None,
    random_seed: int | None = None,
) -> tuple[R, Table]:
    """As `sample_groups`, with the table of the rows that were fetched."""
    design = fit.design
    seed = fit.random_seed if random_seed is None else random_seed
    found = sample_table(design, data, n_groups=n_groups, groups=groups, random_seed=seed)
    table, places, labels = found.table, found.places, design.labels[found.places]
    grouped = find_groups(table, str(design.group))
    rows, arrays = replay(design, table), encode(design.encoding, table)
    base = design.base
    spec = UNWEIGHTED if design.weights is None else design.weights.spec
    weights = weights_of(table, spec, grouped)
    sampled = design.with_arrays(
        response=Response(
            name=design.outcome,
            y=arrays.y,
            offset=rows.offset if design.formula.offsets else None,
            trials=arrays.trials,
            weights=None if weights is None else weights.population_weights(grouped.codes),
        ),
        X=rows.X,
        Z=rows.Z,
        codes=grouped.codes,
        labels=labels,
        base=None
        if base is None
        else GroupMeans(terms=base.terms, means=base.means[places], varies=base.varies),
        notes=(*design.notes, found.what),
        inputs=inputs_of(design.encoding, table),
        residual=None if design.residual is None else plain_rows(table.n),
        aggregated=None,
        patterns=None,
        weights=weights,
        sample_of=design,
    )
    _check_same(sampled, design, places, table.source)
    return fit.of_sample(sampled, places, seed), table


@dataclass(frozen=True, kw_only=True, eq=False)
class SampledRows:
    """Rows of some groups, the indices of these among all groups, and a description of both."""

    table: Table
    places: Ints
    what: str


def sample_table(
    design: Design,
    data: Any,
    *,
    n_groups: int = 200,
    groups: Sequence[Any] | None = None,
    random_seed: int,
) -> SampledRows:
    """Fetch the rows of some groups of a design of summed data; as `sample_groups`."""
    if design.has_rows:
        raise DesignError("sample_groups is for summed data; this fit has its rows")
    if design.imputations:
        raise DesignError(
            f"sample_groups is of one data set, and there are {len(design.imputations)} imputations"
        )
    if len(design.factors) > 1:
        raise SeveralFactorsError(
            f"sample_groups takes one grouping factor, and found are {' and '.join(design.factors)}"
            '; keep the rows (rows="keep", --rows keep), or fit a part of the data'
        )
    if design.group is None:
        raise DesignError(
            "rows are sampled by group, and this model has no groups; fit it to a sample of the "
            "rows, or name a grouping column"
        )
    if groups is None:
        if n_groups < 1:
            raise DesignError(f"n_groups is how many to take, 1 or more; found {n_groups}")
        rng = stream(random_seed, Stream.SAMPLED_GROUPS)
        places = _choose(design, min(n_groups, design.J), rng)
    else:
        places = _named(design, groups)
    scan = open_data(data) if isinstance(data, (str, Path)) else as_scan(data)
    scan = replace(scan, strip=design.encoding.strip, complete=design.n_dropped > 0)
    table = collect_rows(_only(scan, design, places), _columns(design))
    found = find_groups(table, design.group)
    same = np.array_equal(found.labels, design.labels[places])
    if not same or not np.array_equal(found.sizes, design.group_sizes[places]):
        raise DataError(
            f"{scan.source} has other groups, or other rows in them, than the data that were "
            "summed; give the same data"
        )
    sample = "a random sample: " if groups is None else ""
    of = f"{places.size:,} of {design.J:,} groups, {table.n:,} of {design.n:,} rows"
    return SampledRows(table=table, places=places, what=f"{sample}{of}")


def _check_same(sampled: Design, design: Design, places: Ints, source: str) -> None:
    """Refuse rows that do not add up to the sums of their groups."""
    given, summed = sampled.moments(), design.moments()
    mean = summed.means[places] + summed.centre
    apart = np.abs(given.means + given.centre - mean)
    size = np.sqrt(np.diagonal(summed.scatter, axis1=1, axis2=2).sum(axis=0) / summed.n)
    size += np.abs(summed.means + summed.centre).max(axis=0)
    wrong = np.argwhere(apart > _SAME * size)
    if wrong.size:
        place, column = wrong[0]
        name = (*design.terms, *design.effects, design.outcome)[column]
        raise DataError(
            f"{source} has other values than the data that were summed: the mean of {name} in "
            f"{design.group} {label_text(sampled.group_term.names()[place])} is "
            f"{given.means[place, column] + given.centre[column]:.6g}, and was "
            f"{mean[place, column]:.6g}; give the same data"
        )


def _named(design: Design, groups: Sequence[Any]) -> Ints:
    places = np.unique(design.group_term.places_of(groups))
    rows = int(design.group_sizes[places].sum())
    if rows > MOST_ROWS:
        raise DataError(
            f"these groups have {rows:,} rows; at most {MOST_ROWS:,} are fetched, so name fewer"
        )
    return places


def _choose(design: Design, n_groups: int, rng: np.random.Generator) -> Ints:
    order = rng.permutation(design.J)[:n_groups]
    fits = np.cumsum(design.group_sizes[order]) <= MOST_ROWS
    if not fits[0]:
        small = np.flatnonzero(design.group_sizes <= MOST_ROWS)
        if not small.size:
            raise DataError(f"every group has more than {MOST_ROWS:,} rows; none is fetched")
        return _choose_among(small, design, n_groups, rng)
    return np.sort(order[fits])


def _choose_among(small: Ints, design: Design, n_groups: int, rng: np.random.Generator) -> Ints:
    order = rng.permutation(small)[:n_groups]
    return np.sort(order[np.cumsum(design.group_sizes[order]) <= MOST_ROWS])


def _columns(design: Design) -> tuple[str, ...]:
    """Return the columns of the rows of a design, its weights' among them."""
    found = design.encoding.columns_with(str(design.group))
    weights = () if design.weights is None else design.weights.spec.columns
    return tuple(dict.fromkeys((*found, *weights)))


def _only(scan: Scan, design: Design, places: Ints) -> Scan:
    """Return the whole rows of some groups, in the engine that stores them."""
    group, columns = str(design.group), _columns(design)
    absent = [name for name in columns if name not in scan.kinds]
    if absent:
        raise DataError(explain_absent(absent, list(scan.kinds), scan.source))
    kept = narrowed(scan.prepare(scan, columns), columns)
    labels, column = design.group_term.names(places), kept.col(group)
    if kept.kinds[group] == "text":
        labels = _as_held(kept, group, set(labels))
    elif group in kept.floats:
        labels = list(map(float, labels))
    with engine_errors(scan):
        wanted = column.is_in(labels)
        for name in columns:  # rows that miss a value were left out, or there are none
            wanted &= ~is_missing(kept, name)
        return replace(kept, frame=kept.frame.filter(wanted))


def _as_held(scan: Scan, group: str, labels: set[str]) -> list[Any]:
    """Return labels as the engine stores them: dates differ as text by engine."""
    with engine_errors(scan):
        held = scan.frame.select(label_=scan.col(group)).unique().collect("pyarrow").to_native()
    values, texts = held.column("label_").to_pylist(), from_arrow(held.column("label_")).tolist()
    return [value for value, text in zip(values, texts, strict=True) if text in labels]

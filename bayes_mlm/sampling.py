"""Fetch the rows of some groups for a fit of summed data, so that they can be looked at."""

from dataclasses import replace
from typing import Any

import narwhals as nw
import numpy as np

from bayes_mlm.data import find_groups
from bayes_mlm.design import Design, GroupMeans, Ints
from bayes_mlm.draws import Draws, Variable
from bayes_mlm.encoding import encode
from bayes_mlm.errors import DataError, DesignError
from bayes_mlm.fitted import Fit
from bayes_mlm.kinds import replay
from bayes_mlm.recovery import effects_of_groups
from bayes_mlm.scan import Scan, as_scan, collect_rows

# Rows fetched at most.
MOST_ROWS = 500_000
_STREAM = 5


def sample_groups(
    fit: Fit, data: Any, *, n_groups: int = 200, random_seed: int | None = None
) -> Fit:
    """Fetch the rows of a random sample of groups, and join them to the fit of all.

    Parameters
    ----------
    fit : Fit
        Of summed data.
    data : Scan or frame
        The data that were summed.
    n_groups : int
        Groups in the sample; fewer if they would have more than half a million rows.
    random_seed : int, optional
        By default the fit's.

    Returns
    -------
    Fit
        The posterior is that of all data; the design has the rows of the sample, which its last
        note names. For figures and checks of rows; questions that leave rows or groups out are for
        the fit itself.

    Raises
    ------
    DesignError
        If the fit has its rows, or no groups.

    Examples
    --------
    >>> from bayes_mlm import check, fit, load_hsb
    >>> students = load_hsb()
    >>> whole = fit("mathach ~ ses + (1 | schoolid)", students, rows="sum", random_seed=1)
    >>> some = sample_groups(whole, students, n_groups=20)
    >>> some.design.J, some.design.notes[-1]
    (20, 'a random sample of 20 of 160 groups, 945 of 7,185 rows')
    """
    design = fit.design
    if design.summed is None or design.group is None:
        raise DesignError("sample_groups is for summed data with groups; this fit has its rows")
    seed = fit.settings.random_seed if random_seed is None else random_seed
    rng = np.random.default_rng([seed, _STREAM])
    places = _choose(design, min(n_groups, design.J), rng)
    scan = as_scan(data)
    table = collect_rows(_only(scan, design, places), design.encoding.columns_with(design.group))
    groups = find_groups(table, design.group)
    labels = design.labels[places]
    if not np.array_equal(groups.labels, labels):
        raise DataError(
            f"{scan.source} has other groups than the data that were summed; give the same data"
        )
    rows = replay(design, table)
    draws = _some_effects(design, fit.draws, places, rng)
    base = design.base
    sampled = replace(
        design,
        y=encode(design.encoding, table).y,
        X=rows.X,
        Z=rows.Z,
        codes=groups.codes,
        labels=labels,
        base=None
        if base is None
        else GroupMeans(terms=base.terms, means=base.means[places], varies=base.varies),
        notes=(
            *design.notes,
            f"a random sample of {places.size} of {design.J:,} groups, {table.n:,} of "
            f"{design.n:,} rows",
        ),
        summed=None,
        sample_of=design.J,
    )
    return replace(fit, design=sampled, draws=draws)


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


def _only(scan: Scan, design: Design, places: Ints) -> Scan:
    """Keep the rows of some groups, in the engine that holds them."""
    wanted = design.labels[places].tolist()
    group = str(design.group)
    prepared = scan.prepare(scan, design.encoding.columns_with(group))
    kept = prepared.frame.filter(nw.col(group).is_in(wanted))
    # Types are settled: what is fetched must not settle them anew from a part of the rows.
    return replace(prepared, frame=kept, prepare=lambda same, _: same)


def _some_effects(design: Design, draws: Draws, places: Ints, rng: np.random.Generator) -> Draws:
    """Keep the effects of some groups, drawn anew where they were only summarised."""
    if not design.q:
        return draws
    shape = (draws.n_chains, draws.n_draws, places.size, design.q)
    known = {k: v for k, v in draws.posterior.items() if k not in ("u", "u_mean", "u_sd")}
    if "u" in draws.posterior:
        u = draws["u"][:, :, places]
    else:
        u = effects_of_groups(design, draws, rng)(places).reshape(shape)
    known["u"] = Variable(("chain", "draw", "group", "effect"), u)
    coords = {**draws.coords, "group": design.labels[places]}
    return replace(draws, posterior=known, coords=coords)

"""Predictors that a model has at two levels, and their slopes within and between groups.

A predictor x that varies within groups has a slope within groups and a slope between them. Which
coefficient is which depends on how the model is written: next to ``x`` that of ``between(x)`` is
the difference of the two slopes; next to ``within(x)`` it is the slope between groups.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import DesignError, Floats, percent, rounded, scaled
from bayes_mlm.design.design import INTERCEPT, Design
from bayes_mlm.design.imputations import mean_moments
from bayes_mlm.formula import label

# A column counts as the group means of a predictor if it correlates this highly with them, with a
# slope near 1: rounded means, or means over more members than the rows.
_CORRELATION = 0.95
_SLOPE = (0.8, 1.25)
# Least share of a predictor's variance at a level for its slope there to be reliable: the slope's
# standard error is 1/sqrt(share), 4.5 times, that with the whole variance of the predictor.
LEAST_SHARE = 0.05


class _UnknownSlopeError(Exception):
    """A slope that is no single number; the message is the reason."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Pair:
    """A predictor that a model has at two levels.

    Parameters
    ----------
    predictor : str
    mean : str
        The column of its group means: ``between(ses)``, or one of the data, ``meanses``.
    from_rows : bool
        Whether that column is the mean over the rows.
    within, between : ndarray, shape (p,)
        Weights of beta: the slope within groups, and between them. Their difference gives the
        contextual effect.
    averaged : tuple of str
        Predictors that either slope depends on, by a product; the slope is their average over
        the rows.
    version : str
        Description of the group mean.
    share : float
        Share of the predictor's variance between groups; see `share_between`.
    """

    predictor: str
    mean: str
    from_rows: bool
    within: Floats
    between: Floats
    averaged: tuple[str, ...]
    version: str
    share: float

    @property
    def contextual(self) -> Floats:
        """Weights of the contextual effect, shape (p,)."""
        return self.between - self.within

    @property
    def caution(self) -> str:
        """A warning if the predictor hardly varies at one level, else ""."""
        if self.share < LEAST_SHARE:
            return (
                f"{self.predictor} hardly differs between groups ({percent(self.share)} of its "
                f"variance, below {percent(LEAST_SHARE)}): its group means are mostly sampling "
                "error, which biases its slope between groups towards the slope within and the "
                "contextual effect towards zero, and makes both uncertain"
            )
        if self.share > 1 - LEAST_SHARE:
            return (
                f"{self.predictor} hardly varies within groups ({percent(1 - self.share)} of "
                f"its variance, below {percent(LEAST_SHARE)}): its slope within groups, and "
                "the contextual effect, are uncertain"
            )
        return ""


def pairs_of(
    design: Design, means: Mapping[str, str] | None = None
) -> tuple[tuple[Pair, ...], tuple[str, ...]]:
    """Return the predictors that a design has at two levels.

    Parameters
    ----------
    design : Design
        Of kind mundlak, or with ``between(x)`` next to ``x`` or ``within(x)``, or with a column of
        the data that contains the group means of ``x``.
    means : mapping of str to str, optional
        Such a column by predictor, ``{"ses": "meanses"}``; one close to the means of the rows is
        found automatically.

    Returns
    -------
    pairs : tuple of Pair
    omitted : tuple of str
        Reasons why a predictor at two levels has no such pair of slopes.

    Raises
    ------
    DesignError
        If `means` names a predictor or column that the model does not have.

    Examples
    --------
    >>> from bayes_mlm import build_design, for_kind, load_dataset
    >>> mundlak = for_kind(build_design("mathach ~ ses + (1 | schoolid)", load_dataset("hsb")),
    ...                    "mundlak")
    >>> (pair,), _ = pairs_of(mundlak)
    >>> pair.predictor, pair.mean, pair.within.tolist(), pair.between.tolist()
    ('ses', 'between(ses)', [0.0, 1.0, 0.0], [0.0, 1.0, 1.0])
    """
    pairs, omitted = [], []
    if design.group is None or design.base is None or design.kind == "between":
        return (), ()
    for name, mean in _candidates(design, means).items():
        try:
            pairs.append(_pair(design, name, mean))
        except _UnknownSlopeError as reason:
            omitted.append(f"{name}: {reason}")
    return tuple(pairs), tuple(omitted)


def share_between(column: Floats, design: Design) -> float:
    r"""Estimate the share of a predictor's variance that lies between groups, free of chance.

    The intraclass correlation by analysis of variance, which corrects for the sampling variance of
    group means. :math:`(M_b - M_w) / (M_b + (n_0 - 1) M_w)`, and 0 where that is negative.

    References
    ----------
    Snijders & Bosker (2012), Multilevel Analysis, 2nd ed., sec. 3.3.1; Donner (1986),
    International Statistical Review 54(1), for unequal groups.

    Examples
    --------
    >>> from bayes_mlm import build_design, load_dataset
    >>> design = build_design("mathach ~ ses + (1 | schoolid)", load_dataset("hsb"))
    >>> print(f"{share_between(design.X[:, 1], design):.3f}")
    0.267
    """
    centred = column - column.mean()
    means = design.group_term.means(centred)
    return _share(design, means, float(np.square(centred - design.group_term.by_row(means)).sum()))


def _share(design: Design, means: Floats, inside: float) -> float:
    """Return `share_between` from centred group means and the sum of squares within groups."""
    sizes, n = design.group_sizes, design.n
    within = inside / max(n - design.J, 1)
    between = float(sizes @ np.square(means)) / max(design.J - 1, 1)
    size = (n - float(sizes @ sizes) / n) / max(design.J - 1, 1)
    whole = between + (size - 1) * within
    return max(0.0, (between - within) / whole) if whole > 0 else 0.0


def _candidates(design: Design, means: Mapping[str, str] | None) -> dict[str, str]:
    """Return the column of group means of each predictor that has one."""
    found: dict[str, str] = {}
    for term in design.terms:
        inner = argument_of(term, "between", design)
        if inner is not None and ":" not in inner and _within_term(design, inner) is not None:
            found[inner] = term
    for name, mean in (means or {}).items():
        if _within_term(design, name) is None:
            raise DesignError(
                f"the model has no predictor {name!r} within groups; its terms: "
                f"{', '.join(design.terms)}"
            )
        if mean not in design.terms:
            raise DesignError(
                f"{mean!r}, given as the group means of {name!r}, is no term of the model; "
                f"its terms: {', '.join(design.terms)}"
            )
        found[name] = mean
    for name in design.terms:
        if name not in found and ":" not in name and not name.startswith("between("):
            column = _observed_means(design, name)
            if column is not None and column not in found.values():
                found[name] = column
    return found


def _within_term(design: Design, name: str) -> str | None:
    """Return the term with a predictor's slope within groups: itself or its deviations."""
    if name in design.terms and _varies(design, name):
        return name
    return next((t for t in design.terms if argument_of(t, "within", design) == name), None)


def _observed_means(design: Design, name: str) -> str | None:
    """Return the column of the data that contains the group means of a predictor, if any."""
    assert design.base is not None  # for mypy: the caller looked
    terms = design.base.terms
    if name == INTERCEPT or name not in terms or not _varies(design, name):
        return None
    means = design.base.means[:, terms.index(name)]
    for k, term in enumerate(terms):
        column = design.base.means[:, k]
        group_level = term != INTERCEPT and ":" not in term and not design.base.varies[k]
        if not group_level or term.startswith("between(") or np.unique(column).size < 3:
            continue
        varying = means.std() > 0 and column.std() > 0
        correlation = np.corrcoef(means, column)[0, 1] if varying else 0.0
        slope = correlation * column.std() / means.std() if varying else 0.0
        if correlation >= _CORRELATION and _SLOPE[0] <= slope <= _SLOPE[1]:
            return term
    return None


def _varies(design: Design, name: str) -> bool:
    base = design.base
    return base is not None and name in base.terms and bool(base.varies[base.terms.index(name)])


def argument_of(
    term: str, function: str, design: Design, *, group: str | None = None
) -> str | None:
    """Return the argument of a grouped function: ``ses`` of ``between(ses)``, or None.

    By default of one by the design's group.
    """
    group = design.group if group is None else group
    if not term.startswith(f"{function}(") or not term.endswith(")") or len(_factors(term)) > 1:
        return None
    return term.removeprefix(f"{function}(").removesuffix(")").removesuffix(f", {group}")


def _factors(term: str) -> list[str]:
    """Split a column's name at the colons outside brackets: ``ses:between(ses:x)``."""
    parts, depth, start = [], 0, 0
    for place, sign in enumerate(term):
        depth += (sign in "([") - (sign in ")]")
        if sign == ":" and depth == 0:
            parts.append(term[start:place])
            start = place + 1
    return [*parts, term[start:]]


def _pair(design: Design, name: str, mean: str) -> Pair:
    _check_alone(design, name)
    within, between = np.zeros(design.p), np.zeros(design.p)
    averaged: dict[str, None] = {}
    for k, term in enumerate(design.terms):
        factors = _factors(term)
        for place, factor in enumerate(factors):
            moves = _moves(design, factor, name, mean)
            if moves == (0.0, 0.0) and not _mean_of_product(design, factor, name):
                continue
            others = factors[:place] + factors[place + 1 :]
            if moves == (0.0, 0.0):  # between(ses:sector), with sector a property of groups
                moves = (0.0, 1.0)
                others += [one for one in _inner(design, factor) if one != name]
            value = _mean_of(design, others)
            averaged |= dict.fromkeys(others)
            within[k] += moves[0] * value
            between[k] += moves[1] * value
    from_rows = mean.startswith("between(")
    return Pair(
        predictor=name,
        mean=mean,
        from_rows=from_rows,
        within=within,
        between=between,
        averaged=tuple(averaged),
        version=_version(design, name, mean, from_rows=from_rows),
        share=_share_of(design, _parts(design, name, mean)),
    )


def _moves(design: Design, factor: str, name: str, mean: str) -> tuple[float, float]:
    """Return the slopes of a factor on the deviation of x and on the group mean of x."""
    if factor == mean:
        return 0.0, 1.0
    if factor == name:
        # x is the sum of the two.
        return 1.0, 1.0
    if argument_of(factor, "within", design) == name:
        return 1.0, 0.0
    if argument_of(factor, "between", design) == name:
        return 0.0, 1.0
    return 0.0, 0.0


def _inner(design: Design, factor: str) -> list[str]:
    inner = argument_of(factor, "between", design)
    return [] if inner is None else _factors(inner)


def _mean_of_product(design: Design, factor: str, name: str) -> bool:
    """Return whether a factor is the group mean of a product with x."""
    parts = _inner(design, factor)
    if len(parts) < 2 or name not in parts:
        return False
    moving = [
        one for one in parts if one != name and (one not in design.terms or _varies(design, one))
    ]
    if moving:
        raise _UnknownSlopeError(
            "its slope between groups depends on its covariance within groups with "
            f"{', '.join(moving)}"
        )
    return True


def _place(design: Design, name: str) -> int:
    if name not in design.terms:
        raise _UnknownSlopeError(
            f"its slope depends on {name}, which the model does not have as a main effect; add it"
        )
    return design.terms.index(name)


def _mean_of(design: Design, names: Sequence[str]) -> float:
    """Return the mean over the rows of a product of columns; of two at most from sums."""
    places = [_place(design, name) for name in names]
    if not places:
        return 1.0
    if design.aggregated is None:
        return float(np.prod(design.X[:, places], axis=1).mean())
    s = design.aggregated.cells
    means = s.means[:, places] + s.centre[places]
    if len(places) == 1:
        return float(s.counts @ means[:, 0]) / s.n
    if len(places) > 2:
        raise _UnknownSlopeError(
            f"its slope depends on the mean of the product of {', '.join(names)}, which sums "
            "do not contain"
        )
    inside = float(s.scatter[:, places[0], places[1]].sum())
    return (inside + float(s.counts @ (means[:, 0] * means[:, 1]))) / s.n


def _check_alone(design: Design, name: str) -> None:
    """Refuse a predictor whose column is in another function too: x next to I(x**2)."""
    factors = [factor for term in design.formula.terms for factor in term]
    forms = {
        name,
        *(
            f"{how}({name}{by})"
            for how in ("within", "between")
            for by in ("", f", {design.group}")
        ),
    }
    linear = [f for f in factors if label(f) in forms or name.startswith(f"{label(f)}[")]
    columns = {column for factor in linear for column in factor.columns} - {design.group}
    for factor in factors:
        if factor not in linear and columns & set(factor.columns):
            raise _UnknownSlopeError(f"its slope is not constant, because of {label(factor)}")
    for offset in design.formula.offsets:
        if columns & set(offset.columns):
            raise _UnknownSlopeError(f"its slope has a part in the offset {label(offset)}")


def _parts(design: Design, name: str, mean: str) -> list[int]:
    """Return the columns that add up to the predictor itself: one, or its two parts."""
    if name in design.terms:
        return [design.terms.index(name)]
    within = _within_term(design, name)
    assert within is not None  # for mypy: a candidate has one
    return [design.terms.index(within), design.terms.index(mean)]


def _share_of(design: Design, places: list[int]) -> float:
    """Return `share_between` of a sum of columns, from rows or from sums."""
    if design.imputations:
        return float(np.mean([_share_of(one, places) for one in design.imputations]))
    if design.has_rows:
        return share_between(design.X[:, places].sum(axis=1), design)
    s = mean_moments(design)
    means = s.means[:, places].sum(axis=1)
    means = means - float(s.counts @ means) / s.n
    return _share(design, means, float(s.scatter[:, places][:, :, places].sum()))


def _version(design: Design, name: str, mean: str, *, from_rows: bool) -> str:
    if from_rows:
        return f"{mean}: the mean of {name} over the rows of each group"
    text = f"{mean}: a column of the data, taken as the group means of {name}"
    base = design.base
    if base is None or name not in base.terms:
        return text
    rows, column = (base.means[:, base.terms.index(one)] for one in (name, mean))
    difference = float(np.abs(column - rows).max())
    return (
        f"{text}; not between({name}), the mean over the rows, from which it differs "
        f"by up to {rounded(difference)} (correlation {scaled(np.corrcoef(rows, column)[0, 1], 4)})"
    )

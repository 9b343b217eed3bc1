"""Show which groups lie far out, which ones the results hang on, and whose rows spread unlike."""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.assess import Check, check, most_shift
from bayes_mlm.base import Floats, Ints, number, percent, scaled, shorten
from bayes_mlm.fitting import Analysis

_NAMED = 4
# Beyond so many groups leaving each out takes seconds: `bayes-mlm check` does any number.
_MOST_GROUPS = 2_000
# Of the ratio of a group's sd to the model's.
_LEVEL = 0.95


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupInfluence:
    """Hold how far out, how influential and how spread out each group is.

    Parameters
    ----------
    model, group : str
    labels : ndarray, shape (J,)
    effect : ndarray, shape (J,)
        Standardised group effect; nan where the rows do not tell.
    n_effects : int
        Effects that it is made of: signed for one.
    shift : ndarray, shape (J,)
        Size of the largest move of a posterior mean without the group, in posterior sds.
    moved : tuple of str
        Which quantity moves so.
    reliable : ndarray of bool, shape (J,)
    df : ndarray of int, shape (J,)
        Degrees of freedom of the spread: rows less own effects.
    ratio : ndarray, shape (J,)
        Sd of the group's rows about its own line over the model's; nan where there is none.
    band_df, lower, upper : ndarray, shape (m,)
        Where 95 % of the ratios lie if the model is right, by degrees of freedom.
    limit : float
        The shift beyond which a group decides a result.
    influential, unlike : ndarray of int
        Groups to name in either panel.
    """

    model: str
    group: str
    labels: np.ndarray
    effect: Floats
    n_effects: int
    shift: Floats
    moved: tuple[str, ...]
    reliable: np.ndarray
    df: Ints
    ratio: Floats
    band_df: Floats
    lower: Floats
    upper: Floats
    limit: float
    influential: Ints
    unlike: Ints

    @property
    def title(self) -> str:
        """What the figure is of."""
        return f"Outlying and influential groups ({self.group}), {self.model}"

    @property
    def caption(self) -> str:
        """What there is to see."""
        most = int(self.influential[0])
        strong = int(np.count_nonzero(self.shift > self.limit))
        inside = (
            np.interp(self.df, self.band_df, self.lower),
            np.interp(self.df, self.band_df, self.upper),
        )
        known = np.isfinite(self.ratio)
        out = int(np.count_nonzero(known & ((self.ratio < inside[0]) | (self.ratio > inside[1]))))
        within = {0: "no group's sd lies", 1: "the sd of 1 group lies"}.get(
            out, f"the sds of {out} groups lie"
        )
        expected = number((1.0 - _LEVEL) * np.count_nonzero(known), 10.0)
        return (
            f"Left: without {shorten(self.labels[most])} the posterior mean of "
            f"{self.moved[most]} moves by {number(float(self.shift[most]), 0.1)} posterior sds, "
            f"the furthest of all; {strong or 'none'} of the {self.labels.size} "
            f"{'moves' if strong < 2 else 'move'} one by more than the limit of "
            f"{scaled(self.limit, 1)}. Right: "
            f"{within} outside of where {percent(_LEVEL)} lie if all spread alike; "
            f"by chance about {expected} would."
        )

    @property
    def alt(self) -> str:
        """What is drawn."""
        return (
            f"A point for each {self.group}: left, the largest shift of a posterior mean without "
            "it against its standardised effect; right, the ratio of its sd to the model's "
            "against its degrees of freedom, with a band."
        )


def group_influence(analysis: Analysis) -> GroupInfluence | None:
    """Leave each group out in turn, and compare their spreads.

    Returns
    -------
    GroupInfluence or None
        None without a posterior of random effects, for very many groups, or where a group cannot
        be left out.
    """
    if not analysis.fits or not 3 <= analysis.design.J <= _MOST_GROUPS:
        return None
    fit = analysis.fits[0]
    if not fit.design.q or not fit.priors.sigma_u:
        return None
    found = check(fit)
    shifts = _column(found, "shift")
    if not np.isfinite(shifts).all():
        return None
    ratio, q = _column(found, "spread"), fit.design.q
    df = np.maximum(fit.design.group_sizes - q, 0)
    # Beyond the last group too, so that the band does not end at it.
    band = np.unique(np.concatenate([np.linspace(0.5, 1.2 * df.max() + 2, 80), df[df > 0]]))
    lower, upper = _band(band)
    spread_p = _column(found, "spread_p")
    unlike = np.argsort(np.where(np.isfinite(spread_p), spread_p, 1.0), kind="stable")[:_NAMED]
    return GroupInfluence(
        model=analysis.spec.name,
        group=str(fit.design.group),
        labels=fit.design.labels,
        effect=_column(found, "effect"),
        n_effects=q,
        shift=np.abs(shifts),
        moved=tuple(row.moved for row in found.groups),
        reliable=np.array([row.reliable for row in found.groups]),
        df=df,
        ratio=ratio,
        band_df=band,
        lower=lower,
        upper=upper,
        limit=most_shift(len(found.groups)),
        influential=np.argsort(-np.abs(shifts), kind="stable")[:_NAMED],
        unlike=unlike[np.isfinite(ratio[unlike])],
    )


def _column(found: Check, name: str) -> Floats:
    values = [getattr(row, name) for row in found.groups]
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _band(df: Floats) -> tuple[Floats, Floats]:
    from scipy.special import chdtri

    tail = (1.0 - _LEVEL) / 2.0
    return np.sqrt(chdtri(df, 1.0 - tail) / df), np.sqrt(chdtri(df, tail) / df)

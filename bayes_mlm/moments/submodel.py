"""Rotated statistics of some of the columns of X."""

from dataclasses import replace

import numpy as np

from bayes_mlm.base import Ints
from bayes_mlm.moments.rank import check_rank, rank_of, rank_of_groups
from bayes_mlm.moments.rotated import RotatedMoments


def select_columns(reduced: RotatedMoments, x: Ints) -> RotatedMoments:
    """Return the statistics of some columns of X, among them those that make up the constant.

    Raises
    ------
    DesignError
        As `rotate_moments`: if one of them is a linear combination of others.

    Examples
    --------
    >>> from bayes_mlm.moments import from_rows, rotate_moments
    >>> X = np.array([[1.0, 2.0, 1.0], [1.0, 3.0, 5.0], [1.0, 5.0, 2.0], [1.0, 4.0, 4.0]])
    >>> rows = from_rows(np.arange(4.0), X, X[:, :1], np.array([0, 0, 1, 1]), 2)
    >>> select_columns(rotate_moments(rows), np.array([0, 2])).terms
    ('x0', 'x2')
    """
    kept = np.append(x, reduced.p)
    rest, c = reduced.rest[np.ix_(kept, kept)], reduced.c[:, :, kept]
    terms, ones, p = tuple(reduced.terms[k] for k in x), reduced.ones[x], len(x)
    stacked = c.reshape(-1, p + 1)
    information = (rest + stacked.T @ stacked)[:p, :p]
    check_rank(information, terms, ones)
    inside = rank_of(rest[:p, :p], np.diag(information))
    z_rank = rank_of_groups(reduced.r, reduced.size)
    return replace(
        reduced,
        p=p,
        rest=rest,
        c=c,
        ones=ones,
        x_mean=reduced.x_mean[x],
        terms=terms,
        between_df=z_rank + inside - p,
        within_df=reduced.n - z_rank - inside,
    )

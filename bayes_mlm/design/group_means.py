"""Group means of a design's columns, from its rows or from its sums."""

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.data import Groups
from bayes_mlm.design.design import VARIES, Design
from bayes_mlm.design.terms import GroupMeans, GroupTerm, means_by_group
from bayes_mlm.moments import GroupMoments


def group_means(design: Design) -> GroupMeans:
    """Return the means of the columns of X by group of a design with one factor.

    Examples
    --------
    >>> from bayes_mlm import build_design
    >>> data = {"y": [1.0, 2, 4, 7], "x": [0.0, 2, 1, 5], "g": [1, 1, 2, 2]}
    >>> group_means(build_design("y ~ x + (1 | g)", data)).means[:, 1].tolist()
    [1.0, 3.0]
    """
    return design.compute(
        lambda rows: means_of_rows(rows.X, rows.terms, rows.group_term), means_of_moments
    )


def means_of_rows(
    X: Floats,
    terms: tuple[str, ...],
    groups: Groups | GroupTerm,
    weights: Floats | None = None,
) -> GroupMeans:
    """Return the means of columns (n, p) by group, and which of them vary within groups.

    Weights (n,) are how many rows each stands for.
    """
    codes = groups.codes
    means = means_by_group(X, codes, groups.labels.size, weights)
    # By column: a large table leaves room for no more than one copy of X.
    inside = [
        float(np.sqrt(np.square(column - mean[codes]).mean()))
        for column, mean in zip(X.T, means.T, strict=True)
    ]
    sizes = np.abs([[X.min(axis=0)], [X.max(axis=0)]]).max(axis=(0, 1))
    return GroupMeans(terms=terms, means=means, varies=np.array(inside) > VARIES * sizes)


def means_of_moments(summed: GroupMoments) -> GroupMeans:
    """Return the means of the columns of X by group, and which of them vary within groups."""
    p = summed.p
    inside = np.sqrt(np.einsum("jkk->k", summed.scatter[:, :p, :p]) / summed.n)
    mean, sd = summed.moments
    sizes = np.sqrt(np.square(mean[:p]) + np.square(sd[:p]))
    return GroupMeans(
        terms=summed.terms,
        means=summed.means[:, :p] + summed.centre[:p],
        varies=inside > VARIES * sizes,
    )

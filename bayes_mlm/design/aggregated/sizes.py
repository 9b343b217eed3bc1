"""How many rows the groups of a design have, and how many combinations of levels there are."""

import numpy as np

from bayes_mlm.base import expect
from bayes_mlm.design.design import Design


def small_groups(design: Design, fewer_than: int = 5) -> int:
    """Count the groups of fewer rows than some number, whose sums nearly disclose their rows.

    Of sums by several factors those counted are the combinations of their levels.

    Parameters
    ----------
    design : Design
        With groups, of rows or of sums.
    fewer_than : int

    Returns
    -------
    int

    Examples
    --------
    >>> from bayes_mlm import load_hsb, small_groups, sum_rows
    >>> small_groups(sum_rows("mathach ~ ses + (1 | schoolid)", load_hsb()), 20)
    2
    """
    expect("small_groups", design, Design)
    sizes = design.compute(lambda rows: rows.group_sizes, lambda s: s.counts)
    sizes = sizes if design.weights is None else design.weights.rows
    return int(np.count_nonzero(sizes < fewer_than))


def n_cells(design: Design) -> int:
    """Count the combinations of levels with rows of an aggregated design: what its sums are by."""
    return design.compute(lambda rows: rows.group_term.J, lambda s: s.J)

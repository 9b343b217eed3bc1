"""Whether the data determine the variances of a model with one grouping factor."""

from bayes_mlm.base import DesignError
from bayes_mlm.moments import RotatedMoments


def check_identified(reduced: RotatedMoments) -> None:
    """Raise a DesignError where the variances are not determined by any amount of precision."""
    if reduced.q == 0:
        return
    name = reduced.group or "group"
    if len(reduced.c) < 2:
        raise DesignError(
            f"{name!r} has a single group, so the variance between groups is not identified; "
            "give at least 2 groups or drop the group effects"
        )
    if reduced.within_df < 1:
        raise DesignError(
            f"every group of {name!r} has too few rows for {reduced.q} effects and a residual "
            f"({reduced.n} rows, {len(reduced.c)} groups); drop effects or use coarser groups"
        )
    if reduced.between_df < 1:
        raise DesignError(
            f"the fixed effects explain every difference between the {len(reduced.c)} groups of "
            f"{name!r}, so the group variance is not identified; drop a group-level term"
        )

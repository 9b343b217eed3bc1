"""The registry of figures, those of the 2015 document included."""

from bayes_mlm.figures import FIGURES
from bayes_mlm.studies.hsb.figures import (
    by_group,
    extremes,
    pooled_between,
    prototypes,
    slopes,
    subgroup_means,
    tidy,
    within_line,
)

__all__ = ["FIGURES", "tidy"]  # the module registers the tables of these figures

for _entry in (
    by_group.FIGURE,
    pooled_between.FIGURE,
    within_line.FIGURE,
    extremes.FIGURE,
    slopes.FIGURE,
    prototypes.FIGURE,
    subgroup_means.FIGURE,
):
    FIGURES.register(_entry.name, _entry)

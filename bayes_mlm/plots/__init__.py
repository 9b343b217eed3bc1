"""Draw what was computed; nothing is computed here.

Each function takes a picture of `bayes_mlm.pictures`, or a summary, and gives a matplotlib figure
that was never shown or registered. `bayes_mlm.plots.catalogue` lists them with what each needs.
"""

from bayes_mlm.plots.groups import plot_group_spread, plot_prototypes, plot_split_means
from bayes_mlm.plots.lines import (
    plot_extremes,
    plot_four_slopes,
    plot_pooled_between,
    plot_within_line,
)
from bayes_mlm.plots.sensitivity import plot_sensitivity
from bayes_mlm.plots.shrinkage import plot_shrinkage
from bayes_mlm.plots.style import Style, engine_style, model_styles

__all__ = [
    "Style",
    "engine_style",
    "model_styles",
    "plot_extremes",
    "plot_four_slopes",
    "plot_group_spread",
    "plot_pooled_between",
    "plot_prototypes",
    "plot_sensitivity",
    "plot_shrinkage",
    "plot_split_means",
    "plot_within_line",
]

"""Draw what was computed; nothing is computed here.

Each function takes a picture of `bayes_mlm.figures.picture`, or a summary, and gives a matplotlib
figure that was never shown or registered. `bayes_mlm.figures.drawing.catalogue` lists them with
what each needs.
"""

from bayes_mlm.figures.drawing.accuracy import plot_accuracy, plot_left_out
from bayes_mlm.figures.drawing.coefficients import plot_coefficients
from bayes_mlm.figures.drawing.densities import (
    plot_contextual,
    plot_densities,
    plot_explained,
    plot_prior_posterior,
)
from bayes_mlm.figures.drawing.effects import plot_caterpillar, plot_group_shrinkage
from bayes_mlm.figures.drawing.groups import plot_group_spread, plot_prototypes, plot_split_means
from bayes_mlm.figures.drawing.lines import (
    plot_extremes,
    plot_four_slopes,
    plot_pooled_between,
    plot_within_line,
)
from bayes_mlm.figures.drawing.predictive import plot_predictive
from bayes_mlm.figures.drawing.prior_shifts import plot_prior_shifts
from bayes_mlm.figures.drawing.residuals import plot_group_residuals, plot_row_residuals
from bayes_mlm.figures.drawing.sampling import (
    plot_convergence,
    plot_divergences,
    plot_energy,
    plot_traces,
)
from bayes_mlm.figures.drawing.sensitivity import plot_sensitivity
from bayes_mlm.figures.drawing.shrinkage import plot_shrinkage
from bayes_mlm.figures.drawing.sides import plot_side_difference
from bayes_mlm.figures.drawing.style import Style, engine_style, model_styles

__all__ = [
    "Style",
    "engine_style",
    "model_styles",
    "plot_accuracy",
    "plot_caterpillar",
    "plot_coefficients",
    "plot_contextual",
    "plot_convergence",
    "plot_densities",
    "plot_divergences",
    "plot_energy",
    "plot_explained",
    "plot_extremes",
    "plot_four_slopes",
    "plot_group_residuals",
    "plot_group_shrinkage",
    "plot_group_spread",
    "plot_left_out",
    "plot_pooled_between",
    "plot_predictive",
    "plot_prior_posterior",
    "plot_prior_shifts",
    "plot_prototypes",
    "plot_row_residuals",
    "plot_sensitivity",
    "plot_shrinkage",
    "plot_side_difference",
    "plot_split_means",
    "plot_traces",
    "plot_within_line",
]

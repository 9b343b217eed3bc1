"""List the figures that only a posterior can show, and whether to believe it."""

from bayes_mlm.figures.accuracy import direct_accuracy
from bayes_mlm.figures.caterpillar import caterpillar
from bayes_mlm.figures.coefficients import ladder_coefficients
from bayes_mlm.figures.contextual import contextual_effect
from bayes_mlm.figures.convergence import converged
from bayes_mlm.figures.densities import variance_densities
from bayes_mlm.figures.divergences import divergences
from bayes_mlm.figures.drawing.accuracy import plot_accuracy, plot_left_out
from bayes_mlm.figures.drawing.coefficients import plot_coefficients
from bayes_mlm.figures.drawing.densities import (
    plot_contextual,
    plot_densities,
    plot_explained,
    plot_prior_posterior,
)
from bayes_mlm.figures.drawing.effects import plot_caterpillar, plot_group_shrinkage
from bayes_mlm.figures.drawing.entry import Entry
from bayes_mlm.figures.drawing.influence import plot_influence
from bayes_mlm.figures.drawing.predictive import plot_predictive
from bayes_mlm.figures.drawing.prior_shifts import plot_prior_shifts
from bayes_mlm.figures.drawing.residuals import plot_group_residuals, plot_row_residuals
from bayes_mlm.figures.drawing.sampling import (
    plot_convergence,
    plot_divergences,
    plot_energy,
    plot_traces,
)
from bayes_mlm.figures.drawing.sides import plot_side_difference
from bayes_mlm.figures.drawing.trajectories import plot_trajectories
from bayes_mlm.figures.drawing.variance_parts import plot_variance_parts
from bayes_mlm.figures.energy import energy
from bayes_mlm.figures.explained import explained_by_level
from bayes_mlm.figures.influence import group_influence
from bayes_mlm.figures.left_out import left_out_groups
from bayes_mlm.figures.predictive import predictive_checks
from bayes_mlm.figures.prior_posterior import prior_and_posterior
from bayes_mlm.figures.prior_sensitivity import prior_sensitivity_of
from bayes_mlm.figures.residuals import group_residuals, row_residuals
from bayes_mlm.figures.shrinkage import shrinkage
from bayes_mlm.figures.sides import side_difference
from bayes_mlm.figures.traces import traces
from bayes_mlm.figures.trajectories import trajectories
from bayes_mlm.figures.variance_parts import variance_parts

POSTERIOR = (
    Entry(
        name="densities",
        title="Densities of the variance parameters",
        shows="posterior of sds, correlations and icc, with REML or OLS and published figures",
        applies="the model has a posterior",
        of="model",
        prepare=variance_densities,
        draw=plot_densities,
        section="posterior",
    ),
    Entry(
        name="explained",
        title="R² by level",
        shows="posterior share of variance explained between and within groups, model by model",
        applies="a model has a null model beside it, and one icc",
        of="ladder",
        prepare=explained_by_level,
        draw=plot_explained,
        section="ladder",
    ),
    Entry(
        name="coefficients",
        title="Coefficients across the models",
        shows="every coefficient in every model that has it, engine beside engine",
        applies="a model has coefficients, and a posterior",
        of="ladder",
        prepare=ladder_coefficients,
        draw=plot_coefficients,
        section="ladder",
    ),
    Entry(
        name="caterpillar",
        title="Group effects in order",
        shows="every group's effect with its interval, by split, the outlying ones named",
        applies="the model has random effects, and a posterior",
        of="model",
        prepare=caterpillar,
        draw=plot_caterpillar,
        section="groups",
    ),
    Entry(
        name="trajectories",
        title="Lines of individuals and of the population",
        shows="own fitted lines, the population's with its band, and some individuals' rows",
        applies="the model has a numeric slope that varies between groups, and a posterior",
        of="model",
        prepare=trajectories,
        draw=plot_trajectories,
        section="groups",
    ),
    Entry(
        name="shrinkage",
        title="What partial pooling does",
        shows="each group's own estimate and its partially pooled one, by size",
        applies="the model has random effects, and a posterior",
        of="model",
        prepare=shrinkage,
        draw=plot_group_shrinkage,
        section="groups",
    ),
    Entry(
        name="side-difference",
        title="Difference between the sides along the slope",
        shows="difference with its band, and where it is credibly not zero",
        applies="the model has a product of the slope and a two-valued predictor of groups",
        of="model",
        prepare=side_difference,
        draw=plot_side_difference,
        section="posterior",
    ),
    Entry(
        name="within-between",
        title="Slopes within and between groups",
        shows="the slope within groups, the slope between them, and their difference",
        applies="the model has a predictor and its group mean, and no product with either",
        of="model",
        prepare=contextual_effect,
        draw=plot_contextual,
        section="posterior",
    ),
    Entry(
        name="variance-parts",
        title="Where the variance comes from",
        shows="parts of the variance, whole, within and between groups (Rights & Sterba)",
        applies="the model has random effects",
        of="model",
        prepare=variance_parts,
        draw=plot_variance_parts,
        section="posterior",
    ),
    Entry(
        name="prior-posterior",
        title="Prior and posterior",
        shows="every proper prior over the range of its posterior",
        applies="the model has a posterior and a proper prior",
        of="model",
        prepare=prior_and_posterior,
        draw=plot_prior_posterior,
        section="posterior",
    ),
    Entry(
        name="prior-sensitivity",
        title="Prior sensitivity",
        shows="how far other priors of sigma_u move sigma_u and the coefficients of groups",
        applies="a model has random effects that the direct engine can draw",
        of="ladder",
        prepare=prior_sensitivity_of,
        draw=plot_prior_shifts,
        section="ladder",
    ),
    Entry(
        name="traces",
        title="Draws in order and their ranks",
        shows="draws by chain, and how the chains share their ranks",
        applies="the model has a posterior",
        of="model",
        prepare=traces,
        draw=plot_traces,
        section="diagnostics",
    ),
    Entry(
        name="energy",
        title="Energy",
        shows="energies of the NUTS draws beside the steps between them",
        applies="a fit is by NUTS (--engine nuts)",
        of="model",
        prepare=energy,
        draw=plot_energy,
        section="diagnostics",
    ),
    Entry(
        name="convergence",
        title="R-hat and effective sample sizes",
        shows="R-hat and effective sample sizes of every parameter, the group effects included",
        applies="a fit is by NUTS (--engine nuts): independent draws have nothing to converge",
        of="model",
        prepare=converged,
        draw=plot_convergence,
        section="diagnostics",
    ),
    Entry(
        name="divergences",
        title="Divergences",
        shows="the parts of the posterior in which trajectories diverged",
        applies="a fit is by NUTS (--engine nuts), and some trajectory diverged",
        of="model",
        prepare=divergences,
        draw=plot_divergences,
        section="diagnostics",
    ),
    Entry(
        name="accuracy",
        title="Accuracy of the direct draws",
        shows="quadrature error or k-hat of the importance weights, against their limits",
        applies="a fit is by the direct engine",
        of="model",
        prepare=direct_accuracy,
        draw=plot_accuracy,
        section="diagnostics",
    ),
    Entry(
        name="left-out-groups",
        title="Groups left out",
        shows="how well each group is foretold by the others, and the k-hat of its weights",
        applies="the model has random effects of at most 500 groups, and a posterior without any",
        of="model",
        prepare=left_out_groups,
        draw=plot_left_out,
        section="diagnostics",
    ),
    Entry(
        name="group-influence",
        title="Outlying and influential groups",
        shows="how far posterior means move without each group, and how its rows spread",
        applies="the model has random effects of 3 to 2,000 groups, and a posterior",
        of="model",
        prepare=group_influence,
        draw=plot_influence,
        section="diagnostics",
    ),
    Entry(
        name="predictive",
        title="Posterior predictive checks",
        shows="outcomes, group means, sds within groups and extremes, beside replicates",
        applies="the model has a posterior",
        of="model",
        prepare=predictive_checks,
        draw=plot_predictive,
        section="diagnostics",
    ),
    Entry(
        name="row-residuals",
        title="Residuals of the rows",
        shows="residuals against fitted values, and against the normal distribution",
        applies="the model has a posterior",
        of="model",
        prepare=row_residuals,
        draw=plot_row_residuals,
        section="diagnostics",
    ),
    Entry(
        name="group-residuals",
        title="Residuals of the groups",
        shows="standardised group effects against the normal distribution, with a band",
        applies="the model has random effects, and a posterior of three groups or more",
        of="model",
        prepare=group_residuals,
        draw=plot_group_residuals,
        section="diagnostics",
    ),
)

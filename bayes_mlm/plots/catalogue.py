"""List every figure with what it shows, what it is made from and when it applies.

The report and the command line go by this list; a new figure is one entry more.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from bayes_mlm.analysis import Analysis
from bayes_mlm.pictures import Picture
from bayes_mlm.pictures.accuracy import direct_accuracy
from bayes_mlm.pictures.by_group import spread_by_group
from bayes_mlm.pictures.caterpillar import caterpillar
from bayes_mlm.pictures.coefficients import ladder_coefficients
from bayes_mlm.pictures.contextual import contextual_effect
from bayes_mlm.pictures.convergence import converged
from bayes_mlm.pictures.densities import variance_densities
from bayes_mlm.pictures.divergences import divergences
from bayes_mlm.pictures.energy import energy
from bayes_mlm.pictures.explained import explained_by_level
from bayes_mlm.pictures.extremes import extreme_groups
from bayes_mlm.pictures.left_out import left_out_groups
from bayes_mlm.pictures.pooled_between import pooled_and_between
from bayes_mlm.pictures.predictive import predictive_checks
from bayes_mlm.pictures.prior_posterior import prior_and_posterior
from bayes_mlm.pictures.prior_sensitivity import prior_sensitivity_of
from bayes_mlm.pictures.prototypes import prototypes
from bayes_mlm.pictures.residuals import group_residuals, row_residuals
from bayes_mlm.pictures.shrinkage import shrinkage
from bayes_mlm.pictures.sides import side_difference
from bayes_mlm.pictures.slopes import four_slopes
from bayes_mlm.pictures.split_means import split_means
from bayes_mlm.pictures.traces import traces
from bayes_mlm.pictures.trajectories import trajectories
from bayes_mlm.pictures.variance_parts import variance_parts
from bayes_mlm.pictures.within_line import within_line
from bayes_mlm.plots.accuracy import plot_accuracy, plot_left_out
from bayes_mlm.plots.coefficients import plot_coefficients
from bayes_mlm.plots.densities import (
    plot_contextual,
    plot_densities,
    plot_explained,
    plot_prior_posterior,
)
from bayes_mlm.plots.effects import plot_caterpillar, plot_group_shrinkage
from bayes_mlm.plots.groups import plot_group_spread, plot_prototypes, plot_split_means
from bayes_mlm.plots.lines import (
    plot_extremes,
    plot_four_slopes,
    plot_pooled_between,
    plot_within_line,
)
from bayes_mlm.plots.predictive import plot_predictive
from bayes_mlm.plots.prior_shifts import plot_prior_shifts
from bayes_mlm.plots.residuals import plot_group_residuals, plot_row_residuals
from bayes_mlm.plots.sampling import (
    plot_convergence,
    plot_divergences,
    plot_energy,
    plot_traces,
)
from bayes_mlm.plots.sides import plot_side_difference
from bayes_mlm.plots.trajectories import plot_trajectories
from bayes_mlm.plots.variance_parts import plot_variance_parts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

type Section = Literal["data", "posterior", "groups", "diagnostics", "ladder"]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Hold one kind of figure.

    Parameters
    ----------
    name : str
        What the command line calls it.
    title : str
        A few words for a list.
    shows : str
        What it shows, in one line.
    applies : str
        When there is such a figure: what its models or its data must have.
    of : {"model", "ladder"}
        Whether it is prepared from one `Analysis`, or from a sequence of them. A ladder of one
        model is a ladder too.
    prepare : callable
        Computes what the figure shows, or gives None where it does not apply.
    draw : callable
        Draws what `prepare` gave.
    section : str
        Where the report puts it.
    """

    name: str
    title: str
    shows: str
    applies: str
    of: Literal["model", "ladder"]
    prepare: Callable[[Any], Any]
    draw: Callable[[Any], "Figure"]
    section: Section


# The figures of the 2015 document, in its order.
_DOCUMENT = (
    Entry(
        name="group-spread",
        title="Outcome by group, and about each group's mean",
        shows="middle half, mean and median of every group, with the posterior of its mean",
        applies="the model has groups and rows below them",
        of="ladder",
        prepare=spread_by_group,
        draw=plot_group_spread,
        section="data",
    ),
    Entry(
        name="pooled-between",
        title="Line of all rows, line of group means",
        shows="rows and group means, each with its line and band",
        applies="there is a pooled and a between model with the same numeric predictor",
        of="ladder",
        prepare=pooled_and_between,
        draw=plot_pooled_between,
        section="ladder",
    ),
    Entry(
        name="within-line",
        title="Line within groups",
        shows="outcome against the predictor less its group mean, with the line and band",
        applies="the model is of the within kind, with a numeric predictor",
        of="model",
        prepare=within_line,
        draw=plot_within_line,
        section="data",
    ),
    Entry(
        name="extreme-groups",
        title="No-pooling lines of the two extreme groups",
        shows="own lines of the groups with the lowest and the highest mean of the predictor",
        applies="the model is of the no_pooling kind, and group means of the predictor differ",
        of="model",
        prepare=extreme_groups,
        draw=plot_extremes,
        section="groups",
    ),
    Entry(
        name="four-slopes",
        title="Total, between, within and random-effects lines",
        shows="the lines of four kinds of model in one picture, with their slopes and intervals",
        applies="two or more kinds of model share a numeric predictor that varies within groups",
        of="ladder",
        prepare=four_slopes,
        draw=plot_four_slopes,
        section="ladder",
    ),
    Entry(
        name="prototypes",
        title="Prototypical groups",
        shows="members of a typical group of each side, own line and partially pooled line",
        applies="the model has group effects and a numeric predictor that varies within groups",
        of="model",
        prepare=prototypes,
        draw=plot_prototypes,
        section="groups",
    ),
    Entry(
        name="split-means",
        title="Group means on two sides, with lines",
        shows="group means by a two-valued property of groups, with the model's line for each",
        applies="the model has a two-valued predictor of groups, and group means of a numeric one",
        of="model",
        prepare=split_means,
        draw=plot_split_means,
        section="groups",
    ),
)
# What only a posterior can show, and whether to believe it.
_POSTERIOR = (
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
CATALOGUE: tuple[Entry, ...] = (*_DOCUMENT, *_POSTERIOR)


def pictures_of(analysis: Analysis) -> Iterator[tuple[Entry, Picture]]:
    """Prepare every figure of one model that applies to it, in the order of the list."""
    yield from _prepared("model", analysis)


def ladder_pictures(analyses: Sequence[Analysis]) -> Iterator[tuple[Entry, Picture]]:
    """Prepare every figure of a ladder of models (or of one) that applies to it."""
    yield from _prepared("ladder", analyses)


def _prepared(of: str, source: object) -> Iterator[tuple[Entry, Picture]]:
    for entry in CATALOGUE:
        if entry.of == of:
            picture = entry.prepare(source)
            if picture is not None:
                yield entry, picture

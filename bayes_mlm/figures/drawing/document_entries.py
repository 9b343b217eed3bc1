"""List the figures that the 2015 document has, in its order."""

from bayes_mlm.figures.by_group import spread_by_group
from bayes_mlm.figures.drawing.entry import Entry
from bayes_mlm.figures.drawing.groups import plot_group_spread, plot_prototypes, plot_split_means
from bayes_mlm.figures.drawing.lines import (
    plot_extremes,
    plot_four_slopes,
    plot_pooled_between,
    plot_within_line,
)
from bayes_mlm.figures.extremes import extreme_groups
from bayes_mlm.figures.pooled_between import pooled_and_between
from bayes_mlm.figures.prototypes import prototypes
from bayes_mlm.figures.slopes import four_slopes
from bayes_mlm.figures.split_means import split_means
from bayes_mlm.figures.within_line import within_line

DOCUMENT = (
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

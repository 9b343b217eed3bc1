"""What measures of variance are computed from, and one measure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from bayes_mlm.base import Floats
from bayes_mlm.design import Design
from bayes_mlm.engines import has_random_effects
from bayes_mlm.fitting import ParameterValues
from bayes_mlm.model import ModelRequest
from bayes_mlm.questions.variance.distribution import (
    default_variance,
    distribution_variances,
    of_distribution,
)
from bayes_mlm.questions.variance.moments import DesignMoments
from bayes_mlm.questions.variance.observation import RowAverages, one_trial, row_averages

NO_EFFECTS = "needs random effects, and the model ({}) has none: add (1 | group)"
NO_SCALE = (
    "ordered categories have no variance of their own, their numbers being arbitrary; see the "
    "latent scale, or fit family='bernoulli' to one split of them"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class VarianceInputs:
    """What the measures of one model are computed from.

    Parameters
    ----------
    design : Design
    parameters : ParameterValues
    moments : DesignMoments
    null : ParameterValues or None
        Of the null model of the same rows; equal to `parameters` of a null model.
    at : mapping of str to sequence of float, or None
        Values of predictors: with random slopes, or any of a family without a residual sd.
    request : ModelRequest or None
        The model with its data.
    variances : mapping of str to ndarray
        Distribution-specific variances, the default first, of a family without a residual sd.
    averages : RowAverages or None
        Of the outcome itself, over the rows; None of ordered categories, and of other families.
    """

    design: Design
    parameters: ParameterValues
    moments: DesignMoments
    null: ParameterValues | None
    at: Mapping[str, Sequence[float]] | None
    request: ModelRequest | None = None
    variances: Mapping[str, Floats] = field(default_factory=dict)
    averages: RowAverages | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Measure:
    """S values of one measure, or None with the reason in `note`.

    Parameters
    ----------
    question, quantity : str
    values : ndarray, shape (S,), or None
    meaning, note : str
    """

    question: str
    quantity: str
    values: Floats | None
    meaning: str
    note: str = ""


def inputs_of_family(inputs: VarianceInputs, null_design: Design | None) -> VarianceInputs:
    """Return inputs whose residual variances are distribution-specific ones.

    The mean λ that they are at is that of the null model where there is one (Nakagawa, Johnson &
    Schielzeth 2017), else the one that the model implies for the rows of the data.
    """
    design, family, values = inputs.design, inputs.design.family, inputs.parameters
    effects = has_random_effects(design)
    averages = mean = None
    if effects and family.chances is None:
        averages = row_averages(family, values, design)
        mean = averages.mean
        if inputs.null is not None and null_design is not None and null_design is not design:
            mean = row_averages(family, inputs.null, null_design).mean
        if mean.size != len(values.beta):  # of some draws only: its posterior mean serves all
            mean = mean.mean().repeat(len(values.beta))
    parameters, null, variances = values, inputs.null, {}
    if effects:
        variances = distribution_variances(
            family, mean, one_trial(values, slice(None)), len(values.beta)
        )
        parameters = of_distribution(values, variances[default_variance(family)])
        if null is not None and null is not values:
            of_null = distribution_variances(
                family, mean, one_trial(null, slice(None)), len(null.beta)
            )
            null = of_distribution(null, of_null[default_variance(family)])
        elif null is not None:
            null = parameters
    return replace(inputs, parameters=parameters, null=null, variances=variances, averages=averages)

"""Tables of a multiverse: its models, their estimates, averages, and what the choices change."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from bayes_mlm.base import Column, ResultTable, count, field_names, level, percent, scaled


@dataclass(frozen=True, kw_only=True)
class SpecificationRow:
    """One coefficient in one model.

    Parameters
    ----------
    specification : int
        Number of the model, from 1.
    term : str
    estimate, se, df, lower, upper : float
        By REML; degrees of freedom by Satterthwaite, for the t interval.
    posterior_mean, posterior_sd, posterior_lower, posterior_upper, positive : float or None
        Of the posterior: its mean, sd and equal-tailed interval, and the probability above zero.
    log_marginal_likelihood, elpd : float or None
        Of the model; elpd by leaving one group out.
    stacking_weight, probability : float or None
        Of the model, by stacking; and its posterior probability where all are as likely before.
    """

    specification: int
    term: str
    estimate: float
    se: float
    df: float
    lower: float
    upper: float
    posterior_mean: float | None = None
    posterior_sd: float | None = None
    posterior_lower: float | None = None
    posterior_upper: float | None = None
    positive: float | None = None
    log_marginal_likelihood: float | None = None
    elpd: float | None = None
    stacking_weight: float | None = None
    probability: float | None = None


@dataclass(frozen=True, kw_only=True)
class ModelRow:
    """One model.

    Parameters
    ----------
    specification : int
    formula : str
    sigma_u : float
        Sd of the first group effect, the intercept if there is one, by REML.
    sigma_e : float
    singular : bool
        Whether the covariance of the group effects is singular.
    reml_loglik : float
        Not comparable between models of different fixed effects.
    log_marginal_likelihood, elpd, stacking_weight, probability
        As of `SpecificationRow`.
    reliable : bool or None
        Whether the numerical errors of the posterior are small.
    """

    specification: int
    formula: str
    sigma_u: float
    sigma_e: float
    singular: bool
    reml_loglik: float
    log_marginal_likelihood: float | None = None
    elpd: float | None = None
    stacking_weight: float | None = None
    probability: float | None = None
    reliable: bool | None = None


@dataclass(frozen=True, kw_only=True)
class LeftOutRow:
    """A combination of options that the data do not identify as a model."""

    formula: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class ChangeRow:
    """What one choice changes in the estimate of one coefficient.

    Parameters
    ----------
    term, choice, before, after : str
        The coefficient, the choice, and two of its options.
    pairs : int
        Pairs of models that differ in this alone.
    mean, lowest, highest : float
        Of the changes in the REML estimate, from before to after.
    in_se : float
        The mean size of a change, over the median standard error of the models.
    sign_changes : float
        Share of the pairs whose estimates differ in sign.
    share : float
        Share of the variance of the estimates between the options of this choice.
    """

    term: str
    choice: str
    before: str
    after: str
    pairs: int
    mean: float
    lowest: float
    highest: float
    in_se: float
    sign_changes: float
    share: float


@dataclass(frozen=True, kw_only=True)
class EffectRow:
    """One coefficient over all models that have it.

    Parameters
    ----------
    term : str
    specifications : int
    above_zero : float
        Share of the models with an estimate above zero.
    lowest, median, highest : float
        Of the REML estimates.
    stacked, stacked_sd, stacked_lower, stacked_upper, stacked_positive : float or None
        Mixture of the models' posteriors by stacking weights: mean, sd, interval, probability above
        zero.
    averaged, averaged_sd, averaged_lower, averaged_upper, averaged_positive : float or None
        The same by the models' posterior probabilities.
    stacking_share, probability_share : float or None
        Weight of the models that have the coefficient, over which the average is.
    """

    term: str
    specifications: int
    above_zero: float
    lowest: float
    median: float
    highest: float
    stacked: float | None = None
    stacked_sd: float | None = None
    stacked_lower: float | None = None
    stacked_upper: float | None = None
    stacked_positive: float | None = None
    stacking_share: float | None = None
    averaged: float | None = None
    averaged_sd: float | None = None
    averaged_lower: float | None = None
    averaged_upper: float | None = None
    averaged_positive: float | None = None
    probability_share: float | None = None


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class _WithOptions[R: (SpecificationRow, ModelRow)](ResultTable[R]):
    """Rows with a column for each choice, which holds the option that the model takes.

    Parameters
    ----------
    choices : tuple of str
    options : tuple of tuple of str
        Options of every model, by its number less 1.
    """

    choices: tuple[str, ...]
    options: tuple[tuple[str, ...], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns of the data: fields, and choices."""
        fields: tuple[str, ...] = field_names(self.row_type)
        return (*fields, *(f"{one} (choice)" if one in fields else one for one in self.choices))

    def values(self, row: R) -> tuple[Any, ...]:
        """Return the raw values of a row, in the order of `names`."""
        fields: tuple[str, ...] = field_names(row)
        number: int = row.specification
        return (*(getattr(row, name) for name in fields), *self.options[number - 1])


class Specifications(_WithOptions[SpecificationRow]):
    """A row for each coefficient of interest in each model; ``table[1, "ses"]`` is one."""

    key = ("specification", "term")
    row_type = SpecificationRow


class Models(_WithOptions[ModelRow]):
    """A row for each model; ``models.get(1)`` is the first."""

    key = ("specification",)
    row_type = ModelRow


class LeftOut(ResultTable[LeftOutRow]):
    """Combinations that are no models, with the reason."""

    key = ("formula",)
    row_type = LeftOutRow


class Changes(ResultTable[ChangeRow]):
    """What every choice changes, those that change most first."""

    key = ("term", "choice", "before", "after")
    row_type = ChangeRow

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns of the view."""
        return (
            Column(name="term", kind="label"),
            Column(name="choice", kind="label"),
            Column(name="change", kind="label", text=lambda row: f"{row.before} → {row.after}"),
            Column(name="pairs", kind="count"),
            Column(name="mean", heading="mean change", text=lambda row: scaled(row.mean, 3)),
            Column(
                name="range",
                text=lambda row: f"{scaled(row.lowest, 3)} to {scaled(row.highest, 3)}",
            ),
            Column(name="in_se", heading="in se", text=lambda row: scaled(row.in_se, 2)),
            Column(name="share", heading="share of variance", text=lambda row: percent(row.share)),
        )


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Multiverse(ResultTable[EffectRow]):
    """A coefficient's estimates over the models of a multiverse; ``table["ses"]`` is a row.

    Parameters
    ----------
    specifications : Specifications
        Every estimate.
    models : Models
    changes : Changes
        What every choice changes.
    left_out : LeftOut
        Combinations that the data do not identify.
    prob : float
        Of the intervals.
    """

    key = ("term",)
    row_type = EffectRow

    specifications: Specifications
    models: Models
    changes: Changes
    left_out: LeftOut
    prob: float

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns of the view."""

        def average(name: str, heading: str) -> Iterator[Column]:
            yield Column(name=name, heading=heading, text=lambda row: _number(getattr(row, name)))
            yield Column(
                name=f"{name}_interval",
                heading=level(self.prob),
                text=lambda row: _interval(
                    getattr(row, f"{name}_lower"), getattr(row, f"{name}_upper")
                ),
            )

        found = [
            Column(name="term", kind="label"),
            Column(name="specifications", kind="count"),
            Column(name="above_zero", heading="above 0", text=lambda row: percent(row.above_zero)),
            Column(name="lowest", text=lambda row: _number(row.lowest)),
            Column(name="median", text=lambda row: _number(row.median)),
            Column(name="highest", text=lambda row: _number(row.highest)),
        ]
        if any(row.stacked is not None for row in self.rows):
            found += [*average("stacked", "stacked"), *average("averaged", "by probability")]
        return tuple(found)

    def of(self, term: str) -> "Multiverse":
        """Return the multiverse of one coefficient, as for a figure of it."""
        return replace(self, rows=(self[term],))

    @property
    def sentences(self) -> tuple[str, ...]:
        """Each coefficient in words."""
        return tuple(self._sentence(row) for row in self.rows)

    def _sentence(self, row: EffectRow) -> str:
        if row.above_zero == 1.0 or row.above_zero == 0.0:
            sign = f"{'positive' if row.above_zero else 'negative'} in all"
        else:
            sign = f"positive in {percent(row.above_zero)} of"
        text = (
            f"The effect of {row.term} is {sign} {count(row.specifications, 'specification')}, "
            f"from {_number(row.lowest)} to {_number(row.highest)} (median {_number(row.median)})"
        )
        moves = self.changes.where(term=row.term)
        if moves:
            most = moves[0]
            text += (
                f"; of the choices, {most.choice} moves it most: by {_number(most.mean)} on "
                f"average ({most.before} → {most.after}), {scaled(most.in_se, 1)} standard errors"
            )
        if row.stacked is not None:
            text += (
                f". Averaged by stacking it is {_number(row.stacked)} "
                f"{_interval(row.stacked_lower, row.stacked_upper)}"
            )
        return f"{text}."


def _number(value: float | None) -> str:
    return "" if value is None else scaled(value, 3)


def _interval(lower: float | None, upper: float | None) -> str:
    return f"[{_number(lower)}, {_number(upper)}]" if lower is not None else ""

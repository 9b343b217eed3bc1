"""Specification of a model, apart from data, study and sampler."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from bayes_mlm.base import ABSENT, FormulaError, SpecError, expand_home, unreadable_reason
from bayes_mlm.formula import Formula, parse_formula, refuse_several
from bayes_mlm.model.families import family_of
from bayes_mlm.model.residual.structure import (
    PLAIN,
    Residual,
    check_residual,
    check_structure,
)
from bayes_mlm.model.weights import UNWEIGHTED, Weights, check_weights

type Kind = Literal["pooled", "between", "no_pooling", "within", "mundlak", "partial_pooling"]
KINDS: tuple[str, ...] = get_args(Kind.__value__)
UNNAMED = "model"

_NEEDS_GROUP = frozenset({"between", "no_pooling", "within", "mundlak"})
_PLAIN_ONLY = frozenset({"between", "no_pooling"})
_TAKES_BAR = frozenset({"mundlak", "partial_pooling"})


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """One model: its formula, kind, priors and residual structure.

    Parameters
    ----------
    formula : str
        For example ``"mathach ~ ses + (1 | schoolid)"``.
    kind : str
        One of `KINDS`.
    name : str
        By which results and files call it.
    group : str, optional
        The grouping column, where the formula has no bar.
    group_level : tuple of str
        Columns declared to be constant within groups; checked against the data.
    priors : mapping of str to str or table
        As text; `bayes_mlm.model.parse_prior` reads it.
    residual : Residual, optional
        How the residuals depart from independent ones of one sd.
    family : str
        Distribution of the outcome given the linear predictor: a name in `FAMILIES`, with its link
        if that is not the usual one: ``"bernoulli(probit)"``.
    weights : Weights, optional
        Survey weights of the rows and of the groups.

    Examples
    --------
    >>> print(ModelSpec(formula="y ~ x + (1 | g)", kind="partial_pooling"))
    y ~ x + (1 | g) [partial_pooling]
    """

    formula: str
    kind: Kind
    name: str = UNNAMED
    group: str | None = None
    group_level: tuple[str, ...] = ()
    priors: Mapping[str, str | Mapping[str, str | float]] = field(default_factory=dict)
    residual: Residual = PLAIN
    family: str = "gaussian"
    weights: Weights = UNWEIGHTED

    def __str__(self) -> str:
        """Return the formula, the kind, and the residual structure where it is not plain."""
        residual = "" if self.residual.is_plain else f"; residuals: {self.residual}"
        family = "" if self.family == "gaussian" else f"; {self.family}"
        weights = f"; weights: {self.weights}" if self.weights else ""
        return f"{self.formula} [{self.kind}]{residual}{family}{weights}"

    @property
    def group_column(self) -> str | None:
        """The one grouping column, of the formula's bar or `group`; None if there is not one."""
        factors = parse_formula(self.formula).grouping_factors
        return factors[0] if len(factors) == 1 else self.group

    @property
    def title(self) -> str:
        """The name, or the formula of a model without a name."""
        return self.formula if self.name == UNNAMED else self.name


def check_model(model: ModelSpec, at: str) -> None:
    """Refuse a model whose parts contradict one another.

    Parameters
    ----------
    model : ModelSpec
    at : str
        The file it is from, for the message.

    Raises
    ------
    SpecError
        With the field, what was found, and what to write instead.
    """
    try:
        formula = parse_formula(model.formula)
    except FormulaError as error:
        raise SpecError(f"{at}: formula: {error}") from error
    _check_grouping(model, formula, at)
    try:
        check_residual(model.residual)
    except SpecError as error:
        raise SpecError(f"{at}: {error}") from error
    try:
        family = family_of(model.family)
    except SpecError as error:
        raise SpecError(f"{at}: {error}") from error
    check_structure(model.residual, family, at)
    plain = [] if family.gaussian_moments else [f"{family.label} outcomes"]
    plain += [] if model.residual.is_plain else [f"residuals that are {model.residual}"]
    check_weights(model.weights, formula.grouping_factors, model.kind, " and ".join(plain), at)
    if model.kind in _PLAIN_ONLY and not family.gaussian_moments:
        raise SpecError(
            f"{at}: kind = {model.kind!r} is for Gaussian outcomes; omit family, or use "
            "partial_pooling"
        )
    if model.kind in _PLAIN_ONLY and not model.residual.is_plain:
        raise SpecError(
            f"{at}: kind = {model.kind!r} has independent residuals of one sd; omit "
            "[residual], or use partial_pooling"
        )
    if model.residual.ar is not None:
        refuse_several(formula.grouping_factors, "an autoregression of residuals")
    if model.residual.ar is not None and model.group_column is None:
        raise SpecError(
            f"{at}: residual.ar = {model.residual.ar!r} needs the groups whose residuals "
            'correlate; add group = "<column>"'
        )


def _check_grouping(model: ModelSpec, formula: Formula, at: str) -> None:
    kind, factors = model.kind, formula.grouping_factors
    bar = ", ".join(factors) or None
    if bar is not None and model.group is not None and factors != (model.group,):
        raise SpecError(
            f"{at}: group = {model.group!r}, but the formula groups by {bar!r}; give one of them"
        )
    if kind == "partial_pooling" and bar is None:
        raise SpecError(
            f"{at}: kind = 'partial_pooling' needs group effects in the formula; "
            f"add a term such as (1 | {model.group or 'group'})"
        )
    if bar is not None and kind not in _TAKES_BAR:
        raise SpecError(
            f"{at}: kind = {kind!r} has no group effects, but the formula has a bar; "
            f"remove it and write group = {bar!r}, or set kind = 'partial_pooling'"
        )
    if kind in _NEEDS_GROUP and bar is None and model.group is None:
        raise SpecError(f'{at}: kind = {kind!r} needs the groups; add group = "<column>"')
    if model.group_level and bar is None and model.group is None:
        raise SpecError(f'{at}: group_level is given but no group; add group = "<column>"')


def is_formula(model: str) -> bool:
    """Return whether the name of a model is a formula, and not a record whose name contains ~.

    Examples
    --------
    >>> is_formula("y ~ x + (1 | g)"), is_formula("hsb_ses")
    (True, False)
    """
    return "~" in model and (
        not model.lower().endswith(".toml") or unreadable_reason(expand_home(model)) == ABSENT
    )

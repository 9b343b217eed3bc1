"""What an effect compares: on which scale, in which way, and for which groups."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from bayes_mlm.base import DesignError, EngineError, check_choice
from bayes_mlm.design import Design
from bayes_mlm.model import Family
from bayes_mlm.questions.prediction.rows import check_question
from bayes_mlm.questions.response.rows import Question

type Scale = Literal["response", "link"]
type Rope = tuple[float, float]
type Comparison = Literal["difference", "ratio", "odds_ratio"]
_GROUPS: dict[Question, str] = {
    "existing_group": "each row with the effects of its own group (existing_group)",
    "new_group": "group effects integrated over their distribution: population-averaged "
    "(new_group)",
    "population": "group effects at zero, their mean (population)",
}
_NAMES: dict[Comparison, str] = {
    "difference": "differences of",
    "ratio": "ratios of",
    "odds_ratio": "ratios of the odds of",
}
_OF_PROBABILITIES: dict[Comparison, str] = {
    "difference": "risk differences: ",
    "ratio": "risk ratios: ",
    "odds_ratio": "odds ratios: ",
}


@dataclass(frozen=True, kw_only=True)
class Measure:
    """The estimand of effects.

    Parameters
    ----------
    scale : {"response", "link"}
        Expected outcomes, or the linear predictor.
    comparison : {"difference", "ratio", "odds_ratio"}
    question : {"existing_group", "new_group", "population"}
        The group effects, in the words of `predict`.
    """

    scale: Scale
    comparison: Comparison
    question: Question

    @property
    def null(self) -> float:
        """What the comparison is where nothing changes."""
        return 0.0 if self.comparison == "difference" else 1.0

    def is_linear(self, design: Design) -> bool:
        """Return whether it is a linear combination of the coefficients, or its exponential."""
        return self.scale == "link" or design.family.is_additive

    def groups(self, design: Design) -> str:
        """Return the group effects in words; empty without any."""
        if not design.has_group_effects or design.kind == "no_pooling":
            return ""
        if design.family.is_additive:
            return "; group effects at zero, their mean"
        return f"; {_GROUPS[self.question]}"

    def text(self, design: Design, *, slope: bool) -> str:
        """Return what the numbers are; empty of additive families, whose units are the outcome's.

        Examples
        --------
        >>> from bayes_mlm.model import FAMILIES
        >>> from bayes_mlm import build_design
        >>> data = {"y": [0, 1, 1, 0], "x": [1.0, 2.0, 3.0, 4.0]}
        >>> design = build_design("y ~ x", data, family="bernoulli")
        >>> one = Measure(scale="response", comparison="ratio", question="population")
        >>> one.text(design, slope=False)
        'risk ratios: ratios of the probability of y, averaged before they are compared'
        """
        family, outcome = design.family, design.outcome
        if family.is_additive:
            return ""
        if self.scale == "link":
            ratio = self.comparison != "difference"
            what = f"{family.ratio_name}s: exp of differences" if ratio else ""
            on = f"on the scale of the linear predictor ({family.predictor_scale})"
            return f"{what or ('slopes' if slope else 'differences')} {on}"
        mean = f"the {mean_text(family, outcome)}"
        if slope:
            return f"slopes: derivatives of {mean}"
        kind = _OF_PROBABILITIES[self.comparison] if family.is_probability else ""
        averaged = "" if self.comparison == "difference" else ", averaged before they are compared"
        return f"{kind}{_NAMES[self.comparison]} {mean}{averaged}"

    def unit(self) -> str:
        """Return the units of a region of practical equivalence."""
        if self.comparison != "difference":
            return "ratios, which are 1 without a difference"
        return "units of the outcome" if self.scale == "response" else "the linear predictor"


def mean_text(family: Family, outcome: str) -> str:
    """Return what is expected, in words: "probability of passed"."""
    if family.thresholds is not None:
        return f"probability of each category of {outcome}, or of its expected score"
    return f"{family.mean_name} of {outcome}"


def read_measure(
    design: Design, scale: str | None, comparison: str, question: str | None
) -> Measure:
    """Return the estimand, or raise an error if the model has none of its kind.

    Raises
    ------
    EngineError
        If a word is unknown; with those there are.
    DesignError
        If the family or the model has no such estimand.
    """
    check_choice("scale", "response" if scale is None else scale, get_args(Scale.__value__))
    check_choice("comparison", comparison, get_args(Comparison.__value__))
    on: Scale = "link" if scale == "link" else "response"
    family = design.family
    allowed = _allowed(family, on)
    found = next(one for one in get_args(Comparison.__value__) if one == comparison)
    if found not in allowed:
        what = "linear predictor" if on == "link" else family.mean_name
        raise DesignError(
            f"comparison={comparison!r} is not defined for the {what} of {family.label} outcomes "
            f"(link {family.link}, scale {on}); allowed: {', '.join(allowed)}"
        )
    linear = on == "link" or family.is_additive
    usual = "population" if linear or not design.has_group_effects else "new_group"
    if design.kind == "no_pooling":
        usual = "population" if linear else "existing_group"
    named = usual if question is None else question
    if linear:
        check_choice("question", named, get_args(Question.__value__))
        if named == "existing_group":
            raise DesignError(
                "differences of the linear predictor are the same for a new group and at group "
                "effects of zero, and question='existing_group' has lines of its own; use "
                "group_lines, or scale='response' where the family has a link"
            )
        of: Question = "population"
    else:
        of = check_question(design, named)
    return Measure(scale=on, comparison=found, question=of)


def _allowed(family: Family, scale: Scale) -> list[str]:
    """Return the comparisons that are defined on a scale."""
    if scale == "link":
        named = "odds_ratio" if family.ratio_name == "odds ratio" else "ratio"
        return ["difference", *([named] if family.ratio_name else [])]
    ratio = ["ratio"] if family.mean_range[0] >= 0.0 else []
    return ["difference", *ratio, *(["odds_ratio"] if family.is_probability else [])]


def check_rope(rope: Rope | None) -> None:
    """Refuse what is no region.

    Raises
    ------
    EngineError
    """
    if rope is None:
        return
    ends = np.asarray(rope, dtype=np.float64)
    if ends.shape != (2,) or not np.isfinite(ends).all() or not ends[0] < ends[1]:
        raise EngineError(
            f"rope is a region (lower, upper) in units of the outcome, the lower end first; found "
            f"{rope!r}"
        )

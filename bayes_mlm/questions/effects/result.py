"""Effects as tidy rows: one effect, at one setting of other predictors, by one engine."""

from dataclasses import dataclass
from typing import Any, Literal

from bayes_mlm.base import Column, EngineError, Floats, ResultTable, level
from bayes_mlm.data import label_text
from bayes_mlm.questions.effects.query import At
from bayes_mlm.questions.effects.scale import Measure

type Kind = Literal["comparison", "slope"]


@dataclass(frozen=True, kw_only=True)
class Effect:
    """One effect as one engine estimates it, in units of the outcome or of its `scale`.

    Parameters
    ----------
    model, engine : str
        Name of the model; a name in `ENGINES`.
    kind : {"comparison", "slope"}
    contrast : str
        What changes: "sector: 1 - 0", "ses: slope".
    at : tuple of At
        Values that other predictors are set to; those not named keep their values in the rows.
    estimate : float
        Posterior mean, or the REML or OLS estimate.
    sd : float
        Posterior sd, or standard error.
    lower, upper : float
        Ends of the interval, of the kind that the table states.
    outcome : str
        Which expected outcome it is of, where there are several: "P(often)", "expected score".
    scale, comparison, question : str
        The estimand, in the words of `comparisons`.
    direction : float or None
        Probability of direction: posterior probability of the more probable sign (of a ratio, side
        of one), 0.5 to 1.
    positive : float or None
        Posterior probability that the effect is above zero (a ratio, one).
    below, within, above : float or None
        Posterior probability that the effect lies below, in, or above the region of practical
        equivalence, if one is stated.
    """

    model: str
    engine: str
    kind: Kind
    contrast: str
    at: tuple[At, ...]
    estimate: float
    sd: float
    lower: float
    upper: float
    outcome: str = ""
    scale: str = "response"
    comparison: str = "difference"
    question: str = "population"
    direction: float | None = None
    positive: float | None = None
    below: float | None = None
    within: float | None = None
    above: float | None = None

    def decision(self, rope: tuple[float, float]) -> str:
        """Decide by where the interval lies: "equivalent", "different" or "undecided".

        An interval inside the region of practical equivalence is equivalent to no effect, one
        outside of it is different from none, and one across an end is undecided (Kruschke 2018,
        Advances in Methods and Practices in Psychological Science 1(2)).
        """
        low, high = rope
        if low <= self.lower and self.upper <= high:
            return "equivalent"
        return "different" if self.upper < low or high < self.lower else "undecided"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Effects(ResultTable[Effect]):
    """Effects, with what they are averaged over and their diagnostics.

    Parameters
    ----------
    rows : tuple of Effect
        By effect, of each the posterior first.
    over : str
        The rows that they are averaged over, and the value of the group effects.
    prob : float
        Of the intervals.
    methods : tuple of str
        How they are made, by engine.
    rope : (float, float) or None
        The region of practical equivalence, in units of the outcome, or as a ratio.
    weights : ndarray, shape (k, p)
        Of the coefficients in each of the k changes of the linear predictor.
    measure : Measure
        The estimand.
    what : str
        What the numbers are, of a family with a link.
    verdict : Verdict
    cautions : tuple of str
        Such as values outside of the data.
    """

    key = ("contrast", "at", "outcome", "engine")
    row_type = Effect

    over: str
    prob: float
    methods: tuple[str, ...]
    rope: tuple[float, float] | None
    weights: Floats
    measure: Measure
    what: str

    def __repr__(self) -> str:
        """Return the names of the effects; `print` shows their numbers."""
        return f"<Effects: {', '.join(dict.fromkeys(row.contrast for row in self.rows))}>"

    def by(self, engine: str) -> tuple[Effect, ...]:
        """Return the rows of one engine.

        Raises
        ------
        EngineError
            If it has none.
        """
        known = list(dict.fromkeys(row.engine for row in self.rows))
        if engine not in known:
            raise EngineError(f"no effects by {engine!r}; there are those by {', '.join(known)}")
        return self.where(engine=engine)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns of the data; a predictor that is set has one."""
        set_to = dict.fromkeys(one.name for row in self.rows for one in row.at)
        rope = ("below", "within", "above", "decision") if self.rope is not None else ()
        found = ("estimate", "sd", "lower", "upper", "direction", "positive")
        named = ("scale", "comparison", "question") if self.what else ()
        named = ("outcome", *named) if self._several else named
        return ("model", "engine", "kind", "contrast", *named, *set_to, *found, *rope)

    @property
    def is_linear(self) -> bool:
        """Return whether the effects are linear in the coefficients."""
        return not self.what or self.measure.scale == "link"

    @property
    def _several(self) -> bool:
        return any(row.outcome for row in self.rows)

    def values(self, row: Effect) -> tuple[Any, ...]:
        """Return the raw values of a row, in the order of `names`."""
        set_to: dict[str, Any] = {"decision": self._decision(row) or None}
        set_to |= {one.name: one.value for one in row.at}
        return tuple(
            set_to[name] if name in set_to else getattr(row, name, None) for name in self.names
        )

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns of the view."""
        drawn = any(row.direction is not None for row in self.rows)
        rope = self.rope is not None and drawn
        columns = [
            Column(name="contrast", heading="effect"),
            Column(name="at", text=lambda row: ", ".join(map(str, row.at)) or "(average)"),
            *((Column(name="outcome"),) if self._several else ()),
            Column(name="engine"),
            Column(name="estimate", kind="number"),
            Column(name="sd", kind="error"),
            Column(name="lower", heading=level(self.prob), kind="interval"),
        ]
        if drawn:
            columns.append(Column(name="direction", heading="P(direction)", kind="probability"))
        if rope:
            parts = {"below": "below", "within": "in", "above": "above"}
            columns += [
                Column(name=k, heading=text, kind="probability") for k, text in parts.items()
            ]
            columns.append(Column(name="decision", heading="rope", text=self._decision))
        return tuple(columns)

    def _decision(self, row: Effect) -> str:
        if self.rope is None or row.direction is None:
            return ""
        return row.decision(self.rope)

    @property
    def legend(self) -> tuple[str, ...]:
        """Lines below the table: what the numbers are, cautions and verdict."""
        lines = [self.what] if self.what else []
        lines.append(f"averaged over {self.over}")
        lines.append(f"{level(self.prob)} intervals: {', '.join(self.methods)}")
        if self.rope is not None:
            low, high = self.rope
            lines.append(
                f"practical equivalence: {label_text(low)} to {label_text(high)}, in "
                f"{self.measure.unit()}"
            )
        return (*lines, *super().legend)

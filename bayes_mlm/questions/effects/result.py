"""Hold effects as tidy rows: one effect, at one setting of other predictors, by one engine."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from bayes_mlm.base import EngineError, Floats, Verdict, level, probability, texts
from bayes_mlm.data import format_rows, label_text
from bayes_mlm.questions.effects.query import At

if TYPE_CHECKING:
    import pandas as pd

type Kind = Literal["comparison", "slope"]


@dataclass(frozen=True, kw_only=True)
class Effect:
    """Hold one effect as one engine sees it, in units of the outcome.

    Parameters
    ----------
    model, engine : str
        Name of the model; "direct", "nuts", "reml" or "ols".
    kind : {"comparison", "slope"}
    contrast : str
        What changes: "sector: 1 - 0", "ses: slope".
    at : tuple of At
        What other predictors are set to; those not named keep the values of the rows.
    estimate : float
        Posterior mean, or the REML or OLS estimate.
    sd : float
        Posterior sd, or standard error.
    lower, upper : float
        Ends of the interval that the result names.
    direction : float or None
        Probability of direction: posterior probability of the more probable sign, 0.5 to 1.
    positive : float or None
        Posterior probability that the effect is above zero.
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
    direction: float | None = None
    positive: float | None = None
    below: float | None = None
    within: float | None = None
    above: float | None = None

    def decision(self, rope: tuple[float, float]) -> str:
        """Decide by where the interval lies: "equivalent", "different" or "undecided".

        An interval inside the region of practical equivalence says that the effect is as good as
        none, one outside that it is not, and one across an end of it decides nothing (Kruschke
        2018, Advances in Methods and Practices in Psychological Science 1(2)).
        """
        low, high = rope
        if low <= self.lower and self.upper <= high:
            return "equivalent"
        return "different" if self.upper < low or high < self.lower else "undecided"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Effects:
    """Hold effects, what they are averaged over, and whether to believe them.

    Parameters
    ----------
    rows : tuple of Effect
        By effect; of each, the posterior's first.
    over : str
        What predictors that are not set, and groups, are averaged over.
    prob : float
        Of the intervals: HDI of the posterior, Wald (normal for REML, t for OLS).
    rope : (float, float) or None
        The region of practical equivalence, in units of the outcome.
    weights : ndarray, shape (k, p)
        Of the coefficients in each of the k effects.
    verdict : Verdict
    cautions : tuple of str
        What a reader must know: values outside of the data.
    """

    rows: tuple[Effect, ...]
    over: str
    prob: float
    rope: tuple[float, float] | None
    weights: Floats
    verdict: Verdict
    cautions: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Effect]:
        """Go through the rows."""
        return iter(self.rows)

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.rows)

    def __repr__(self) -> str:
        """Name the effects; `print` shows their numbers."""
        return f"<Effects: {', '.join(dict.fromkeys(row.contrast for row in self.rows))}>"

    def by(self, engine: str) -> tuple[Effect, ...]:
        """Give the rows of one engine.

        Raises
        ------
        EngineError
            If it has none.
        """
        known = list(dict.fromkeys(row.engine for row in self.rows))
        if engine not in known:
            raise EngineError(f"no effects by {engine!r}; there are those by {', '.join(known)}")
        return tuple(row for row in self.rows if row.engine == engine)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of the tidy frame."""
        set_to = dict.fromkeys(one.name for row in self.rows for one in row.at)
        rope = ("below", "within", "above", "decision") if self.rope is not None else ()
        found = ("estimate", "sd", "lower", "upper", "direction", "positive")
        return ("model", "engine", "kind", "contrast", *set_to, *found, *rope)

    def records(self) -> list[dict[str, Any]]:
        """Give the rows as mappings, one key a column; None where something is not defined."""
        records = []
        for row in self.rows:
            own: dict[str, Any] = {one.name: one.value for one in row.at}
            own |= {
                name: getattr(row, name)
                for name in self.columns
                if name not in own and hasattr(row, name) and name != "decision"
            }
            if self.rope is not None:
                posterior = row.direction is not None
                own["decision"] = row.decision(self.rope) if posterior else None
            records.append({name: own.get(name) for name in self.columns})
        return records

    def to_frame(self) -> "pd.DataFrame":
        """Give the rows as a tidy data frame; a predictor that is set has a column of its own."""
        import pandas as pd

        return pd.DataFrame(self.records(), columns=list(self.columns))

    def to_csv(self) -> str:
        """Write the rows as CSV text in full precision; what is not defined is left empty."""
        return records_csv(self.columns, self.records())

    def __str__(self) -> str:
        """Show the rows as an aligned table, with what they are of."""
        drawn = any(row.direction is not None for row in self.rows)
        head = ["effect", "at", "engine", "estimate", "sd", level(self.prob)]
        head += ["P(direction)"] if drawn else []
        head += ["below", "in", "above", "rope"] if drawn and self.rope is not None else []
        cells = [head]
        for row in self.rows:
            line = [row.contrast, ", ".join(map(str, row.at)) or "(average)", row.engine]
            line += texts(row.estimate, row.sd, row.lower, row.upper)
            if drawn:
                line.append(probability(row.direction))
            if drawn and self.rope is not None:
                line += [probability(part) for part in (row.below, row.within, row.above)]
                line.append("" if row.direction is None else row.decision(self.rope))
            cells.append(line)
        return "\n".join([format_rows(cells), *self.legend])

    @property
    def legend(self) -> tuple[str, ...]:
        """Say what the numbers are."""
        names = {row.engine for row in self.rows}
        lines = [f"averaged over {self.over}"]
        kinds = ["HDI of the posterior"] if names - {"reml", "ols"} else []
        kinds += ["Wald (normal) of REML"] if "reml" in names else []
        kinds += ["Wald (t) of OLS"] if "ols" in names else []
        lines.append(f"{level(self.prob)} intervals: {', '.join(kinds)}")
        if self.rope is not None:
            low, high = self.rope
            lines.append(
                f"practical equivalence: {label_text(low)} to {label_text(high)}, in units of the "
                "outcome"
            )
        sign = "ok" if self.verdict.ok else "NOT OK"
        return (*lines, *self.cautions, f"{sign}: {self.verdict}")


def records_csv(columns: Sequence[str], records: Sequence[dict[str, Any]]) -> str:
    """Write records as CSV text in full precision; None is left empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()

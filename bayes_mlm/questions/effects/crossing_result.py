"""Results of a crossing: where a difference is zero, by each engine, as a table."""

from dataclasses import dataclass
from typing import Any

from bayes_mlm.base import Tabular, Verdict, View, level, number, probability, texts
from bayes_mlm.data import label_text
from bayes_mlm.questions.effects.query import At
from bayes_mlm.questions.effects.regions import FiellerSet, Span


@dataclass(frozen=True, kw_only=True)
class Zero:
    """Posterior of the value at which a difference is zero.

    Parameters
    ----------
    engine : str
    median : float
        Of the draws; a mean does not exist where the lines may be parallel.
    lower, upper : float
        Ends of the equal-tailed interval.
    parallel : float
        Share of draws in which the lines are near-parallel: over the whole observed range of the
        moderator the difference changes by less than a tenth of the residual sd.
    one_way : float
        Share of draws in which the difference changes in the more probable direction. Unless it
        is near one, the distribution of the crossing has mass at both ends of the line and its
        interval is uninformative: read `spans`.
    inside : float
        Share of draws whose crossing lies in the observed range.
    spans : tuple of Span
        Where the equal-tailed interval of the difference excludes zero.
    """

    engine: str
    median: float
    lower: float
    upper: float
    parallel: float
    one_way: float
    inside: float
    spans: tuple[Span, ...]


@dataclass(frozen=True, kw_only=True)
class LikelihoodZero:
    """REML or OLS estimate of the value at which a difference is zero.

    Parameters
    ----------
    engine : str
        A name in `ENGINES`.
    estimate : float
        Ratio of the estimates; infinite if the lines are parallel.
    se : float
        By the delta method; of use only where the Fieller set is bounded.
    fieller : FiellerSet
        Its confidence set.
    spans : tuple of Span
        Where the Wald interval of the difference excludes zero: all that is outside that set.
    """

    engine: str
    estimate: float
    se: float
    fieller: FiellerSet
    spans: tuple[Span, ...]


@dataclass(frozen=True, kw_only=True, repr=False)
class Crossing(Tabular):
    """Values of a moderator at which a difference is zero, and where its interval excludes zero.

    Parameters
    ----------
    model, contrast, by : str
        The model; the difference; the moderator.
    at : tuple of At
        What other predictors are set to.
    observed : (float, float)
        Least and greatest value of the moderator in the rows.
    posterior : Zero or None
    likelihood : LikelihoodZero or None
    prob : float
        Of the intervals.
    verdict : Verdict
    """

    model: str
    contrast: str
    by: str
    at: tuple[At, ...]
    observed: tuple[float, float]
    posterior: Zero | None
    likelihood: LikelihoodZero | None
    prob: float
    verdict: Verdict

    def __repr__(self) -> str:
        """Describe where the difference is zero."""
        return f"<Crossing of {self.contrast!r} along {self.by!r}>"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns of the data."""
        names = ("model", "engine", "contrast", "by", "at", "what", "estimate", "lower", "upper")
        return (*names, "sign", "parallel", "one_way", "inside")

    def raw(self) -> list[list[Any]]:
        """Return a row for each crossing, each interval of its set, and each region without zero.

        The column `what` says which: "crossing", "fieller" or "excludes zero". An end at infinity
        is infinite.
        """
        rows: list[dict[str, Any]] = []
        if self.posterior is not None:
            drawn = self.posterior
            found = {
                "estimate": drawn.median,
                "lower": drawn.lower,
                "upper": drawn.upper,
            }
            found |= {
                "parallel": drawn.parallel,
                "one_way": drawn.one_way,
                "inside": drawn.inside,
            }
            rows.append({"engine": drawn.engine, "what": "crossing", **found})
            rows += _spans(drawn.engine, "excludes zero", drawn.spans)
        if self.likelihood is not None:
            fitted = self.likelihood
            rows.append({"engine": fitted.engine, "what": "crossing", "estimate": fitted.estimate})
            rows += _spans(fitted.engine, "fieller", fitted.fieller.spans)
            rows += _spans(fitted.engine, "excludes zero", fitted.spans)
        same = {"model": self.model, "contrast": self.contrast, "by": self.by}
        same["at"] = ", ".join(map(str, self.at))
        return [[{**same, **row}.get(name) for name in self.names] for row in rows]

    @property
    def lines(self) -> tuple[str, ...]:
        """Summary lines: range of the moderator, and how well the crossing is determined."""
        setting = f" at {', '.join(map(str, self.at))}" if self.at else ""
        low, high = self.observed
        lines = [
            f"where {self.contrast} is zero along {self.by}{setting} "
            f"(observed: {label_text(low)} to {label_text(high)})"
        ]
        if self.posterior is not None:
            drawn = self.posterior
            lines.append(
                f"{drawn.engine}: in the observed range with probability "
                f"{probability(drawn.inside)}; near-parallel lines in "
                f"{probability(drawn.parallel)} of draws; the difference "
                f"changes in one direction in {probability(drawn.one_way)}"
            )
        if self.likelihood is not None and self.likelihood.fieller.shape != "bounded":
            whole = self.likelihood.fieller.shape == "everything"
            lines.append(
                f"{self.likelihood.engine}: the Fieller set is "
                + ("the whole line" if whole else "unbounded")
                + ": the data are compatible with a difference that does not change"
            )
        return tuple(lines)

    def view(self) -> View:
        """Return the crossing by each engine, and the regions that exclude zero."""
        rows = []
        if self.posterior is not None:
            drawn = self.posterior
            shown = texts(drawn.median, None, drawn.lower, drawn.upper)
            interval = f"{shown.interval} equal tails"
            rows.append((drawn.engine, shown.estimate, interval, _shown(drawn.spans)))
        if self.likelihood is not None:
            fitted = self.likelihood
            found = number(fitted.estimate, fitted.se, style="terminal")
            fieller_set = f"{fitted.fieller} (Fieller)"
            rows.append((fitted.engine, found, fieller_set, _shown(fitted.spans)))
        title, *rest = self.lines
        return View(
            title=title,
            headings=("engine", "crossing", level(self.prob), "difference not zero"),
            cells=tuple(rows),
            legend=(*rest, self.verdict.line),
        )


def _spans(engine: str, what: str, spans: tuple[Span, ...]) -> list[dict[str, Any]]:
    return [
        {
            "engine": engine,
            "what": what,
            "lower": span.lower,
            "upper": span.upper,
            "sign": span.sign if what != "fieller" else None,
        }
        for span in spans
    ]


def _shown(spans: tuple[Span, ...]) -> str:
    signs = {1: "+", -1: "-"}
    return ", ".join(f"{span} ({signs[span.sign]})" for span in spans) or "nowhere"

"""Say in words what is fine about a model and what is not, and what to do about it."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bayes_mlm.criticism.normality import NormalQQ
from bayes_mlm.criticism.replicates import Replicates
from bayes_mlm.criticism.result import GroupRow, Judgement
from bayes_mlm.criticism.spread import Spread
from bayes_mlm.fitted import Fit
from bayes_mlm.wording import count, number, percent, shorten

# Below this probability something is looked at; for single groups over their number (Bonferroni).
# A page asks half a dozen questions: at 0.05 each, every fourth right model would be looked at.
LEVEL = 0.01
_NAMED = 3
ENDS = "Ends and skewness of the outcome"
# By skewness, and by that of the bulk, residuals are skewed and do not only have outliers.
_SKEWED, _BULK_SKEWED = 0.5, 0.15
# Of a kurtosis of residuals from here on the spread's judgement says that it reckons with it.
_LONG_TAILS = 4.0
# At three numbers, on either side: each at a sixth of the level.
_LOOKS = 6


@dataclass(frozen=True, kw_only=True)
class Observed:
    """Hold the smallest and the largest outcome, and their skewness, and that of their bulk."""

    low: float
    high: float
    skewness: float
    bulk: float


def on_computation(fit: Fit) -> Judgement:
    """Judge the draws themselves."""
    return Judgement(
        topic="Computation",
        fine=fit.verdict.ok,
        found=f"By {fit.engine}: {fit.verdict}.",
        remedy="" if fit.verdict.ok else "Nothing below can be relied on before this is mended.",
    )


def on_effects(name: str, curve: NormalQQ | None) -> Judgement:
    """Judge whether one effect is normal among groups."""
    topic = "Normal group effects" if name == "Intercept" else f"Normal group effects of {name}"
    if curve is None:
        return Judgement(
            topic=topic, fine=None, found="The rows say too little of single groups to judge."
        )
    few = " So few groups would show only a gross departure." if curve.n < 20 else ""
    fine = curve.p >= LEVEL
    return Judgement(
        topic=topic,
        fine=fine,
        found=f"The {curve.n} standardised effects {curve.departure}{_at_times(curve)}.{few}",
        remedy=""
        if fine
        else "Coefficients are little affected, the effects of single groups and predictions of "
        "new ones more; a predictor of groups may be missing (bayes-mlm plot group-residuals).",
    )


def _at_times(curve: NormalQQ) -> str:
    return "; chance does so at times" if not curve.normal and curve.p >= LEVEL else ""


def on_outlying(rows: Sequence[GroupRow], group: str) -> Judgement:
    """Judge whether some group lies further out than the model allows for."""
    known = [row for row in rows if row.effect is not None and row.effect_p is not None]
    if not known:
        return Judgement(
            topic="Outlying groups", fine=None, found="The rows say too little of single groups."
        )
    out = [row for row in known if (row.effect_p or 0.0) * len(known) < LEVEL]
    furthest = sorted(known, key=lambda row: row.effect_p or 0.0)
    named = ", ".join(f"{shorten(row.group)} ({_sds(row)})" for row in furthest[:_NAMED])
    many = f"{count(len(out), 'group')} of {len(known)} {'lie' if len(out) != 1 else 'lies'}"
    return Judgement(
        topic="Outlying groups",
        fine=not out,
        found=f"{many if out else 'No ' + group + ' lies'} further out than chance allows among "
        f"so many; the furthest: {named}.",
        remedy=""
        if not out
        else "Look at these groups' rows for errors, and for what they have in common.",
    )


def _sds(row: GroupRow) -> str:
    return f"{number(row.effect or 0.0, 0.1)} sds"


def most_shift(n_groups: int) -> float:
    """Give how far, in posterior sds, a group may move a posterior mean when it is left out.

    By simulation of right models of 8 to 40 groups it is passed in one or two of a hundred, where
    one sd is passed in 5 to 25.
    """
    return 1.0 + 2.0 / math.sqrt(n_groups)


def on_influence(rows: Sequence[GroupRow], group: str) -> Judgement:
    """Judge whether a result hangs on a single group."""
    known = [row for row in rows if row.shift is not None]
    if not known:
        return Judgement(topic="Influential groups", fine=None, found="There are no groups.")
    unknown = [row for row in known if not row.reliable]
    most = sorted(known, key=lambda row: -abs(row.shift or 0.0))
    named = ", ".join(
        f"{shorten(row.group)} ({row.moved} by {number(row.shift or 0.0, 0.1)})"
        for row in most[:_NAMED]
    )
    limit = most_shift(len(known))
    strong = [row for row in known if abs(row.shift or 0.0) > limit]
    beyond = f"posterior mean by more than {limit:.1f} posterior sds"
    said = f"Leaving out one {group} moves no {beyond}"
    if strong:
        listed = " or ".join(shorten(row.group) for row in strong[:_NAMED])
        more = "" if len(strong) <= _NAMED else f" (or one of {len(strong) - _NAMED} more)"
        said = f"Leaving out {group} {listed}{more} moves a {beyond}"
    blurred = (
        f" Of {count(len(unknown), 'group')} the weights cannot tell how far (Pareto k-hat), which "
        "is itself a sign of influence."
        if unknown
        else ""
    )
    bad = bool(strong or unknown)
    return Judgement(
        topic="Influential groups",
        fine=not bad,
        found=f"{said}; most: {named}, in posterior sds.{blurred}",
        remedy="Fit without them too, and say in the paper what changes." if bad else "",
    )


def on_spread(
    spread: Spread, rows: Sequence[GroupRow], *, structured: bool, student: bool
) -> Judgement:
    """Judge whether the residual variance is the same in all groups."""
    topic = "Equal spread within groups"
    if student:
        found = "Student-t residuals make the sds within groups differ by themselves; not judged."
        return Judgement(topic=topic, fine=None, found=found)
    if spread.h is None or spread.h_p is None:
        return Judgement(
            topic=topic, fine=None, found="Too few groups have three rows or more to compare."
        )
    known = [row for row in rows if row.spread is not None and row.spread_p is not None]
    far = sorted(known, key=lambda row: row.spread_p or 0.0)[:_NAMED]
    named = ", ".join(f"{shorten(row.group)} ({number(row.spread or 0.0, 0.1)})" for row in far)
    fine = spread.h_p >= LEVEL
    p = f"p = {spread.h_p:.2f}" if spread.h_p >= 0.01 else "p < 0.01"
    within = "no more than chance allows" if fine else "more than chance allows"
    if fine and spread.kurtosis > _LONG_TAILS:
        within += f", where residuals have a kurtosis of {spread.kurtosis:.1f} (normal: 3)"
    remedy = (
        ""
        if fine
        else (
            "An own residual sd for each level of a factor may take it up (--sigma factor), or "
            "Student-t residuals (--family student_t); compare them with bayes-mlm compare."
            if not structured
            else "The residual structure does not take all of it up; another factor may."
        )
    )
    return Judgement(
        topic=topic,
        fine=fine,
        found=f"The sds within {spread.n_tested} groups differ {within} (H = {spread.h:.1f}, {p}); "
        f"furthest from the model's, as a ratio to it: {named}.",
        remedy=remedy,
    )


def on_residuals(
    curve: NormalQQ | None, bulk: float, *, student: bool, among: str = ""
) -> Judgement:
    """Judge whether the residuals have the distribution that the model gives them."""
    topic = "Distribution of residuals"
    if curve is None:
        return Judgement(topic=topic, fine=None, found="There are too few rows to judge.")
    fine = curve.p >= LEVEL
    what = "Student-t residuals, taken to normal ones," if student else "residuals"
    longer = curve.kurtosis > 3.0
    skewed = abs(curve.skewness) > _SKEWED and abs(bulk) > _BULK_SKEWED
    remedy = ""
    if not fine and skewed:
        remedy = (
            "They are skewed, which Student-t residuals, with two equal tails, do not take up; a "
            "transformation of the outcome may."
        )
    elif not fine and longer and not student:
        remedy = (
            "Tails are longer than normal: Student-t residuals (--family student_t) keep single "
            "rows from deciding; compare them with bayes-mlm compare."
        )
    elif not fine:
        remedy = (
            "With many rows small departures show. Shorter tails or a skew often mean a bounded "
            "scale: coefficients hold, intervals of single outcomes at its ends do not."
        )
    return Judgement(
        topic=topic,
        fine=fine,
        found=f"{curve.n:,} {what}{among} {curve.departure}{_at_times(curve)}.",
        remedy=remedy,
    )


def enough_replicates() -> int:
    """Give the number that can tell what chance does at a sixth of the level: 1 in n + 1."""
    return math.ceil(_LOOKS / LEVEL)


def has_extreme_tail(made: Replicates, observed: Observed) -> bool:
    """Tell whether the data lie beyond all replicates, or short of all, in some respect."""
    return any(tail in (0.0, 1.0) for tail in _tails(made, observed))


def _tails(made: Replicates, observed: Observed) -> tuple[float, float, float]:
    """Give the shares of replicates that reach lower, reach higher, and are more skewed."""
    return (
        float((made.extremes[:, 0] < observed.low).mean()),
        float((made.extremes[:, 1] > observed.high).mean()),
        float((made.skewness > observed.skewness).mean()),
    )


def on_replicates(made: Replicates, observed: Observed, outcome: str, among: str = "") -> Judgement:
    """Judge whether the ends and the skewness of data drawn from the model are those observed."""
    tails = _tails(made, observed)
    # No nearer to 0 than the replicates can tell.
    p = [(made.n * min(tail, 1.0 - tail) + 1) / (made.n + 1) for tail in tails]
    odd = [one < LEVEL / _LOOKS for one in p]
    skew = 2 * p[2]
    shown = f"p = {skew:.2f}" if skew >= 0.01 else "p < 0.01"
    found = (
        f"Of {made.n} replicates{among} {percent(tails[0])} reach below the smallest {outcome} "
        f"observed and {percent(tails[1])} above the largest, with "
        f"{percent(made.above + made.below)} of their values outside; their skewness is "
        f"{number(float(made.skewness.mean()), 0.1)}, that of the data "
        f"{number(observed.skewness, 0.1)} ({shown})."
    )
    remedies = []
    if any(odd[k] and tails[k] > 0.5 for k in (0, 1)):
        remedies.append(
            "The outcome ends where normal residuals go on, as a bounded scale does: predictions "
            "of single outcomes near its ends are off."
        )
    skewed = odd[2] and abs(observed.bulk) > _BULK_SKEWED
    if not skewed and any(odd[k] and tails[k] < 0.5 for k in (0, 1)):
        remedies.append(
            "Some outcomes lie farther out than the model's: look for errors, or try Student-t "
            "residuals (--family student_t)."
        )
    if skewed or (odd[2] and not remedies):
        right = tails[2] < 0.5
        may = f"log({outcome})" if right and observed.low > 0.0 else "a transformation of it"
        remedies.append(
            f"The outcome is skewed more to the {'right' if right else 'left'} than the model's; "
            f"{may} may help."
        )
    return Judgement(topic=ENDS, fine=not remedies, found=found, remedy=" ".join(remedies))


def without_rows() -> Iterator[Judgement]:
    """Leave open what only rows tell."""
    for topic in ("Distribution of residuals", ENDS):
        yield Judgement(
            topic=topic,
            fine=None,
            found="The data were reduced to sums by group, which hold no rows; a sample of groups "
            "with theirs would tell (sample_groups).",
        )

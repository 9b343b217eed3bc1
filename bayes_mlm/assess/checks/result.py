"""What checking a model found: a page of checks, and a row a group."""

import textwrap
from dataclasses import dataclass
from typing import Any

from bayes_mlm.base import ResultTable

_WIDTH = 92
_MARGIN = " " * 12
# Of the tests of a page together: the chance that any fails on a model that is right.
LEVEL = 0.05


@dataclass(frozen=True, kw_only=True)
class Assessment:
    """One check of a model: its question, its statistic and what follows.

    Parameters
    ----------
    topic : str
        "Residual autocorrelation", "Curvature", ...
    question : str
        As a person would ask it.
    fine : bool or None
        Whether the check passes; None where it was not made, or is a note and no test.
    found : str
        In words, with numbers; why, where it was not made.
    remedy : str
        What to do; empty unless the check fails, or notes something to look at.
    statistic : str
        As printed; empty without a test.
    p : float or None
        Of this test alone; None without one.
    p_adjusted : float or None
        For the number of tests (Holm); the check fails below 0.05.
    negligible : bool
        Whether the departure is too small to change a result, however certain it is.
    """

    topic: str
    question: str = ""
    fine: bool | None = None
    found: str
    remedy: str = ""
    statistic: str = ""
    p: float | None = None
    p_adjusted: float | None = None
    negligible: bool = False

    @property
    def verdict(self) -> str:
        """One word: passes, FAILS, note or not tested."""
        if self.fine is None:
            return "note" if self.remedy else "not tested"
        return "passes" if self.fine else "FAILS"


@dataclass(frozen=True, kw_only=True)
class GroupRow:
    """Diagnostics of one group.

    Parameters
    ----------
    group : object
        Its label.
    n : int
        Its rows.
    effect : float or None
        Its group effects over what they should vary by: a standard normal for one effect, and
        the root of a chi-squared for several, if the model is right; signed for one. None where
        the rows say next to nothing of it.
    effect_p : float or None
        Two-sided probability of an effect as large.
    spread : float or None
        Sd of its rows about their least-squares line, over the residual sd of the model.
    spread_p : float or None
        Two-sided probability of a spread as far from 1.
    shift : float or None
        The largest move of a posterior mean when the group is left out, in posterior sds.
    moved : str
        Which quantity moves so.
    reliable : bool
        Whether the shift is reliable: by its importance weights, or a refit without the group.
    """

    group: Any
    n: int
    effect: float | None
    effect_p: float | None
    spread: float | None
    spread_p: float | None
    shift: float | None
    moved: str
    reliable: bool


def _indented(text: str, start: str) -> list[str]:
    after = " " * len(start)
    for pair in (
        " %",
        "p = ",
        "p < ",
        " df",
        "adjusted = ",
        "adjusted < ",
    ):  # a number and its sign stay on one line
        text = text.replace(pair, pair.replace(" ", "\u00a0"))
    return textwrap.wrap(text, _WIDTH, initial_indent=start, subsequent_indent=after)


def p_text(p: float) -> str:
    """Return a p value with its sign: ``= 0.030``, ``< 0.001``."""
    if p < 0.001:
        return "< 0.001"
    return f"= {p:.3f}" if p < 0.1 else f"= {p:.2f}"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class GroupRows(ResultTable[GroupRow]):
    """Checks of each group."""

    key = ("group",)
    row_type = GroupRow


@dataclass(frozen=True, kw_only=True, repr=False)
class Check(ResultTable[Assessment]):
    """The checks of a model, and a row a group.

    Parameters
    ----------
    model : str
        Name or formula.
    group : str or None
        The grouping column.
    rows : tuple of Assessment
        One a check.
    groups : GroupRows
        In the order of the design's labels; empty for a model without groups.
    verdict : Verdict
        Of the computation: whether the rest can be relied on.
    """

    key = ("topic",)

    model: str
    group: str | None
    groups: GroupRows

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns of the data."""
        fixed = ("topic", "question", "verdict", "statistic", "p", "p_adjusted")
        return (*fixed, "found", "remedy")

    @property
    def fine(self) -> bool:
        """Whether no check fails."""
        return all(one.fine is not False for one in self.rows)

    def __repr__(self) -> str:
        """Return the model and the number of failed checks."""
        bad = sum(one.fine is False for one in self.rows)
        return f"<Check of {self.model!r}: {bad} of {len(self.rows)} fail>"

    def __str__(self) -> str:
        """Return the checks as a page of text."""
        tests = sum(one.p is not None for one in self.rows)
        level = (
            f"{tests} tests; of right models 5 % at most fail any of them.\n"
            "p adjusted by Holm, after raising each by a quarter for what it is uncertain by."
        )
        lines = [self.model, level if tests else "No test could be made.", ""]
        for one in self.rows:
            head = textwrap.wrap(f"{one.topic}: {one.question}", _WIDTH - len(_MARGIN))
            lines += [f"{one.verdict:<10}  {head[0]}", *(_MARGIN + rest for rest in head[1:])]
            if one.p is not None and one.p_adjusted is not None:
                tail = f"{one.statistic}, p {p_text(one.p)}, adjusted {p_text(one.p_adjusted)}"
                small = (
                    "; too small a departure to matter"
                    if one.fine and one.p_adjusted < LEVEL
                    else ""
                )
                lines += _indented(f"{tail}{small}", _MARGIN)
            if one.p is None or not one.fine:
                lines += _indented(one.found, _MARGIN)
            if one.remedy:
                lines += _indented(one.remedy, f"{_MARGIN}→ ")
        return "\n".join(lines)

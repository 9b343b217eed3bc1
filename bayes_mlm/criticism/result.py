"""Hold what was found out about a model by criticising it."""

import csv
import io
import textwrap
from dataclasses import astuple, dataclass, fields
from typing import TYPE_CHECKING, Any

from bayes_mlm.verdict import Verdict

if TYPE_CHECKING:
    import pandas as pd

_WIDTH = 88


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """Hold one question asked of a model, and what was found.

    Parameters
    ----------
    topic : str
        "Normal group effects", "Influential groups", ...
    fine : bool or None
        None where the question does not apply to the model.
    found : str
        In words, with numbers.
    remedy : str
        What to do; empty if it is fine.
    """

    topic: str
    fine: bool | None
    found: str
    remedy: str = ""


@dataclass(frozen=True, kw_only=True)
class GroupRow:
    """Hold what is known of one group.

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
        Sd of its rows about its own line, over the residual sd that the model has for it.
    spread_p : float or None
        Two-sided probability of a spread as far from 1.
    shift : float or None
        The largest move of a posterior mean when the group is left out, in posterior sds.
    moved : str
        Which quantity moves so.
    reliable : bool
        Whether the shift can be relied on: weights could tell, or a fit without the group did.
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
    for pair in (" %", "p = ", "p < "):  # a number and its sign stay on one line
        text = text.replace(pair, pair.replace(" ", "\u00a0"))
    return textwrap.wrap(text, _WIDTH, initial_indent=start, subsequent_indent=after)


COLUMNS = tuple(field.name for field in fields(GroupRow))


@dataclass(frozen=True, kw_only=True, repr=False)
class Check:
    """Hold a criticism of a model: a page of judgements, and a row a group.

    Parameters
    ----------
    model : str
        Name or formula.
    group : str or None
        The grouping column.
    judgements : tuple of Judgement
    groups : tuple of GroupRow
        In the order of the design's labels; empty for a model without groups.
    verdict : Verdict
        Of the computation: whether the rest can be believed at all.
    """

    model: str
    group: str | None
    judgements: tuple[Judgement, ...]
    groups: tuple[GroupRow, ...]
    verdict: Verdict

    @property
    def fine(self) -> bool:
        """Tell whether nothing was found that is not fine."""
        return all(one.fine is not False for one in self.judgements)

    def __repr__(self) -> str:
        """Say of what, and how many judgements are not fine."""
        bad = sum(one.fine is False for one in self.judgements)
        return f"<Check of {self.model!r}: {bad} of {len(self.judgements)} to look at>"

    def __getitem__(self, topic: str) -> Judgement:
        """Give the judgement on a topic."""
        for one in self.judgements:
            if one.topic == topic:
                return one
        raise KeyError(
            f"no topic {topic!r}; there are {', '.join(j.topic for j in self.judgements)}"
        )

    def __str__(self) -> str:
        """Write the page."""
        lines = [f"{self.model}", ""]
        for one in self.judgements:
            sign = {True: "fine", False: "LOOK", None: "open"}[one.fine]
            lines += [f"{sign}  {one.topic}", *_indented(one.found, "      ")]
            if one.remedy:
                lines += _indented(one.remedy, "      → ")
        return "\n".join(lines)

    def to_frame(self) -> "pd.DataFrame":
        """Give a row a group as a data frame, one column a field of `GroupRow`."""
        import pandas as pd

        return pd.DataFrame([astuple(row) for row in self.groups], columns=list(COLUMNS))

    def to_csv(self) -> str:
        """Write a row a group as CSV text in full precision; what is not known is left empty."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(astuple(row) for row in self.groups)
        return text.getvalue()

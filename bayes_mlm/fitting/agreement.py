"""Estimates of one model by each engine, next to each other, and how far apart they are."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from bayes_mlm.base import (
    Column,
    EngineError,
    Finding,
    ResultTable,
    Verdict,
    expect_each,
    rounded,
    signed,
)
from bayes_mlm.engines import is_drawing
from bayes_mlm.fitting.estimates import QuantityRow, Summary, estimate_texts


@dataclass(frozen=True, kw_only=True, repr=False)
class Compared:
    """One quantity of one model by each engine.

    Parameters
    ----------
    model, quantity : str
    estimates : tuple of QuantityRow or None
        One an engine, in the order the summaries were given; None where it gives none.
    difference : float or None
        First posterior mean minus REML or OLS estimate, in posterior sds: 0.1 is of no
        consequence, 1 means that the prior or the shape of the posterior matters.
    published : str or None
        The figure as printed for this quantity; with an asterisk where it is wrong.
    """

    model: str
    quantity: str
    estimates: tuple[QuantityRow | None, ...]
    difference: float | None
    published: str | None

    def __repr__(self) -> str:
        """Return the estimates of each engine on one line."""
        known = (one for one in self.estimates if one is not None)
        return f"<{self.quantity}: {', '.join(f'{e.engine} {rounded(e.estimate)}' for e in known)}>"


@dataclass(frozen=True, kw_only=True, repr=False)
class EngineComparison(ResultTable[Compared]):
    """One model by several engines: a row a quantity, the estimates of each engine in columns.

    Parameters
    ----------
    rows : tuple of Compared
    engines : tuple of str
        In the order of the columns.
    intervals : tuple of str
        What the interval of each engine is: "95% HDI".
    verdict : Verdict
        Of every engine, each with its name.
    """

    key = ("quantity",)
    row_type = Compared

    engines: tuple[str, ...]
    intervals: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns of the data."""
        parts = ("", "_sd", "_lower", "_upper")
        return (
            "model",
            "quantity",
            *(e + one for e in self.engines for one in parts),
            "difference",
        )

    def values(self, row: Compared) -> tuple[Any, ...]:
        """Return the raw values of a row, in the order of `names`."""
        found: list[Any] = []
        for one in row.estimates:
            found += [None] * 4 if one is None else [one.estimate, one.sd, one.lower, one.upper]
        return (row.model, row.quantity, *found, row.difference)

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns of the view."""
        shown = [Column(name="quantity", kind="label")]
        for place, (engine, interval) in enumerate(zip(self.engines, self.intervals, strict=True)):
            heads = ((engine, "estimate"), (_error_name(engine), "error"), (interval, "interval"))
            for heading, part in heads:
                text = partial(_text_of, place=place, part=part)
                shown.append(Column(name=engine, heading=heading, text=text))
        if any(row.difference is not None for row in self.rows):
            shown.append(Column(name="difference", heading="diff/sd", text=_difference_text))
        return tuple(shown)

    def __repr__(self) -> str:
        """Return the model's engines and the number of quantities."""
        return f"<EngineComparison of {', '.join(self.engines)}: {len(self)} quantities>"


def _error_name(engine: str) -> str:
    return "sd" if is_drawing(engine.partition("_")[0]) else "se"


def _text_of(row: Compared, place: int, part: str) -> str:
    found: str = getattr(estimate_texts(row.estimates[place], like=row.estimates[0]), part)
    return found


def _difference_text(row: Compared) -> str:
    return "" if row.difference is None else signed(row.difference, 2)


def compare_summaries(*summaries: Summary) -> EngineComparison:
    """Return the summaries of one model by several engines as one table.

    Raises
    ------
    EngineError
        If there are fewer than two.
    """
    expect_each("compare", summaries, Summary)
    if len(summaries) < 2:
        raise EngineError(f"a comparison of engines needs two or more, found {len(summaries)}")
    names: list[str] = []
    for one in summaries:
        again = sum(name.partition("_")[0] == one.engine for name in names)
        names.append(f"{one.engine}_{again + 1}" if again else one.engine)
    findings = [
        Finding(f"{name}: {found.check}", found.ok, f"{name}: {found.message}")
        for name, one in zip(names, summaries, strict=True)
        for found in one.verdict.findings
    ]
    rows = join_engines(*summaries)
    notes = tuple(dict.fromkeys(note for one in summaries for note in one.notes))
    if any(row.difference is not None for row in rows):
        notes += (
            "diff/sd: posterior mean minus the likelihood estimate, in posterior sds; 0.1 is of no "
            "consequence, 1 means that the prior or the posterior's shape matters",
        )
    return EngineComparison(
        rows=rows,
        engines=tuple(names),
        intervals=tuple(one.interval for one in summaries),
        verdict=Verdict(tuple(findings)),
        notes=notes,
    )


class PrintedFigure(Protocol):
    """A figure printed elsewhere, as it was checked against ours."""

    @property
    def quantity(self) -> str:
        """What was printed."""

    @property
    def corrects(self) -> str | None:
        """The quantity that belongs in its place, where another was printed."""

    @property
    def printed(self) -> str:
        """As printed."""

    @property
    def status(self) -> str:
        """Whether it is "reproduced", "corrected", "cannot" be computed or "differs"."""


def printed_figures(figures: Iterable[PrintedFigure]) -> dict[str, str]:
    """Return the figure printed for each quantity, with an asterisk where it is not the right one.

    A figure of the quantity itself comes before one that stands in its place, and the first
    printing before later ones.

    Examples
    --------
    >>> from bayes_mlm import check_published, load_record
    >>> printed = printed_figures(check_published(load_record("hsb_ses")))
    >>> printed["beta[ses]"], printed["icc"]
    ('2.390', '0.1139*')
    """
    printed: dict[str, str] = {}
    figures = list(figures)
    for one in [*figures, *figures]:
        direct = one.corrects is None or one.quantity == one.corrects
        key = one.quantity if direct else one.corrects
        if key is not None and (direct or key not in printed):
            star = "*" if one.status == "corrected" else ""
            printed.setdefault(key, f"{one.printed}{star}")
    return printed


def join_engines(
    *summaries: Summary, printed: Mapping[str, str] | None = None
) -> tuple[Compared, ...]:
    """Join the summaries of one model by quantity.

    Parameters
    ----------
    *summaries : Summary
        One an engine, those from draws first.
    printed : mapping of str to str, optional
        The figure printed elsewhere for a quantity (`printed_figures`).

    Returns
    -------
    tuple of Compared
        A row for each quantity that any engine gives, in the order they first appear.

    Examples
    --------
    >>> from bayes_mlm.fitting.estimates import QuantityRow, Summary
    >>> from bayes_mlm.base import Verdict
    >>> def one(engine, estimate, sd):
    ...     row = QuantityRow(model="m", engine=engine, quantity="icc", estimate=estimate, sd=sd)
    ...     return Summary(rows=(row,), interval="95% HDI", verdict=Verdict(()))
    >>> (row,) = join_engines(one("nuts", 0.19, 0.02), one("reml", 0.18, 0.02))
    >>> round(row.difference, 2)
    0.5
    """
    expect_each("join_engines", summaries, Summary)
    models = {row.quantity: row.model for summary in summaries for row in summary}
    rows = []
    for quantity, model in models.items():
        estimates = tuple(summary.get(quantity) for summary in summaries)
        rows.append(
            Compared(
                model=model,
                quantity=quantity,
                estimates=estimates,
                difference=_difference(estimates),
                published=(printed or {}).get(quantity),
            )
        )
    return tuple(rows)


def _difference(estimates: tuple[QuantityRow | None, ...]) -> float | None:
    given = [row for row in estimates if row is not None]
    posterior = next((row for row in given if is_drawing(row.engine)), None)
    likelihood = next((row for row in given if not is_drawing(row.engine)), None)
    if posterior is None or likelihood is None or not posterior.sd:
        return None
    return (posterior.estimate - likelihood.estimate) / posterior.sd

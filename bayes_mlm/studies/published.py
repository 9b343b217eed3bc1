"""Check published figures: recompute each, and judge whether it is right.

A published figure names the quantity that was printed, rightly or wrongly. It is recomputed from
the same data with certified fits. Where it is not what it should have been, the record names the
right quantity (`corrects`) and gives the reason in one line (`reason`).
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Literal, cast

from bayes_mlm.base import SpecError, Style, expect, number, rounded, suggest
from bayes_mlm.design import Design, design_of
from bayes_mlm.engines import ENGINES, GeneralisedFit, OlsFit, RemlFit, Task, fit_ols, fit_reml
from bayes_mlm.studies.hsb.arithmetic import LEFTOVER_ICC, misplaced_r2
from bayes_mlm.studies.printed import Published
from bayes_mlm.studies.quantities import model_quantities
from bayes_mlm.studies.record import Record, load_record, models_directory, related_record

type Status = Literal["reproduced", "corrected", "cannot", "differs"]
type Cause = Literal["", "wrong", "imprecise"]
_ELSEWHERE = re.compile(r"(?P<record>[\w-]+)/(?P<quantity>.+)")


@dataclass(frozen=True, kw_only=True, repr=False)
class PublishedRow:
    """One printed figure compared with ours.

    Parameters
    ----------
    model : str
        The record the figure belongs to; the data set's name for figures of the table itself.
    quantity, where : str
        What was printed, and at which place.
    printed : str
        As printed.
    reproduced : float or None
        The same quantity, right or wrong, from the same data; None where it cannot be computed.
    corrects : str or None
        The quantity that belongs in its place, where the printed one is a mistake.
    right : float or None
        The right figure: that of `corrects` if there is one, else `reproduced`.
    status : {"reproduced", "corrected", "cannot", "differs"}
        Printed and right agree within half a printed digit (or the figure's tolerance); they
        do not, for the reason given; there is nothing to compute it from; they do not agree, and
        no reason is given.
    cause : {"", "wrong", "imprecise"}
        Of a corrected figure: what was computed is wrong (its formula, or the table it stands
        in); or it is right, and a last digit moved by rounding or an optimiser that stopped early.
    traced : bool
        Whether `reproduced` agrees with what was printed: how the figure came about is understood.
    reason : str
        One line; empty where a figure is simply reproduced.
    """

    model: str
    quantity: str
    where: str
    printed: str
    reproduced: float | None
    corrects: str | None
    right: float | None
    status: Status
    traced: bool
    reason: str
    cause: Cause = ""

    def __repr__(self) -> str:
        """Return what is printed, what is right and the status."""
        right = "nothing" if self.right is None else rounded(self.right, 6)
        return f"<{self.quantity}: printed {self.printed}, right {right}, {self.status}>"

    def right_text(self, style: Style = "terminal") -> str:
        """Return the right figure with the decimals that were printed, or more if it is small."""
        if self.right is None:
            return ""
        places = len(self.printed.lower().partition("e")[0].partition(".")[2])
        small = abs(self.right) < 10.0**-places
        error = abs(self.right) if small else 1.5 * 10.0 ** (1 - places)
        return number(self.right, error, style=style)


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Counts of printed figures by status.

    Parameters
    ----------
    printed, reproduced, corrected, cannot, differs : int
        The first is the sum of the others.
    wrong, imprecise : int
        Of those corrected: by cause.
    """

    printed: int
    reproduced: int
    corrected: int
    cannot: int
    differs: int
    wrong: int
    imprecise: int

    def __str__(self) -> str:
        """Return the counts in one line."""
        text = (
            f"{self.printed} printed figures: {self.reproduced} reproduced, "
            f"{self.corrected} corrected ({self.wrong} wrong, {self.imprecise} off by rounding or "
            f"early stopping), {self.cannot} cannot be computed"
        )
        return text + (f", {self.differs} differ without a stated reason" if self.differs else "")


def check_published(
    record: Record,
    design: Design | None = None,
    fit: RemlFit | GeneralisedFit | OlsFit | None = None,
) -> tuple[PublishedRow, ...]:
    """Recompute every published figure of a record and judge it.

    Parameters
    ----------
    record : Record
    design : Design, optional
        Of the record's kind; built from the record's data if not given.
    fit : RemlFit, GeneralisedFit or OlsFit, optional
        Of that design; made if not given.

    Returns
    -------
    tuple of PublishedRow
        One for each place a figure is printed at.

    Raises
    ------
    SpecError
        If a quantity is not one that this model has; the nearest are named.

    Examples
    --------
    >>> rows = check_published(load_record("hsb_null"))
    >>> [(row.printed, round(row.right, 4)) for row in rows if row.quantity == "icc_raw"]
    [('0.1603', 0.1804)]
    """
    expect("check_published", record, Record)
    if design is not None:
        expect("check_published", design, Design)
    if fit is not None:
        expect("check_published", fit, RemlFit, GeneralisedFit, OlsFit)
    if not record.published:
        return ()
    figures = quantities_of(record) if design is None else _quantities(record, design, fit)
    return judge(
        record.published, record.reasons, figures, record.name, record, imprecise=record.imprecise
    )


def judge(
    printed: Iterable[Published],
    reasons: Mapping[str, str],
    figures: Mapping[str, float],
    model: str,
    record: Record | None = None,
    *,
    imprecise: Collection[str] = (),
) -> tuple[PublishedRow, ...]:
    """Judge printed figures against computed ones.

    Parameters
    ----------
    printed : iterable of Published
    reasons : mapping of str to str
        Reasons by key.
    figures : mapping of str to float
        The model's figures by quantity.
    model : str
        Name for the rows.
    record : Record, optional
        Whose neighbours a quantity such as ``hsb_between/n`` is looked up among.
    imprecise : collection of str
        Keys of the reasons that are rounding or early stopping, not what was computed.

    Returns
    -------
    tuple of PublishedRow
    """
    rows: list[PublishedRow] = []
    for figure in printed:
        reproduced = right = None
        if figure.cannot is None:
            reproduced = find_quantity(figure.quantity, figures, record)
            right = (
                find_quantity(figure.corrects, figures, record) if figure.corrects else reproduced
            )
        reason = figure.cannot or figure.reason or ""
        status = _status(figure, right)
        kind: Cause = "imprecise" if figure.reason in imprecise else "wrong"
        rows.extend(
            PublishedRow(
                model=model,
                quantity=figure.quantity,
                where=place,
                printed=figure.value,
                reproduced=reproduced,
                corrects=figure.corrects,
                right=right,
                status=status,
                traced=_agrees(figure, reproduced),
                reason=reasons.get(reason, reason),
                cause=kind if status == "corrected" else "",
            )
            for place in figure.places
        )
    return tuple(rows)


def tally(rows: Iterable[PublishedRow]) -> Tally:
    """Count rows by status.

    Examples
    --------
    >>> print(tally(check_published(load_record("hsb_mundlak"))))  # doctest: +NORMALIZE_WHITESPACE
    3 printed figures: 3 reproduced, 0 corrected (0 wrong, 0 off by rounding or early stopping),
    0 cannot be computed
    """
    rows = list(rows)
    found = [row.status for row in rows]
    causes = [row.cause for row in rows]
    return Tally(
        printed=len(found),
        reproduced=found.count("reproduced"),
        corrected=found.count("corrected"),
        cannot=found.count("cannot"),
        differs=found.count("differs"),
        wrong=causes.count("wrong"),
        imprecise=causes.count("imprecise"),
    )


def find_quantity(
    quantity: str, figures: Mapping[str, float], record: Record | None = None
) -> float:
    """Return a figure of a model or, as ``record/quantity``, of another record.

    Parameters
    ----------
    quantity : str
    figures : mapping of str to float
    record : Record, optional
        Its neighbours are looked at before the bundled records.

    Raises
    ------
    SpecError
        If there is no such quantity.

    Examples
    --------
    >>> find_quantity("hsb_between/n", {})
    160.0
    """
    elsewhere = _ELSEWHERE.fullmatch(quantity)
    if elsewhere is not None:
        other = related_record(record, elsewhere["record"])
        return find_quantity(elsewhere["quantity"], quantities_of(other), other)
    if quantity in figures:
        return figures[quantity]
    against = _against_others(quantity, figures, record)
    if against is None:
        of = f" of {record.name!r}" if record is not None else ""
        raise SpecError(f"{quantity!r} is no figure{of}{suggest(quantity, figures)}")
    return against


def quantities_of(record: Record) -> Mapping[str, float]:
    """Fit a record to its data and compute every figure of it, by name.

    Parameters
    ----------
    record : Record
        Figures of a bundled record are kept: neither it nor its data can change.
    """
    bundled = models_directory() / f"{record.name}.toml"
    if record.path == str(bundled):
        return _bundled_quantities(record.name)
    return _quantities(record, None, None)


@cache
def _bundled_quantities(name: str) -> Mapping[str, float]:
    return MappingProxyType(_quantities(load_record(name), None, None))


def _quantities(
    record: Record, design: Design | None, fit: RemlFit | GeneralisedFit | OlsFit | None
) -> dict[str, float]:
    if design is None:
        design = design_of(record.request)
    if fit is None and design.family.residual_sd is None:
        fit = cast("GeneralisedFit", ENGINES["ml"].run(Task(design=design)))
    elif fit is None:
        grouped = design.q > 0 and design.kind != "no_pooling"
        grouped = grouped or design.residual is not None
        fit = fit_reml(design, profile=False, check=False) if grouped else fit_ols(design)
    return model_quantities(design, fit)


def _against_others(
    quantity: str, figures: Mapping[str, float], record: Record | None
) -> float | None:
    """Compute the figures that compare a model with its null model, or with a leftover.

    ``r2_between`` and ``r2_within`` are Raudenbush and Bryk's (2002, ch. 4): the part of the null
    model's variance at a level that the model accounts for.
    """
    if quantity == "icc_raw_z" and "icc_raw" in figures:
        return figures["icc_raw"] / find_quantity(f"{LEFTOVER_ICC}/icc_raw_err", figures, record)
    if record is None or record.null is None or "icc" not in figures:
        return None
    null = quantities_of(related_record(record, record.null))
    for level, sigma in (("between", "sigma_u"), ("within", "sigma_e")):
        if quantity in (f"r2_{level}", f"r2_{level}_percent"):
            share = 1.0 - figures[sigma] ** 2 / null[sigma] ** 2
            return 100.0 * share if quantity.endswith("_percent") else share
        if quantity == f"pseudo_r2_{level}":
            return misplaced_r2(null[f"{sigma}_raw"], figures[f"{sigma}_raw"])
    return None


def _agrees(figure: Published, value: float | None) -> bool:
    # A figure that ends in a 5 may differ by half a digit to the last bit.
    return value is not None and abs(value - figure.number) <= figure.allowed * (1.0 + 1e-9)


def _status(figure: Published, right: float | None) -> Status:
    if right is None:
        return "cannot"
    if _agrees(figure, right):
        return "reproduced"
    return "corrected" if figure.reason else "differs"

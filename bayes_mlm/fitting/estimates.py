"""Hold estimates as tidy rows: one quantity of one model by one engine.

A row holds full precision; rounding belongs to whoever shows it. Rows are what is written to
``estimates.csv``, joined across engines and models, and drawn.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, fields
from typing import TYPE_CHECKING

from bayes_mlm.base import LOGLIK_ERROR, Style, Texts, Verdict, count, digits, scaled, texts
from bayes_mlm.data import format_rows

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class QuantityRow:
    """Hold one quantity as one engine estimates it.

    Parameters
    ----------
    model : str
        Name of the record.
    engine : str
        "direct", "nuts", "reml" or "ols".
    quantity : str
        ``beta[ses:sector]``, ``sigma_u``, ``sigma_u[ses]``, ``rho_u[Intercept,ses]``,
        ``sigma_e``, ``icc``, ``design_effect``, ``reliability``, ``r2_between``, ``r2_within``,
        ``loglik``.
    estimate : float
        Posterior mean, or the REML or OLS estimate, in the quantity's units.
    sd : float or None
        Posterior sd, or standard error.
    lower, upper : float or None
        Ends of the interval that the summary names.
    ess_bulk, ess_tail, r_hat, mcse_mean : float or None
        Convergence diagnostics, where the estimate comes from draws.
    """

    model: str
    engine: str
    quantity: str
    estimate: float
    sd: float | None = None
    lower: float | None = None
    upper: float | None = None
    ess_bulk: float | None = None
    ess_tail: float | None = None
    r_hat: float | None = None
    mcse_mean: float | None = None


COLUMNS = tuple(field.name for field in fields(QuantityRow))


@dataclass(frozen=True, kw_only=True, repr=False)
class Summary:
    """Hold the estimates of one model by one engine, and whether to believe them.

    Parameters
    ----------
    rows : tuple of QuantityRow
    interval : str
        What `lower` and `upper` are: "95% HDI".
    verdict : Verdict
    """

    rows: tuple[QuantityRow, ...]
    interval: str
    verdict: Verdict

    def __repr__(self) -> str:
        """Return model, engine and number of quantities."""
        return f"<Summary of {self.rows[0].model} by {self.engine}: {len(self.rows)} quantities>"

    @property
    def engine(self) -> str:
        """The engine that the rows are from."""
        return self.rows[0].engine

    def __getitem__(self, quantity: str) -> QuantityRow:
        """Give the row of one quantity."""
        row = self.get(quantity)
        if row is None:
            known = ", ".join(row.quantity for row in self.rows)
            raise KeyError(f"no quantity {quantity!r}; there are {known}")
        return row

    def get(self, quantity: str) -> QuantityRow | None:
        """Give the row of one quantity, or None if there is none."""
        return next((row for row in self.rows if row.quantity == quantity), None)

    def __contains__(self, quantity: object) -> bool:
        """Tell whether there is a row for a quantity."""
        return any(row.quantity == quantity for row in self.rows)

    def __iter__(self) -> Iterator[QuantityRow]:
        """Go through the rows."""
        return iter(self.rows)

    def to_frame(self) -> "pd.DataFrame":
        """Give the rows as a tidy data frame, one column a field of `QuantityRow`."""
        return to_frame(self.rows)

    def __str__(self) -> str:
        """Show the rows as an aligned text table, with the interval's name and the verdict."""
        head = ("quantity", "estimate", "sd", f"{self.interval}", "ess", "r_hat")
        shown = format_rows([head, *(_cells(row) for row in self.rows)])
        sign = "ok" if self.verdict.ok else "NOT OK"
        return f"{shown}\n{sign}: {self.verdict}"


def to_frame(rows: Iterable[QuantityRow]) -> "pd.DataFrame":
    """Give estimates as a tidy data frame."""
    import pandas as pd

    return pd.DataFrame([astuple(row) for row in rows], columns=list(COLUMNS))


def to_csv(rows: Iterable[QuantityRow]) -> str:
    """Write estimates as CSV text in full precision; what is not defined is left empty.

    Examples
    --------
    >>> print(to_csv([QuantityRow(model="m", engine="reml", quantity="icc", estimate=0.25)]))
    model,engine,quantity,estimate,sd,lower,upper,ess_bulk,ess_tail,r_hat,mcse_mean
    m,reml,icc,0.25,,,,,,,
    <BLANKLINE>
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(astuple(row) for row in rows)
    return text.getvalue()


def estimate_texts(
    row: QuantityRow | None, *, like: QuantityRow | None = None, style: Style = "terminal"
) -> Texts:
    """Return a row's estimate, error and interval as text, to the digits of its error.

    Parameters
    ----------
    row : QuantityRow or None
    like : QuantityRow, optional
        The same quantity by another engine, whose digits an estimate without error gets.
    style : {"terminal", "table", "sentence"}
        See `bayes_mlm.base.text.Digits`.

    Examples
    --------
    >>> row = QuantityRow(model="m", engine="reml", quantity="icc", estimate=0.25, sd=0.018)
    >>> estimate_texts(row)
    Texts(estimate='0.250', error='0.018', interval='')
    """
    if row is None:
        return Texts("", "", "")
    if row.quantity == "loglik":
        return Texts(texts(row.estimate, LOGLIK_ERROR, style=style).estimate, "", "")
    if row.sd is None and row.lower is None and like is not None:
        shown = digits(like.estimate, like.sd, like.lower, like.upper, style=style)
        return Texts(shown.number(row.estimate), "", "")
    return texts(row.estimate, row.sd, row.lower, row.upper, style=style)


def _cells(row: QuantityRow) -> tuple[str, ...]:
    return (
        row.quantity,
        *estimate_texts(row),
        "" if row.ess_bulk is None else count(row.ess_bulk),
        "" if row.r_hat is None else scaled(row.r_hat, 3),
    )

"""Estimates as tidy rows: one quantity of one model by one engine.

A row has full precision; numbers are rounded where they are shown. Rows are what is written to
``estimates.csv``, joined across engines and models, and drawn.
"""

from dataclasses import dataclass, replace

from bayes_mlm.base import LOGLIK_ERROR, Column, Digits, ResultTable, Style, Texts, digits, texts
from bayes_mlm.design import Design


@dataclass(frozen=True, kw_only=True)
class QuantityRow:
    """One quantity as one engine estimates it.

    Parameters
    ----------
    model : str
        Name of the record.
    engine : str
        A name in `ENGINES`.
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


@dataclass(frozen=True, kw_only=True, repr=False)
class Summary(ResultTable[QuantityRow]):
    """Estimates of one model by one engine, and whether they can be relied on.

    Parameters
    ----------
    rows : tuple of QuantityRow
    interval : str
        What `lower` and `upper` are: "95% HDI".
    method : str
        How the intervals of coefficients were made: "t (Satterthwaite df)"; empty of draws.
    verdict : Verdict
    """

    key = ("quantity",)
    row_type = QuantityRow

    interval: str
    method: str = ""

    def __repr__(self) -> str:
        """Return model, engine and number of quantities."""
        return f"<Summary of {self.rows[0].model} by {self.engine}: {len(self.rows)} quantities>"

    @property
    def engine(self) -> str:
        """The engine that the rows are from."""
        return self.rows[0].engine

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns of the view."""
        drawn = any(row.ess_bulk is not None for row in self.rows)
        chains = any(row.r_hat is not None for row in self.rows)
        return (
            Column(name="quantity", kind="label"),
            Column(name="estimate", kind="number"),
            Column(name="sd", heading="sd" if drawn else "se", kind="error"),
            Column(name="lower", heading=self.interval, kind="interval"),
            *([Column(name="ess_bulk", heading="ess", kind="count")] if drawn else []),
            *([Column(name="r_hat", kind="ratio")] if chains else []),
        )

    @property
    def legend(self) -> tuple[str, ...]:
        """Lines below the table."""
        made = (f"CI of coefficients: {self.method}",) if self.method else ()
        return (*made, *super().legend)

    def digits(self, row: QuantityRow) -> Digits:
        """Return the digits of a row; a log-likelihood has tenths."""
        if row.quantity == "loglik":
            return digits(row.estimate, LOGLIK_ERROR)
        return super().digits(row)


# Rows of the short table of a result; a model with more coefficients shows the first.
MOST_ROWS = 12


def short_summary(summary: Summary, design: Design) -> Summary:
    """Return a summary of about ten rows, titled with the model and its size."""
    size = [f"n = {design.n:,}", *(f"{t.J:,} groups ({t.factor})" for t in design.group_terms)]
    title = f"{design.formula} by {summary.engine}; {', '.join(size)}"
    rows = [row for row in summary.rows if row.quantity not in _DERIVED]
    above = len(rows) - MOST_ROWS
    betas = [row for row in rows if row.quantity.startswith("beta[")]
    if above > 0 and len(betas) > above:
        rows = [row for row in rows if row not in betas[-above:]]
    else:
        rows = rows[:MOST_ROWS]
    more = (f"{above} more in .summary()",) if above > 0 else ()
    return replace(summary, rows=tuple(rows), title=title, notes=(*summary.notes, *more))


# What follows from the icc.
_DERIVED = ("design_effect", "reliability")


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

"""What imputation adds to the errors of a pooled estimate: a row a parameter."""

import math
from dataclasses import dataclass

from bayes_mlm.base import Column, EngineError, ResultTable, scaled
from bayes_mlm.engines import PooledResult


@dataclass(frozen=True, kw_only=True)
class PooledRow:
    """One parameter pooled over M imputations by Rubin's rules.

    Parameters
    ----------
    quantity : str
        As in a summary: ``beta[ses]``, ``sigma_u``, ``icc``.
    estimate, se : float
        An sd is the root of the mean variance.
    within, between : float
        Shares of the total variance within an imputation (sampling), and between them, with the
        1/M of the finite number: they add up to 1. Of an sd those of its variance.
    fmi : float
        Fraction of missing information, adjusted for the degrees of freedom (as R's mice).
    df : float
        Degrees of freedom (Barnard & Rubin 1999).
    """

    quantity: str
    estimate: float
    se: float
    within: float
    between: float
    fmi: float
    df: float


@dataclass(frozen=True, kw_only=True, repr=False)
class PooledTable(ResultTable[PooledRow]):
    """Parameters pooled over imputations, with the parts of their variances.

    Parameters
    ----------
    imputations : int
        M.
    """

    key = ("quantity",)
    row_type = PooledRow

    imputations: int

    def __repr__(self) -> str:
        """Return the number of parameters and of imputations."""
        return f"<PooledTable of {len(self.rows)} parameters over {self.imputations} imputations>"

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns of the view."""
        return (
            Column(name="quantity", kind="label"),
            Column(name="estimate", kind="number"),
            Column(name="se", kind="error"),
            Column(name="within", text=lambda row: _share(row.within)),
            Column(name="between", text=lambda row: _share(row.between)),
            Column(name="fmi", text=lambda row: _share(row.fmi)),
            Column(name="df", text=lambda row: _df(row.df)),
        )


def pooled_table(solution: object) -> PooledTable:
    """Return the parts of variance of a pooled solution.

    Raises
    ------
    EngineError
        If it is of one data set.
    """
    if not isinstance(solution, PooledResult):
        raise EngineError(
            "this is the estimate of one data set, and pooled is of several imputations: fit a "
            "list of data frames, or an outcome such as pv(PV1MATH..PV10MATH)"
        )
    rows = []
    for one in solution.quantities:
        estimate, se = float(one.of.estimate[one.place]), float(one.of.se[one.place])
        if one.scale == "variance":
            estimate = math.sqrt(estimate)
            se = 0.5 * se / estimate if estimate > 0.0 else math.nan
        share = float(one.of.share[one.place])
        rows.append(
            PooledRow(
                quantity=one.name,
                estimate=estimate,
                se=se,
                within=1.0 - share,
                between=share,
                fmi=float(one.of.fmi[one.place]),
                df=float(one.of.df[one.place]),
            )
        )
    return PooledTable(
        rows=tuple(rows),
        imputations=solution.m,
        title=f"{solution.m} imputations pooled by Rubin's rules",
        notes=(
            "within, between: shares of the variance due to sampling, and to imputation with its "
            "1/M; fmi: fraction of missing information; df: Barnard & Rubin's",
        ),
    )


def _share(value: float) -> str:
    return "" if math.isnan(value) else scaled(value, 3)


def _df(value: float) -> str:
    if math.isnan(value):
        return ""
    return "\u221e" if value >= 1e6 else scaled(value, 1)

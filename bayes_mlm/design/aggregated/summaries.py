"""Learn by queries what splines and polynomials depend on: ends, quantiles, means of products."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import narwhals as nw

from bayes_mlm.base import DataError, RowsNeededError
from bayes_mlm.data import Scan, collect_row, is_nan
from bayes_mlm.design.aggregated.expressions import Constants, write
from bayes_mlm.design.encoding.columns import basis_of
from bayes_mlm.design.encoding.means import LearnedBasis
from bayes_mlm.formula import Call, label

_X = "x_"


def learn_basis(call: Call, scan: Scan, known: Constants) -> LearnedBasis:
    """Learn the constants of a function that is several columns, by queries.

    Raises
    ------
    RowsNeededError
        If the function, or the engine, cannot: the rows are needed.
    DataError
        If the values cannot carry it.
    """
    basis = basis_of(call)
    if basis.learn_query is None or basis.push is None:
        raise RowsNeededError(
            f"{label(call)} needs the rows, and those of {scan.source} are summed where they lie; "
            'keep them (rows="keep", --rows keep), or take a sample'
        )
    value = write(call.argument, scan, known).value
    rows = scan.frame.select(**{_X: value})
    whole = ~(nw.col(_X).is_null() | is_nan(nw.col(_X)))
    of = Queries(call=label(call), scan=replace(scan, frame=rows.filter(whole)))
    try:
        constants = basis.learn_query(of, call.settings)
    except DataError as error:
        raise type(error)(f"{label(call)} {error}") from None
    return LearnedBasis(expression=str(call), constants=constants)


@dataclass(frozen=True, kw_only=True, eq=False)
class Queries:
    """Summaries of one column of numbers, each a query of its engine.

    Parameters
    ----------
    call : str
        What they are for, for a message.
    scan : Scan
        With the one column, without missing values.
    """

    call: str
    scan: Scan

    def count(self) -> int:
        """Return the number of rows."""
        return int(collect_row(self.scan, {"n": nw.len()})["n"])

    def distinct(self) -> int:
        """Return the number of different values."""
        return int(collect_row(self.scan, {"n": nw.col(_X).n_unique()})["n"])

    def ends(self) -> tuple[float, float]:
        """Return the smallest and the largest value."""
        found = collect_row(self.scan, {"low": nw.col(_X).min(), "high": nw.col(_X).max()})
        return float(found["low"]), float(found["high"])

    def means(self, made: Callable[[nw.Expr], Sequence[nw.Expr]]) -> list[float]:
        """Return the means over the rows of some expressions of the column."""
        wanted = {f"mean{k}": one.mean() for k, one in enumerate(made(nw.col(_X)))}
        return [float(value) for value in collect_row(self.scan, wanted).values()]

    def quantiles(
        self, probs: Sequence[float], ends: tuple[float, float], *, distinct: bool
    ) -> list[float]:
        """Return quantiles of the values in a range, or of the different ones."""
        if not probs:
            return []
        frame = self.scan.frame.filter((nw.col(_X) >= ends[0]) & (nw.col(_X) <= ends[1]))
        rows = replace(self.scan, frame=frame.unique() if distinct else frame)
        wanted = {
            f"q{k}": nw.col(_X).quantile(float(prob), interpolation="linear")
            for k, prob in enumerate(probs)
        }
        return [float(value) for value in collect_row(rows, wanted).values()]

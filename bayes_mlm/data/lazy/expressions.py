"""Expressions that every engine computes: of text without blanks, of numbers, of counts."""

import narwhals as nw

from bayes_mlm.data.texts import BLANKS

# A whole value that is a number.
NUMBER = (
    r"^([+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
    r"|[+-]?[iI][nN][fF]([iI][nN][iI][tT][yY])?)\z"
)


def stripped(text: nw.Expr) -> nw.Expr:
    """Strip spaces from the ends of text; quicker than trim, which is slow for many characters."""
    return text.str.replace_all(rf"^[{BLANKS}]+|[{BLANKS}]+\z", "")


def count(condition: nw.Expr) -> nw.Expr:
    """Count the rows in which a condition holds (every engine can add up whole numbers)."""
    return condition.cast(nw.Int64).sum()


def is_nan(value: nw.Expr) -> nw.Expr:
    """Flag the values that are not a number, also where a file's statistics say nothing of them.

    The extremes that Parquet stores of a column leave NaN out, and DuckDB takes its word for it:
    it drops a filter by ``isnan``. Infinite values are no NaN.
    """
    return ((value - value) != 0.0) & (value.abs() != float("inf"))

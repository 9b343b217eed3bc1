"""MathML elements with escaped names, as a column may have any name."""

from collections.abc import Sequence
from html import escape


def row(*parts: str) -> str:
    """Return elements in a row."""
    return f"<mrow>{''.join(parts)}</mrow>"


def name(text: str) -> str:
    """Set the name of a column, upright, whatever characters it has.

    Examples
    --------
    >>> name("a<b")
    '<mtext>a&lt;b</mtext>'
    """
    return f"<mtext>{escape(text)}</mtext>"


def symbol(text: str) -> str:
    """Set a symbol such as β, in italics."""
    return f"<mi>{escape(text)}</mi>"


def number(value: int) -> str:
    """Set a whole number."""
    return f"<mn>{value}</mn>"


def operator(text: str) -> str:
    """Set an operator such as = or +."""
    return f"<mo>{escape(text)}</mo>"


def sub(base: str, index: str) -> str:
    """Set an index below: y with i j."""
    return f"<msub>{base}{index}</msub>"


def squared(base: str, index: str) -> str:
    """Set an index below and a 2 above: the variance of a symbol."""
    return f"<msubsup>{base}{index}<mn>2</mn></msubsup>"


def power(base: str, exponent: str) -> str:
    """Set an exponent."""
    return f"<msup>{base}{exponent}</msup>"


def mean(base: str) -> str:
    """Set the mean of something by group: a bar over a whole name would need a font for it."""
    return row(name("mean"), operator("("), base, operator(")"))


def bold(text: str) -> str:
    """Set a vector or a matrix."""
    return f'<mi class="vector">{escape(text)}</mi>'


def zero() -> str:
    """Set the zero of a vector."""
    return '<mn class="vector">0</mn>'


def normal(centre: str, variance: str) -> str:
    """Set N(centre, variance)."""
    return row(symbol("N"), listed([centre, variance]))


def listed(parts: Sequence[str]) -> str:
    """Join elements by commas, in parentheses."""
    return operator("(") + _joined(parts, ",") + operator(")")


def total(parts: Sequence[str]) -> str:
    """Join elements by plus signs."""
    return row(_joined(parts, "+"))


def _joined(parts: Sequence[str], sign: str) -> str:
    return "".join(operator(sign) + part if k else part for k, part in enumerate(parts))


def equation(left: str, sign: str, right: str) -> str:
    """Set a whole equation as a block.

    Examples
    --------
    >>> equation(symbol("y"), "=", number(0))
    '<math display="block"><mrow><mi>y</mi><mo>=</mo><mn>0</mn></mrow></math>'
    """
    return f'<math display="block">{row(left, operator(sign), right)}</math>'

"""Any text, huge or random: none hangs or overflows; each is a formula, or a clear refusal."""

import time
from contextlib import suppress

import pytest
from hypothesis import example, given, strategies as st

from bayes_mlm.base.errors import BayesMLMError, FormulaError
from bayes_mlm.data.table import as_table
from bayes_mlm.design.encoding import encode, learn_encoding
from bayes_mlm.formula.formula import parse_formula
from bayes_mlm.formula.grammar import MAX_LENGTH, MAX_NESTING
from tests.formula.watch import parse_watched

SECONDS = 5.0  # a limited attack takes well under 1 s here; an unlimited one does not end
names = [f"x{number}" for number in range(60)]
HUGE = {
    "too long": "y ~ " + "x + " * 3000 + "x",
    "a very long name": "y ~ " + "x" * 9000,
    "a longer name": "y ~ " + "x" * 10**6,
    "a very long quoted name": "y ~ `" + "x" * 9000 + "`",
    "a very long function": "y ~ " + "x" * 9000 + "(z)",
    "a very long number": "y ~ I(" + "9" * 9000 + " * x)",
    "a very long exponent": "y ~ I(x ** " + "9" * 9000 + ")",
    "nested parentheses": "y ~ " + "(" * 4900 + "x" + ")" * 4900,
    "open parentheses": "y ~ " + "(" * 9990,
    "closed parentheses": "y ~ x" + ")" * 9990,
    "nested calls": "y ~ " + "log(" * 1900 + "x" + ")" * 1900,
    "nested I": "y ~ " + "I(" * (MAX_NESTING + 1) + "x" + ")" * (MAX_NESTING + 1),
    "a chain of signs": "y ~ " + "-" * 9000 + "x",
    "a chain of signs in I": "y ~ I(" + "-" * 9000 + "x)",
    "a chain of pluses": "y ~ x" + "+" * 9000 + "z",
    "a tower of powers": "y ~ x" + "**2" * 3000,
    "a tower in I": "y ~ I(x" + "**2" * 3000 + ")",
    "a nested tower": "y ~ " + "(" * 45 + "a+b+c" + ")**5" * 45 + "+" + "**".join(["9"] * 3),
    "nine to the nine": "y ~ I(9**9**9 * x)",
    "power of nine": "y ~ (a + b) ** 9**9**9",
    "a large power": "y ~ (a + b) ** 999999999",
    "a long sum in I": "y ~ I(" + "x + " * 2000 + "x)",
    "a long product in I": "y ~ I(" + "x*" * 4000 + "x)",
    "all interactions": "y ~ " + "*".join(names),
    "a power of a sum": f"y ~ ({'+'.join(names)}) ** 3",
    "a power of powers": f"y ~ ((({'+'.join(names[:20])}) ** 5) ** 5) ** 5",
    "a product of sums": f"y ~ ({'+'.join(names)}):({'+'.join(names[::-1])}):({'+'.join(names)})",
    "a lattice over and over": "y ~ " + ":".join(["(a*b*c*d*e*f*g*h*i)"] * 480),
    "a wide lattice": "y ~ (" + ")*(".join(["*".join("abcdefghi")] * 480) + ")",
    "effects multiplied out": f"y ~ x + ({'*'.join(names)} | g)",
    "many bars": "y ~ x" + " + (1 | g)" * 900,
    "many tildes": "y " + "~ x " * 2000,
    "many commas": "y ~ within(" + "x," * 4000 + "x)",
    "many quotes": "y ~ " + "`" * 9001,
    "many spaces": "y ~ x" + " " * 9000 + "z",
    "a slow match for a name": "y ~ " + "a." * 4900 + "!",
    "a slow match for a number": "y ~ I(" + "1." * 4900 + "!",
    # Of at most 1,000 characters, so that they are read in the notations of other programs too.
    "functions of an outcome": "y | f()" + " + f()" * 150,
    "spaces after a bar": "y ~ us(x |" + " " * 900 + "!",
    "spaces after a prefix": "by " + " " * 900,
}


@pytest.mark.parametrize("text", HUGE.values(), ids=HUGE.keys())
def test_huge_formula_is_refused_quickly(text: str) -> None:
    start = time.process_time()
    with pytest.raises(FormulaError) as caught:
        parse_watched(text)
    assert time.process_time() - start < SECONDS
    assert len(str(caught.value)) < 1000


def test_largest_allowed_formulas_work() -> None:
    # Just inside every limit, through parsing, writing, reading back, learning and encoding.
    table = as_table({"y": [1.0, 2.0, 4.0], "x": [1.0, 2.0, 3.0], "g": [1, 1, 2]})
    nested = "abs(" * (MAX_NESTING - 1) + "(x)" + ")" * (MAX_NESTING - 1)
    for inside in (nested, "I(" + " + ".join(["x"] * 50) + ")", "I(-(-(-(x))))"):
        formula = parse_formula(f"y ~ {inside}")
        assert parse_formula(str(formula)) == formula
        assert hash(formula) == hash(parse_formula(formula.text))
        assert encode(learn_encoding(formula, table), table).X.shape == (3, 2)
    many = " + ".join(f"x{number}" for number in range(999))
    assert len(many) < MAX_LENGTH
    assert len(parse_formula(f"y ~ {many}").terms) == 1000


SIGNS = [
    "[",
    "]",
    '"',
    "~",
    "+",
    "-",
    "*",
    "/",
    ":",
    "**",
    "(",
    ")",
    "|",
    "||",
    ",",
    "=",
    "`",
    ".",
    "'",
    ";",
    "@",
]
WORDS = ["y", "x", "g", "0", "1", "2", "1e9", "log", "I", "C", "within", "group", "__", "lambda"]
PARTS = [
    "y ~ ",
    " ",
    "\0",
    "\n",
    "\N{CYRILLIC SMALL LETTER O}",
    "(1 | g)",
    "log(x)",
    "`a b`",
    "[0]",
    "poly(x, 2)",
    "bs(x, ",
    "df=4)",
    "knots=(",
    'ref="',
    "C(x, Sum)",
    "offset(",
    "'Sum'",
    "include_intercept=True",
]
PIECES = st.sampled_from(SIGNS + WORDS + PARTS)


@given(st.lists(PIECES, max_size=25).map("".join))
@example("y ~ x")
def test_any_text_is_a_formula_or_a_formula_error(text: str) -> None:
    try:
        formula = parse_formula(text)
    except FormulaError:
        return
    assert parse_formula(str(formula)) == formula
    table = as_table({"y": [1.0, 2.0, 4.0], "x": [1.0, 3.0, 5.0], "g": [1, 1, 2]})
    with suppress(BayesMLMError):  # a column that is not there, a group that is not named
        assert encode(learn_encoding(formula, table), table).X.shape[0] == 3


@given(st.text(max_size=40))
def test_any_unicode_is_a_formula_or_a_formula_error(text: str) -> None:
    for whole in (text, f"y ~ {text}", f"y ~ log({text})", f"y ~ `{text}`"):
        try:
            assert parse_formula(str(parse_formula(whole))) == parse_formula(whole)
        except FormulaError as error:
            str(error).encode("utf-8")

"""The formula language: what each sign means, what is refused, and how it is said."""

import subprocess
import sys
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given, strategies as st

from bayes_mlm.base.errors import FormulaError
from bayes_mlm.formula import grammar
from bayes_mlm.formula.expressions import (
    Call,
    Expression,
    Name,
    Negative,
    Number,
    Operation,
    is_bare_name,
    label,
)
from bayes_mlm.formula.formula import Formula, parse_formula
from bayes_mlm.formula.functions import FUNCTIONS
from bayes_mlm.formula.group_terms import GroupFormula


# The right-hand sides follow Wilkinson & Rogers (1973), section 2, and R's ?formula.
@pytest.mark.parametrize(
    ("written", "multiplied_out"),
    [
        ("y ~ 1", "y ~ 1"),
        ("y ~ x", "y ~ 1 + x"),
        ("y~x+z", "y ~ 1 + x + z"),
        ("y ~ x + x", "y ~ 1 + x"),
        ("y ~ 0 + x", "y ~ 0 + x"),
        ("y ~ x - 1", "y ~ 0 + x"),
        ("y ~ -1 + x", "y ~ 0 + x"),
        ("y ~ x + -1", "y ~ 0 + x"),
        ("y ~ 0 + x + 1", "y ~ 1 + x"),
        ("y ~ x - 0", "y ~ 1 + x"),
        ("y ~ (0 + x) + z", "y ~ 0 + x + z"),
        ("y ~ x:z", "y ~ 1 + x:z"),
        ("y ~ x:z + z:x", "y ~ 1 + x:z"),
        ("y ~ x:x", "y ~ 1 + x"),
        ("y ~ x:z + x", "y ~ 1 + x + x:z"),
        ("y ~ x * z", "y ~ 1 + x + z + x:z"),
        ("y ~ a * b * c", "y ~ 1 + a + b + c + a:b + a:c + b:c + a:b:c"),
        ("y ~ a * b - a", "y ~ 1 + b + a:b"),
        ("y ~ a * b * c - (a:b + a:b:c)", "y ~ 1 + a + b + c + a:c + b:c"),
        ("y ~ a * b - b:a", "y ~ 1 + a + b"),
        ("y ~ a / b", "y ~ 1 + a + a:b"),
        ("y ~ a / (b + c)", "y ~ 1 + a + a:b + a:c"),
        ("y ~ (a + b) / c", "y ~ 1 + a + b + a:b:c"),
        ("y ~ a / b / c", "y ~ 1 + a + a:b + a:b:c"),
        ("y ~ (a + b + c) ** 2", "y ~ 1 + a + b + c + a:b + a:c + b:c"),
        ("y ~ (a + b) ** 1", "y ~ 1 + a + b"),
        ("y ~ (a + b + c) ** 2 - b:c", "y ~ 1 + a + b + c + a:b + a:c"),
        ("y ~ a:b * c", "y ~ 1 + c + a:b + a:b:c"),
        ("y ~ (a + b):c", "y ~ 1 + a:c + b:c"),
        ("y ~ a + (b - a):c", None),
        ("y ~ ((x))", "y ~ 1 + x"),
        ("y ~ x + (1 | g)", "y ~ 1 + x + (1 | g)"),
        ("y ~ (x | g)", "y ~ 1 + (1 + x | g)"),
        ("y ~ x + (0 + x | g)", "y ~ 1 + x + (0 + x | g)"),
        ("y ~ x + (x * z | g)", "y ~ 1 + x + (1 + x + z + x:z | g)"),
        ("y ~ (1 | g) + x", "y ~ 1 + x + (1 | g)"),
        ("y ~ ((1 | g)) + x", "y ~ 1 + x + (1 | g)"),
        ("log(y) ~ center(log(x))", "log(y) ~ 1 + center(log(x))"),
        ("I(post - pre) ~ pre", "I(post - pre) ~ 1 + pre"),
        ("y ~ between(x, group=g)", "y ~ 1 + between(x, g)"),
        ("y ~ between(x, g)", "y ~ 1 + between(x, g)"),
        ("y ~ I(x**2)", "y ~ 1 + I(x ** 2)"),
        ("y ~ I(2 * -x)", "y ~ 1 + I(2 * -x)"),
        ("y ~ I(-x ** 2)", "y ~ 1 + I(-x ** 2)"),
        ("y ~ I((a - b) - (c - d))", "y ~ 1 + I(a - b - (c - d))"),
        ("y ~ I(1.50 * x)", "y ~ 1 + I(1.5 * x)"),
        ("y ~ I(1e-3 * x)", "y ~ 1 + I(0.001 * x)"),
        ("y ~ `school id` + `log`", "y ~ 1 + `school id` + log"),
        ("y ~ x + (1 | `school id`)", "y ~ 1 + x + (1 | `school id`)"),
        ("y ~ `log(x)`:`a ~ b`", "y ~ 1 + `log(x)`:`a ~ b`"),
        ("y.1 ~ _x + mean.ses + größe + 学校", "y.1 ~ 1 + _x + mean.ses + größe + 学校"),
        (
            "mathach ~ between(ses) * within(ses) + sector * within(ses) "
            "+ (within(ses) | schoolid)",
            "mathach ~ 1 + between(ses) + within(ses) + sector + between(ses):within(ses) "
            "+ sector:within(ses) + (1 + within(ses) | schoolid)",
        ),
    ],
)
def test_formula_is_multiplied_out(written: str, multiplied_out: str | None) -> None:
    if multiplied_out is None:  # the parenthesis holds no a to take out, although the sum does
        with pytest.raises(FormulaError, match="no such term"):
            parse_formula(written)
        return
    assert str(parse_formula(written)) == multiplied_out
    assert parse_formula(multiplied_out) == parse_formula(written)


def test_formula_names_its_parts() -> None:
    formula = parse_formula("log(y) ~ a * between(x, h) + I(b / c) + (z | g)")
    assert formula.outcome == Call("log", Name("y"))
    assert formula.group == "g"
    assert formula.effects == ((), (Name("z"),))
    assert formula.columns == ("y", "a", "x", "h", "b", "c", "z", "g")
    assert formula.predictor_columns == formula.columns[1:]
    assert formula.terms[-1] == (Name("a"), Call("between", Name("x"), "h"))


def test_formula_without_bar_has_no_group() -> None:
    formula = parse_formula("y ~ x")
    assert formula.group is None
    assert formula.effects == ()


def test_formula_is_frozen_and_hashable() -> None:
    first, second = parse_formula("y ~ x*z"), parse_formula("y ~ x + z + x:z")
    assert first == second
    assert hash(first) == hash(second)
    assert first.text != second.text
    with pytest.raises(FrozenInstanceError):
        first.group = "g"  # type: ignore[misc]  # what is tested


REFUSED = [
    ("", "there is no ~", 0),
    ("   ", "there is no ~", 3),
    ("y", "there is no ~", 1),
    ("y ~", "ends too early", 3),
    ("~ x", "unexpected '~'", 0),
    ("y ~ x ~ z", "a formula has one ~", 6),
    ("y = x", "write ~ between", 2),
    ("y ~ x z", "unexpected 'z'", 6),
    ("y ~ x +", "ends too early", 7),
    ("y ~ + x", "unexpected '[+]'", 4),
    ("y ~ x^2", "write [*][*] for a power", 5),
    ("y ~ .", "write out the columns", 4),
    ("y ~ x[1]", "no indexing", 5),
    ("y ~ {x + z}", "write I", 4),
    ("y ~ x %in% z", "nesting", 6),
    ("y ~ 'x'", "without quotes", 4),
    ('y ~ "x"', "without quotes", 4),
    ("y ~ `x", "second backquote", 4),
    ("y ~ ``", "no name", 4),
    ("y ~ 2 * x", "a number cannot be part of a term", 4),
    ("y ~ x + 2", "only 0 and 1", 8),
    ("y ~ x:1", "a number cannot be part", 6),
    ("y ~ (1 + x):z", "0 and 1 can only be added", 5),
    ("y ~ -x:z + x", "no such term", 5),
    ("y ~ x - z", "no such term", 8),
    ("y ~ x:(-z)", "takes out a whole term", 7),
    ("y ~ (a + b) ** 6", "whole number from 1 to 5", 15),
    ("y ~ (a + b) ** 2.0", "whole number from 1 to 5", 15),
    ("y ~ (a + b) ** a", "whole number from 1 to 5", 15),
    ("y ~ (a + b) ** -1", "whole number from 1 to 5", 15),
    ("y ~ 0", "no fixed effect is left", 4),
    ("y ~ 0 + (1 | g)", "no fixed effect is left", 4),
    ("y ~ x + (0 | g)", "no group effect is left", 9),
    ("y ~ 1 | g", "put the group term in parentheses", 4),
    ("y ~ x + (1 | g) + (x | g)", "'g' has a group term already", 19),
    ("y ~ x + (1 | g*h)", "the group is one column", 13),
    ("y ~ x + (1 | g + h)", "the group is one column", 13),
    ("y ~ x + (1 | log(g))", "the group is one column", 13),
    ("y ~ x + (1 | 1)", "the group is one column", 13),
    ("y ~ x + (1 | g | h)", "unexpected '|'", 15),
    ("y ~ x * (1 | g)", "can only be added", 9),
    ("y ~ x:(z + (1 | g))", "can only be added", 12),
    ("y ~ x - (1 | g)", "can only be added", 9),
    ("y ~ x + ((1 | g) | h)", "cannot hold another", 10),
    ("y ~ lgo(x)", "unknown function 'lgo'; did you mean 'log'[?] allowed: log, ", 4),
    ("y ~ np.log(x)", "did you mean 'log'", 4),
    ("y ~ centre(x)", "did you mean 'center'", 4),
    ("y ~ ln(x)", "write log", 4),
    ("y ~ factor(x)", "write C", 4),
    ("y ~ log()", "one argument, and 0", 4),
    ("y ~ log(x, z)", "one argument, and 2", 4),
    ("y ~ log(x, group=z)", "one argument, and 2", 4),
    ("y ~ log(group=x)", "no named argument", 8),
    ("y ~ within(x, y, z)", "a column and perhaps its group, and 3", 4),
    ("y ~ within(x, by=z)", "group= as its second argument", 14),
    ("y ~ within(group=z, x)", "group= as its second argument", 11),
    ("y ~ within(x, log(z))", "the group is one column", 14),
    ("y ~ log(2)", "holds no column", 8),
    ("y ~ I(9 ** 9)", "holds no column", 6),
    ("y ~ C(log(x))", "C[(]...[)] takes a column", 6),
    ("y ~ C(I(x))", "C[(]...[)] takes a column", 6),
    ("y ~ log(C(x))", "numeric and C", 8),
    ("y ~ log(a:b)", "':' has no meaning in arithmetic", 8),
    ("y ~ log((a | b))", "'|' has no meaning in arithmetic", 9),
    ("y ~ I(1e999 * x)", "too large", 6),
    ("y ~ x ** 2 ** 3", "unexpected '[*][*]'", 11),
    ("y + z ~ x", "write I[(]...[)] for arithmetic", 0),
    ("1 ~ x", "write I[(]...[)] for arithmetic", 0),
    ("-y ~ x", "write I[(]...[)] for arithmetic", 0),
    ("y:z ~ x", "no meaning in arithmetic", 0),
    ("(1 | g) ~ x", "number of trials", 5),
    ("y ~ x + y", "the outcome y is also a predictor", 4),
    ("y ~ x + (y | g)", "the outcome y is also a predictor", 4),
    ("g ~ x + (1 | g)", "the outcome g is also the group", 4),
]


@pytest.mark.parametrize(("text", "said", "place"), REFUSED)
def test_refusal_says_what_and_marks_the_place(text: str, said: str, place: int) -> None:
    with pytest.raises(FormulaError, match=said.replace("|", "[|]")) as caught:
        parse_formula(text)
    _, shown, mark = str(caught.value).split("\n")
    assert shown == f"  {text}"
    assert mark == "  " + " " * place + "^"


def test_mark_stands_under_wide_characters() -> None:
    with pytest.raises(FormulaError) as caught:
        parse_formula("学校 ~ x @ z")
    # Two characters of double width come before the sign: 7 + 2 columns, and the margin of 2.
    assert str(caught.value).split("\n")[2].index("^") == 2 + 7 + 2


def test_long_formula_is_shown_around_the_mark() -> None:
    text = "y ~ " + " + ".join(f"x{number}" for number in range(300)) + " + @"
    with pytest.raises(FormulaError) as caught:
        parse_formula(text)
    _, shown, mark = str(caught.value).split("\n")
    assert len(shown) < 130
    assert shown[mark.index("^")] == "@"


def test_formula_that_is_not_text_is_refused() -> None:
    with pytest.raises(FormulaError, match="not int"):
        parse_formula(3)  # type: ignore[arg-type]  # what is tested


def test_every_function_is_described_and_named_by_its_key() -> None:
    assert all(name == function.name for name, function in FUNCTIONS.items())
    assert all(function.summary for function in FUNCTIONS.values())


# --- properties ----------------------------------------------------------------------------------
NAMES = st.one_of(
    st.sampled_from(["x", "z", "mean.ses", "_a", "größe", "log", "I", "C", "import", "None"]),
    st.text(
        st.characters(exclude_categories=("Cc", "Cf", "Cs", "Zl", "Zp")), min_size=1, max_size=6
    )
    .filter(lambda name: "`" not in name and name.strip())
    .filter(lambda name: name not in ("y", "g")),
)
# Those that may stand inside one another: one column of numbers each.
NUMERIC = [
    name
    for name, function in FUNCTIONS.items()
    if function.kind not in ("categorical", "basis", "offset")
]


def expressions(depth: int = 3) -> st.SearchStrategy[Expression]:
    leaf = st.one_of(
        NAMES.map(Name),
        st.floats(0, 1e20).map(Number),
        st.integers(0, 10**6).map(lambda value: Number(float(value))),
    )
    if depth == 0:
        return leaf
    inner = expressions(depth - 1)
    pairs = st.builds(Operation, st.sampled_from(["+", "-", "*", "/", "**"]), inner, inner)
    return st.one_of(leaf, pairs, inner.map(Negative), call_of(inner))


def call_of(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Call]:
    with_column = inner.filter(lambda node: bool(node.columns))
    return st.sampled_from(NUMERIC).flatmap(
        lambda name: st.builds(
            Call,
            st.just(name),
            with_column,
            st.one_of(st.none(), NAMES) if FUNCTIONS[name].kind == "grouped" else st.none(),
        )
    )


FACTORS = st.one_of(
    NAMES.map(Name),
    call_of(expressions(3)),
    NAMES.map(lambda name: Call("C", Name(name))),
)


@st.composite
def formulas(draw: st.DrawFn) -> Formula:
    pool = draw(st.lists(FACTORS, min_size=1, max_size=4, unique=True))
    term = st.lists(st.sampled_from(pool), min_size=1, max_size=3, unique=True).map(tuple)
    some = st.lists(term, max_size=4, unique_by=frozenset)

    def terms(at_least_one: bool) -> tuple:
        drawn = sorted(draw(some), key=len)
        intercept = [()] if draw(st.booleans()) or (at_least_one and not drawn) else []
        return (*intercept, *drawn)

    groups = draw(st.sampled_from([(), ("g",), ("g", "h")]))
    outcome = draw(st.sampled_from([Name("y"), Call("log", Name("y"))]))
    return Formula(
        text="",
        outcome=outcome,
        terms=terms(True),
        group_terms=tuple(GroupFormula(factor=name, terms=terms(True)) for name in groups),
    )


@given(formulas())
def test_written_formula_reads_back_as_itself(formula: Formula) -> None:
    again = parse_formula(str(formula))
    assert again == formula
    assert str(again) == str(formula)
    assert set(again.columns) == set(formula.columns)


@given(expressions())
def test_label_differs_from_text_only_by_backquotes(expression: Expression) -> None:
    assert label(expression) == str(expression).replace("`", "")


@given(NAMES)
def test_bare_name_is_a_name_to_the_parser(name: str) -> None:
    written = name if is_bare_name(name) else f"`{name}`"
    assert parse_formula(f"y ~ {written}").terms == ((), (Name(name),))


@given(st.permutations(["a", "b", "c"]), st.permutations(["a", "b", "c"]))
def test_crossing_is_commutative_up_to_order(first: list[str], second: list[str]) -> None:
    def sets(names: list[str]) -> set[frozenset]:
        return {frozenset(term) for term in parse_formula("y ~ " + "*".join(names)).terms}

    assert sets(first) == sets(second)


def test_parsing_imports_neither_numpy_nor_lark_before_it_must() -> None:
    # A process of its own, because pytest has imported everything. NumPy costs 0.5 s of CPU.
    code = (
        "import sys; import bayes_mlm.formula as f; assert 'lark' not in sys.modules; "
        "f.parse_formula('mathach ~ ses * sector + (1 | schoolid)'); "
        "assert 'lark' in sys.modules; assert 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_grammar_is_compiled_once() -> None:

    parse_formula("y ~ x")
    before = grammar._parser.cache_info()
    parse_formula("y ~ x + z")
    after = grammar._parser.cache_info()
    assert (after.misses, after.hits) == (before.misses, before.hits + 1)

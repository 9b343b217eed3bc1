"""Arguments of functions, codings and offsets: what is read, written again, refused, documented."""

import re

import pytest
from hypothesis import given, strategies as st

from bayes_mlm.base.errors import FormulaError
from bayes_mlm.formula.codings import CODINGS
from bayes_mlm.formula.expressions import Call, Name, label
from bayes_mlm.formula.formula import parse_formula
from bayes_mlm.formula.functions import FUNCTIONS, HABITS, INSTEAD, REWRITES
from tests.helpers import ROOT


@pytest.mark.parametrize(
    ("written", "again"),
    [
        ("y ~ poly(x, 2)", "y ~ 1 + poly(x, 2)"),
        ("y ~ poly(x, degree=2, raw=TRUE)", "y ~ 1 + poly(x, 2, raw=True)"),
        ("y ~ poly(x, 2, raw=False)", "y ~ 1 + poly(x, 2)"),
        ("y ~ bs(x, 4)", "y ~ 1 + bs(x, df=4)"),
        ("y ~ bs(x, degree=2, df=4)", "y ~ 1 + bs(x, df=4, degree=2)"),
        ("y ~ bs(x, knots=[1, 2.5])", "y ~ 1 + bs(x, knots=(1, 2.5))"),
        ("y ~ bs(x, knots=c(-1, 2))", "y ~ 1 + bs(x, knots=(-1, 2))"),
        ("y ~ bs(x, knots=(3,))", "y ~ 1 + bs(x, knots=(3,))"),
        ("y ~ bs(x, knots=3)", "y ~ 1 + bs(x, knots=(3,))"),
        ("y ~ ns(log(x), df=3):z", "y ~ 1 + ns(log(x), df=3):z"),
        ("y ~ C(x, Treatment)", "y ~ 1 + C(x)"),
        ("y ~ C(x, Treatment('a'))", 'y ~ 1 + C(x, ref="a")'),
        ("y ~ C(x, Treatment(reference='a'))", 'y ~ 1 + C(x, ref="a")'),
        ("y ~ C(x, ref='say \"a\"')", "y ~ 1 + C(x, ref='say \"a\"')"),
        ("y ~ C(x, ref=2)", "y ~ 1 + C(x, ref=2)"),
        ("y ~ C(x, ref=True)", 'y ~ 1 + C(x, ref="True")'),
        ("y ~ C(x, Sum) * C(z, Helmert)", None),
        ("y ~ C(x, coding=Sum)", "y ~ 1 + C(x, Sum)"),
        ("y ~ C(x, 'Sum')", "y ~ 1 + C(x, Sum)"),
        ("y ~ offset(w) + x", "y ~ 1 + x + offset(w)"),
        ("y ~ x + offset(2 * -w) + (1 | g)", "y ~ 1 + x + offset(2 * -w) + (1 | g)"),
        ("y ~ offset(w) + offset(log(v)) + x", "y ~ 1 + x + offset(w) + offset(log(v))"),
        ("y ~ offset(w) + 1 + offset(w)", "y ~ 1 + offset(w)"),
        ("y ~ x + (bs(x, df=3) | g)", "y ~ 1 + x + (1 + bs(x, df=3) | g)"),
        ("y ~ bs(`a name`, df=3)", "y ~ 1 + bs(`a name`, df=3)"),
        ("y ~ offset + bs + C", "y ~ 1 + offset + bs + C"),
    ],
)
def test_arguments_are_read_and_written_again(written: str, again: str | None) -> None:
    formula = parse_formula(written)
    assert parse_formula(str(formula)) == formula
    if again is not None:
        assert str(formula) == again


def test_offset_is_no_term_and_needs_its_columns() -> None:
    formula = parse_formula("y ~ x + offset(log(w)) + (1 | g)")
    assert formula.terms == ((), (Name("x"),))
    assert formula.offsets == (Call("log", Name("w")),)
    assert formula.predictor_columns == ("x", "w", "g")
    assert formula.measured_columns == ("x", "w")


def test_arguments_distinguish_factors() -> None:
    formula = parse_formula("y ~ poly(x, 2) + poly(x, 3) + poly(x, degree=2)")
    assert [label(term[0]) for term in formula.terms[1:]] == ["poly(x, 2)", "poly(x, 3)"]


REFUSED = [
    ("y ~ x ** 2", r"x \*\* 2 is x alone.*write: y ~ x \+ I\(x \*\* 2\); or poly\(x, 2\)", 4),
    ("y ~ z + log(x) ** 3", r"write: y ~ z \+ log\(x\) \+ I\(log\(x\) \*\* 3\)", 8),
    ("y ~ (a + b)^2", r"write \*\* for a power.*; write: y ~ \(a \+ b\)\*\*2$", 11),
    ("y ~ s(x)", r"penalised.*write: y ~ cr\(x, df=4\)", 4),
    ("y ~ te(x, log(z)) + w", r"write: y ~ cr\(x, df=3\):cr\(log\(z\), df=3\) \+ w", 4),
    ("y ~ w + factor(x)", r"write C\(...\).*write: y ~ w \+ C\(x\)", 8),
    ('y ~ relevel(x, ref="a")', r'write: y ~ C\(x, ref="a"\)', 4),
    ("y ~ Q('a name')", r"write: y ~ `a name`", 4),
    ("y ~ ploy(x, 2)", r"did you mean 'poly'\? .*write: y ~ poly\(x, 2\)", 4),
    ("y ~ x + (1 | g*h)", r"write \(1 \| school/class\), for crossed factors", 13),
    ("y ~ C(x, ref=a)", r'in quotes: y ~ C\(x, ref="a"\)', 13),
    ("y ~ C(x, contr.sum)", r"y ~ C\(x, Sum\)", 9),
    ("y ~ C(x, sum)", r"y ~ C\(x, Sum\)", 9),
    ('y ~ C(x, "a")', r'y ~ C\(x, ref="a"\)', 9),
    ("y ~ C(x, Summ)", "did you mean 'Sum'", 9),
    ('y ~ C(x, Sum, ref="a")', "Sum has none", 4),
    ('y ~ C(x, reference="a")', "no argument 'reference'", 9),
    ("y ~ bs(x)", "takes df=", 4),
    ("y ~ bs(x, df=4, knots=(1, 2))", "takes df=", 4),
    ("y ~ bs(x, df=2)", r"at least 3 columns: df=3", 4),
    ("y ~ bs(x, df=99)", "50 is the most", 4),
    ("y ~ bs(x, df=4.5)", "a whole number of 1 or more", 13),
    ("y ~ bs(x, df=z)", "a whole number of 1 or more", 13),
    ("y ~ bs(x, df=0)", "a whole number of 1 or more", 13),
    ("y ~ bs(x, knots=(2, 1))", "increasing order", 4),
    ("y ~ bs(x, knots=(1, z))", "as knots numbers", 16),
    ("y ~ bs(x, knots=(1, 2), upper_bound=2)", "lie between", 4),
    ("y ~ bs(x, df=4, lower_bound=3, upper_bound=2)", "not below", 4),
    ("y ~ bs(x, df=4, df=5)", "given df twice", 16),
    ("y ~ bs(df=4, x)", "its column first", 7),
    ("y ~ bs(x, df=4, dff=1)", "did you mean 'df'", 16),
    ("y ~ cr(x, df=1, include_intercept=True)", "at least 2 columns", 4),
    ("y ~ poly(x, 99)", "10 is the highest", 4),
    ("y ~ poly(x, z)", "a whole number of 1 or more", 12),
    ("y ~ log(poly(x, 2))", r"several columns.*poly\(log\(...\), ...\)", 8),
    ("y ~ poly(bs(x, 4), 2)", "several columns", 9),
    ("y ~ I(C(x, Sum))", "numeric and C", 6),
    ("poly(y, 2) ~ x", "the outcome is one column", 0),
    ("offset(y) ~ x", "the outcome is one column", 0),
    ("y ~ x * offset(z)", "added by itself", 8),
    ("y ~ x - offset(z)", r"offset\(-x\)", 8),
    ("y ~ (x + offset(z)):w", "added by itself", 9),
    ("y ~ x + (offset(z) | g)", "the same for all groups", 9),
    ("y ~ offset(2)", "holds no column", 11),
    ("y ~ offset(offset(z)) + x", "by itself", 11),
    ("y ~ offset(bs(z, 4)) + x", "several columns", 11),
    ("y ~ x + offset(y)", "also the offset", 4),
    ("y ~ log('x')", "not a list or text", 8),
    ("y ~ log((x, z))", "not a list or text", 8),
]


@pytest.mark.parametrize(("text", "said", "place"), REFUSED)
def test_refusals_mark_the_place_and_show_what_to_write(text: str, said: str, place: int) -> None:
    with pytest.raises(FormulaError, match=f"(?m){said}") as caught:
        parse_formula(text)
    message, shown, mark = str(caught.value).split("\n")
    assert (shown, mark) == (f"  {text}", "  " + " " * place + "^")
    write = re.search(r"(?:write|quotes): (y ~ .*?)(?:;|$)", message)
    if write:
        parse_formula(write[1])


@pytest.mark.parametrize("name", dict.fromkeys([*HABITS, *INSTEAD, *REWRITES, "lgo", "centre"]))
@pytest.mark.parametrize("written", ["", "x", "x, z", "x, 2", "x, z, w", "x, k=4", "log(x)"])
def test_what_a_message_offers_is_read(name: str, written: str) -> None:
    with pytest.raises(FormulaError) as caught:
        parse_formula(f"y ~ w + {name}({written}) + (1 | g)")
    offered = re.search(r"; write: (y ~ .*)$", str(caught.value), re.M)
    if offered:
        assert "log" not in offered[1].replace(written, "") or name in ("lgo", "ln", "log1")
        assert len(parse_formula(offered[1]).terms) > 2


def test_what_stands_for_others_is_in_the_language() -> None:
    assert not (REWRITES.keys() | HABITS.keys() | INSTEAD.keys()) & set(FUNCTIONS)
    for name in REWRITES.values():
        assert name in FUNCTIONS
    for instead in INSTEAD.values():
        parse_formula(f"y ~ {instead.format('x', '2' if '**' in instead else 'z')}")


NUMBERS = st.floats(-1e6, 1e6, allow_nan=False)
TEXTS = st.text(
    st.characters(exclude_categories=("Cc", "Cf", "Cs", "Zl", "Zp")), min_size=1, max_size=8
).filter(lambda one: not ('"' in one and "'" in one))
CALLS = st.one_of(
    st.builds(
        lambda df, knots, least: Call(
            "bs", Name("x"), None, (("knots", tuple(sorted(knots))), ("degree", df % 5 + 1))
        ),
        st.integers(1, 50),
        st.lists(NUMBERS, min_size=1, max_size=5, unique=True),
        NUMBERS,
    ),
    TEXTS.map(lambda one: Call("C", Name("x"), None, (("ref", one),))),
    st.integers(-(10**6), 10**6).map(lambda one: Call("C", Name("x"), None, (("ref", one),))),
    st.sampled_from(sorted(set(CODINGS) - {"Treatment"})).map(
        lambda one: Call("C", Name("x"), None, (("coding", one),))
    ),
    st.integers(1, 10).map(lambda one: Call("poly", Name("a b"), None, (("degree", one),))),
)


@given(CALLS)
def test_any_arguments_read_back_as_themselves(call: Call) -> None:
    assert parse_formula(f"y ~ {call}").terms[1] == (call,)


def test_the_page_on_the_formula_names_every_function_and_coding() -> None:
    page = (ROOT / "docs" / "formula.md").read_text("utf-8")
    for name in FUNCTIONS:
        assert f"`{name}(" in page, name
    for name in CODINGS:
        assert f"C(x, {name})" in page, name
    prose = re.sub(r"```.*?```", "", page, flags=re.S)
    spans = [wide or narrow for wide, narrow in re.findall(r"`` (.+?) ``|`([^`\n]+)`", prose)]
    written = [one for one in spans if one.startswith("y ~ ") and one != "y ~ ."]
    assert len(written) > 6
    for text in written:
        assert parse_formula(text.replace("hinge(x) + ", "")).terms
    bars = [one.replace("\\|", "|") for one in spans if re.search(r"^\(.*\\\|.*\)$", one)]
    assert len(bars) > 6
    for text in bars:
        assert parse_formula(f"y ~ {text}").group_terms


def test_the_example_of_a_function_of_ones_own_runs() -> None:
    page = (ROOT / "docs" / "formula.md").read_text("utf-8")
    code = re.search(r"```python\n(.*?)```", page, re.S)
    assert code is not None
    try:
        exec(code[1], {})  # noqa: S102  (the page's own example)
        assert parse_formula("y ~ x + hinge(x) + (1 | g)").terms[2] == (Call("hinge", Name("x")),)
    finally:
        del FUNCTIONS._members["hinge"]
        parse_formula.__globals__["_parse"].cache_clear()

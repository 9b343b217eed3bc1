"""Hostile formulas: none is evaluated, and each is one clear refusal; data stay data."""

import ast
import os
import sys
from pathlib import Path

import numpy as np
import pytest

import bayes_mlm
from bayes_mlm.base.errors import DataError, FormulaError
from bayes_mlm.data.table import as_table
from bayes_mlm.design.encoding import encode, learn_encoding
from bayes_mlm.formula.expressions import Call, Name
from bayes_mlm.formula.formula import Formula, parse_formula
from tests.formula.watch import RanSomethingError, parse_watched, watched


def test_watch_sees_what_it_should() -> None:
    for attack in (
        lambda: eval("1"),  # noqa: S307  (the point is that it fails)
        lambda: exec("x = 1"),  # noqa: S102  (the same)
        lambda: compile("1", "", "eval"),
        lambda: __import__("subprocess"),
        lambda: getattr(1, "__class__"),  # noqa: B009  (the same)
        lambda: os.system("true"),
    ):
        with pytest.raises(RanSomethingError), watched():
            attack()


CODE = [
    "y ~ __import__('os').system('true')",
    "y ~ __import__(os)",
    "y ~ __import__",
    "y ~ log(__import__)",
    "__import__('os') ~ x",
    "y ~ x.__class__",
    "y ~ x.__class__.__mro__",
    "y ~ ().__class__",
    "y ~ (x).__class__",
    "y ~ log(x).__class__",
    "y ~ log.__globals__",
    "y ~ log.__globals__(x)",
    "y ~ I.__call__(x)",
    "y ~ __builtins__",
    "y ~ __builtins__.eval(x)",
    "y ~ x.__dict__[eval]",
    "y ~ eval(x)",
    "y ~ exec(x)",
    "y ~ compile(x)",
    "y ~ open(x)",
    "y ~ getattr(x, z)",
    "y ~ globals()",
    "y ~ vars()",
    "y ~ print(x)",
    "y ~ breakpoint()",
    "y ~ exit()",
    "y ~ os.system(x)",
    "y ~ np.log(x)",
    "y ~ np.random.seed(x)",
    "y ~ numpy.log(x)",
    "y ~ math.log(x)",
    "y ~ str.format(x)",
    "y ~ log.log(x)",
    "y ~ log(x).real",
    "y ~ log(x)(z)",
    "y ~ (log)(x)",
    "y ~ `log`(x)",
    "y ~ `__import__('os')`(x)",
    "y ~ lambda: 1",
    "y ~ lambda x: x",
    "y ~ (lambda x: x)(z)",
    "y ~ I(lambda x: x)",
    "y ~ [x for x in z]",
    "y ~ {x: z}",
    "y ~ {x for x in z}",
    "y ~ (x for x in z)",
    "y ~ I(x for x in z)",
    "y ~ x if z else w",
    "y ~ I(x if z else w)",
    "y ~ x and z",
    "y ~ not x",
    "y ~ x is z",
    "y ~ await x",
    "y ~ yield x",
    "y ~ f'{x}'",
    'y ~ f"{__import__(chr(111))}"',
    "y ~ '{0.__class__}'.format(x)",
    "y ~ 'x'",
    'y ~ "x"',
    "y ~ b'x'",
    "y ~ '''x'''",
    "y ~ x; import os",
    "y ~ x;z",
    "y ~ (z := x)",
    "y ~ z := x",
    "y ~ I(z := x)",
    "y ~ x = z",
    "y ~ log(x=z)",
    "y ~ log(*x)",
    "y ~ log(**x)",
    "y ~ within(x, **g)",
    "y ~ within(x, group=__import__('os'))",
    "y ~ within(x, group=g.__class__)",
    "y ~ x @ z",
    "y ~ @x",
    "y ~ x[0]",
    "y ~ x[z]",
    "y ~ x{z}",
    "y ~ x -> z",
    "y ~ x => z",
    "y ~ x == z",
    "y ~ I(x == z)",
    "y ~ I(x < z)",
    "y ~ I(x > z)",
    "y ~ I(x & z)",
    "y ~ I(x // z)",
    "y ~ I(x % z)",
    "y ~ I(~x)",
    "y ~ I(x | z)",
    "y ~ x # comment",
    "y ~ x \\ z",
    "y ~ \\x41",
    "y ~ $x",
    "y ~ $(id)",
    "y ~ x && z",
    "y ~ !x",
    "y ~ x?",
    "y ~ <x>",
    "y ~ x ... z",
    "y ~ ...",
    "y ~ 0x10:x",
    "y ~ I(0x10 * x)",
    "y ~ I(1_000 * x)",
    "y ~ I(1j * x)",
    "y ~ I(10L * x)",
    "y ~ I(1e400 * x)",
    "y ~ I(nan(x))",
    "y ~ Q('x')",
    "y ~ C(x, Treatment.__class__)",
    "y ~ C(x, __import__('os'))",
    "y ~ C(x, Sum('a'))",
    "y ~ C(x, ref=__import__('os').system)",
    "y ~ bs(x, df=eval(1))",
    "y ~ bs(x, knots=[x for x in z])",
    "y ~ bs(x, knots=open('/etc/passwd'))",
    "y ~ C(x, contr.treatment)",
    "y ~ center(x, __import__)",
    "y ~ (1 | __class__)",
    "y ~ (1 | g.__class__)",
    "y ~ (1 | log(g))",
    "y ~ (1 | 'g')",
    "y ~ (1 | (g, h))",
    "y ~ (__import__('os') | g)",
    "eval(y) ~ x",
    "y.__class__ ~ x",
    "lambda: y ~ x",
]


@pytest.mark.parametrize("text", CODE)
def test_code_is_refused(text: str) -> None:
    with pytest.raises(FormulaError):
        parse_watched(text)


TRICKS = [
    # Letters that look like those of log, I and C: Cyrillic o, full width, mathematical, Greek.
    "y ~ l\N{CYRILLIC SMALL LETTER O}g(x)",
    "y ~ \N{FULLWIDTH LATIN SMALL LETTER L}og(x)",
    "y ~ \N{MATHEMATICAL BOLD SMALL L}og(x)",
    "y ~ \N{GREEK CAPITAL LETTER IOTA}(x)",
    "y ~ \N{CYRILLIC CAPITAL LETTER ES}(x)",
    "y ~ \N{LATIN SMALL LETTER DOTLESS I}(x)",
    "y ~ \N{MATHEMATICAL BOLD SMALL E}val(x)",
    # Signs that look like those of the language.
    "y \N{TILDE OPERATOR} x",
    "y \N{FULLWIDTH TILDE} x",
    "y ~ x \N{MULTIPLICATION SIGN} z",
    "y ~ x \N{ASTERISK OPERATOR} z",
    "y ~ x \N{MINUS SIGN} 1",
    "y ~ x \N{EN DASH} 1",
    "y ~ x \N{DIVISION SLASH} z",
    "y ~ x\N{RATIO}z",
    "y ~ x\N{FULLWIDTH COLON}z",
    "y ~ \N{FULLWIDTH LEFT PARENTHESIS}1 | g\N{FULLWIDTH RIGHT PARENTHESIS}",
    "y ~ (1 \N{DIVIDES} g)",
    "y ~ (1 \N{PARALLEL TO} g)",
    "y ~ \N{LEFT SINGLE QUOTATION MARK}x\N{RIGHT SINGLE QUOTATION MARK}",
    # Digits of other scripts are not 0 and 1.
    "y ~ \N{ARABIC-INDIC DIGIT ZERO} + x",
    "y ~ \N{FULLWIDTH DIGIT ONE} + x",
    "y ~ (a + b) ** \N{DEVANAGARI DIGIT TWO}",
    "y ~ x\N{SUPERSCRIPT TWO}",
    # What cannot be seen.
    "y ~ x\0",
    "y ~ \0x",
    "y ~ `x\0`",
    "\0",
    "y ~ x\n",
    "y ~ x\n+ z",
    "y ~ x\r\n+ z",
    "y ~ `x\ny`",
    "y ~ x\v+ z",
    "y ~ x\f+ z",
    "y ~ x\x1b[2J",
    "y ~ `\x1b]0;title\x07`",
    "y ~ x\x7f",
    "y ~ x\x85",
    "y ~ x\N{LINE SEPARATOR}+ z",
    "y ~ x\N{PARAGRAPH SEPARATOR}+ z",
    "y ~ x\N{NO-BREAK SPACE}+ z",
    "y ~ x\N{IDEOGRAPHIC SPACE}+ z",
    "y ~ x\N{ZERO WIDTH SPACE}",
    "y ~ x\N{ZERO WIDTH JOINER}z",
    "y ~ x\N{RIGHT-TO-LEFT OVERRIDE}z",
    "y ~ `x\N{RIGHT-TO-LEFT OVERRIDE}z`",
    "y ~ x\N{SOFT HYPHEN}z",
    "\N{ZERO WIDTH NO-BREAK SPACE}y ~ x",
    "y ~ x\ud800",
    "y ~ `\ud800`",
    "y ~ \U000e0041x",
]


@pytest.mark.parametrize("text", TRICKS)
def test_trick_of_unicode_is_refused(text: str) -> None:
    with pytest.raises(FormulaError) as caught:
        parse_watched(text)
    # The message can be printed, and does nothing to the terminal it is printed on.
    message = str(caught.value)
    message.encode("utf-8")
    assert all(char.isprintable() or char == "\n" for char in message)


def test_look_alike_is_named() -> None:
    with pytest.raises(FormulaError, match=r"U\+043E CYRILLIC SMALL LETTER O.*did you mean 'log'"):
        parse_formula("y ~ l\N{CYRILLIC SMALL LETTER O}g(x)")
    with pytest.raises(FormulaError, match=r"U\+2212 MINUS SIGN"):
        parse_formula("y ~ x \N{MINUS SIGN} 1")


# --- what is data stays data ---------------------------------------------------------------------
ODD_NAMES = [
    "eval",
    "exec",
    "open",
    "print",
    "None",
    "True",
    "lambda",
    "import",
    "os.system",
    "np.log",
    "log",
    "I",
    "C",
    "Q",
    "`__import__`",
    "`__class__`",
    "`__import__('os').system('true')`",
    "`lambda: 1`",
    "`[x for x in y]`",
    "`'; import os; '`",
    '`f"{os}"`',
    "`{0.__class__}`",
    "`%s %(x)s`",
    "`x)`",
    "`y ~ x`",
    "`(1 | g)`",
    "`../../etc/passwd`",
    "`<script>`",
    "`$(id)`",
]


@pytest.mark.parametrize("written", ODD_NAMES)
def test_column_named_like_code_is_only_a_column(written: str) -> None:
    name = written.strip("`")
    table = as_table({"y": [1.0, 2.0, 4.0], name: [3.0, 5.0, 9.0], "g": [1, 1, 2]})
    with watched():
        formula = parse_formula(f"y ~ {written} + I({written} ** 2) + center({written}) + (1 | g)")
        arrays = encode(learn_encoding(formula, table), table)
    assert formula.terms[1] == (Name(name),)
    np.testing.assert_array_equal(arrays.X[:, 1], [3, 5, 9])
    np.testing.assert_array_equal(arrays.X[:, 2], [9, 25, 81])
    assert arrays.terms[1] == name


def test_name_that_is_no_column_is_not_looked_up_elsewhere() -> None:
    table = as_table({"y": [1.0, 2.0, 4.0]})
    hidden = np.array([1.0, 2.0, 3.0])  # noqa: F841  (a formula must not see the caller's names)
    for name in ("hidden", "np", "os", "sys.path", "eval", "table", "self", "math.pi"):
        with pytest.raises(DataError, match="no column"), watched():
            learn_encoding(parse_formula(f"y ~ {name}"), table)


def test_calls_that_no_parser_made_are_not_run() -> None:
    # Were a formula built by hand with a name from outside the list, nothing would answer to it.
    table = as_table({"y": [1.0, 2.0, 4.0], "x": [1.0, 2.0, 3.0]})
    formula = Formula(text="", outcome=Name("y"), terms=((Call("eval", Name("x")),),))
    with pytest.raises(FormulaError, match="unknown function 'eval'"):
        learn_encoding(formula, table)


def test_nothing_is_imported_by_a_formula() -> None:
    parse_formula("y ~ x")
    before = set(sys.modules)
    for text in [*CODE, "y ~ antigravity", "y ~ this + os.path"]:
        try:
            parse_formula(text)
        except FormulaError:
            continue
    assert set(sys.modules) == before
    assert "antigravity" not in sys.modules


def test_sources_never_evaluate() -> None:
    # The claim at its root: the modules a formula goes through do not name what evaluates.
    package = Path(bayes_mlm.__file__).parent
    folders = ("formula", "formula/notations", "design/encoding")
    found = [path for folder in folders for path in sorted(package.glob(f"{folder}/*.py"))]
    assert len(found) > 20
    for path in found:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        assert not used & {"eval", "exec", "compile", "__import__", "getattr", "globals", "vars"}
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import)]
        imported = {alias.name for node in imports for alias in node.names}
        assert not imported & {"os", "sys", "subprocess", "importlib", "builtins", "pickle"}

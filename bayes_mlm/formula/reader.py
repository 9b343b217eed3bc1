"""Read what the tree of a formula means: an outcome, terms multiplied out, a group term."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from bayes_mlm.formula.algebra import MAX_POWER, Algebra, Products, by_degree
from bayes_mlm.formula.arithmetic import kind_of, read_expression, read_group, start_of, unwrap
from bayes_mlm.formula.expressions import Call, Factor, Name, Term
from bayes_mlm.formula.grammar import Source

if TYPE_CHECKING:
    from lark import Token, Tree

    from bayes_mlm.formula.arithmetic import Branch


@dataclass(frozen=True, kw_only=True)
class Predictors:
    """Hold the right-hand side of a formula: fixed effects, grouping column, group effects."""

    terms: tuple[Term, ...]
    group: str | None
    effects: tuple[Term, ...]
    correlated: bool = True


@dataclass(frozen=True, kw_only=True)
class _Side:
    """Hold a sum of terms while it is read; `intercept` is None when nothing was said of it."""

    terms: Products = field(default_factory=dict)
    intercept: bool | None = None
    bar: "Tree[Token] | None" = None


def read_outcome(tree: "Branch", source: Source) -> Factor:
    """Read the left-hand side: a column or a function of one."""
    outcome = read_expression(tree, source)
    if not isinstance(outcome, Name | Call):
        raise source.error(
            start_of(tree),
            "the outcome is a column or a function of it; write I(...) for arithmetic",
        )
    if isinstance(outcome, Call) and outcome.function == "C":
        raise source.error(start_of(tree), "the outcome is numeric; C(...) makes categories of it")
    return outcome


def read_predictors(tree: "Branch", source: Source) -> Predictors:
    """Read the right-hand side: terms multiplied out, and at most one group term."""
    if kind_of(tree) == "bar":
        raise source.error(start_of(tree), "put the group term in parentheses: y ~ x + (1 | group)")
    algebra = Algebra()
    side = _read_side(tree, source, algebra)
    terms = _finish(side, algebra)
    if not terms:
        raise source.error(
            start_of(tree), "no fixed effect is left; write 1 for an intercept: y ~ 1 + (1 | group)"
        )
    if side.bar is None:
        return Predictors(terms=terms, group=None, effects=())
    effects, bar, group = side.bar.children
    inner = _read_side(effects, source, algebra)
    if inner.bar is not None:
        raise source.error(start_of(inner.bar), "a group term cannot hold another")
    products = _finish(inner, algebra)
    if not products:
        raise source.error(start_of(effects), "no group effect is left; write (1 | group)")
    return Predictors(
        terms=terms,
        group=read_group(group, source),
        effects=products,
        # An intercept alone has nothing to correlate with: (1 || g) is (1 | g).
        correlated=cast("Token", bar).type == "BAR" or products == ((),),
    )


def _finish(side: _Side, algebra: Algebra) -> tuple[Term, ...]:
    intercept: tuple[Term, ...] = () if side.intercept is False else ((),)
    return intercept + tuple(algebra.term(product) for product in by_degree(side.terms))


def _read_side(tree: "Branch", source: Source, algebra: Algebra) -> _Side:
    """Read a sum: signs from left to right, as in R, so that the last word on 0 or 1 holds."""
    terms: Products = {}
    intercept: bool | None = None
    bar: Tree[Token] | None = None
    for minus, addend in _addends(tree):
        bare = unwrap(addend)
        if kind_of(bare) == "NUMBER":
            value = str(bare)
            if value not in ("0", "1"):
                raise source.error(
                    start_of(bare), "only 0 and 1 (no intercept, intercept) may stand alone"
                )
            intercept = (value == "1") != minus
            continue
        if kind_of(bare) == "bar":
            side = _Side(bar=cast("Tree[Token]", bare))
        elif kind_of(bare) == "sum" and not minus:
            side = _read_side(bare, source, algebra)
        else:
            side = _Side(terms=_read_products(bare, source, algebra))
        if side.bar is not None and minus:
            raise source.error(start_of(side.bar), "a group term can only be added")
        if side.bar is not None and bar is not None:
            raise source.error(
                start_of(side.bar),
                "a formula has one group term; crossed and nested groups are not available: "
                "put all effects of a group in one term, as in (1 + x | group), or "
                "(1 + x || group) for independent ones",
            )
        bar = side.bar or bar
        intercept = intercept if side.intercept is None else side.intercept
        if not minus:
            algebra.add(terms, side.terms.values())
        elif not terms.keys() & side.terms.keys():
            raise source.error(start_of(addend), "there is no such term before it to take out")
        else:
            terms = {key: term for key, term in terms.items() if key not in side.terms}
    return _Side(terms=terms, intercept=intercept, bar=bar)


def _read_products(tree: "Branch", source: Source, algebra: Algebra) -> Products:
    """Multiply out anything but a sum with 0, 1 or a group term in it."""
    bare = unwrap(tree)
    kind = kind_of(bare)
    if kind == "sum":
        side = _read_side(bare, source, algebra)
        if side.intercept is not None:
            raise source.error(start_of(bare), "0 and 1 can only be added to or taken from terms")
        if side.bar is not None:
            raise source.error(start_of(side.bar), "a group term can only be added")
        return side.terms
    if kind == "bar":
        raise source.error(start_of(bare), "a group term can only be added")
    if kind == "NUMBER":
        raise source.error(
            start_of(bare), "a number cannot be part of a term; write I(...) for arithmetic"
        )
    if kind in ("NAME", "QUOTED", "call"):
        factor = cast("Factor", read_expression(bare, source))
        return algebra.single(factor)
    children = cast("Tree[Token]", bare).children
    if kind == "unary":
        raise source.error(start_of(bare), "- takes out a whole term; write I(-x) for minus x")
    if kind == "power":
        exponent = unwrap(children[2])
        if kind_of(exponent) != "NUMBER" or str(exponent) not in map(str, range(1, MAX_POWER + 1)):
            raise source.error(
                start_of(exponent),
                f"the power of a formula is a whole number from 1 to {MAX_POWER}; "
                "write I(x ** 2) for the square of a column",
            )
        return algebra.power(_read_products(children[0], source, algebra), int(str(exponent)))
    result = _read_products(children[0], source, algebra)
    for operator, child in zip(children[1::2], children[2::2], strict=True):
        combine = {"*": algebra.cross, "/": algebra.nest, ":": algebra.interact}[str(operator)]
        result = combine(result, _read_products(child, source, algebra))
    return result


def _addends(tree: "Branch") -> "list[tuple[bool, Branch]]":
    """List the parts of a sum with whether each is taken away."""
    parts = [tree]
    minus = [False]
    if kind_of(tree) == "sum":
        children = cast("Tree[Token]", tree).children
        parts = list(children[::2])
        minus += [str(sign) == "-" for sign in children[1::2]]
    addends: list[tuple[bool, Branch]] = []
    for sign, part in zip(minus, parts, strict=True):
        if not isinstance(part, str) and part.data == "unary":
            addends.append((not sign, part.children[1]))
        else:
            addends.append((sign, part))
    return addends

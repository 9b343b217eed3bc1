"""Read what the tree of a formula means: an outcome, terms multiplied out, group terms."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from bayes_mlm.formula.algebra import MAX_POWER, Algebra, Products, by_degree
from bayes_mlm.formula.arithmetic import kind_of, read_expression, read_group, start_of, unwrap
from bayes_mlm.formula.expressions import Call, Factor, Name, Term
from bayes_mlm.formula.grammar import Source
from bayes_mlm.formula.group_terms import GroupFormula

if TYPE_CHECKING:
    from lark import Token, Tree

    from bayes_mlm.formula.arithmetic import Branch


@dataclass(frozen=True, kw_only=True)
class Predictors:
    """The right-hand parts of a formula: fixed effects and group terms."""

    terms: tuple[Term, ...]
    group_terms: tuple[GroupFormula, ...]

    @property
    def effects(self) -> tuple[Term, ...]:
        """Effects of every group term."""
        return tuple(effect for term in self.group_terms for effect in term.terms)


@dataclass(frozen=True, kw_only=True)
class _Sum:
    """A sum of terms while it is read; `intercept` is None where neither 0 nor 1 is in it."""

    terms: Products = field(default_factory=dict)
    intercept: bool | None = None
    bars: "tuple[Tree[Token], ...]" = ()


def read_outcome(tree: "Branch", source: Source) -> Factor:
    """Read the left-hand parts: a column or a function of one."""
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
    """Read the right-hand parts: terms multiplied out, and group terms."""
    if kind_of(tree) == "bar":
        raise source.error(start_of(tree), "put the group term in parentheses: y ~ x + (1 | group)")
    algebra = Algebra()
    parts = _read_sum(tree, source, algebra)
    terms = _finish(parts, algebra)
    if not terms:
        raise source.error(
            start_of(tree), "no fixed effect is left; write 1 for an intercept: y ~ 1 + (1 | group)"
        )
    found: dict[str, GroupFormula] = {}
    for tree_of_bar in parts.bars:
        term = _read_group_term(tree_of_bar, source, algebra)
        if term.factor in found:
            raise source.error(
                start_of(tree_of_bar),
                f"{term.factor!r} has a group term already: put all effects of a group in one "
                "term, as in (1 + x | group), or (1 + x || group) for independent ones",
            )
        found[term.factor] = term
    return Predictors(terms=terms, group_terms=tuple(found.values()))


def _read_group_term(tree: "Tree[Token]", source: Source, algebra: Algebra) -> GroupFormula:
    effects, bar, group = tree.children
    inner = _read_sum(effects, source, algebra)
    if inner.bars:
        raise source.error(start_of(inner.bars[0]), "a group term cannot hold another")
    products = _finish(inner, algebra)
    if not products:
        raise source.error(start_of(effects), "no group effect is left; write (1 | group)")
    return GroupFormula(
        factor=read_group(group, source),
        terms=products,
        # An intercept alone has nothing to correlate with: (1 || g) is (1 | g).
        correlated=cast("Token", bar).type == "BAR" or products == ((),),
    )


def _finish(parts: _Sum, algebra: Algebra) -> tuple[Term, ...]:
    intercept: tuple[Term, ...] = () if parts.intercept is False else ((),)
    return intercept + tuple(algebra.term(product) for product in by_degree(parts.terms))


def _read_sum(tree: "Branch", source: Source, algebra: Algebra) -> _Sum:
    """Read a sum: signs from left to right, as in R, so that the last word on 0 or 1 holds."""
    terms: Products = {}
    intercept: bool | None = None
    bars: tuple[Tree[Token], ...] = ()
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
            parts = _Sum(bars=(cast("Tree[Token]", bare),))
        elif kind_of(bare) == "sum" and not minus:
            parts = _read_sum(bare, source, algebra)
        else:
            parts = _Sum(terms=_read_products(bare, source, algebra))
        if parts.bars and minus:
            raise source.error(start_of(parts.bars[0]), "a group term can only be added")
        bars += parts.bars
        intercept = intercept if parts.intercept is None else parts.intercept
        if not minus:
            algebra.add(terms, parts.terms.values())
        elif not terms.keys() & parts.terms.keys():
            raise source.error(start_of(addend), "there is no such term before it to take out")
        else:
            terms = {key: term for key, term in terms.items() if key not in parts.terms}
    return _Sum(terms=terms, intercept=intercept, bars=bars)


def _read_products(tree: "Branch", source: Source, algebra: Algebra) -> Products:
    """Multiply out anything but a sum with 0, 1 or a group term in it."""
    bare = unwrap(tree)
    kind = kind_of(bare)
    if kind == "sum":
        parts = _read_sum(bare, source, algebra)
        if parts.intercept is not None:
            raise source.error(start_of(bare), "0 and 1 can only be added to or taken from terms")
        if parts.bars:
            raise source.error(start_of(parts.bars[0]), "a group term can only be added")
        return parts.terms
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
    """List the parts of a sum with whether each is subtracted."""
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

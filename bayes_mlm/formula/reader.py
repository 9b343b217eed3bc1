"""Read what the tree of a formula means: an outcome, terms multiplied out, group terms."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

from bayes_mlm.formula.algebra import MAX_POWER, Algebra, Products, by_degree
from bayes_mlm.formula.arithmetic import read_expression, read_factors
from bayes_mlm.formula.expressions import Call, Expression, Factor, Name, Term
from bayes_mlm.formula.grammar import Source, kind_of, start_of, unwrap
from bayes_mlm.formula.group_terms import GroupFormula, written_factor

if TYPE_CHECKING:
    from lark import Token, Tree

    from bayes_mlm.formula.grammar import Branch


@dataclass(frozen=True, kw_only=True)
class Predictors:
    """The right-hand parts of a formula: fixed effects, group terms and offsets."""

    terms: tuple[Term, ...]
    group_terms: tuple[GroupFormula, ...]
    offsets: tuple[Expression, ...] = ()

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
    offsets: "tuple[Tree[Token], ...]" = ()

    @property
    def added(self) -> "tuple[Tree[Token], ...]":
        """What can only be added: group terms and offsets."""
        return self.bars + self.offsets


def read_outcome(tree: "Branch", source: Source) -> tuple[Factor, Expression | None]:
    """Read the left-hand parts: a column or a function of one, and its number of trials.

    The trials are written ``successes | trials(n)``, as in brms, or ``p(successes, n)``, as in
    bambi.
    """
    tree, trials = _read_trials(tree, source)
    outcome = read_expression(tree, source)
    if not isinstance(outcome, Name | Call):
        raise source.error(
            start_of(tree),
            "the outcome is a column or a function of it; write I(...) for arithmetic",
        )
    kind = outcome.kind if isinstance(outcome, Call) else "identity"
    if kind in ("basis", "offset"):
        raise source.error(
            start_of(tree), f"the outcome is one column; {outcome} belongs right of the ~"
        )
    return outcome, trials


def _read_trials(tree: "Branch", source: Source) -> "tuple[Branch, Expression | None]":
    """Part the outcome from its number of trials."""
    bare = unwrap(tree)
    if kind_of(bare) == "call" and str(cast("Tree[Token]", bare).children[0]) == "p":
        arguments = cast("list[Tree[Token]]", cast("Tree[Token]", bare).children[1:])
        if len(arguments) == 2:
            first, second = (one.children[-1] for one in arguments)
            return first, read_expression(second, source)
    if kind_of(bare) != "bar":
        return tree, None
    left, _, right = cast("Tree[Token]", bare).children
    call = cast("Tree[Token]", unwrap(right))
    name = str(call.children[0]) if kind_of(call) == "call" else ""
    if name != "trials" or len(call.children) != 2:
        raise source.error(
            start_of(right),
            "after the outcome and | stands its number of trials: successes | trials(n) ~ ...",
        )
    return left, read_expression(cast("Tree[Token]", call.children[1]).children[-1], source)


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
    found: dict[frozenset[str], GroupFormula] = {}
    for tree_of_bar in parts.bars:
        for term in _read_group_terms(tree_of_bar, source, algebra):
            key = frozenset(term.columns)
            found[key] = _joined(found[key], term, tree_of_bar, source) if key in found else term
    return Predictors(
        terms=terms,
        group_terms=tuple(found.values()),
        offsets=tuple(dict.fromkeys(_read_offset(one, source) for one in parts.offsets)),
    )


def _read_offset(tree: "Tree[Token]", source: Source) -> Expression:
    call = read_expression(tree, source)
    assert isinstance(call, Call)  # for mypy: its name was looked at
    return call.argument


def _is_offset(tree: "Branch") -> bool:
    return kind_of(tree) == "call" and str(cast("Tree[Token]", tree).children[0]) == "offset"


def _read_group_terms(
    tree: "Tree[Token]", source: Source, algebra: Algebra
) -> tuple[GroupFormula, ...]:
    """Read one bar: a term for its factor, or of nested factors for each, the outer first."""
    effects, bar, group = tree.children
    inner = _read_sum(effects, source, algebra)
    if inner.bars:
        raise source.error(start_of(inner.bars[0]), "a group term cannot hold another")
    if inner.offsets:
        raise source.error(
            start_of(inner.offsets[0]), "an offset is the same for all groups; add it outside"
        )
    products = _finish(inner, algebra)
    if not products:
        raise source.error(start_of(effects), "no group effect is left; write (1 | group)")
    return tuple(
        GroupFormula(
            factor=columns[0] if len(columns) == 1 else written_factor(columns),
            terms=products,
            # An intercept alone has nothing to correlate with: (1 || g) is (1 | g).
            correlated=cast("Token", bar).type == "BAR" or products == ((),),
            parts=columns if len(columns) > 1 else (),
        )
        for columns in read_factors(group, source)
    )


def _joined(
    known: GroupFormula, term: GroupFormula, tree: "Tree[Token]", source: Source
) -> GroupFormula:
    """Return two terms of one factor as one, of independent effects."""
    twice = [":".join(map(str, one)) or "intercept" for one in term.terms if one in known.terms]
    single = all(len(one.terms) == 1 or not one.correlated for one in (known, term))
    if single and not twice:
        terms = tuple(sorted(known.terms + term.terms, key=len))
        return replace(known, terms=terms, correlated=False)
    why = f", and the {', '.join(twice)} of its groups would be in the model twice" if twice else ""
    raise source.error(
        start_of(tree),
        f"{known.factor!r} has a group term already{why}: put all effects of a group in one "
        "term, as in (1 + x | group), or (1 + x || group) for independent ones",
    )


def _finish(parts: _Sum, algebra: Algebra) -> tuple[Term, ...]:
    intercept: tuple[Term, ...] = () if parts.intercept is False else ((),)
    return intercept + tuple(algebra.term(product) for product in by_degree(parts.terms))


def _read_sum(tree: "Branch", source: Source, algebra: Algebra) -> _Sum:
    """Read a sum: signs from left to right, as in R, so that the last word on 0 or 1 holds."""
    terms: Products = {}
    intercept: bool | None = None
    bars: tuple[Tree[Token], ...] = ()
    offsets: tuple[Tree[Token], ...] = ()
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
        elif _is_offset(bare):
            parts = _Sum(offsets=(cast("Tree[Token]", bare),))
        elif kind_of(bare) == "sum" and not minus:
            parts = _read_sum(bare, source, algebra)
        else:
            parts = _Sum(terms=_read_products(bare, source, algebra))
        if parts.added and minus:
            raise source.error(start_of(parts.added[0]), _only_added(parts))
        bars += parts.bars
        offsets += parts.offsets
        intercept = intercept if parts.intercept is None else parts.intercept
        if not minus:
            algebra.add(terms, parts.terms.values())
        elif not terms.keys() & parts.terms.keys():
            raise source.error(start_of(addend), "there is no such term before it to take out")
        else:
            terms = {key: term for key, term in terms.items() if key not in parts.terms}
    return _Sum(terms=terms, intercept=intercept, bars=bars, offsets=offsets)


def _only_added(parts: _Sum) -> str:
    if parts.bars:
        return "a group term can only be added"
    return "an offset can only be added by itself; to subtract x, write offset(-x)"


def _read_products(tree: "Branch", source: Source, algebra: Algebra) -> Products:
    """Multiply out anything but a sum with 0, 1 or a group term in it."""
    bare = unwrap(tree)
    kind = kind_of(bare)
    if kind == "sum":
        parts = _read_sum(bare, source, algebra)
        if parts.intercept is not None:
            raise source.error(start_of(bare), "0 and 1 can only be added to or taken from terms")
        if parts.added:
            raise source.error(start_of(parts.added[0]), _only_added(parts))
        return parts.terms
    if kind == "bar":
        raise source.error(start_of(bare), "a group term can only be added")
    if _is_offset(bare):
        raise source.error(start_of(bare), _only_added(_Sum()))
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
        _refuse_square(cast("Tree[Token]", bare), source)
        return algebra.power(_read_products(children[0], source, algebra), int(str(exponent)))
    result = _read_products(children[0], source, algebra)
    for operator, child in zip(children[1::2], children[2::2], strict=True):
        combine = {"*": algebra.cross, "/": algebra.nest, ":": algebra.interact}[str(operator)]
        result = combine(result, _read_products(child, source, algebra))
    return result


def _refuse_square(tree: "Tree[Token]", source: Source) -> None:
    """Refuse ``x ** 2``, which multiplies out to x: who writes it means the square."""
    base, exponent = unwrap(tree.children[0]), str(unwrap(tree.children[2]))
    if exponent == "1" or kind_of(base) not in ("NAME", "QUOTED", "call"):
        return
    text = source.text_of(base)
    square = source.rewrite(tree, f"{text} + I({text} ** {exponent})")
    raise source.error(
        start_of(tree),
        f"in a formula ** crosses terms, so that {text} ** {exponent} is {text} alone; for a "
        f"power write: {square}; or poly({text}, {exponent})",
    )


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

"""Write a model as equations, from the design that was fitted.

Rows have the indices i and j (the i-th member of group j), properties of groups j alone. Models
with group effects are written by level, as in Raudenbush & Bryk (2002, ch. 2): products of a
predictor of members with one of groups stand where they belong, in the equation of the slope.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bayes_mlm.design import INTERCEPT, Column, Design, Place, event_name, place_name
from bayes_mlm.engines import has_random_effects
from bayes_mlm.formula import Call, Factor, label
from bayes_mlm.report import mathml as m

# A longer sum is a list, and is better read in the table.
_MOST_TERMS = 14
_PRIME = "\N{PRIME}"
_ALPHA = "\N{GREEK SMALL LETTER ALPHA}"  # spelt out: it looks like an a

# A factor of a column; a categorical one with the place of its level.
type _Taken = tuple[Factor, Place]


@dataclass(frozen=True, kw_only=True)
class Equation:
    """One equation.

    Parameters
    ----------
    title : str
        "Level 1", "Level 2", "Distributions"; empty where it continues the one before.
    mathml : str
        A ``math`` element, with names escaped.
    """

    title: str
    mathml: str


@dataclass(frozen=True, kw_only=True)
class _Part:
    """Column of X in two parts: the within-group and the between-group factors.

    Parameters
    ----------
    place : int
        Of the coefficient.
    lower, upper : tuple of str
        MathML of its factors that vary within groups, and of the others.
    """

    place: int
    lower: tuple[str, ...]
    upper: tuple[str, ...]


def equations(design: Design) -> tuple[Equation, ...]:
    """Return a model's equations.

    Parameters
    ----------
    design : Design
        Laid out for its kind.

    Returns
    -------
    tuple of Equation

    Examples
    --------
    >>> from bayes_mlm import build_design, load_dataset
    >>> design = build_design("mathach ~ ses * sector + (1 | schoolid)", load_dataset("hsb"))
    >>> [one.title for one in equations(design)]
    ['Level 1', 'Level 2', '', 'Distributions', '']
    """
    if len(design.factors) > 1:
        return tuple(_several(design))
    if design.p > _MOST_TERMS:
        return tuple(_short(design))
    return tuple(_levels(design) if has_random_effects(design) else _single(design))


def coefficient(design: Design, term: str) -> str:
    """Return the symbol of a term's coefficient as text: β₂."""
    place = _number(design, design.terms.index(term))
    return "β" + str(place).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


def _number(design: Design, place: int) -> int:
    """Return the number of a coefficient: from 0 if there is an intercept, else from 1."""
    return place if design.has_intercept else place + 1


def _beta(design: Design, place: int) -> str:
    return m.sub(m.symbol("β"), m.number(_number(design, place)))


def _ij(design: Design) -> str:
    """Return the indices of a row."""
    if design.kind == "between":
        return m.symbol("j")
    one = len(design.factors) == 1
    return m.row(m.symbol("i"), m.symbol("j")) if one else m.symbol("i")


def _outcome(design: Design) -> str:
    shown = m.name(design.outcome)
    return m.sub(m.mean(shown) if design.kind == "between" else shown, _ij(design))


def _offsets(design: Design) -> list[str]:
    """Return what is added without a coefficient."""
    names = [m.name(label(one)) for one in design.formula.offsets]
    if design.kind == "between":
        names = [m.mean(one) for one in names]
    return [m.sub(one, _ij(design)) for one in names]


def _predictor(design: Design, title: str, parts: list[str]) -> Equation:
    """Write the outcome with its residual, or the linear predictor, as the sum of parts."""
    left, total = m.sub(m.symbol("η"), _ij(design)), [*parts, *_offsets(design)]
    if design.family.is_additive:
        left = _outcome(design)
        total.append(m.sub(m.symbol("e"), _ij(design)))
    return Equation(title=title, mathml=m.equation(left, "=", m.total(total)))


def _single(design: Design) -> Iterator[Equation]:
    """Write a model without random effects in one line."""
    parts = [m.row(_beta(design, part.place), *part.lower, *part.upper) for part in _parts(design)]
    if design.kind == "no_pooling":
        parts.insert(0, m.sub(m.symbol(_ALPHA), m.symbol("j")))
    title = {"between": "Group means"}.get(design.kind, "Model")
    yield _predictor(design, title, parts)
    yield from _law(design, "Distribution")


def _several(design: Design) -> Iterator[Equation]:
    """Write a model with several grouping factors with vectors, a distribution a factor."""
    i = m.symbol("i")
    parts = [m.row(m.sub(m.bold("x"), i), m.bold("β"))]
    laws = []
    for term in design.group_terms:
        factor = m.name(term.factor)
        group = m.row(factor, m.listed([i]))
        u, z = m.sub(m.bold("u"), group), m.sub(m.bold("z"), i)
        parts.append(u if term.effects == (INTERCEPT,) else m.row(z, u))
        law = m.normal(m.zero(), m.sub(m.bold("Σ"), factor))
        if term.effects == (INTERCEPT,):
            law = m.normal(m.number(0), m.squared(m.symbol("σ"), factor))
        laws.append(m.equation(m.sub(m.bold("u"), factor), "~", law))
    yield _predictor(design, "Model", parts)
    for k, law in enumerate(laws):
        yield Equation(title="" if k else "Distributions", mathml=law)
    yield from _law(design, "")


def _levels(design: Design) -> Iterator[Equation]:
    """Write a model with random effects by level."""
    parts, j = _parts(design), m.symbol("j")
    effects = [_split(design, column) for column in design.effect_columns]
    slopes = list(
        dict.fromkeys([(), *(part.lower for part in parts), *(one[0] for one in effects)])
    )
    used = [
        slope
        for slope in slopes
        if any(part.lower == slope for part in parts) or any(one[0] == slope for one in effects)
    ]
    index = {slope: k if () in used else k + 1 for k, slope in enumerate(used)}

    def group_coefficient(slope: tuple[str, ...]) -> str:
        return m.sub(m.symbol("b"), m.row(m.number(index[slope]), j))

    members = [m.row(group_coefficient(slope), *slope) for slope in used]
    yield _predictor(design, "Level 1", members)
    for k, slope in enumerate(used):
        right = [
            m.row(_beta(design, part.place), *part.upper) for part in parts if part.lower == slope
        ]
        right += [
            m.row(_effect(design, place), *upper)
            for place, (lower, upper) in enumerate(effects)
            if lower == slope
        ]
        title = "" if k else "Level 2"
        yield Equation(
            title=title, mathml=m.equation(group_coefficient(slope), "=", m.total(right))
        )
    yield from _distributions(design)


def _effect(design: Design, place: int) -> str:
    """Return a group effect: u with j, or with its number and j."""
    j = m.symbol("j")
    return m.sub(m.symbol("u"), j if design.q == 1 else m.row(m.number(place), j))


def _distributions(design: Design) -> Iterator[Equation]:
    left: str
    if design.q == 1:
        left = _effect(design, 0)
        right = m.normal(m.number(0), m.squared(m.symbol("σ"), m.symbol("u")))
    else:
        left = m.row(m.listed([_effect(design, k) for k in range(design.q)]))
        right = m.normal(m.zero(), m.sub(m.bold("Σ"), m.symbol("u")))
        if not design.group_term.correlated:
            variances = [
                m.squared(m.symbol("σ"), m.row(m.symbol("u"), m.number(k))) for k in range(design.q)
            ]
            right = m.normal(m.zero(), m.row(m.name("diag"), m.listed(variances)))
    yield Equation(title="Distributions", mathml=m.equation(left, "~", right))
    yield from _law(design, "")


def _law(design: Design, title: str) -> Iterator[Equation]:
    """Write the distribution of the outcome, and the link of its mean or probability."""
    if design.family.is_additive:
        yield _residuals(design, title)
        return
    family, eta = design.family, m.sub(m.symbol("η"), _ij(design))
    if family.thresholds is not None:
        at = m.sub(m.symbol("τ"), m.symbol("k"))
        below = m.row(
            m.name("P"), m.listed([m.row(_outcome(design), m.operator("≤"), m.symbol("k"))])
        )
        right = m.row(at, m.operator("−"), eta)
        linked = m.row(m.name(family.link), m.listed([below]))
        yield Equation(title=title, mathml=m.equation(linked, "=", right))
        return
    share = family.outcome == "two levels" or family.takes_trials
    mean = m.sub(m.symbol("p" if share else "μ"), _ij(design))
    known = [m.sub(m.symbol("n"), _ij(design))] if family.takes_trials else []
    others = [m.name(one.name) for one in family.auxiliary]
    law = m.row(m.name(family.label), m.listed([*known, mean, *others]))
    happens = _outcome(design)
    if family.outcome == "two levels":
        level = event_name(design).removeprefix(f"{design.outcome_title} = ")
        one = level if level != design.outcome_title else "1"
        left = m.row(m.name("P"), m.listed([m.row(happens, m.operator("="), m.name(one))]))
        yield Equation(title=title, mathml=m.equation(left, "=", mean))
    else:
        yield Equation(title=title, mathml=m.equation(happens, "~", law))
    linked = m.row(m.name(family.link), m.listed([mean]))
    yield Equation(title="", mathml=m.equation(linked, "=", eta))


def _residuals(design: Design, title: str) -> Equation:
    left = m.sub(m.symbol("e"), _ij(design))
    structure = design.residual
    index = m.symbol("e")
    if structure is not None and structure.levels:
        at = m.sub(m.name(str(structure.spec.sigma_column)), _ij(design))
        index = m.row(m.symbol("e"), m.operator(","), at)
    variance = m.squared(m.symbol("σ"), index)
    right = m.normal(m.number(0), variance)
    if not design.family.gaussian_moments:
        right = m.row(
            m.sub(m.symbol("t"), m.symbol("ν")),
            m.listed([m.number(0), variance]),
        )
    if structure is not None and structure.spec.ar is not None:
        before = m.sub(m.symbol("e"), m.row(m.symbol("i"), m.operator(_PRIME), m.symbol("j")))
        power = m.power(
            m.sub(m.symbol("ρ"), m.symbol("e")),
            m.row(m.name(f"steps of {structure.spec.ar} between them")),
        )
        correlation = m.row(m.name("cor"), m.listed([left, before]))
        right = m.row(right, m.operator(","), correlation, m.operator("="), power)
    return Equation(title=title, mathml=m.equation(left, "~", right))


def _short(design: Design) -> Iterator[Equation]:
    """Write a model of many terms with vectors."""
    ij = _ij(design)
    parts = [m.row(m.sub(m.bold("x"), ij), m.bold("β"))]
    if design.kind == "no_pooling":
        parts.append(m.sub(m.symbol(_ALPHA), m.symbol("j")))
    elif design.q:
        parts.append(m.row(m.sub(m.bold("z"), ij), m.sub(m.bold("u"), m.symbol("j"))))
    yield _predictor(design, f"Model ({design.p} terms)", parts)
    if has_random_effects(design):
        yield from _distributions(design)
    else:
        yield from _law(design, "Distribution")


def _parts(design: Design) -> list[_Part]:
    """Return every column of X, separated by level."""
    known = {_laid_out(design, column.name): column for column in _columns(design)}
    found = []
    for place, term in enumerate(design.terms):
        if term in known:
            lower, upper = _split(design, known[term])
        else:  # a Mundlak model's group mean of another column
            inside = term.removeprefix("between(").removesuffix(")")
            lower, upper = (), (m.sub(m.mean(m.name(inside)), m.symbol("j")),)
        found.append(_Part(place=place, lower=lower, upper=upper))
    return found


def _columns(design: Design) -> Sequence[Column]:
    return design.encoding.x_columns


def _laid_out(design: Design, term: str) -> str:
    return f"within({term})" if design.kind == "within" and term != INTERCEPT else term


def _split(design: Design, column: Column) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the factors of a column as MathML: those that vary within groups, and the others."""
    if design.kind == "within" and column.parts:
        shown = m.name(column.name)
        deviation = m.row(
            m.operator("("),
            m.sub(shown, _ij(design)),
            m.operator("−"),
            m.sub(m.mean(shown), m.symbol("j")),
            m.operator(")"),
        )
        return (deviation,), ()
    if design.kind == "between" and column.parts:
        mean = m.mean(m.name(column.name))
        return (), (m.sub(mean, m.symbol("j")),)
    lower, upper = [], []
    for part in column.parts:
        if _varies(design, column, part):
            lower.append(m.sub(m.name(_part_name(design, part)), _ij(design)))
        else:
            upper.append(m.sub(m.name(_part_name(design, part)), m.symbol("j")))
    return tuple(lower), tuple(upper)


def _part_name(design: Design, part: _Taken) -> str:
    factor, place = part
    levels = (item for item in design.encoding.levels if item.factor == str(factor))
    return place_name(factor, place, next(levels, None))


def _varies(design: Design, column: Column, part: _Taken) -> bool:
    """Return whether a factor varies within groups; without groups every one does."""
    base = design.base
    if base is None:
        return True
    name = column.name if len(column.parts) == 1 else _part_name(design, part)
    if name in base.terms:
        return bool(base.varies[base.terms.index(name)])
    factor = part[0]
    if isinstance(factor, Call) and factor.function == "between":
        return False
    # In a product that varies, every factor without a separate column is taken to vary.
    known = column.name in base.terms
    return not known or bool(base.varies[base.terms.index(column.name)])

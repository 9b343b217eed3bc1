"""Read a model formula such as ``mathach ~ ses * sector + (1 | schoolid)``.

A formula is data. It is parsed by a grammar into the values of
`bayes_mlm.formula.expressions`; no part of it is ever evaluated as Python, whatever the text. The
language:

==========================  =====================================================================
``y ~ a + b``               outcome, and predictors; an intercept unless ``0 +`` or ``- 1`` is there
``log(y) ~ a``              a function of the outcome
``s | trials(n) ~ a``       s successes among n trials; ``p(s, n) ~ a`` is the same
``C(y, levels=[...]) ~ a``  an outcome of categories, in their order
``a:b``, ``a * b``          interaction; ``a + b + a:b``
``a / b``, ``(a + b)**2``   ``a + a:b``; all interactions up to the power
``- a:b``                   takes a term out again
``(1 + a | g)``             one term of group effects: intercept and slope of a differ by g, and
                            may correlate; ``(0 + a | g)``: the slope alone differs
``(1 | g) + (1 | h)``       one term for each grouping factor, crossed or nested
``(1 | g:h)``               the combinations of g and h are the groups
``(1 | school/class)``      ``(1 | school) + (1 | class:school)``: classes within schools
``(1 + a || g)``            the same effects held independent of one another, at a = 0
```school id```             a column whose name is not a plain word
``pv(PV1..PV10)``           a variable known by several columns: plausible values, imputations
``log(a)``, ``I(a / b)``    functions of `bayes_mlm.formula.functions.FUNCTIONS`
==========================  =====================================================================

References
----------
Wilkinson and Rogers (1973), Applied Statistics 22(3), 392-399, for the algebra; Bates, Maechler,
Bolker and Walker (2015), Journal of Statistical Software 67(1), section 2.1, for the bar.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import cast

from bayes_mlm.base import DesignError, FormulaError, SeveralFactorsError
from bayes_mlm.formula.expressions import Expression, Factor, Term, grouped_by, measured, unique
from bayes_mlm.formula.grammar import Source, parse_tree, printable, start_of
from bayes_mlm.formula.group_terms import GroupFormula, join_terms
from bayes_mlm.formula.imputed import ImputedSet, expand_sets
from bayes_mlm.formula.reader import read_outcome, read_predictors

_WRITE = "; write: "
_LONGEST = 300  # characters of a formula that is offered


@dataclass(frozen=True, kw_only=True)
class Formula:
    """A parsed formula; formulas with the same terms are equal, however they were written.

    Parameters
    ----------
    text : str
        As the user wrote it, but for sets of plausible values; not compared.
    outcome : Name or Call
        The outcome column, or a function of it; `outcome.columns` names its columns.
    terms : tuple of Term
        Fixed effects, by degree. A term is a tuple of factors; ``()`` is the intercept.
    group_terms : tuple of GroupFormula
        One for each bar, in order of appearance; no two have the same factor.
    offsets : tuple of Expression
        What is added to the linear predictor with a coefficient of 1; several are summed.
    trials : Expression or None
        The number of trials of an outcome that counts successes.
    imputed : tuple of ImputedSet
        Sets of plausible values; `text` and the terms have their names.

    Examples
    --------
    >>> formula = parse_formula("mathach ~ ses * sector + (1 | schoolid)")
    >>> str(formula)
    'mathach ~ 1 + ses + sector + ses:sector + (1 | schoolid)'
    >>> formula.columns
    ('mathach', 'ses', 'sector', 'schoolid')
    """

    text: str = field(compare=False)
    outcome: Factor
    terms: tuple[Term, ...]
    group_terms: tuple[GroupFormula, ...] = ()
    offsets: tuple[Expression, ...] = ()
    trials: Expression | None = None
    imputed: tuple[ImputedSet, ...] = field(default=(), compare=False)

    def __str__(self) -> str:
        """Return the formula multiplied out; parsing this gives an equal formula."""
        bars = "".join(f" + {term}" for term in self.group_terms)
        offsets = "".join(f" + offset({one})" for one in self.offsets)
        trials = "" if self.trials is None else f" | trials({self.trials})"
        return f"{self.outcome}{trials} ~ {join_terms(self.terms)}{offsets}{bars}"

    @property
    def grouping_factors(self) -> tuple[str, ...]:
        """Names of the grouping factors, one for each group term."""
        return tuple(term.factor for term in self.group_terms)

    @property
    def grouping_columns(self) -> tuple[str, ...]:
        """The columns that the grouping factors are made of."""
        return unique(tuple(name for term in self.group_terms for name in term.columns))

    @property
    def interactions(self) -> Mapping[str, tuple[str, ...]]:
        """The columns of each grouping factor that is an interaction, by its name."""
        return {term.factor: term.parts for term in self.group_terms if term.parts}

    def columns_of(self, factor: str) -> tuple[str, ...]:
        """Return the columns that a grouping factor is made of."""
        return self.interactions.get(factor, (factor,))

    @property
    def group(self) -> str | None:
        """The grouping column of the one group term; None without a bar.

        Raises
        ------
        SeveralFactorsError
            If the formula has several grouping factors.
        """
        refuse_several(self.grouping_factors)
        return self.group_terms[0].factor if self.group_terms else None

    @property
    def correlated(self) -> tuple[bool, ...]:
        """Whether the effects of a group may correlate, of each group term."""
        return tuple(term.correlated for term in self.group_terms)

    @property
    def effects(self) -> tuple[Term, ...]:
        """Effects of every group term, in order; empty without a bar."""
        return tuple(effect for term in self.group_terms for effect in term.terms)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column needed, in order of appearance: outcome, predictors, groups."""
        return unique(self.outcome_columns + self.predictor_columns)

    @property
    def outcome_columns(self) -> tuple[str, ...]:
        """The columns left of the ~: of the outcome and its number of trials."""
        trials = () if self.trials is None else self.trials.columns
        return unique(self.outcome.columns + trials)

    @property
    def predictor_columns(self) -> tuple[str, ...]:
        """The columns needed to predict: of the terms, effects and offsets, and the groups."""
        found = (name for one in (*self.factors, *self.offsets) for name in one.columns)
        return unique((*found, *self.grouping_columns))

    @property
    def factors(self) -> tuple[Factor, ...]:
        """The different factors of the fixed and group effects, in order of appearance."""
        terms = self.terms + self.effects
        return tuple(dict.fromkeys(factor for term in terms for factor in term))

    @property
    def offset_columns(self) -> tuple[str, ...]:
        """Columns that are in an offset and in nothing else, so that they may be constant."""
        others = {name for factor in self.factors for name in factor.columns}
        others |= {*self.grouping_columns, *self.outcome.columns}
        found = (name for one in self.offsets for name in one.columns)
        return unique(tuple(name for name in found if name not in others))

    @property
    def measured_columns(self) -> tuple[str, ...]:
        """Columns of the predictors that are read as they are: not as ``C(column)``, nor to group.

        Text among them becomes categories without a request.
        """
        parts = (*self.factors, *self.offsets)
        return unique(tuple(name for one in parts for name in measured(one)))


def refuse_several(
    factors: Sequence[str], what: str = "this", remedy: str = "use a model with one group term"
) -> None:
    """Refuse several grouping factors where one at most can be taken.

    Parameters
    ----------
    factors : sequence of str
        Names of the grouping factors.
    what : str
        What takes one: "the within model".
    remedy : str
        What to do, for the message.

    Raises
    ------
    SeveralFactorsError

    Examples
    --------
    >>> refuse_several(["school", "class"], "the within model")
    Traceback (most recent call last):
        ...
    bayes_mlm.base.errors.SeveralFactorsError: the within model takes one grouping factor and
    the formula has 2 (school, class); use a model with one group term
    """
    if len(factors) > 1:
        raise SeveralFactorsError(
            f"{what} takes one grouping factor and the formula has {len(factors)} "
            f"({', '.join(factors)}); {remedy}"
        )


def place_of_factor(factors: Sequence[str], factor: str | None, what: str = "this") -> int:
    """Return the place of a grouping factor; it need not be named where there is one at most.

    Raises
    ------
    SeveralFactorsError
        If none is named of several.
    DesignError
        If there is no such factor.
    """
    known = " or ".join(f"factor={name!r}" for name in factors)
    if factor is None:
        refuse_several(factors, what, f"choose {known}")
        return 0
    if factor not in factors:
        allowed = known or "leave factor out"
        raise DesignError(f"there is no grouping factor {factor!r}; allowed: {allowed}")
    return factors.index(factor)


def parse_formula(text: str) -> Formula:
    """Parse a formula, without evaluating any of it.

    Parameters
    ----------
    text : str
        One line; see the table at the top of `bayes_mlm.formula`.

    Returns
    -------
    Formula

    Raises
    ------
    FormulaError
        If the text is not in the language. The message shows the formula with a mark under the
        place, and what is allowed there.

    Examples
    --------
    >>> parse_formula("y ~ 0 + log(x) + (x | g)").effects
    ((), (Name(name='x'),))
    >>> parse_formula("y ~ lgo(x)")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    bayes_mlm.base.errors.FormulaError: unknown function 'lgo'; did you mean 'log'? allowed: log,
    ...
      y ~ lgo(x)
          ^
    """
    if not isinstance(text, str):
        raise FormulaError(
            f"a formula is text such as 'y ~ x + (1 | group)', not {type(text).__name__}"
        )
    return _parse(text)


# A fit asks for its formula some four times, at a millisecond each.
@lru_cache(maxsize=256)
def _parse(text: str) -> Formula:
    plain, sets = expand_sets(Source(text))
    source = Source(plain)
    try:
        return replace(_read(source), imputed=sets)
    except FormulaError as error:
        raise _with_offer(source, error) from None


def _with_offer(source: Source, error: FormulaError) -> FormulaError:
    """Return an error with the formula that the text stands for, if it is in another notation."""
    from bayes_mlm.formula.notations import offers_of  # not loaded until a formula is refused

    message, _, shown = str(error).partition("\n")
    before, mark, written = message.partition(_WRITE)
    if mark and ("~" not in written or _is_formula(written)):  # of a long text, its part alone
        return error
    for offer in offers_of(source.text):
        if offer.formula and (len(offer.formula) > _LONGEST or not _is_formula(offer.formula)):
            continue
        notes = "".join(f"; {note}" for note in offer.notes)
        here = printable(offer.formula)
        if offer.of:
            meant = f"; here it is written '{here}'" if here else ""
            return source.error(offer.place, f"this is {offer.of}{meant}{notes}")
        write = f"{_WRITE}{here}" if here else ""
        return FormulaError(f"{before}{notes}{write}\n{shown}")
    return FormulaError(f"{before}\n{shown}") if mark else error


def meant_by(text: str) -> str:
    """Return the formula that a text in another notation stands for, in words; "" if none.

    Examples
    --------
    >>> meant_by("regress y x i.school")
    "this is a command of Stata (regress); here it is written 'y ~ x + C(school)'"
    >>> meant_by("my_model")
    ''
    """
    source = Source(text)
    found = _with_offer(source, source.error(0, ""))
    return str(found).partition("\n")[0].removeprefix("; ")


def _is_formula(text: str) -> bool:
    try:
        _read(Source(text))
    except FormulaError:
        return False
    return True


def _grouped(terms: tuple[Term, ...], names: Mapping[frozenset[str], str]) -> tuple[Term, ...]:
    if not names:
        return terms
    return tuple(
        tuple(cast("Factor", grouped_by(factor, names)) for factor in term) for term in terms
    )


def _read(source: Source) -> Formula:
    left, _, right = parse_tree(source).children
    outcome, trials = read_outcome(left, source)
    predictors = read_predictors(right, source)
    if any(outcome in term for term in predictors.terms + predictors.effects):
        raise source.error(
            start_of(right), f"the outcome {outcome} is also a predictor; take it out"
        )
    if any(outcome == one for one in predictors.offsets):
        raise source.error(
            start_of(right), f"the outcome {outcome} is also the offset; take it out"
        )
    if any(set(term.columns) & {*outcome.columns} for term in predictors.group_terms):
        raise source.error(
            start_of(right), f"the outcome {outcome} is also the group; choose another"
        )
    # In any order: between(x, school:class) where the factor is class:school.
    names = {frozenset(one.columns): one.factor for one in predictors.group_terms if one.parts}
    return Formula(
        text=source.text,
        outcome=outcome,
        terms=_grouped(predictors.terms, names),
        group_terms=tuple(
            replace(one, terms=_grouped(one.terms, names)) for one in predictors.group_terms
        ),
        offsets=predictors.offsets,
        trials=trials,
    )

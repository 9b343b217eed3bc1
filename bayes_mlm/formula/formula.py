"""Read a model formula such as ``mathach ~ ses * sector + (1 | schoolid)``.

A formula is data. It is parsed by a grammar of its own into the values of
`bayes_mlm.formula.expressions`; no part of it is ever evaluated as Python, whatever the text. The
language:

==========================  =====================================================================
``y ~ a + b``               outcome, and predictors; an intercept unless ``0 +`` or ``- 1`` is there
``log(y) ~ a``              a function of the outcome
``a:b``, ``a * b``          interaction; ``a + b + a:b``
``a / b``, ``(a + b)**2``   ``a + a:b``; all interactions up to the power
``- a:b``                   takes a term out again
``(1 + a | g)``             one term of group effects: intercept and slope of a differ by g, and
                            may correlate; ``(0 + a | g)``: the slope alone differs
``(1 + a || g)``            the same effects held independent of one another, at a = 0
```school id```             a column whose name is not a plain word
``log(a)``, ``I(a / b)``    functions of `bayes_mlm.formula.functions.FUNCTIONS`
==========================  =====================================================================

References
----------
Wilkinson and Rogers (1973), Applied Statistics 22(3), 392-399, for the algebra; Bates, Maechler,
Bolker and Walker (2015), Journal of Statistical Software 67(1), section 2.1, for the bar.
"""

from dataclasses import dataclass, field
from functools import lru_cache

from bayes_mlm.base import FormulaError
from bayes_mlm.formula.arithmetic import start_of
from bayes_mlm.formula.expressions import Factor, Name, Term, measured, unique
from bayes_mlm.formula.grammar import Source, parse_tree
from bayes_mlm.formula.reader import read_outcome, read_predictors


@dataclass(frozen=True, kw_only=True)
class Formula:
    """Hold a parsed formula; formulas with the same terms are equal, however they were written.

    Parameters
    ----------
    text : str
        As the user wrote it; not compared.
    outcome : Name or Call
        The outcome column, or a function of it; `outcome.columns` names its columns.
    terms : tuple of Term
        Fixed effects, by degree. A term is a tuple of factors; ``()`` is the intercept.
    group : str or None
        The grouping column, None without a bar.
    effects : tuple of Term
        Group effects, empty without a bar.
    correlated : bool
        Whether the effects of a group may correlate (``|``), or are independent (``||``). True
        where there is nothing to correlate: without a bar, or with an intercept alone.

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
    group: str | None = None
    effects: tuple[Term, ...] = ()
    correlated: bool = True

    def __str__(self) -> str:
        """Write the formula multiplied out; parsing this gives an equal formula."""
        bar = ""
        if self.group is not None:
            mark = "|" if self.correlated else "||"
            bar = f" + ({_sum(self.effects)} {mark} {Name(self.group)})"
        return f"{self.outcome} ~ {_sum(self.terms)}{bar}"

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column needed, in order of appearance: outcome, predictors, group."""
        return unique(self.outcome.columns + self.predictor_columns)

    @property
    def predictor_columns(self) -> tuple[str, ...]:
        """The columns needed to predict: those of the terms and effects, and the group."""
        own = () if self.group is None else (self.group,)
        found = (name for factor in self.factors for name in factor.columns)
        return unique((*found, *own))

    @property
    def factors(self) -> tuple[Factor, ...]:
        """The different factors of the fixed and group effects, in order of appearance."""
        terms = self.terms + self.effects
        return tuple(dict.fromkeys(factor for term in terms for factor in term))

    @property
    def measured_columns(self) -> tuple[str, ...]:
        """Columns of the predictors that are read as they are: not as ``C(column)``, nor to group.

        Text among them becomes categories without a request.
        """
        return unique(tuple(name for factor in self.factors for name in measured(factor)))


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
    source = Source(text)
    left, _, right = parse_tree(source).children
    outcome = read_outcome(left, source)
    predictors = read_predictors(right, source)
    if any(outcome in term for term in predictors.terms + predictors.effects):
        raise source.error(
            start_of(right), f"the outcome {outcome} is also a predictor; take it out"
        )
    if predictors.group in outcome.columns:
        raise source.error(
            start_of(right), f"the outcome {outcome} is also the group; choose another"
        )
    return Formula(
        text=text,
        outcome=outcome,
        terms=predictors.terms,
        group=predictors.group,
        effects=predictors.effects,
        correlated=predictors.correlated,
    )


def _sum(terms: tuple[Term, ...]) -> str:
    written = [":".join(str(factor) for factor in term) for term in terms if term]
    return " + ".join(["1" if () in terms else "0", *written])

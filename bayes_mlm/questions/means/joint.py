"""Joint tests of the terms of a model by F, of type II and III."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from bayes_mlm.base import (
    Column,
    DesignError,
    EmptyCellError,
    Floats,
    ResultTable,
    scaled,
)
from bayes_mlm.design import Design
from bayes_mlm.engines import CoefficientTests
from bayes_mlm.fitting import Estimate, Fit, estimate_of
from bayes_mlm.moments import GroupMoments
from bayes_mlm.questions.effects.average import population_of
from bayes_mlm.questions.effects.rows import Population
from bayes_mlm.questions.means.grid import ReferenceGrid, check_kind, reference_grid
from bayes_mlm.questions.means.result import df_text
from bayes_mlm.questions.means.values import tests_of

# Values of a numeric predictor between which outcomes are compared: more than it has columns.
_VALUES = 13
# Variances of combinations below this share of the largest are zero.
_RANK = 1e-9


@dataclass(frozen=True, kw_only=True)
class JointTest:
    """F test of one term.

    Parameters
    ----------
    model, engine : str
    term : str
        The predictors that it is made of: "ses", "ses:sector".
    df : int
        Of the numerator.
    denominator_df : float
        Infinite of a chi-squared test.
    statistic, p : float
    """

    model: str
    engine: str
    term: str
    df: int
    denominator_df: float
    statistic: float
    p: float


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class JointTests(ResultTable[JointTest]):
    """Tests of the terms of one model.

    Parameters
    ----------
    rows : tuple of JointTest
        ``table["ses:sector"]`` is the row of a term.
    type : {2, 3}
    method : str
        Of the degrees of freedom.
    """

    key = ("term",)
    row_type = JointTest

    type: int
    method: str

    def __repr__(self) -> str:
        """Return the type and the terms."""
        return f"<JointTests (type {self.type}) of {', '.join(row.term for row in self.rows)}>"

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns of the view."""
        return (
            Column(name="term", kind="label"),
            Column(name="df"),
            Column(
                name="denominator_df",
                heading="denominator df",
                text=lambda row: df_text(row.denominator_df),
            ),
            Column(name="statistic", heading="F", text=lambda row: scaled(row.statistic, 2)),
            Column(name="p", kind="p"),
        )


def joint_tests(
    fit: Fit | Estimate,
    *,
    type: int = 3,  # noqa: A002  (the field's word)
    df: str | None = None,
    at: Mapping[str, Any] | None = None,
) -> JointTests:
    """Test each term of a model by F: a predictor, or an interaction of several.

    A term is all columns that are made of the same predictors, as ``age`` and ``I(age**2)`` are.

    Parameters
    ----------
    fit : Fit or Estimate
        Of a posterior, the likelihood estimate of its model is tested.
    type : {3, 2}
        III: whether contrasts of marginal means, equally weighted, are zero; numbers are at their
        mean. It does not depend on the coding of categories. II: whether the term adds to a model
        without the terms that contain it, at the variances of the whole model.
    df : str, optional
        As in `marginal_means`.
    at : mapping, optional
        Of type III: values of numbers in place of their means.

    Returns
    -------
    JointTests

    Raises
    ------
    DesignError
        If there is no such type, or no predictor.
    EmptyCellError
        Of type III, if a cell of the grid has no rows; type II has no need of it.

    Notes
    -----
    Type III is `joint_tests` of R's emmeans. lmerTest's has main effects where a number that they
    interact with is 0, not at its mean: ``at={"ses": 0}``. Type II is that of R's car, which weighs
    by the covariance of the coefficients (Fox & Weisberg 2019, An R Companion to Applied
    Regression, sec. 5.3.4). Kenward and Roger's denominator df of several rows are pbkrtest's.
    Satterthwaite's differ from lmerTest's by about 1e-4 of them, which depend on the coding;
    emmeans takes the least of single ones.

    Examples
    --------
    >>> from bayes_mlm import fit
    >>> found = fit("distance ~ age * sex + (1 | subject)", "orthodont", engine="reml")
    >>> for row in joint_tests(found):
    ...     print(f"{row.term}: F({row.df}, {row.denominator_df:.1f}) = {row.statistic:.2f}")
    age: F(1, 79.0) = 108.36
    sex: F(1, 25.0) = 9.29
    age:sex: F(1, 79.0) = 6.30
    """
    if type not in (2, 3) or isinstance(type, bool):
        raise DesignError(f"type is 2 or 3, found {type!r}")
    if type == 2 and at is not None:
        raise DesignError("at is of type 3; tests of type 2 have no reference grid")
    population = population_of(fit, None, 0.95)
    check_kind(population)
    estimate = estimate_of(fit)
    tests, why = tests_of(estimate, df)
    terms = _terms(population)
    if not terms:
        raise DesignError("the model has no predictor to test")
    both = {name for term in terms for name in term} - set(population.predictors)
    if both:
        raise DesignError(
            f"{', '.join(sorted(both))} is a predictor and a grouping factor, and such has no "
            "marginal means; test its coefficients (coefficient_tests), or give the groups a "
            "column of their own"
        )
    if type == 2:
        products = _cross_products(population.design)
        weights = {
            term: _type_two(tests.covariance, products, columns, terms)
            for term, columns in terms.items()
        }
    else:
        weights = _type_three(population, at or {}, tests, terms)
    beta = estimate.solution.beta
    rows = []
    for term, found in weights.items():
        if not len(found):
            continue
        test = tests.f_test(found @ beta, found)
        rows.append(
            JointTest(
                model=estimate.title,
                engine=estimate.engine,
                term=":".join(name for name in population.predictors if name in term),
                df=test.df,
                denominator_df=test.denominator_df,
                statistic=test.statistic,
                p=test.p,
            )
        )
    what = {
        2: "type II: each term after all that do not contain it, at the variances of this model",
        3: "type III: contrasts of marginal means, equally weighted",
    }[type]
    cautions = [f"{why}: tests are chi-squared ones over their df"] if why else []
    if getattr(estimate.solution, "singular", False) and tests.label != "normal":
        cautions.append("singular fit: degrees of freedom hang on the boundary of the variances")
    return JointTests(
        rows=tuple(rows),
        type=type,
        method=tests.label,
        notes=(what + _where(population, at, type), f"F tests, {tests.label} degrees of freedom"),
        cautions=tuple(cautions),
        verdict=estimate.verdict,
    )


def _where(population: Population, at: Mapping[str, Any] | None, type_: int) -> str:
    numbers = [name for name in population.predictors if _is_number(population, name)]
    if type_ == 2 or not numbers:
        return ""
    return f"; {', '.join(numbers)} at the mean{' or as set' if at else ''}"


def _terms(population: Population) -> dict[frozenset[str], list[int]]:
    """Return the places of the columns of X that are made of the same predictors."""
    found: dict[frozenset[str], list[int]] = {}
    for place, column in enumerate(population.design.encoding.x_columns):
        names = frozenset(name for factor, _ in column.parts for name in factor.columns)
        if names:
            found.setdefault(names, []).append(place)
    return dict(sorted(found.items(), key=lambda one: len(one[0])))


def _type_two(
    covariance: Floats,
    products: Floats,
    columns: list[int],
    terms: Mapping[frozenset[str], list[int]],
) -> Floats:
    """Return combinations of a term's and its relatives' coefficients, uncorrelated with these.

    The metric is that of least squares, with X'X (p, p), which is one of expected outcomes.
    """
    names = next(one for one, places in terms.items() if places is columns)
    relatives = [k for one, places in terms.items() if one > names for k in places]
    every = np.eye(len(covariance))
    rows = every[columns]
    if relatives:
        inverse = np.linalg.inv(covariance[np.ix_(relatives, relatives)])
        rows = rows - covariance[np.ix_(columns, relatives)] @ inverse @ every[relatives]
    return _independent(rows, covariance, rows @ np.linalg.solve(products, rows.T))


def _cross_products(design: Design) -> Floats:
    """Return X'X (p, p), from the rows or from the sums by group."""

    def of_rows(rows: Design) -> Floats:
        weights = rows.response.weights
        return np.asarray(rows.X.T @ (rows.X if weights is None else rows.X * weights[:, None]))

    def of_sums(s: GroupMoments) -> Floats:
        x = slice(0, design.p)
        means = (s.means + s.centre)[:, x]
        return np.asarray(s.scatter[:, x, x].sum(axis=0) + means.T @ (means * s.counts[:, None]))

    return design.weighted_rows.compute(of_rows, of_sums)


def _is_number(population: Population, name: str) -> bool:
    return population.levels(name) is None


def _type_three(
    population: Population,
    at: Mapping[str, Any],
    tests: CoefficientTests,
    terms: Mapping[frozenset[str], list[int]],
) -> dict[frozenset[str], Floats]:
    """Return the contrasts of marginal means of every term, and of those within it."""
    within = {
        frozenset(some)
        for names in terms
        for size in range(1, len(names) + 1)
        for some in combinations(sorted(names), size)
    }
    order = {name: k for k, name in enumerate(population.predictors)}
    found = {}
    for names in sorted(within, key=lambda one: (len(one), sorted(order[n] for n in one))):
        found[names] = _contrasts(population, names, at, tests)
    return found


def _contrasts(
    population: Population, names: frozenset[str], at: Mapping[str, Any], tests: CoefficientTests
) -> Floats:
    """Return independent combinations (r, p) that are zero without an interaction."""
    of = [name for name in population.predictors if name in names]
    values = {name: one for name in of if (one := _spread(population, name)) is not None}
    others = {name: one for name, one in at.items() if name not in names}
    grid = reference_grid(population, of, (), {**others, **values}, "equal")
    rows, known = grid.rows
    if not known.all():
        raise EmptyCellError(
            f"the cell {_empty(grid, known.tolist())} has no rows, and tests of type III need all; "
            "use type=2 (--joint 2), or compare the means that can be estimated (marginal_means)"
        )
    means = grid.weights @ rows.X
    sizes = [len(axis.values) for axis in grid.axes[: len(of)]]
    weights: Floats = np.ones((1, 1))
    for size in sizes:
        weights = np.asarray(np.kron(weights, _orthonormal(size)), dtype=np.float64)
    return _independent(weights @ means, tests.covariance, np.eye(len(weights)))


def _empty(grid: ReferenceGrid, known: list[bool]) -> str:
    point = next(point for point, one in zip(grid.points, known, strict=True) if not one)
    return ", ".join(map(str, point))


def _spread(population: Population, name: str) -> list[float] | None:
    """Return the values of a number between which a term compares outcomes; None of categories.

    A straight line needs two.
    """
    if not _is_number(population, name):
        return None
    if population.rows_known and np.unique(population.column(name)).size == 2:
        return None  # the grid has both
    columns = [
        part
        for column in population.design.encoding.x_columns
        for part in column.parts
        if name in part[0].columns
    ]
    straight = all(
        str(factor) in (name, f"center({name})", f"scale({name})") for factor, _ in columns
    )
    if straight:
        centre = population.numbers(name).mean if population.rows_known else 0.0
        return [centre - 1.0, centre + 1.0]
    found = np.unique(population.column(name).astype(np.float64))
    places = np.unique(np.quantile(found, np.linspace(0.0, 1.0, _VALUES)))
    return [float(one) for one in places]


def _orthonormal(size: int) -> Floats:
    """Return orthonormal contrasts (size - 1, size)."""
    _, _, basis = np.linalg.svd(np.ones((1, size)))
    return np.asarray(basis[1:])


def _independent(rows: Floats, covariance: Floats, metric: Floats) -> Floats:
    """Return independent combinations (r, p), which depend on the space of the rows alone.

    They are uncorrelated, by `covariance` (p, p) and by `metric` (k, k) of the k rows. Degrees of
    freedom of several rows by Satterthwaite depend on the rows that they are made of; those of a
    space with a metric that no coding changes do not.
    """
    root = np.linalg.inv(np.linalg.cholesky(metric))
    scaled_rows = root @ rows
    value, vector = np.linalg.eigh(scaled_rows @ covariance @ scaled_rows.T)
    size = np.square(np.abs(rows).max(initial=0.0)) * float(np.trace(covariance))
    keep = value > _RANK * max(float(value[-1]), _RANK * size)
    return np.asarray(vector[:, keep].T @ scaled_rows)

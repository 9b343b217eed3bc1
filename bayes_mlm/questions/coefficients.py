"""Tests of the coefficients of a likelihood estimate, with degrees of freedom."""

import math
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import (
    DEFAULT_PROB,
    Column,
    DesignError,
    Floats,
    ResultTable,
    check_prob,
    count,
    expect,
    level,
    scaled,
    suggest,
    wald_reach,
)
from bayes_mlm.design import Design
from bayes_mlm.engines import DF_METHODS, BarnardRubin, CoefficientTests, FTest, PooledResult
from bayes_mlm.fitting import Estimate, Fit, estimate_of

_BOUNDARY = (
    "singular fit: an sd of the group effects is 0, or a correlation is 1 or -1, and degrees of "
    "freedom hang on the boundary"
)


@dataclass(frozen=True, kw_only=True)
class CoefficientRow:
    """Test that one coefficient is zero.

    Parameters
    ----------
    model, engine, term : str
    estimate, se : float
        In units of the outcome for one unit of the term (of the linear predictor, of a family).
    df : float
        Degrees of freedom of the t distribution; infinite of the normal.
    t, p : float
        Statistic and two-sided p-value.
    lower, upper : float
        Ends of the interval that the table states.
    """

    model: str
    engine: str
    term: str
    estimate: float
    se: float
    df: float
    t: float
    p: float
    lower: float
    upper: float


@dataclass(frozen=True, kw_only=True, repr=False)
class CoefficientTable(ResultTable[CoefficientRow]):
    """Tests of the coefficients of one model, by one method.

    Parameters
    ----------
    rows : tuple of CoefficientRow
        ``table["ses"]`` is the row of a term.
    interval : str
        "95% CI".
    method : str
        Of the degrees of freedom: "Satterthwaite", "Kenward-Roger".
    notes, cautions : tuple of str
        What the method is, and what limits it.
    verdict : Verdict
        Of the estimate.
    tests : CoefficientTests
        Covariance of the coefficients, with their degrees of freedom.
    estimates : ndarray, shape (p,)
    """

    key = ("term",)
    row_type = CoefficientRow

    interval: str
    method: str
    tests: CoefficientTests
    estimates: Floats

    def __repr__(self) -> str:
        """Return the method and the terms."""
        names = ", ".join(row.term for row in self.rows)
        return f"<CoefficientTable ({self.method}) of {names}>"

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns of the view."""
        return (
            Column(name="term"),
            Column(name="estimate", kind="number"),
            Column(name="se", kind="error"),
            Column(name="df", text=lambda row: _df(row.df)),
            Column(name="t", text=lambda row: scaled(row.t, 2)),
            Column(name="p", kind="p"),
            Column(name="lower", heading=self.interval, kind="interval"),
        )

    def joint(self, *terms: str) -> FTest:
        """Test that several coefficients are all zero, by an F.

        Parameters
        ----------
        *terms : str
            Names of rows; of a categorical predictor its name stands for all its levels.

        Returns
        -------
        FTest

        Raises
        ------
        DesignError
            If there is no such term.

        Examples
        --------
        >>> from bayes_mlm import fit, load_orthodont
        >>> found = fit("distance ~ age * sex + (1 | subject)", load_orthodont(), engine="reml")
        >>> table = coefficient_tests(found, df="kenward-roger")
        >>> test = table.joint("sex[Male]", "age:sex[Male]")
        >>> f"F({test.df}, {test.denominator_df:.2f}) = {test.statistic:.3f}"
        'F(2, 49.94) = 7.695'
        """
        names = [row.term for row in self.rows]
        places: list[int] = []
        for term in terms:
            found = [k for k, name in enumerate(names) if name == term]
            found = found or [k for k, name in enumerate(names) if name.startswith(f"{term}[")]
            if not found:
                raise DesignError(f"no term {term!r}{suggest(term, names)}")
            places += [k for k in found if k not in places]
        if not places:
            raise DesignError(f"name the terms to be tested: of {', '.join(names)}")
        weights = np.eye(len(names))[places]
        return self.tests.f_test(self.estimates[places], weights)


def coefficient_tests(
    result: Fit | Estimate, *, df: str = "satterthwaite", prob: float = DEFAULT_PROB
) -> CoefficientTable:
    """Test the coefficients of a model by t, with degrees of freedom for small samples.

    Parameters
    ----------
    result : Fit or Estimate
        Of a posterior, the likelihood estimate of its model is tested.
    df : {"satterthwaite", "kenward-roger", "between-within", "normal", "cr0", "cr1", "cr2"}
        Of least squares they are the residual ones, whatever is asked for; the last three have
        cluster-robust standard errors.
    prob : float
        Of the intervals.

    Returns
    -------
    CoefficientTable

    Raises
    ------
    UnsupportedModelError
        If the method is not defined for the model.
    EngineError
        If there is no such method.

    Notes
    -----
    Satterthwaite's degrees of freedom use the observed information (as lmerTest: Kuznetsova,
    Brockhoff & Christensen 2017, J. Stat. Softw. 82(13)). Kenward and Roger's (1997, Biometrics
    53(3)) standard errors and degrees of freedom use the expected information, as pbkrtest
    (Halekoh & Hojsgaard 2014, J. Stat. Softw. 59(9)). Between-within ones count groups for terms
    that are constant within them, and rows for the others (Schluchter & Elashoff 1990, J. Stat.
    Comput. Simul. 37). Cluster-robust standard errors do not rely on the fitted covariance of the
    groups' outcomes: CR2 is without bias where that is right, and has Satterthwaite's degrees of
    freedom (Pustejovsky & Tipton 2018, J. Bus. Econ. Stat. 36(4), as R's clubSandwich); CR0 and
    CR1 have J - 1 of J groups, and need many of these.

    Examples
    --------
    >>> from bayes_mlm import fit, load_sleepstudy
    >>> found = fit("reaction ~ days + (days | subject)", load_sleepstudy(), engine="reml")
    >>> row = coefficient_tests(found)["days"]
    >>> print(f"{row.estimate:.3f} {row.se:.3f} {row.df:.2f} {row.p:.1e}")
    10.467 1.546 17.00 3.3e-06
    """
    expect("coefficient_tests", result, Fit, Estimate)
    check_prob(prob)
    method = DF_METHODS[df]
    found = estimate_of(result, prob)
    solution = found.solution
    tests = method(solution, found.design)
    weights = np.eye(len(solution.beta))
    errors = np.sqrt(np.diagonal(tests.covariance))
    rows = tuple(
        _row(found, term, float(estimate), float(error), float(degrees), prob)
        for term, estimate, error, degrees in zip(
            solution.terms, solution.beta, errors, tests.df(weights), strict=True
        )
    )
    return CoefficientTable(
        rows=rows,
        interval=f"{level(prob)} CI",
        method=tests.label,
        notes=(_note(tests, found.design),),
        cautions=_cautions(found, df),
        verdict=found.verdict,
        tests=tests,
        estimates=solution.beta,
    )


def _row(
    found: Estimate, term: str, estimate: float, error: float, df: float, prob: float
) -> CoefficientRow:
    from scipy.special import stdtr

    reach, t = wald_reach(prob, df) * error, estimate / error
    return CoefficientRow(
        model=found.name,
        engine=found.engine,
        term=term,
        estimate=estimate,
        se=error,
        df=df,
        t=t,
        p=float(2.0 * stdtr(df, -abs(t))),
        lower=estimate - reach,
        upper=estimate + reach,
    )


def _df(value: float) -> str:
    return "∞" if math.isinf(value) else scaled(value, 1) if value < 1e4 else count(round(value))


def _note(tests: CoefficientTests, design: Design) -> str:
    shown = f"t tests with {tests.label} degrees of freedom"
    if tests.label == "normal":
        shown = "Wald tests by the normal distribution, which is too narrow with few groups"
    if tests.label.startswith("cluster-robust"):
        shown = f"t tests with {tests.label} standard errors"
    if isinstance(tests, BarnardRubin):
        shown += f", pooled over {len(design.imputations)} imputations"
    size = f"{count(design.n, 'row')}"
    groups = ", ".join(count(term.J) + f" ({term.factor})" for term in design.group_terms)
    return f"{shown}; {size}" + (f", groups: {groups}" if groups else "")


def _cautions(found: Estimate, df: str) -> tuple[str, ...]:
    if not getattr(found.solution, "singular", False):
        return ()
    if isinstance(found.solution, PooledResult):
        return (_BOUNDARY.replace("singular fit", "singular in some imputations"),)
    if df != "satterthwaite" or len(found.design.factors) > 1:
        return (_BOUNDARY,)
    other = DF_METHODS["kenward-roger"](found.solution, found.design)
    degrees = other.df(np.eye(len(found.solution.beta)))
    listed = ", ".join(
        f"{term} {_df(float(one))}" for term, one in zip(found.solution.terms, degrees, strict=True)
    )
    return (f"{_BOUNDARY}: by Kenward-Roger they are {listed}",)

"""Likelihood-ratio tests and information criteria of estimates of one outcome in the same rows."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bayes_mlm.assess.comparison import check_comparable
from bayes_mlm.assess.variance_tests import mixture_p
from bayes_mlm.base import (
    Column,
    EngineError,
    ResultTable,
    Verdict,
    expect_each,
    scaled,
)
from bayes_mlm.design import Design
from bayes_mlm.engines import OlsFit, RemlFit, conditional_aic, refuse_pooled
from bayes_mlm.fitting import Estimate


@dataclass(frozen=True, kw_only=True)
class CriteriaRow:
    """One model.

    Parameters
    ----------
    model : str
        Its formula.
    parameters : int
        Coefficients and variance parameters.
    loglik, aic, aicc, bic : float
        Log-likelihood; Akaike's criterion, corrected for few rows (Hurvich & Tsai 1989), Schwarz's.
    weight : float
        Akaike weight: ``exp(-AIC / 2)``, scaled to a sum of one.
    effective, caic : float
        Effective parameters of the mean given the group effects, and the conditional criterion
        (Vaida & Blanchard 2005; Greven & Kneib 2010); nan of several factors, of outcomes that are
        not Gaussian, and of residual structures.
    chi2, p : float
        Likelihood-ratio test against the model above, where that is nested in it; else nan. For one
        more variance the p-value is of a mixture (Stram & Lee 1994, Biometrics 50(4)).
    df : int or None
    """

    model: str
    parameters: int
    loglik: float
    aic: float
    aicc: float
    bic: float
    weight: float
    effective: float
    caic: float
    chi2: float
    df: int | None
    p: float


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class InformationCriteria(ResultTable[CriteriaRow]):
    """Models from the one with fewest parameters on; ``table["y ~ x + (1 | g)"]`` is a row."""

    key = ("model",)
    row_type = CriteriaRow

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns of the view."""
        return (
            Column(name="model", kind="label"),
            Column(name="parameters", kind="count"),
            Column(name="loglik", text=lambda row: scaled(row.loglik, 2)),
            Column(name="aic", heading="AIC", text=lambda row: scaled(row.aic, 1)),
            Column(name="bic", heading="BIC", text=lambda row: scaled(row.bic, 1)),
            Column(name="weight", kind="probability"),
            Column(name="effective", text=lambda row: _if_known(row.effective)),
            Column(name="caic", heading="cAIC", text=lambda row: _if_known(row.caic)),
            Column(name="chi2", text=_test),
            Column(name="p", kind="p"),
        )


def information_criteria(*estimates: Estimate) -> InformationCriteria:
    """Compare estimates of models by likelihood-ratio tests and information criteria.

    Parameters
    ----------
    *estimates : Estimate
        Two or more, of the same outcome in the same rows: all by maximum likelihood (least squares
        is), or all by REML with the same coefficients.

    Returns
    -------
    InformationCriteria

    Raises
    ------
    EngineError
        If there are fewer than two, or restricted likelihoods of different coefficients: these are
        of different data.
    DesignError
        If outcomes or rows differ.

    Notes
    -----
    AIC and BIC are marginal: they judge predictions for new groups. The conditional criterion
    judges predictions for new rows of the groups at hand; its effective parameters include what the
    estimation of the variances costs, as in R's cAIC4. Each test is against the model
    above. A variance that is zero under the hypothesis makes chi-squared p-values too large: one
    more effect is tested by a mixture here, and exactly by `variance_tests`.

    Examples
    --------
    >>> from bayes_mlm import fit, load_sleepstudy
    >>> models = ["reaction ~ 1 + (1 | subject)", "reaction ~ days + (1 | subject)"]
    >>> table = information_criteria(*(fit(m, load_sleepstudy(), engine="ml") for m in models))
    >>> row = table["reaction ~ days + (1 | subject)"]
    >>> f"{row.chi2:.1f} on {row.df}, {row.aic:.1f}"
    '116.5 on 1, 1802.1'
    """
    expect_each("information_criteria", estimates, Estimate)
    for one in estimates:
        one.design.require_likelihood("information_criteria")
    if len(estimates) < 2:
        raise EngineError(
            f"information_criteria compares two models or more, found {len(estimates)}"
        )
    first = estimates[0]
    for one in estimates:
        refuse_pooled(one.solution, "an information criterion", "a likelihood is of one data set")
    for other in estimates[1:]:
        check_comparable(first.design, other.design, first.title, other.title)
    _check_likelihoods(estimates)
    ordered = sorted(estimates, key=_parameters)
    least = min(map(_aic, ordered))
    weights = [math.exp(-0.5 * (_aic(one) - least)) for one in ordered]
    findings = tuple(found for one in ordered for found in one.verdict.findings)
    restricted = _is_restricted(first)
    return InformationCriteria(
        rows=tuple(_rows(ordered, weights)),
        verdict=Verdict(findings),
        notes=(
            f"by {'restricted' if restricted else 'maximum'} likelihood; weight: Akaike's; chi2: "
            "likelihood-ratio test against the model above, where it is nested; of one more effect "
            "the p-value is of a mixture",
            "cAIC: conditional on the group effects, for new rows of the same groups, with the "
            "effective parameters of the mean and one of the residuals",
        ),
    )


def _rows(ordered: Sequence[Estimate], weights: Sequence[float]) -> Iterator[CriteriaRow]:
    before: Estimate | None = None
    for one, weight in zip(ordered, weights, strict=True):
        solution, k, n = one.solution, _parameters(one), one.design.n
        effective, caic = _conditional(one)
        chi2, df, p = (math.nan, None, math.nan) if before is None else _ratio(before, one)
        yield CriteriaRow(
            model=one.title,
            parameters=k,
            loglik=float(solution.loglik),
            aic=_aic(one),
            aicc=_aic(one) + 2.0 * k * (k + 1) / (n - k - 1) if n > k + 1 else math.nan,
            bic=math.log(n) * k - 2.0 * float(solution.loglik),
            weight=weight / sum(weights),
            effective=effective,
            caic=caic,
            chi2=chi2,
            df=df,
            p=p,
        )
        before = one


def _ratio(small: Estimate, large: Estimate) -> tuple[float, int | None, float]:
    """Return the likelihood-ratio test of two models, if the first is nested in the second."""
    df = _parameters(large) - _parameters(small)
    inside = _effects(small.design) <= _effects(large.design)
    if df < 1 or not inside or not set(small.solution.terms) <= set(large.solution.terms):
        return math.nan, None, math.nan
    from scipy.special import chdtrc

    chi2 = max(2.0 * float(large.solution.loglik - small.solution.loglik), 0.0)
    more = len(_effects(large.design)) - len(_effects(small.design))
    if more == 1:
        return chi2, df, mixture_p(chi2, df - 1, df)
    return chi2, df, float(chdtrc(df, chi2))


def _conditional(one: Estimate) -> tuple[float, float]:
    """Return effective parameters and the conditional criterion; nan where it is not defined."""
    solution = one.solution
    if isinstance(solution, OlsFit):
        return float(len(solution.terms)), _aic(one)
    if not isinstance(solution, RemlFit) or solution.residual is not None:
        return math.nan, math.nan
    found = conditional_aic(one.design.moments(), solution)
    return found.df, found.value


def _if_known(value: float) -> str:
    return "" if math.isnan(value) else scaled(value, 1)


def _effects(design: Design) -> set[tuple[str, str]]:
    return {(term.factor, effect) for term in design.group_terms for effect in term.effects}


def _parameters(one: Estimate) -> int:
    """Count coefficients and variance parameters, the residual sd of least squares among them."""
    counted = round(0.5 * float(one.solution.aic) + float(one.solution.loglik))
    return counted + isinstance(one.solution, OlsFit)


def _aic(one: Estimate) -> float:
    return 2.0 * _parameters(one) - 2.0 * float(one.solution.loglik)


def _is_restricted(one: Estimate) -> bool:
    return one.engine == "reml"


def _check_likelihoods(estimates: Sequence[Estimate]) -> None:
    restricted = [_is_restricted(one) for one in estimates]
    if not any(restricted):
        return
    terms = {frozenset(one.solution.terms) for one in estimates}
    if all(restricted) and len(terms) == 1:
        return
    what = "restricted likelihoods of different coefficients are of different data"
    if not all(restricted):
        what = "a restricted likelihood and a likelihood are of different data"
    raise EngineError(f"{what} and cannot be compared: fit every model with engine='ml'")


def _test(row: CriteriaRow) -> str:
    return "" if row.df is None else f"{scaled(row.chi2, 2)} ({row.df})"

"""Fit by REML or maximum likelihood from sufficient statistics, and certify the optimum."""

import math

import numpy as np
import numpy.typing as npt

from bayes_mlm.base import (
    DEFAULT_PROB,
    EngineError,
    Floats,
    check_choice,
    check_prob,
    expect,
)
from bayes_mlm.design import Design
from bayes_mlm.engines.reml.certificate import certify
from bayes_mlm.engines.reml.factor import SINGULAR, lower_factor, make_factor
from bayes_mlm.engines.reml.identified import check_identified
from bayes_mlm.engines.reml.inference import (
    beta_covariances,
    original_covariance,
    satterthwaite,
    variance_errors,
    wald_intervals,
)
from bayes_mlm.engines.reml.profile import ProfileIntervals, profile_intervals
from bayes_mlm.engines.reml.result import RemlFit
from bayes_mlm.engines.reml.search import Optimum, maximise
from bayes_mlm.engines.reml.several import fit_several
from bayes_mlm.engines.reml.several.responses import ResponseFits, fit_responses
from bayes_mlm.engines.reml.several.result import OneFactorFit, SeveralFactorsFit
from bayes_mlm.engines.reml.statsmodels_check import StatsmodelsCheck, statsmodels_check
from bayes_mlm.engines.reml.structure import maximise_structure
from bayes_mlm.engines.reml.structured import add_structure
from bayes_mlm.likelihood import (
    Method,
    check_bounded,
    check_bounded_rows,
    group_effects,
    unidentified,
    whitened,
)
from bayes_mlm.moments import GroupMoments, RotatedMoments, rotate_moments

__all__ = [
    "OneFactorFit",
    "RemlFit",
    "ResponseFits",
    "SeveralFactorsFit",
    "fit_reml",
    "fit_responses",
    "fit_several",
]


def fit_reml(
    data: Design | GroupMoments,
    *,
    method: Method = "REML",
    correlated: bool | None = None,
    level: float = DEFAULT_PROB,
    profile: bool = True,
    check: bool = False,
    statistics: GroupMoments | None = None,
) -> RemlFit:
    """Fit a Gaussian model with one grouping factor by REML or maximum likelihood.

    Parameters
    ----------
    data : Design or GroupMoments
        A design, or its sufficient statistics.
        Without group effects (q = 0) the fit is that of ordinary least squares.
    method : {"REML", "ML"}
    correlated : bool, optional
        Of statistics without a design: whether the group effects may correlate (by default they
        may); False is the double bar. A design specifies it.
    level : float
        Coverage of the intervals.
    profile : bool
        Whether to compute the profile intervals.
    check : bool
        Whether to have statsmodels evaluate its likelihood at the optimum: it needs the rows,
        and the first time some seconds to import. The certificate reports the result.
    statistics : GroupMoments, optional
        Of a design with group effects; computed by default.

    Returns
    -------
    RemlFit

    Raises
    ------
    DesignError
        If a fixed effect is not identified (named), or the group variance is not: fewer than two
        groups, one row a group, or fixed effects that explain every difference between groups.
    EngineError
        If the likelihood is not finite, or `correlated` contradicts the design.

    Notes
    -----
    A design with residuals that differ in variance or are AR(1) (`bayes_mlm.model.residual`) is
    fitted by the same search at each residual structure, and a search over those; Student-t
    residuals are taken as normal. Its intervals of variance parameters are Wald (nlme's).

    Profiled likelihood in the relative covariance factor (Bates et al. 2015, J. Stat. Softw.
    67(1), eqs 33-42), maximised by safeguarded Newton steps with exact second derivatives.

    Examples
    --------
    >>> import numpy as np
    >>> from bayes_mlm.moments import from_rows
    >>> codes = np.repeat(np.arange(4), 3)
    >>> y = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 2.0, 2.0, 4.0, 6.0, 7.0, 9.0])
    >>> one = np.ones((12, 1))
    >>> rows = from_rows(y, one, one, codes, 4, terms=["Intercept"], effects=["Intercept"])
    >>> fit = fit_reml(rows)

    Balanced data have a closed form: sigma_e^2 is the mean square within groups.

    >>> round(fit.sigma_e**2, 10), round(fit.icc, 4), fit.singular
    (1.75, 0.7583, False)
    """
    if not isinstance(data, GroupMoments):
        expect("fit_reml", data, Design)
    check_choice("method", method, ("REML", "ML"))
    check_prob(level)
    correlated = _correlated(data, correlated)
    if not isinstance(data, GroupMoments):
        data.require_likelihood("fit_reml")
    if not isinstance(data, GroupMoments) and data.residual is not None:
        return _fit_structured(data, method=method, level=level)
    if isinstance(data, GroupMoments):
        statistics = data
    elif statistics is None or not data.q:
        statistics = data.moments(grouped=data.q > 0)  # without effects all rows are one group
    reduced = rotate_moments(statistics)
    labels = data.labels
    check_identified(reduced)
    check_bounded(reduced, rows=None if isinstance(data, GroupMoments) else data)
    optimum = optimum_of(reduced, method, correlated=correlated)
    return assemble(
        reduced,
        optimum,
        labels=labels,
        method=method,
        correlated=correlated,
        level=level,
        intervals=(
            profile_intervals(reduced, optimum, method, level, correlated=correlated)
            if profile
            else None
        ),
        check=_check(data, _factor_at(reduced, optimum), method, check),
    )


def optimum_of(reduced: RotatedMoments, method: Method, *, correlated: bool) -> Optimum:
    """Return the maximum of a likelihood.

    Raises
    ------
    EngineError
        If it is not finite.
    """
    optimum = maximise(reduced, make_factor(reduced, correlated=correlated), method)
    if not np.isfinite(optimum.loglik) or not np.isfinite(optimum.hessian).all():
        raise EngineError(
            "the likelihood is not finite at the optimum; rescale the outcome and the predictors"
        )
    return optimum


def _factor_at(reduced: RotatedMoments, optimum: Optimum) -> Floats:
    """Return the relative factor (q, q) of the effects of Z as given, lower triangular."""
    back = np.linalg.inv(reduced.z_centring)
    return lower_factor(back @ optimum.factor.lam(optimum.theta))


def _fit_structured(design: Design, *, method: Method, level: float) -> RemlFit:
    """Fit a design whose residuals differ in variance or are AR(1)."""
    check_bounded_rows(design)
    data = whitened(design)
    found = maximise_structure(data, method)
    reduced, optimum = found.reduced, found.optimum
    check_identified(reduced)
    plain = assemble(
        reduced,
        optimum,
        labels=design.labels,
        method=method,
        correlated=design.group_term.correlated,
        level=level,
        intervals=None,
        check=StatsmodelsCheck(loglik=None, reason="it has no such residuals"),
    )
    return add_structure(plain, found, data, method, level)


def _correlated(data: Design | GroupMoments, requested: bool | None) -> bool:
    if isinstance(data, GroupMoments):
        return requested is not False
    if requested is not None and requested != data.group_term.correlated:
        found, write = ("correlated", "||") if data.group_term.correlated else ("independent", "|")
        raise EngineError(
            f"correlated={requested}, but the formula '{data.formula}' has {found} group effects; "
            f"omit the argument, or write {write} in the formula"
        )
    return data.group_term.correlated


def _check(
    data: Design | GroupMoments, lam: Floats, method: Method, wanted: bool
) -> StatsmodelsCheck:
    if not wanted:
        return StatsmodelsCheck(loglik=None, reason="request it by check=True or fit --cross-check")
    if isinstance(data, GroupMoments):
        return StatsmodelsCheck(loglik=None, reason="it needs the rows")
    return statsmodels_check(data, lam, method)


def assemble(
    reduced: RotatedMoments,
    optimum: Optimum,
    *,
    labels: npt.NDArray[np.generic],
    method: Method,
    correlated: bool,
    level: float,
    intervals: ProfileIntervals | None,
    check: StatsmodelsCheck,
) -> RemlFit:
    """Assemble the fit from the optimum."""
    q, n_par, lam = reduced.q, reduced.p + len(optimum.theta) + 1, _factor_at(reduced, optimum)
    sigma2 = optimum.point.sigma_e2
    relative, _ = original_covariance(reduced, optimum)
    if not correlated:  # off the diagonal is rounding
        relative = np.diag(np.diagonal(relative))
    sd = np.sqrt(np.diagonal(relative))
    with np.errstate(invalid="ignore", divide="ignore"):
        rho = np.clip(relative / np.outer(sd, sd), -1.0, 1.0)
    rho[range(q), range(q)] = 1.0
    singular = q > 0 and optimum.factor.smallest(optimum.theta) < SINGULAR
    beta = reduced.original_beta(optimum.point.beta)
    gls, joint = beta_covariances(reduced, optimum)
    moments = group_effects(reduced.of_each_group, lam[None], beta[None])
    u_cov = sigma2 * moments.root[0] @ moments.root[0].swapaxes(1, 2)
    u_sd = np.sqrt(np.diagonal(u_cov, axis1=1, axis2=2))[moments.of_group]
    by_column = [(a, b) for b in range(q) for a in range(b, q)]
    theta = np.array([lam[a, b] for a, b in by_column]) if correlated else np.diagonal(lam).copy()
    n_groups, tests = len(labels), satterthwaite(reduced, optimum)
    return RemlFit(
        method=method,
        n=reduced.n,
        n_groups=n_groups,
        loglik=optimum.loglik,
        aic=-2.0 * optimum.loglik + 2.0 * n_par,
        bic=-2.0 * optimum.loglik + math.log(reduced.n) * n_par,
        terms=reduced.terms,
        effects=reduced.effects,
        group=reduced.group,
        labels=labels,
        beta=beta,
        beta_cov=gls,
        beta_cov_joint=joint,
        beta_interval=wald_intervals(beta, gls, level, tests),
        tests=tests,
        theta=theta,
        cov_u=sigma2 * relative,
        sigma_u=math.sqrt(sigma2) * sd,
        rho_u=rho,
        sigma_e=math.sqrt(sigma2),
        icc=(
            float(relative[0, 0] / (1.0 + relative[0, 0]))
            if reduced.effects == ("Intercept",)
            else None
        ),
        errors=variance_errors(reduced, optimum, singular=singular),
        intervals=intervals,
        singular=singular,
        u=moments.mean[0] if q else np.zeros((n_groups, 0)),
        u_sd=u_sd if q else np.zeros((n_groups, 0)),
        u_cov=u_cov,
        u_class=moments.of_group,
        certificate=certify(optimum, check, unidentified(reduced, correlated=correlated)),
    )

"""Maximum likelihood of outcomes that are not Gaussian, the group effects integrated out.

Every integral has its error, computed by half the spacing; the optimum has a certificate; infinite
estimates are found before fitting.
"""

import math

import numpy as np

from bayes_mlm.base import DEFAULT_PROB, EngineError, Floats, check_prob, scaled, tiny
from bayes_mlm.design import Design
from bayes_mlm.engines.generalised.errors import auxiliary_rows, covariance_of, variance_errors
from bayes_mlm.engines.generalised.joint import joint_estimate, lower_root
from bayes_mlm.engines.generalised.problem import MAX_Q, Problem, make_problem
from bayes_mlm.engines.generalised.profile import profile_sd
from bayes_mlm.engines.generalised.result import GeneralisedFit
from bayes_mlm.engines.generalised.search import Optimum, maximise, without_effects
from bayes_mlm.engines.generalised.separation import refuse_alike, refuse_separated
from bayes_mlm.engines.reml.certificate import STATIONARY, Certificate
from bayes_mlm.engines.reml.inference import (
    Interval,
    VarianceErrors,
    wald_intervals,
)
from bayes_mlm.engines.reml.search import Start
from bayes_mlm.likelihood import code_of, group_parameters

# Log-likelihood that an sd must add, to be above zero; and sds on the scale of the linear predictor
# that are zero, or may be.
_ADDS, _ZERO, _SMALL = 1e-8, 1e-12, 0.05
# An sd on the scale of the linear predictor that a search without an end has reached.
_RUNAWAY = 50.0
# Error of the log-likelihood that no table shows.
_LARGEST_ERROR = 1e-6


def why_not_generalised(design: Design) -> str:
    """Return the reason why ML cannot fit a model, in a clause; "" if it can."""
    if code_of(design.family) is None:
        return f"it has no {design.family.label} likelihood; use nuts"
    if design.residual is not None and not design.residual.spec.is_plain:
        return f"it has no {design.errors}; use nuts"
    # Of several factors one is integrated.
    fewest = min((term.q for term in design.group_terms if term.q), default=0)
    if fewest > MAX_Q:
        return f"it integrates over {MAX_Q} effects a group at most, not {fewest}; use nuts"
    return ""


def fit_generalised(design: Design, *, level: float = DEFAULT_PROB) -> GeneralisedFit:
    """Maximise the likelihood of a design with one grouping factor, or none.

    Parameters
    ----------
    design : Design
        With rows, and a family that is not Gaussian.
    level : float
        Coverage of the intervals.

    Returns
    -------
    GeneralisedFit

    Raises
    ------
    EngineError
        If the likelihood has no maximum (separation), with the columns; if the family has no
        compiled likelihood, or a group more than three effects.

    References
    ----------
    Louis (1982), JRSS B 44(2): derivatives; Trefethen & Weideman (2014), SIAM Review 56(3):
    integrals.

    Examples
    --------
    >>> import numpy as np
    >>> from bayes_mlm import build_design
    >>> rng = np.random.default_rng(1)
    >>> g = np.repeat(np.arange(30), 20)
    >>> eta = 0.5 + rng.normal(size=30)[g]
    >>> data = {"y": (rng.random(600) < 1 / (1 + np.exp(-eta))) * 1, "g": g}
    >>> found = fit_generalised(build_design("y ~ 1 + (1 | g)", data, family="bernoulli"))
    >>> found.certificate.ok, found.n_groups
    (True, 30)
    """
    check_prob(level)
    problem, optimum = _maximise(design)
    return _result(design, problem, optimum, level)


def _maximise(design: Design) -> tuple[Problem, Optimum]:
    """Find the maximum, after and before checks that there is one."""
    problem = make_problem(design, collapse=True)
    plain = without_effects(problem.without_effects())
    refuse_separated(problem, plain)
    refuse_alike(problem)
    optimum = maximise(problem, plain)
    largest = float(np.abs(problem.parts(optimum.x)[1]).max(initial=0.0)) * problem.z_size
    if largest > _RUNAWAY and not _certify(optimum).ok:
        raise EngineError(
            f"the likelihood has no maximum that can be found: it still rises at an sd of the "
            f"groups of {largest:.0f}, as where predictors separate the outcomes within each group "
            f"of {design.group}; omit a column, merge its categories, or draw from a posterior "
            "with proper priors (engine='auto')"
        )
    return problem, optimum


def _result(design: Design, problem: Problem, optimum: Optimum, level: float) -> GeneralisedFit:
    at, p, q = optimum.at, problem.p, problem.q
    beta, factor, aux = problem.parts(optimum.x)
    covariance = covariance_of(at.hessian, optimum.x.size)
    cov_u = factor @ factor.T
    sigma_u = np.sqrt(np.diagonal(cov_u))
    singular = q > 0 and _is_singular(problem, optimum)
    many = int(problem.free.sum())
    errors = variance_errors(
        lambda theta: np.tril(problem.parts(np.concatenate([beta, theta, aux]))[1]),
        optimum.x[p : p + many],
        covariance[p : p + many, p : p + many],
        singular=singular,
    )
    names = group_parameters(design)[0] if q else None
    correlated = bool(q > 1 and design.group_term.correlated)
    k = optimum.x.size
    with np.errstate(divide="ignore", invalid="ignore"):
        rho = cov_u / np.outer(sigma_u, sigma_u)
    intervals = _sd_intervals(problem, optimum, errors, level)
    return GeneralisedFit(
        method="ML",
        family=design.family.text,
        n=design.n,
        n_groups=design.J,
        loglik=at.loglik,
        aic=2.0 * k - 2.0 * at.loglik,
        bic=math.log(design.n) * k - 2.0 * at.loglik,
        terms=design.terms,
        effects=design.effects,
        group=design.group,
        labels=design.labels,
        beta=beta,
        beta_cov=covariance[:p, :p],
        beta_interval=wald_intervals(beta, covariance[:p, :p], level),
        cov_u=cov_u,
        sigma_u=sigma_u,
        rho_u=rho,
        auxiliary={n: np.asarray(v) for n, v in _auxiliary(problem, aux).items()},
        auxiliary_rows=tuple(auxiliary_rows(problem, aux, covariance, level)),
        errors=errors,
        sigma_u_interval=intervals,
        singular=singular,
        u=at.v @ factor.T,
        u_cov=factor @ at.v_cov @ factor.T,
        u_mode=at.modes @ factor.T,
        sd_names=() if names is None else names.sd_names,
        rho_names=tuple(
            f"{names.rho_u.text}[{design.effects[a]},{design.effects[b]}]"
            for a in range(q)
            for b in range(a + 1, q)
        )
        if names is not None and correlated
        else (),
        certificate=_certify(optimum),
        joint=joint_estimate(
            design.family, optimum.x, covariance, p=p, roots=lower_root(problem.free, q)
        ),
    )


def _is_singular(problem: Problem, optimum: Optimum) -> bool:
    """Return whether the covariance of the effects without its smallest direction is as likely."""
    beta, factor, aux = problem.parts(optimum.x)
    size = np.sqrt(np.square(problem.Z).mean(axis=0))
    size = np.where(size > 0, size, 1.0)
    left, sd, right = np.linalg.svd(size[:, None] * factor)
    if sd[-1] < _ZERO or sd[-1] > _SMALL:
        return bool(sd[-1] < _ZERO)
    sd[-1] = 0.0
    lower = np.linalg.qr(((left * sd) @ right / size[:, None]).T, mode="r").T
    less = np.concatenate([beta, lower[problem.triangle][problem.free], aux])
    loglik = problem.evaluate(less, modes=optimum.at.modes, derive=False).loglik
    return bool(loglik > optimum.at.loglik - _ADDS)


def _sd_intervals(
    problem: Problem, optimum: Optimum, errors: VarianceErrors, level: float
) -> tuple[Interval, ...]:
    errors_of = errors.sigma_u.tolist()
    return tuple(profile_sd(problem, optimum, level, k, se) for k, se in enumerate(errors_of))


def _auxiliary(problem: Problem, aux: Floats) -> dict[str, Floats]:
    family = problem.design.family
    if family.thresholds is not None:
        return {family.thresholds.name: aux}
    return {one.name: np.exp(v) for one, v in zip(family.auxiliary, aux, strict=True)}


def _certify(optimum: Optimum) -> Certificate:
    """Return the certificate of an optimum: its gain, its curvature, its integrals, its starts."""
    hessian = optimum.at.hessian
    finite = math.isfinite(optimum.at.loglik) and hessian is not None
    curved = hessian is not None and bool(
        np.linalg.eigvalsh(hessian).max() < 1e-6 * np.abs(np.diagonal(hessian)).max()
    )
    precise = optimum.error <= _LARGEST_ERROR
    ok = finite and curved and precise and optimum.gain < STATIONARY
    if ok:
        message = (
            f"certified: a Newton step would gain {tiny(optimum.gain)}, the highest of "
            f"{len(optimum.starts)} starts; integrals exact to {tiny(optimum.error)} in all"
        )
    elif not precise:
        message = (
            f"NOT CERTIFIED: the integrals are known to {scaled(optimum.error, 2)} only; draw from "
            "the posterior instead (engine='nuts')"
        )
    else:
        message = (
            f"NOT CERTIFIED: a Newton step would gain {scaled(optimum.gain, 2)}; rescale the "
            "predictors, or draw from the posterior (engine='auto')"
        )
    return Certificate(
        ok=ok,
        finite=finite,
        decrement=optimum.gain,
        kkt=0.0,
        starts=tuple(Start(theta=theta, loglik=value) for theta, value in optimum.starts),
        statsmodels_loglik=None,
        statsmodels_difference=None,
        statsmodels_note="statsmodels has no such likelihood",
        message=message,
    )


def maximum_of(design: Design) -> tuple[Floats, Floats, Floats]:
    """Return coefficients (p,), their covariance (p, p) and sds (q,) at the maximum, no more.

    Raises
    ------
    EngineError
        As `fit_generalised`.
    """
    problem, optimum = _maximise(design)
    beta, factor, _ = problem.parts(optimum.x)
    covariance = covariance_of(optimum.at.hessian, optimum.x.size)
    p = problem.p
    return beta, covariance[:p, :p], np.sqrt(np.square(factor).sum(axis=1))

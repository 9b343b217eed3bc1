"""Maximum likelihood of several grouping factors, for outcomes that are not Gaussian.

By Laplace's approximation about the joint mode of all effects, with its derivatives, and then by
the likelihood itself: the factor with most effects integrated exactly, the others by importance.
"""

import math
from dataclasses import replace
from itertools import combinations

import numpy as np

from bayes_mlm.base import (
    DEFAULT_PROB,
    Flags,
    Floats,
    Ints,
    check_prob,
    one_thread,
    scaled,
    tiny,
)
from bayes_mlm.design import Design
from bayes_mlm.engines.generalised.errors import auxiliary_rows, covariance_of, variance_errors
from bayes_mlm.engines.generalised.joint import JointEstimate, RootLayout, joint_estimate
from bayes_mlm.engines.generalised.problem import make_problem
from bayes_mlm.engines.generalised.search import without_effects
from bayes_mlm.engines.generalised.separation import refuse_alike, refuse_separated
from bayes_mlm.engines.generalised.several.parts import exact_factor
from bayes_mlm.engines.generalised.several.problem import JointProblem, make_joint_problem
from bayes_mlm.engines.generalised.several.refine import Refined, refine
from bayes_mlm.engines.generalised.several.result import GeneralisedSeveralFit
from bayes_mlm.engines.generalised.several.search import JointOptimum, maximise
from bayes_mlm.engines.reml.certificate import STATIONARY, Certificate
from bayes_mlm.engines.reml.inference import Interval, wald_intervals
from bayes_mlm.engines.reml.search import Start
from bayes_mlm.engines.reml.several.held import lower
from bayes_mlm.engines.reml.several.intervals import interval_of_correlation, interval_of_log
from bayes_mlm.engines.reml.several.result import FactorEstimates, FactorisedEquations
from bayes_mlm.likelihood import Plan, group_parameters, make_plan
from bayes_mlm.moments import cross_products

# Of an sd, on the scale of the linear predictor, its column at unit mean square: below it is zero.
_SINGULAR = 1e-4
# Distance of the estimates from the corrected optimum, in standard errors, that a table may hide.
_LARGEST_OFF = 0.1


def fit_generalised_several(
    design: Design, *, level: float = DEFAULT_PROB
) -> GeneralisedSeveralFit:
    """Maximise the likelihood of a design with several grouping factors.

    Parameters
    ----------
    design : Design
        With rows, and a family that is not Gaussian.
    level : float
        Coverage of the intervals.

    Returns
    -------
    GeneralisedSeveralFit

    Raises
    ------
    EngineError
        If the likelihood has no maximum (separation), with the columns.

    References
    ----------
    Shun & McCullagh (1995), JRSS B 57(4): Laplace's approximation where effects grow in number;
    Vehtari et al. (2024), JMLR 25(72): importance weights.

    Examples
    --------
    >>> import numpy as np
    >>> from bayes_mlm import build_design
    >>> rng = np.random.default_rng(1)
    >>> person, item = (one.ravel() for one in np.indices((40, 8)))
    >>> eta = rng.normal(size=40)[person] + rng.normal(size=8)[item]
    >>> data = {"y": (rng.random(320) < 1 / (1 + np.exp(-eta))) * 1, "person": person, "item": item}
    >>> formula = "y ~ 1 + (1 | person) + (1 | item)"
    >>> found = fit_generalised_several(build_design(formula, data, family="bernoulli"))
    >>> found.certificate.ok, [one.factor for one in found.factors]
    (True, ['person', 'item'])
    """
    check_prob(level)
    problem = make_joint_problem(design)
    bare = problem.base.without_effects()
    plain = without_effects(bare)
    refuse_separated(bare, plain)
    for place, term in enumerate(design.group_terms):
        if term.q:
            refuse_alike(make_problem(design.of_factor(place)))
    p = problem.p
    start = np.concatenate([_solved(problem.transform, plain[0][:p]), plain[0][p:]])
    optimum = maximise(problem, (start, plain[1].loglik))
    return _result(design, problem, optimum, refine(problem, optimum), level)


def _solved(transform: Floats, beta: Floats) -> Floats:
    return np.linalg.solve(transform, beta) if beta.size else beta


def _result(
    design: Design,
    problem: JointProblem,
    optimum: JointOptimum,
    refined: Refined,
    level: float,
) -> GeneralisedSeveralFit:
    x, p = refined.x, problem.p
    at = problem.evaluate(x, v=optimum.at.v, derive=False)
    beta, lam, aux = problem.parts(x)
    beta = problem.transform @ beta
    covariance = covariance_of(refined.hessian, x.size)
    beta_cov = problem.transform @ covariance[:p, :p] @ problem.transform.T
    singular = any(float(np.linalg.svd(one)[1].min()) < _SINGULAR for one in lam)
    loglik, nan = refined.at.loglik, math.nan
    return GeneralisedSeveralFit(
        method="ML",
        family=design.family.text,
        n=design.n,
        loglik=loglik,
        aic=2.0 * x.size - 2.0 * loglik,
        bic=math.log(design.n) * x.size - 2.0 * loglik,
        terms=design.terms,
        beta=beta,
        beta_cov=beta_cov,
        beta_interval=wald_intervals(beta, beta_cov, level),
        sigma_e=nan,
        sigma_e_se=nan,
        sigma_e_interval=Interval(lower=nan, upper=nan, level=level, method="Wald"),
        factors=_factors(design, problem, x, at.v, covariance, level),
        singular=singular,
        certificate=_certify(optimum, refined),
        equations=_equations(design, problem, lam, at.weight),
        auxiliary={n: np.asarray(v) for n, v in _auxiliary(problem, aux).items()},
        auxiliary_rows=tuple(auxiliary_rows(problem.base, aux, covariance, level)),
        laplace=refined.at.laplace,
        loglik_error=refined.at.error,
        k_hat=refined.at.k_hat,
        corrected=refined.corrected,
        off=refined.off,
        joint=_joint(design, problem, x, covariance),
    )


def _joint(design: Design, problem: JointProblem, x: Floats, covariance: Floats) -> JointEstimate:
    """Return the parameters with beta in units of the design."""
    p, products = problem.p, problem.plan.products
    turn = np.eye(x.size)
    turn[:p, :p] = problem.transform
    pairs = zip(products.places, products.factors, strict=True)
    roots = [RootLayout(place=k, free=one.free, transform=one.transform) for k, one in pairs]
    return joint_estimate(design.family, turn @ x, turn @ covariance @ turn.T, p=p, roots=roots)


def _auxiliary(problem: JointProblem, aux: Floats) -> dict[str, Floats]:
    known = set(problem.base.design.response.known)
    return {name: one for name, one in problem.base.auxiliary(aux).items() if name not in known}


def _factors(
    design: Design,
    problem: JointProblem,
    x: Floats,
    v: Floats,
    covariance: Floats,
    level: float,
) -> tuple[FactorEstimates, ...]:
    """Return the estimates of each factor, in the order of the formula."""
    plan, lam = problem.plan, problem.parts(x)[1]
    with one_thread():
        blocks = problem.factor.inverse_blocks(with_x=False)
    names, terms = group_parameters(design), [term for term in design.group_terms if term.q]
    found: list[tuple[int, FactorEstimates]] = []
    first = problem.p
    for f, place in enumerate(plan.products.places):
        one, term, name = plan.products.factors[f], terms[place], names[place]
        free, transform = one.free, one.transform
        span = slice(first, first + int(free.sum()))
        first = span.stop

        def factor_of(theta: Floats, free: Flags = free, transform: Floats = transform) -> Floats:
            whole = np.zeros(free.shape)
            whole[free] = theta
            return np.asarray(transform @ whole)

        singular = float(np.linalg.svd(lam[f])[1].min()) < _SINGULAR
        errors = variance_errors(factor_of, x[span], covariance[span, span], singular=singular)
        root = transform @ lam[f]
        cov_u, u_cov = root @ root.T, root @ blocks[f] @ root.T
        sd = np.sqrt(np.diagonal(cov_u))
        with np.errstate(divide="ignore", invalid="ignore"):
            rho = np.clip(cov_u / np.outer(sd, sd), -1.0, 1.0)
        pairs = tuple(combinations(range(one.q), 2)) if term.correlated else ()
        spans = zip(sd.tolist(), errors.sigma_u.tolist(), strict=True)
        found.append(
            (
                place,
                FactorEstimates(
                    factor=term.factor,
                    effects=term.effects,
                    sd_names=name.sd_names,
                    rho_names=tuple(
                        name.rho_u.element(f"{term.effects[a]},{term.effects[b]}") for a, b in pairs
                    ),
                    labels=term.labels,
                    theta=lower(root),
                    cov_u=cov_u,
                    rho_u=rho,
                    sigma_u=sd,
                    errors=errors,
                    sigma_u_interval=tuple(interval_of_log(s, e, level) for s, e in spans),
                    rho_u_interval=tuple(
                        interval_of_correlation(float(rho[at]), float(errors.rho_u[at]), level)
                        for at in pairs
                    ),
                    icc=None,
                    icc_interval=None,
                    u=v[plan.places[f]] @ root.T,
                    u_sd=np.sqrt(np.maximum(np.diagonal(u_cov, axis1=1, axis2=2), 0.0)),
                    u_cov=u_cov,
                ),
            )
        )
    return tuple(one for _, one in sorted(found, key=lambda pair: pair[0]))


def _equations(
    design: Design, problem: JointProblem, lam: list[Floats], weight: Floats
) -> FactorisedEquations:
    """Return the curvature in effects and coefficients at the joint mode."""
    terms = [term.effect_columns for term in design.group_terms if term.q]
    products = cross_products(
        design.y_less_offset, design.X, terms, terms=design.terms, first=exact_factor(design)
    )
    plan: Plan = make_plan(products, reorder=False)
    W = weight[:, None] * problem.X
    right = [
        _by_level(problem.Z[:, a : a + q].T[:, :, None] * W, problem.codes[:, f], m)
        for f, (a, q, m) in enumerate(_columns(problem))
    ]
    total = np.zeros((problem.p + 1, problem.p + 1))
    total[:-1, :-1], total[-1, -1] = problem.X.T @ W, 1e100
    arrays = plan.arrays._replace(
        blocks=problem.factor.plan.arrays.blocks.copy(),
        right=np.pad(np.concatenate(right), ((0, 0), (0, 1))),
        total=total,
    )
    return FactorisedEquations(plan=replace(plan, arrays=arrays), lam=tuple(lam))


def _columns(problem: JointProblem) -> list[tuple[int, int, int]]:
    """Return the first column, the effects and the levels of each factor."""
    q = problem.plan.arrays.q
    starts = np.concatenate([[0], np.cumsum(q)[:-1]])
    return list(zip(starts.tolist(), q.tolist(), problem.plan.arrays.m.tolist(), strict=True))


def _by_level(values: Floats, codes: Ints, m: int) -> Floats:
    """Return sums (m q, p) by level of values (q, n, p), level by level."""
    q, _, p = values.shape
    found = np.zeros((m, q, p))
    for a in range(q):
        for k in range(p):
            found[:, a, k] = np.bincount(codes, weights=values[a, :, k], minlength=m)
    return found.reshape(m * q, p)


def _certify(optimum: JointOptimum, refined: Refined) -> Certificate:
    """Return the certificate: the gain of a step, the accuracy of the likelihood, the starts."""
    finite = math.isfinite(optimum.at.loglik) and np.isfinite(optimum.hessian).all()
    curved = bool(
        finite
        and np.linalg.eigvalsh(refined.hessian).max()
        < 1e-6 * np.abs(np.diagonal(refined.hessian)).max()
    )
    at = refined.at
    laplace = f"Laplace's is {scaled(abs(at.loglik - at.laplace), 2)} " + (
        "lower" if at.loglik > at.laplace else "higher"
    )
    if math.isinf(at.k_hat):
        accuracy = f"log-likelihood exact to {tiny(at.error)}, {laplace}"
    else:
        accuracy = (
            f"log-likelihood by importance, Monte Carlo error {tiny(at.error)}, "
            f"k-hat {scaled(at.k_hat, 2)}, {laplace}"
        )
    instead = "draw from the posterior instead (engine='nuts')"
    faults = []
    if not (finite and curved and optimum.gain < STATIONARY):
        faults.append(
            f"a Newton step would gain {tiny(optimum.gain)}: rescale the predictors, or {instead}"
        )
    if not refined.reliable:
        faults.append(f"the likelihood is not known well enough ({accuracy}): {instead}")
    elif refined.off > _LARGEST_OFF:
        faults.append(
            f"the estimates may be off by {scaled(refined.off, 2)} standard errors ({accuracy}): "
            f"{instead}"
        )
    if faults:
        message = "NOT CERTIFIED: " + "; ".join(faults)
    else:
        which = "" if refined.corrected else "Laplace estimates, "
        message = (
            f"certified: {which}a Newton step would gain {tiny(max(refined.gain, optimum.gain))}, "
            f"the highest of {len(optimum.starts)} starts; {accuracy}"
        )
    return Certificate(
        ok=not faults,
        finite=bool(finite),
        decrement=optimum.gain,
        kkt=0.0,
        starts=tuple(Start(theta=theta, loglik=value) for theta, value in optimum.starts),
        statsmodels_loglik=None,
        statsmodels_difference=None,
        statsmodels_note="statsmodels has no such likelihood",
        message=message,
    )

r"""Draw from the pseudo-posterior under survey weights, adjusted to the sandwich.

The pseudo-posterior is proportional to the prior times the pseudo-likelihood, with level-2 weights
of mean one: its width would follow their unit. It has one group's information for one group, and
not what a sample by the design has; draws of the parameters phi that all groups share, on an
unbounded scale, are therefore mapped (Williams & Savitsky 2021, Int. Stat. Rev. 89(1):72-107, sec.
2) by

    phi_a = m + (phi - m) R2^-1 R1,   R2'R2 = H^-1,   R1'R1 = H^-1 J H^-1

with m the mean of the draws, H minus the Hessian of the log pseudo-likelihood and J the covariance
of its scores between groups, at its maximum; or with the jackknife covariance in place of the
sandwich. The scale is that of the log-Cholesky factor of the covariance of the group effects
(Pinheiro & Bates 1996, Stat. Comput. 6:289-296), the log of the residual sd, and the coefficients.
Group effects are drawn given the adjusted parameters.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from bayes_mlm.base import Finding, Floats, Verdict
from bayes_mlm.engines.direct import sample_direct
from bayes_mlm.engines.direct.effects import (
    MAX_EFFECTS,
    Conditions,
    draw_effects,
    summarise_effects,
)
from bayes_mlm.engines.direct.joining import join
from bayes_mlm.engines.direct.variables import variable_of
from bayes_mlm.engines.draws import Draws
from bayes_mlm.engines.engine import Drawn
from bayes_mlm.engines.pseudo.fit import fit_pseudo
from bayes_mlm.engines.pseudo.result import ERROR_WORDS, PseudoFit

if TYPE_CHECKING:
    from bayes_mlm.design import Design
    from bayes_mlm.engines.engine import Task
    from bayes_mlm.moments import GroupMoments

# Standard error of a log below which its distribution may be near to normal.
_CLEAR = 1.0
# Degrees of freedom of the errors below which the tails of a t matter, which draws do not have.
_FEW_DF = 30.0
# Draws over which group effects too many to be drawn are summarised.
_SUMMARISED = 1000


def sample_pseudo(task: "Task") -> Drawn:
    """Draw from the pseudo-posterior of a design with survey weights.

    Parameters
    ----------
    task : Task
        With priors and settings.

    Returns
    -------
    Drawn
        Near the boundary there is no adjustment of the variances of group effects: their draws are
        then those of the pseudo-posterior itself, and the verdict says so.
    """
    design, priors, settings = task.design, task.priors, task.settings
    assert priors is not None  # for mypy, as settings: the engine draws
    assert settings is not None
    s = design.moments() if task.statistics is None else task.statistics
    found = sample_direct(
        design,
        priors,
        draws=settings.draws,
        chains=settings.chains,
        random_seed=settings.random_seed,
        statistics=s,
        effects=False,
    )
    fit = task.estimate
    if not isinstance(fit, PseudoFit):
        fit = fit_pseudo(design, statistics=s)
    shape = (settings.chains, settings.draws)
    values = {
        name: found.draws[name].reshape(-1, *found.draws[name].shape[2:])
        for name in found.draws.posterior
    }
    values, left = adjusted(values, fit, design)
    finding = _finding(fit, left)
    values |= _effects(design, s, task, values)
    report = replace(
        found.report,
        log_marginal_likelihood=None,
        effects="summarised" if "u_mean" in values else "drawn",
    )
    scaling = [Finding("scaling", True, fit.moved, always=True)] if fit.moved else []
    return Drawn(
        draws=Draws(
            posterior={
                name: variable_of(design, name, value, shape) for name, value in values.items()
            },
            sample_stats=found.draws.sample_stats,
            coords=found.draws.coords,
        ),
        verdict=Verdict((*report.verdict.findings, finding, *scaling)),
        report=report,
        how="the model has survey weights",
        trusted=True,
    )


def _finding(fit: PseudoFit, left: tuple[str, ...]) -> Finding:
    how = f"covariance of the {ERROR_WORDS[fit.standard_errors]}"
    if left:
        return Finding(
            "adjustment",
            False,
            f"adjusted to the {how}, but for {', '.join(left)}: the pseudo-likelihood hardly tells "
            "it from the boundary, where there is no adjustment; omit the group effect, or use "
            "engine='pml'",
        )
    df = fit.errors.df
    narrow = f"; with {df:g} degrees of freedom the intervals of pml, of the t, are wider"
    return Finding(
        "adjustment",
        True,
        f"pseudo-posterior of the survey weights, adjusted to the {how}; intervals of group "
        f"effects are not adjusted{narrow if df < _FEW_DF else ''}",
        always=True,
    )


def adjusted(
    values: dict[str, Floats], fit: PseudoFit, design: "Design"
) -> tuple[dict[str, Floats], tuple[str, ...]]:
    """Return draws (S, ...) by name, mapped so that they have the covariance of the sandwich.

    Parameters
    ----------
    values : mapping of str to ndarray
        beta (S, p), sigma_u (S,) or (S, q), rho_u (S, pairs) and sigma_e (S,).
    fit : PseudoFit
    design : Design

    Returns
    -------
    values : dict of str to ndarray
    left : tuple of str
        Variance parameters that are not adjusted, with all of the group effects': on the scale of
        logs their errors are too large to be of a normal distribution.
    """
    term, q, p = design.group_term, design.q, design.p
    cov_u = _covariances(values, design)
    phi = np.column_stack(
        [_of_covariance(cov_u, correlated=term.correlated), np.log(values["sigma_e"])]
        + ([values["beta"]] if p else [])
    )
    model, robust = (
        _on_the_scale(one, fit, correlated=term.correlated)
        for one in (fit.model_covariance, fit.covariance)
    )
    k = phi.shape[1] - p - 1
    spread = np.sqrt(np.stack([np.diagonal(model), np.diagonal(robust)]))
    clear = bool((spread[:, _logs(q, correlated=term.correlated)] < _CLEAR).all())
    some = np.arange(0 if clear else k, phi.shape[1])
    part, centre = np.ix_(some, some), phi[:, some].mean(axis=0)
    roots = (np.linalg.cholesky(one[part]).T for one in (model, robust))
    phi[:, some] = centre + (phi[:, some] - centre) @ np.linalg.solve(*roots)
    cov_u = _to_covariance(phi[:, :k], q, correlated=term.correlated)
    sd = np.sqrt(np.einsum("saa->sa", cov_u))
    found = {"beta": phi[:, k + 1 :]} if p else {}
    found["sigma_u"] = sd[:, 0] if design.has_icc else sd
    if term.pairs:
        rows, columns = np.array(term.pairs).T
        found["rho_u"] = cov_u[:, rows, columns] / (sd[:, rows] * sd[:, columns])
    found["sigma_e"] = np.exp(phi[:, k])
    if design.has_icc:
        found["icc"] = sd[:, 0] ** 2 / (sd[:, 0] ** 2 + found["sigma_e"] ** 2)
    return found, () if clear else fit.errors.names[:-1]


def _logs(q: int, *, correlated: bool) -> list[int]:
    """Return the places of logs among the coordinates of a covariance."""
    if not correlated:
        return list(range(q))
    return [k for k, (a, b) in enumerate(zip(*np.tril_indices(q), strict=True)) if a == b]


def _covariances(values: dict[str, Floats], design: "Design") -> Floats:
    """Return draws of the covariance of the group effects, (S, q, q)."""
    q = design.q
    sd = values["sigma_u"].reshape(-1, q)
    rho = np.broadcast_to(np.eye(q), (len(sd), q, q)).copy()
    for k, (a, b) in enumerate(design.group_term.pairs):
        rho[:, a, b] = rho[:, b, a] = values["rho_u"][:, k]
    return np.asarray(sd[:, :, None] * rho * sd[:, None, :])


def _of_covariance(cov_u: Floats, *, correlated: bool) -> Floats:
    """Return the log-Cholesky coordinates (S, k) of covariances (S, q, q); log sds if diagonal."""
    q = cov_u.shape[-1]
    if not correlated:
        return np.asarray(0.5 * np.log(np.einsum("saa->sa", cov_u)))
    lower = np.linalg.cholesky(cov_u)
    lower[:, range(q), range(q)] = np.log(lower[:, range(q), range(q)])
    rows, columns = np.tril_indices(q)
    return np.asarray(lower[:, rows, columns])


def _to_covariance(phi: Floats, q: int, *, correlated: bool) -> Floats:
    """Return the covariances (S, q, q) of log-Cholesky coordinates (S, k)."""
    lower = np.zeros((len(phi), q, q))
    if correlated:
        rows, columns = np.tril_indices(q)
        lower[:, rows, columns] = phi
        lower[:, range(q), range(q)] = np.exp(lower[:, range(q), range(q)])
    else:
        lower[:, range(q), range(q)] = np.exp(phi)
    covariance: Floats = lower @ lower.swapaxes(1, 2)
    return covariance


def _on_the_scale(covariance: Floats, fit: PseudoFit, *, correlated: bool) -> Floats:
    """Return a covariance of (sds, correlations, sigma_e, beta) as one of phi.

    The log-Cholesky factor is a smooth function of a few numbers: central differences have ten
    digits of its slopes.
    """
    q, p = len(fit.effects), len(fit.beta)
    if fit.singular:  # only what is not of the group effects is known
        covariance = np.where(np.isfinite(covariance), covariance, 0.0)
        return _with_unknown(covariance, len(covariance) - p - 1, fit)
    at = np.concatenate([fit.sigma_u, fit.rho_u[np.triu_indices(q, 1)] if correlated else []])
    v = len(at)
    step = 1e-5 * np.concatenate([fit.sigma_u, np.ones(v - q)])

    def coordinates(shift: Floats) -> Floats:
        moved = at + shift
        rho = np.eye(q)
        if correlated:
            rho[np.triu_indices(q, 1)] = moved[q:]
            rho = rho + rho.T - np.eye(q)
        cov_u = moved[:q, None] * rho * moved[:q]
        return np.asarray(_of_covariance(cov_u[None], correlated=correlated)[0])

    jacobian = np.zeros((v + 1 + p, v + 1 + p))
    for k in range(v):
        shift = np.where(np.arange(v) == k, step, 0.0)
        jacobian[:v, k] = (coordinates(shift) - coordinates(-shift)) / (2.0 * step[k])
    jacobian[v, v] = 1.0 / fit.sigma_e
    jacobian[v + 1 :, v + 1 :] = np.eye(p)
    return np.asarray(jacobian @ covariance @ jacobian.T)


def _with_unknown(covariance: Floats, v: int, fit: PseudoFit) -> Floats:
    """Return a covariance in which the first v coordinates have no finite variance."""
    found = covariance.copy()
    found[v, v] /= fit.sigma_e**2
    found[v, v + 1 :] /= fit.sigma_e
    found[v + 1 :, v] /= fit.sigma_e
    found[range(v), range(v)] = np.inf
    return found


def _effects(
    design: "Design", s: "GroupMoments", task: "Task", values: dict[str, Floats]
) -> dict[str, Floats]:
    """Draw the group effects given the parameters, or summarise them where they are too many."""
    assert task.priors is not None  # for mypy, as settings: the engine draws
    assert task.settings is not None
    problem = join(s, task.priors).problem
    reduced, q = problem.reduced.of_each_group, design.q
    sigma_e = values["sigma_e"]
    root = np.linalg.cholesky(_covariances(values, design)) / sigma_e[:, None, None]
    beta = values.get("beta", np.empty((len(sigma_e), 0)))
    rng = np.random.default_rng([task.settings.random_seed, 1])
    if root.size // q * len(reduced.c) <= MAX_EFFECTS:
        given = Conditions(beta=beta, root=root, sigma_e=sigma_e)
        return {"u": draw_effects(reduced, problem.kernel, given, rng)}
    part = slice(_SUMMARISED)
    given = Conditions(beta=beta[part], root=root[part], sigma_e=sigma_e[part])
    summary = summarise_effects(reduced, problem.kernel, given)
    return {"u_mean": summary.mean, "u_sd": summary.sd}

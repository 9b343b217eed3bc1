"""From the optimum by Laplace to that of the corrected likelihood of several factors."""

import math
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.engines.direct.pareto import MAX_K_HAT
from bayes_mlm.engines.generalised.several.correction import Corrected, Nodes, Scheme
from bayes_mlm.engines.generalised.several.problem import JointProblem
from bayes_mlm.engines.generalised.several.search import JointOptimum, canonical, curvature

# Log-likelihood that a step on the corrected score may still gain: an error of .014 se.
CLOSE = 1e-4
# Standard error of the corrected log-likelihood that is aimed at, and that is accepted.
_AIM, MAX_ERROR = 0.02, 0.1
# Draws for differences of the correction, which is smooth; and for its value, at most.
_SEARCH, _FEW, _MOST = 32, 64, 4096
_MAX_ROUNDS = 12
# k-hat that needs no further draws, and draws by which it is known.
_SHORT, _KNOWN = 0.4, 1024
# Between points at which corrections are compared, in standard errors; and a step, at most.
_APART, _FARTHEST = 0.25, 1.5
# Standard errors of a move after which the curvature is computed anew.
_ANEW = 0.3
# Of a factor's diagonal, the columns at unit mean square: what is zero, and what is tried instead.
_ZERO, _ASIDE = 1e-2, 0.4
# Standard errors of an sd that differences do not tell from zero.
_NEAR = 0.02
# Seconds that the search, and the last value, may take, by what a node costs.
_SECONDS = 60.0
# Of the information, relative to its diagonal: less has no direction.
_FLAT = 1e-8


@dataclass(frozen=True, kw_only=True, eq=False)
class Refined:
    """The optimum of the corrected likelihood, or Laplace's where it could not be reached.

    Attributes
    ----------
    x : ndarray, shape (P,)
    hessian : ndarray, shape (P, P)
    at : Corrected
        The likelihood there.
    gain : float
        Log-likelihood that a step on the corrected score would still gain.
    moved : ndarray, shape (P,)
        From Laplace's optimum to that of the corrected likelihood, in standard errors.
    corrected : bool
        Whether `x` is the corrected optimum.
    outer : int
        Effects that are summed over; the others are integrated exactly.
    """

    x: Floats
    hessian: Floats
    at: Corrected
    gain: float
    moved: Floats
    corrected: bool
    outer: int

    @property
    def reliable(self) -> bool:
        """Whether the corrected likelihood is known well."""
        return bool(self.at.k_hat <= MAX_K_HAT and self.at.error <= MAX_ERROR)

    @property
    def off(self) -> float:
        """Largest distance of an estimate from the corrected optimum, in standard errors."""
        left = math.sqrt(2.0 * max(self.gain, 0.0))
        return left if self.corrected else float(np.abs(self.moved).max(initial=0.0)) + left


def refine(problem: JointProblem, optimum: JointOptimum) -> Refined:
    """Climb from Laplace's optimum by steps on differences of the correction.

    Parameters
    ----------
    problem : JointProblem
    optimum : JointOptimum
    """
    scheme = Scheme(problem=problem)
    few = scheme.nodes(_SEARCH)
    nodes = _thinned(few) if few.coarse is not None else few
    rounds = _SECONDS / (scheme.seconds * 2 * optimum.x.size * len(nodes.z))
    if rounds < 1.0:
        nodes = _centre_node(scheme)
    climbs = [_climb(scheme, x, nodes, rounds) for x in _starts(problem, optimum.x)]
    best = max(climbs, key=lambda one: one.value)
    x, (_, back) = _at_zero(problem, best), _whitened(optimum.hessian)
    value = _value(scheme, x, optimum.at.v)
    before = scheme.evaluate(optimum.x, nodes, optimum.at.v).loglik
    trusted = (
        rounds >= 1.0
        and best.gain < CLOSE
        and best.value > before - value.error
        and value.k_hat <= MAX_K_HAT
        and value.error <= MAX_ERROR
        and best.concave
    )
    if not trusted:
        x, value = optimum.x, _value(scheme, optimum.x, optimum.at.v)
    return Refined(
        x=x,
        hessian=best.hessian if trusted else optimum.hessian,
        at=value,
        gain=best.gain,
        moved=back @ (best.x - optimum.x),
        corrected=trusted,
        outer=scheme.outer,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Climb:
    """Where a climb on the corrected likelihood ended: its value by the search's nodes."""

    x: Floats
    value: float
    gain: float
    hessian: Floats
    concave: bool


def _at_zero(problem: JointProblem, found: _Climb) -> Floats:
    """Return a climb's end with the sds that it cannot tell from zero at zero."""
    x = found.x.copy()
    if not found.concave:
        return x
    flags = [np.eye(one.q)[one.free] for one in problem.plan.products.factors]
    sds = problem.p + np.flatnonzero(np.concatenate(flags))
    errors = 1.0 / np.sqrt(np.maximum(-np.diagonal(found.hessian)[sds], 1e-300))
    x[sds] = np.where(np.abs(x[sds]) < _NEAR * errors, 0.0, x[sds])
    return x


def _starts(problem: JointProblem, x: Floats) -> list[Floats]:
    """Return Laplace's optimum and, where sds are zero there, one with these above zero.

    At zero the slope is zero, whatever the likelihood does next to it.
    """
    _, lam, _ = problem.parts(x)
    moved = [one + np.diag(_ASIDE * (np.abs(np.diagonal(one)) < _ZERO)) for one in lam]
    entries = np.concatenate([one.ravel() for one in moved])[problem.entries]
    other = x.copy()
    other[problem.p : problem.p + entries.size] = entries
    return [x] if (other == x).all() else [x, other]


def _climb(scheme: Scheme, x: Floats, nodes: Nodes, rounds: float) -> _Climb:
    """Climb from a point by steps on the score and differences of the correction."""
    problem, v, gain = scheme.problem, None, math.inf
    one = _centre_node(scheme)
    here, hessian, basis, back = x, np.empty((0, 0)), np.empty((0, 0)), np.empty((0, 0))
    curved, value, last = np.zeros(x.size), -math.inf, x
    for k in range(_MAX_ROUNDS):
        at = problem.evaluate(x, v=v)
        if at.score is None or k > rounds:
            break
        v = at.v
        if not k or np.linalg.norm(back @ (x - here)) > _ANEW:
            hessian, here = curvature(problem, x, at, central=False), x
            if not np.isfinite(hessian).all():
                break
            basis, back = _whitened(hessian)
        # The first step is by one node: it is nearly all of the correction.
        used = one if k == 0 else nodes
        middle = scheme.evaluate(x, used, v)
        if k > 1 and middle.loglik < value - 1e-3:  # too far
            x = 0.5 * (x + last)
            continue
        slope, change = _differences(scheme, x, basis, used, middle)
        if not (np.isfinite(slope).all() and np.isfinite(change).all()):
            break
        last, value, curved = x, middle.loglik, change
        along = basis.T @ at.score + slope
        scale = np.maximum(-np.diagonal(basis.T @ hessian @ basis) - curved, 0.3)
        before, gain = gain, 0.5 * float((along**2 / scale).sum())
        step = along / scale
        step *= min(1.0, _FARTHEST / max(float(np.linalg.norm(step)), 1e-300))
        x = canonical(problem, x + basis @ step)
        if k > 0:  # what the next step gains is this one's times their ratio, at the least
            gain *= min(1.0, gain / before)
            if gain < CLOSE:
                break
    end = scheme.evaluate(x, nodes, v).loglik
    point = problem.evaluate(x, v=v)
    if point.score is None or not basis.size:
        return _Climb(x=x, value=-math.inf, gain=math.inf, hessian=hessian, concave=False)
    whole = curvature(problem, x, point, central=True) + back.T @ np.diag(curved) @ back
    scale = np.sqrt(np.maximum(np.abs(np.diagonal(whole)), 1e-12))
    concave = np.isfinite(whole).all() and np.linalg.eigvalsh(whole / np.outer(scale, scale)).max()
    return _Climb(x=x, value=end, gain=gain, hessian=whole, concave=bool(concave < 1e-6))


def _whitened(hessian: Floats) -> tuple[Floats, Floats]:
    """Return a basis (P, P) of steps of one standard error, and its inverse."""
    scale = np.sqrt(np.maximum(np.abs(np.diagonal(hessian)), 1e-12))
    value, vector = np.linalg.eigh(-hessian / np.outer(scale, scale))
    value = np.abs(value)
    good = value > _FLAT
    root = np.where(good, 1.0 / np.sqrt(np.where(good, value, 1.0)), 0.0)
    inverse = np.where(good, np.sqrt(np.where(good, value, 1.0)), 0.0)
    # Along the eigenvectors, turned back: each step is mostly of one parameter.
    return (vector * root) @ vector.T / scale[:, None], (vector * inverse) @ vector.T * scale


def _centre_node(scheme: Scheme) -> Nodes:
    """Return the mode alone: Laplace over the outer effects, the others integrated exactly."""
    weight = np.full((1, scheme.outer), 0.5 * math.log(2.0 * math.pi))
    return Nodes(z=np.zeros((1, scheme.outer)), log_weight=weight, coarse=np.array([True]))


def _thinned(nodes: Nodes) -> Nodes:
    """Return the lattice of twice the spacing."""
    assert nodes.coarse is not None  # for mypy: a lattice
    weight = nodes.log_weight[nodes.coarse] + math.log(2.0)
    return Nodes(z=nodes.z[nodes.coarse], log_weight=weight, coarse=np.ones(len(weight), bool))


def _differences(
    scheme: Scheme, x: Floats, basis: Floats, nodes: Nodes, middle: Corrected
) -> tuple[Floats, Floats]:
    """Return two derivatives (P,) of the correction along each column of a basis."""
    slope, curved, v = np.zeros(x.size), np.zeros(x.size), middle.v
    for k, direction in enumerate(basis.T):
        if not direction.any():
            continue
        sides = [scheme.evaluate(x + s * _APART * direction, nodes, v) for s in (1.0, -1.0)]
        up, down = (one.loglik - one.laplace for one in sides)
        slope[k] = (up - down) / (2.0 * _APART)
        curved[k] = (up + down - 2.0 * (middle.loglik - middle.laplace)) / _APART**2
    return slope, curved


def _value(scheme: Scheme, x: Floats, v: Floats) -> Corrected:
    """Return the corrected log-likelihood, with as many draws as its error asks for."""
    many = _FEW
    while True:
        nodes = scheme.nodes(many)
        found = scheme.evaluate(x, nodes, v)
        good = found.error <= _AIM and (found.k_hat <= _SHORT or many >= _KNOWN)
        if nodes.coarse is not None or not math.isfinite(found.loglik) or good:
            return found
        # The error falls as the root of the number of draws; with long tails there is no hope.
        wanted = many * max(4.0, 1.3 * (found.error / _AIM) ** 2)
        many = 2 * int(0.5 * min(wanted, _MOST, max(_SECONDS / scheme.seconds, many)))
        if many <= len(nodes.z):
            return found

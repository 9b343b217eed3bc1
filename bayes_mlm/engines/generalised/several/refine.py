"""From the optimum by Laplace to that of the corrected likelihood of several factors."""

import math
import time
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
# Seconds that the search, and the last value, may take.
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
    scheme, x = Scheme(problem=problem), optimum.x
    basis, back = _whitened(optimum.hessian)
    one = _centre_node(scheme)
    start = time.process_time()
    first = scheme.evaluate(x, one, optimum.at.v)
    seconds = max(time.process_time() - start, 1e-5)
    few = scheme.nodes(_SEARCH)
    nodes = _thinned(few) if few.coarse is not None else few
    rounds = _SECONDS / (seconds * 2 * x.size * len(nodes.z))
    gain, curved, here, along_to = math.inf, np.zeros(x.size), x, back
    for k in range(_MAX_ROUNDS):
        if k > 0 and (k > rounds or not math.isfinite(first.loglik)):
            break
        at = problem.evaluate(x, v=optimum.at.v)
        if at.score is None:
            break
        if np.linalg.norm(along_to @ (x - here)) > _ANEW:
            basis, along_to = _whitened(curvature(problem, x, at, central=False))
            here = x
        # The first step is by one node: it is nearly all of the correction.
        slope, curved = _differences(scheme, x, basis, one if k == 0 else nodes, at.v)
        if not np.isfinite(slope).all():
            gain = math.inf
            break
        along = basis.T @ at.score + slope
        scale = np.maximum(1.0 - curved, 0.3)
        before, gain = gain, 0.5 * float((along**2 / scale).sum())
        step = along / scale
        step *= min(1.0, _FARTHEST / max(float(np.linalg.norm(step)), 1e-300))
        x = canonical(problem, x + basis @ step)
        if k > 0:  # what the next step gains is this one's times their ratio, at the least
            gain *= min(1.0, gain / before)
            if gain < CLOSE:
                break
    moved = back @ (x - optimum.x)
    value = _value(scheme, x, optimum.at.v, seconds)
    trusted = gain < CLOSE and value.k_hat <= MAX_K_HAT and value.error <= MAX_ERROR
    hessian = optimum.hessian
    if trusted:
        point = problem.evaluate(x, v=optimum.at.v)
        laplace = curvature(problem, x, point, central=True)
        hessian = laplace + along_to.T @ np.diag(np.minimum(curved, 0.7)) @ along_to
    elif math.isfinite(first.loglik):
        x, value = optimum.x, _value(scheme, optimum.x, optimum.at.v, seconds)
    return Refined(
        x=x,
        hessian=hessian,
        at=value,
        gain=gain,
        moved=moved,
        corrected=trusted,
        outer=scheme.outer,
    )


def _whitened(hessian: Floats) -> tuple[Floats, Floats]:
    """Return a basis (P, P) of steps of one standard error, and its inverse."""
    scale = np.sqrt(np.maximum(-np.diagonal(hessian), 1e-300))
    value, vector = np.linalg.eigh(-hessian / np.outer(scale, scale))
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
    scheme: Scheme, x: Floats, basis: Floats, nodes: Nodes, v: Floats
) -> tuple[Floats, Floats]:
    """Return two derivatives (P,) of the correction along each column of a basis."""
    slope, curved = np.zeros(x.size), np.zeros(x.size)
    middle = scheme.evaluate(x, nodes, v)
    for k, direction in enumerate(basis.T):
        if not direction.any():
            continue
        sides = [scheme.evaluate(x + s * _APART * direction, nodes, v) for s in (1.0, -1.0)]
        up, down = (one.loglik - one.laplace for one in sides)
        slope[k] = (up - down) / (2.0 * _APART)
        curved[k] = (up + down - 2.0 * (middle.loglik - middle.laplace)) / _APART**2
    return slope, curved


def _value(scheme: Scheme, x: Floats, v: Floats, seconds: float) -> Corrected:
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
        many = 2 * int(0.5 * min(wanted, _MOST, max(_SECONDS / seconds, many)))
        if many <= len(nodes.z):
            return found

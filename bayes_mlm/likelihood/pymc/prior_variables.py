"""Priors in PyMC: variables of a model, unnamed distributions, their densities and draws.

The functions that make variables are called inside ``with pymc.Model(...)``.
"""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.likelihood.free_variables import family_places
from bayes_mlm.model import Prior, is_within

if TYPE_CHECKING:
    from pytensor.tensor import TensorVariable

_LINE = (-math.inf, math.inf)
# Draws of a prior whose median is a sampler's start.
_STARTS = 101


def mixture(
    name: str, priors: tuple[Prior, ...], *, dims: str, positive: bool = False
) -> "TensorVariable":
    """Make a vector whose elements may have priors of different families.

    One family is one vector variable; several are one vector a family, put back in order.
    """
    import pymc as pm
    import pytensor.tensor as pt

    places = family_places(name, priors)
    if len(places) == 1:
        return variable(name, priors, positive=positive, dims=dims)
    parts = [
        variable(part, tuple(priors[k] for k in at), positive=positive, shape=len(at))
        for part, at in places.items()
    ]
    order = np.concatenate(list(places.values()))
    return pm.Deterministic(name, pt.concatenate(parts)[np.argsort(order)], dims=dims)


def variable(
    name: str, priors: tuple[Prior, ...], *, positive: bool = False, **shape: Any
) -> "TensorVariable":
    """Make one variable, scalar or vector, from priors of one variant of a family."""
    import pymc as pm

    first = priors[0]
    keys = [key for key, _ in first.parameters]
    if shape:
        values: dict[str, Any] = {key: np.array([prior[key] for prior in priors]) for key in keys}
    else:
        values = dict(first.parameters)
    if first.uncut is None:
        family = "HalfFlat" if positive and first.family == "Flat" else first.family
        return getattr(pm, family)(name, **values, **shape)
    ends: dict[str, Any] = {key: values.pop(key) for key in ("lower", "upper") if key in values}
    # To the end of the uncut distribution, if it has one: PyMC transforms by the ends it is given.
    for place, key in enumerate(("lower", "upper")):
        end = first.support[place]
        if key not in ends and math.isfinite(end):
            found = [prior.support[place] for prior in priors]
            ends[key] = np.array(found) if shape else found[0]
    if first.uncut.family != "Normal":  # which PyMC has as TruncatedNormal
        starts = [_start(prior) for prior in priors]
        shape["initval"] = np.array(starts) if shape else starts[0]
    uncut = getattr(pm, first.uncut.family).dist(**values)
    return pm.Truncated(name, uncut, **ends, **shape)


def _start(prior: Prior) -> float:
    """Return a value to start from: PyMC starts a cut distribution at its end, of density 0.

    That is where the mode of the distribution before cutting is the end, or beyond it.
    """
    draws = draw_from_pymc(prior, np.random.default_rng(0), _STARTS)
    return float(np.median(draws))


def cut_variable(name: str, prior: Prior, support: tuple[float, float]) -> "TensorVariable":
    """Make a scalar variable, its prior cut to where the parameter may lie."""
    import pymc as pm

    if is_within(prior.support, support):
        return variable(name, (prior,))
    if prior.family == "Flat":
        return variable(name, (prior,), positive=support[0] == 0.0)
    if prior.family == "Uniform":
        lower, upper = _ends(prior, support)
        return pm.Uniform(name, lower=lower, upper=upper)
    return pm.Truncated(name, *_truncated(prior, support))


def distribution(prior: Prior, support: tuple[float, float] = _LINE) -> "TensorVariable":
    """Return a proper prior as an unnamed distribution of PyMC, cut to a support."""
    import pymc as pm

    if prior.uncut is None and is_within(prior.support, support):
        values = {key: np.float64(value) for key, value in prior.parameters}
        return getattr(pm, prior.family).dist(**values)
    return pm.Truncated.dist(*_truncated(prior, support))


def _truncated(
    prior: Prior, support: tuple[float, float]
) -> "tuple[TensorVariable, float | None, float | None]":
    """Return the arguments of PyMC's Truncated."""
    lower, upper = _ends(prior, support)
    uncut = distribution(prior if prior.uncut is None else prior.uncut)
    return uncut, _finite(lower), _finite(upper)


def _finite(end: float) -> float | None:
    return end if math.isfinite(end) else None


def _ends(prior: Prior, support: tuple[float, float]) -> tuple[float, float]:
    return max(prior.support[0], support[0]), min(prior.support[1], support[1])


def pymc_log_density(prior: Prior, values: Floats, support: tuple[float, float] = _LINE) -> Floats:
    """Return PyMC's log-density of a prior, cut to a support, at values of any shape.

    Examples
    --------
    >>> laplace = Prior("Laplace", (("mu", 0.0), ("b", 1.0)))
    >>> pymc_log_density(laplace, np.array([-1.0, 1.0]), (0.0, math.inf)).round(4).tolist()
    [-inf, -1.0]
    """
    import pymc as pm
    import pytensor
    import pytensor.tensor as pt

    flat = np.ravel(np.asarray(values, dtype=float))
    at = pt.vector("at", dtype="float64")
    density = pm.logp(distribution(prior, support), at)
    # Without PyTensor's compilers, which take longer than the evaluation.
    found = pytensor.function([at], density, mode="FAST_COMPILE")(flat)
    lower, upper = _ends(prior, support)
    inside = np.where((flat >= lower) & (flat <= upper), found, -np.inf)
    return np.asarray(inside.reshape(np.shape(values)))


def draw_from_pymc(
    prior: Prior,
    rng: np.random.Generator,
    shape: int | tuple[int, ...],
    support: tuple[float, float] = _LINE,
) -> Floats:
    """Draw from a prior, cut to a support, as PyMC does.

    Examples
    --------
    >>> laplace = Prior("Laplace", (("mu", 0.0), ("b", 1.0)))
    >>> draws = draw_from_pymc(laplace, np.random.default_rng(1), (500, 2), (2.0, math.inf))
    >>> draws.shape, bool(draws.min() >= 2), round(float(draws.mean()), 1)
    ((500, 2), True, 3.0)
    """
    import pymc as pm
    import pytensor

    size = math.prod((shape,) if isinstance(shape, int) else shape)
    with pytensor.config.change_flags(mode="FAST_COMPILE"):
        one = distribution(prior, support)
        many = pm.draw(one, draws=size, random_seed=int(rng.integers(2**31)))
    return np.asarray(many, dtype=float).reshape(shape)

"""Registry of the families of prior distributions: univariate continuous ones of PyMC.

A new one is one line here: every engine that takes it (NUTS takes all), the tree of a fit, figures
and files read what they need from PyMC. `TruncatedX` is a family for every X that has a cumulative
distribution function here: X with `lower` or `upper` or both, as PyMC's TruncatedNormal.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bayes_mlm.base import PriorError, Registry

type End = float | str

_INF = math.inf
_TRUNCATED = "Truncated"


@dataclass(frozen=True, kw_only=True)
class PriorFamily:
    """A family of prior distributions.

    Parameters
    ----------
    parameters : tuple of str
        PyMC's names, in the order of its arguments.
    positive : frozenset of str
        Those that must be above 0.
    increasing : tuple of str
        Those of which each must be at least the one before it, and the last above the first.
    support : (end, end)
        Between which values it lies: numbers, or names of parameters.
    defaults : mapping of str to float
        Of parameters that may be omitted.
    of_op : callable, optional
        From the parameters of PyMC's random variable to those here, where they differ.
    has_cdf : bool
        Whether PyMC can cut it to a range: by its cumulative distribution function.
    base : str
        The family that it is cut from.

    Examples
    --------
    >>> prior_family("Weibull").parameters, prior_family("TruncatedWeibull").parameters
    (('alpha', 'beta'), ('alpha', 'beta', 'lower', 'upper'))
    """

    parameters: tuple[str, ...] = ()
    positive: frozenset[str] = frozenset()
    increasing: tuple[str, ...] = ()
    support: tuple[End, End] = (-_INF, _INF)
    defaults: Mapping[str, float] = field(default_factory=dict)
    of_op: Callable[..., tuple[Any, ...]] | None = None
    has_cdf: bool = True
    base: str = ""


PRIOR_FAMILIES = Registry[PriorFamily]("prior distribution", PriorError)


def prior_family(name: str) -> PriorFamily:
    """Return a family by its name, of those cut to a range too.

    Raises
    ------
    PriorError
        If there is none; with the nearest name, and all.
    """
    if name in PRIOR_FAMILIES or not is_family(name):
        return PRIOR_FAMILIES[name]
    base = name.removeprefix(_TRUNCATED)
    found = PRIOR_FAMILIES[base]
    return replace(
        found,
        parameters=(*found.parameters, "lower", "upper"),
        increasing=("lower", "upper"),
        defaults={**found.defaults, "lower": -_INF, "upper": _INF},
        base=base,
    )


def is_family(name: str) -> bool:
    """Return whether there is a family of a name.

    Examples
    --------
    >>> is_family("Laplace"), is_family("TruncatedLaplace"), is_family("TruncatedUniform")
    (True, True, False)
    """
    base = PRIOR_FAMILIES.get(name.removeprefix(_TRUNCATED))
    if not name.startswith(_TRUNCATED) or base is None:
        return name in PRIOR_FAMILIES
    # The ends of a Uniform, and of a Triangular, are parameters by these names already.
    return bool(base.has_cdf and "lower" not in base.parameters)


def family_named(name: str) -> str:
    """Return a family's name as PyMC writes it, in whatever case it is given; "" of none.

    Examples
    --------
    >>> family_named("halfnormal"), family_named("truncatedlaplace"), family_named("Poisson")
    ('HalfNormal', 'TruncatedLaplace', '')
    """
    lowered = name.lower()
    cut = _TRUNCATED if lowered.startswith(_TRUNCATED.lower()) else ""
    known = {one.lower(): one for one in PRIOR_FAMILIES}
    found = cut + known.get(lowered[len(cut) :], "?")
    return found if is_family(found) else ""


def _add(name: str, parameters: str = "", positive: str = "", **rest: Any) -> None:
    family = PriorFamily(
        parameters=tuple(parameters.split()), positive=frozenset(positive.split()), **rest
    )
    PRIOR_FAMILIES.register(name, family)


_HALF, _UNIT = (0.0, _INF), (0.0, 1.0)

_add("Normal", "mu sigma", "sigma")
_add("StudentT", "nu mu sigma", "nu sigma")
_add("Cauchy", "alpha beta", "beta")
_add("HalfNormal", "sigma", "sigma", support=_HALF, of_op=lambda _, s: (s,))
_add("HalfStudentT", "nu sigma", "nu sigma", support=_HALF, has_cdf=False)
_add("HalfCauchy", "beta", "beta", support=_HALF)
_add("Exponential", "lam", "lam", support=_HALF, of_op=lambda scale: (1 / scale,))
_add("Gamma", "alpha beta", "alpha beta", support=_HALF, of_op=lambda a, s: (a, 1 / s))
# PyMC 6.4 warns of its own variables when it cuts an InverseGamma.
_add("InverseGamma", "alpha beta", "alpha beta", support=_HALF, has_cdf=False)
_add(
    "Uniform",
    "lower upper",
    increasing=("lower", "upper"),
    support=("lower", "upper"),
)
_add("LKJ", "eta", "eta", support=(-1.0, 1.0), has_cdf=False, of_op=lambda _, eta: (eta,))
_add("Flat", has_cdf=False)
_add(
    "AsymmetricLaplace",
    "kappa mu b",
    "kappa b",
    has_cdf=False,
    of_op=lambda b, kappa, mu: (kappa, mu, b),
)
_add("Beta", "alpha beta", "alpha beta", support=_UNIT)
_add("ExGaussian", "mu sigma nu", "sigma nu")
_add("Gumbel", "mu beta", "beta")
_add("Kumaraswamy", "a b", "a b", support=_UNIT)
_add("Laplace", "mu b", "b")
_add("LogNormal", "mu sigma", "sigma", support=_HALF)
_add("Logistic", "mu s", "s")
_add("LogitNormal", "mu sigma", "sigma", support=_UNIT)
_add("Moyal", "mu sigma", "sigma")
_add("Pareto", "alpha m", "alpha m", support=("m", _INF))
_add(
    "Rice",
    "nu sigma",
    "nu sigma",
    support=_HALF,
    has_cdf=False,
    of_op=lambda b, sigma: (b * sigma, sigma),
)
_add("SkewNormal", "alpha mu sigma", "sigma", has_cdf=False, of_op=lambda m, s, a: (a, m, s))
_add("SkewStudentT", "a b mu sigma", "a b sigma")
_add(
    "Triangular",
    "lower upper c",
    increasing=("lower", "c", "upper"),
    support=("lower", "upper"),
    of_op=lambda lower, c, upper: (lower, upper, c),
)
_add("Wald", "mu lam alpha", "mu lam", support=("alpha", _INF), defaults={"alpha": 0.0})
_add("Weibull", "alpha beta", "alpha beta", support=_HALF)

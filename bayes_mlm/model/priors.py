"""Read prior distributions from text, and check that they suit the parameter.

A prior is data: a family, and numbers in the units of the outcome. Families and parameter names
are PyMC's. Allowed for each parameter:

=============== ============================================================================
name            meaning
=============== ============================================================================
``Intercept``   the mean outcome where every predictor is at its mean (see `default_priors`)
``beta``        every other coefficient; ``beta[ses]`` one of them
``u``           the group-specific intercepts, only in the no-pooling model
``sigma_u``     sds of the group effects; ``sigma_u[ses]`` one of them
``rho_u``       their correlation matrix (LKJ); with an intercept among the effects, it and their
                sds are those at the means of the predictors
``rho_e``       correlation of residuals one step apart, cut to where it may lie
``sigma_e``     residual sd; ``sigma_e[sex=Male]`` one of several
``nu``          degrees of freedom of Student-t residuals, cut to above 2
=============== ============================================================================

Other families have other auxiliary parameters (`bayes_mlm.model.family`).
"""

import math
import re
from collections.abc import Mapping
from typing import Any

from bayes_mlm.base import PriorError, describe_value, suggest
from bayes_mlm.model.distributions import read_distribution
from bayes_mlm.model.families import FAMILIES
from bayes_mlm.model.prior import PRIOR_FAMILIES, Prior

type Families = tuple[str, ...]

_COEFFICIENT: Families = ("Normal", "StudentT", "Cauchy", "Flat")
_POSITIVE: Families = (
    "HalfNormal",
    "HalfStudentT",
    "HalfCauchy",
    "Exponential",
    "Gamma",
    "InverseGamma",
    "Uniform",
    "Flat",
)
_BOUNDED: Families = ("Uniform", "Normal")
_TRUNCATED: Families = ("Gamma", "Exponential")
# Parameters that do not depend on the family of the outcome.
_COMMON: Mapping[str, Families] = {
    "Intercept": _COEFFICIENT,
    "beta": _COEFFICIENT,
    "u": _COEFFICIENT,
    "sigma_u": _POSITIVE,
    "rho_u": ("LKJ",),
    "rho_e": _BOUNDED,
}
_ONE_OF = re.compile(r"(?P<name>\w+)\[(?P<label>.+)\]")
_CALL = re.compile(r"\s*(?P<family>\w+)\s*(?:\((?P<arguments>[^()]*)\))?\s*")


def _known() -> dict[str, Families]:
    """Return the distributions that each parameter may have, of every registered family."""
    found = dict(_COMMON)
    for family in FAMILIES.values():
        found |= {one.name: _allowed(one.support) for one in family.auxiliary}
    return found


def _allowed(support: tuple[float, float]) -> Families:
    """Return the distributions for a parameter that lies between two values."""
    lower, upper = support
    if math.isinf(lower):
        return _COEFFICIENT
    if not math.isinf(upper):
        return _BOUNDED
    return _TRUNCATED if lower else _POSITIVE


def prior_target(name: str) -> str:
    """Return the parameter that a prior's name denotes, of which it may be one element.

    Examples
    --------
    >>> prior_target("beta[ses:sector]"), prior_target("sigma_e")
    ('beta', 'sigma_e')
    """
    match, known = _ONE_OF.fullmatch(name), _known()
    found = match["name"] if match else name
    if found not in known:
        raise PriorError(
            f"unknown prior name {name!r}{suggest(name, known)}; one of several is named as "
            "beta[TERM], sigma_u[EFFECT] or sigma_e[FACTOR=LEVEL]"
        )
    return found


def parse_prior(name: str, value: object) -> Prior:
    """Read one prior and check that its family and numbers suit the parameter.

    Parameters
    ----------
    name : str
        What the prior is for: "Intercept", "beta", "beta[ses]", "u", "sigma_u", "sigma_u[ses]",
        "sigma_e" or "rho_u".
    value : str, mapping, Prior or distribution
        ``"Normal(0, 10)"``, ``"Normal(mu=0, sigma=10)"``, ``"flat"``,
        ``{"family": "Normal", "mu": 0, "sigma": 10}``, ``pymc.Normal.dist(0, 10)``, or
        ``preliz.Normal(0, 10)``.

    Raises
    ------
    PriorError
        If the name, family, a parameter's name or a value is not allowed.

    Examples
    --------
    >>> print(parse_prior("sigma_u", "HalfStudentT(3, 5)"))
    HalfStudentT(nu=3, sigma=5)
    >>> parse_prior("sigma_u", "Normal(0, 1)")
    Traceback (most recent call last):
    ...
    bayes_mlm.base.errors.PriorError: prior for sigma_u: 'Normal' is not a family for it; \
allowed: HalfNormal(sigma), HalfStudentT(nu, sigma), HalfCauchy(beta), Exponential(lam), \
Gamma(alpha, beta), InverseGamma(alpha, beta), Uniform(lower, upper), Flat()
    """
    families = _known()[prior_target(name)]
    positional: list[Any]
    if isinstance(value, Prior):
        family, positional, named = value.family, [], dict(value.parameters)
    elif isinstance(value, str):
        family, positional, named = _read_call(name, value)
    elif isinstance(value, Mapping):
        family, positional, named = str(value.get("family", "")), [], dict(value)
        named.pop("family", None)
    else:
        family, positional, named = "", [], {}
        found = read_distribution(name, value)
        if found is None:
            raise PriorError(
                f"prior for {name}: found {describe_value(value)}; write it as text, such as "
                "'Normal(0, 10)', or as pymc.Normal.dist(0, 10)"
            )
        family, named = found
    known = {key.lower(): key for key in families}
    if family.lower() not in known:
        raise PriorError(
            f"prior for {name}: {family!r} is not a family for it; allowed: {_signatures(families)}"
        )
    family = known[family.lower()]
    names, positive = PRIOR_FAMILIES[family]
    return Prior(family, _bind(name, family, names, positive, positional, named))


def _read_call(name: str, text: str) -> tuple[str, list[Any], dict[str, Any]]:
    match = _CALL.fullmatch(text)
    if match is None:
        raise PriorError(f"prior for {name}: cannot read {text!r}; write it like 'Normal(0, 10)'")
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for part in filter(str.strip, (match["arguments"] or "").split(",")):
        key, equals, number = part.partition("=")
        if not equals:
            positional.append(part.strip())
        elif key.strip() in named:
            raise PriorError(f"prior for {name}: {key.strip()!r} is given twice in {text!r}")
        else:
            named[key.strip()] = number.strip()
    return match["family"], positional, named


def _bind(
    name: str,
    family: str,
    names: tuple[str, ...],
    positive: frozenset[str],
    positional: list[Any],
    named: dict[str, Any],
) -> tuple[tuple[str, float], ...]:
    """Match arguments to parameters, and check each value."""
    signature = f"{family}({', '.join(names)})"
    arguments = dict(zip(names, positional, strict=False))
    if len(positional) > len(names) or set(named) - set(names) or set(arguments) & set(named):
        found = [*map(str, positional), *(f"{k}={v}" for k, v in named.items())]
        raise PriorError(
            f"prior for {name}: found {family}({', '.join(found)}); allowed: {signature}"
        )
    arguments |= named
    missing = [key for key in names if key not in arguments]
    if missing:
        raise PriorError(
            f"prior for {name}: {family} needs {', '.join(missing)}; write it as {signature}"
        )
    values = {}
    for key in names:
        try:
            values[key] = float(arguments[key])
        except (TypeError, ValueError):
            raise PriorError(
                f"prior for {name}: {key} of {signature} must be a number, found {arguments[key]!r}"
            ) from None
        if not math.isfinite(values[key]):
            raise PriorError(f"prior for {name}: {key} of {signature} must be finite")
        if key in positive and values[key] <= 0:
            raise PriorError(
                f"prior for {name}: {key} of {signature} must be above 0, found {values[key]:g}"
            )
    if family == "Uniform":
        _check_range(name, values["lower"], values["upper"])
    return tuple(values.items())


def _check_range(name: str, lower: float, upper: float) -> None:
    allowed = "0 <= lower < upper"
    fits = 0 <= lower < upper
    if name == "rho_e":
        allowed = "-1 <= lower < upper <= 1"
        fits = -1 <= lower < upper <= 1
    if not fits:
        raise PriorError(
            f"prior for {name}: Uniform needs {allowed}, found lower={lower:g}, upper={upper:g}"
        )


def _signatures(families: Families) -> str:
    return ", ".join(f"{family}({', '.join(PRIOR_FAMILIES[family][0])})" for family in families)

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

A prior may be any univariate continuous distribution of PyMC's
(`bayes_mlm.model.prior_families`) that lies where the parameter may: a coefficient anywhere, an sd
at 0 or above. A few of them the direct engine integrates exactly (`DIRECT_FAMILIES`); with another
the posterior is drawn by NUTS. `TruncatedX(..., lower=, upper=)` is the distribution X cut to a
range.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from bayes_mlm.base import PriorError, describe_value, suggest
from bayes_mlm.model.distributions import read_distribution
from bayes_mlm.model.families import FAMILIES
from bayes_mlm.model.prior import Prior, is_within
from bayes_mlm.model.prior_families import PRIOR_FAMILIES, family_named, prior_family

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
# Families that the direct engine takes, by the role of the parameter.
DIRECT_FAMILIES: Mapping[str, Families] = {
    "fixed effect": _COEFFICIENT,
    "group effect": ("Normal", "Flat"),
    "group sd": _POSITIVE,
    "residual sd": _POSITIVE,
}
_LINE = (-math.inf, math.inf)
_SD = (0.0, math.inf)


@dataclass(frozen=True, kw_only=True)
class _Target:
    """What a parameter's priors may be.

    `usual` are families named first in messages; where a prior is cut to `support` it need not lie
    in it.
    """

    usual: Families
    support: tuple[float, float] = _LINE
    cut: bool = False

    def refuses(self, family: str) -> bool:
        """Return whether a family cannot be one, whatever its parameters."""
        if (family == "LKJ") != (self.usual == ("LKJ",)):
            return True
        if family == "Flat":
            return "Flat" not in self.usual
        found = prior_family(family)
        if self.cut:
            return not found.has_cdf and family not in self.usual
        lower = found.support[0]
        fixed = not found.base and not isinstance(lower, str)
        return fixed and float(lower) < self.support[0]


# Parameters that do not depend on the family of the outcome.
_COMMON: Mapping[str, _Target] = {
    "Intercept": _Target(usual=_COEFFICIENT),
    "beta": _Target(usual=_COEFFICIENT),
    "u": _Target(usual=_COEFFICIENT),
    "sigma_u": _Target(usual=_POSITIVE, support=_SD),
    "rho_u": _Target(usual=("LKJ",), support=(-1.0, 1.0)),
    "rho_e": _Target(usual=("Uniform", "Normal"), support=(-1.0, 1.0), cut=True),
}
_ONE_OF = re.compile(r"(?P<name>\w+)\[(?P<label>.+)\]")
_CALL = re.compile(r"\s*(?P<family>\w+)\s*(?:\((?P<arguments>[^()]*)\))?\s*")


def _known() -> dict[str, _Target]:
    """Return what each parameter's priors may be, of every registered family."""
    found = dict(_COMMON)
    for family in FAMILIES.values():
        found |= {one.name: _target(one.support) for one in family.auxiliary}
    return found


def _target(support: tuple[float, float]) -> _Target:
    """Return what the priors of a parameter between two values may be."""
    lower, upper = support
    if math.isinf(lower):
        return _Target(usual=_COEFFICIENT)
    if support == _SD:
        return _Target(usual=_POSITIVE, support=support)
    usual = ("Gamma", "Exponential") if math.isinf(upper) else ("Uniform", "Normal")
    return _Target(usual=usual, support=support, cut=True)


# Names of priors in bambi, brms and Stan, and what they are here.
_ELSEWHERE = {
    **dict.fromkeys(("common", "b", "fixed"), "beta, for every coefficient but the intercept"),
    **dict.fromkeys(("group_specific", "sd", "tau", "sigma_group"), "sigma_u"),
    **dict.fromkeys(("sigma", "sigma_y", "residual"), "sigma_e"),
    **dict.fromkeys(("cor", "lkj", "L", "rho"), "rho_u"),
    **dict.fromkeys(("intercept", "Intercept_", "b_Intercept", "alpha"), "Intercept"),
}


def _named_here(name: str) -> str:
    """Return what another package's name of a prior is here; "" if unknown.

    Examples
    --------
    >>> _named_here("1|school"), _named_here("ses | school"), _named_here("sigma")
    ('sigma_u, or sigma_u[Intercept] of several', 'sigma_u[ses]', 'sigma_e')
    """
    effect, mark, _ = name.partition("|")
    if not mark:
        return _ELSEWHERE.get(name, "")
    if effect.strip() in ("1", ""):
        return "sigma_u, or sigma_u[Intercept] of several"
    return f"sigma_u[{effect.strip()}]"


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
        here = _named_here(name)
        hint = f"; use {here}; names: {', '.join(known)}" if here else suggest(name, known)
        raise PriorError(
            f"unknown prior name {name!r}{hint}; one of several is named as "
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
        ``preliz.Normal(0, 10)``. Any univariate continuous family of PyMC's, where it lies within
        what the parameter may be.

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
Gamma(alpha, beta), InverseGamma(alpha, beta), Uniform(lower, upper), Flat(); and, by NUTS, Beta, \
Kumaraswamy, LogNormal, LogitNormal, Pareto, Rice, Triangular, Wald, Weibull; or one of another \
family cut to the range, such as TruncatedNormal(mu, sigma, lower=0)
    """
    target = _known()[prior_target(name)]
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
    known = "Flat" if family == "HalfFlat" and target.support == _SD else family_named(family)
    if not known or target.refuses(known):
        raise PriorError(
            f"prior for {name}: {family!r} is not a family for it; allowed: {_allowed(target)}"
        )
    prior = Prior(known, _bind(name, known, positional, named))
    _check_support(name, prior, target)
    return prior


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
    name: str, family: str, positional: list[Any], named: dict[str, Any]
) -> tuple[tuple[str, float], ...]:
    """Match arguments to parameters, and check each value."""
    found = prior_family(family)
    names, signature = found.parameters, _signature(family)
    arguments = dict(zip(names, positional, strict=False))
    if len(positional) > len(names) or set(named) - set(names) or set(arguments) & set(named):
        stated = [*map(str, positional), *(f"{k}={v}" for k, v in named.items())]
        raise PriorError(
            f"prior for {name}: found {family}({', '.join(stated)}); allowed: {signature}"
        )
    arguments |= named
    missing = [key for key in names if key not in arguments and key not in found.defaults]
    if missing:
        raise PriorError(
            f"prior for {name}: {family} needs {', '.join(missing)}; write it as {signature}"
        )
    values = {}
    for key in names:
        if key not in arguments:
            continue
        try:
            values[key] = float(arguments[key])
        except (TypeError, ValueError):
            raise PriorError(
                f"prior for {name}: {key} of {signature} must be a number, found {arguments[key]!r}"
            ) from None
        if values[key] == found.defaults.get(key):
            del values[key]
            continue
        if not math.isfinite(values[key]):
            raise PriorError(f"prior for {name}: {key} of {signature} must be finite")
        if key in found.positive and values[key] <= 0:
            raise PriorError(
                f"prior for {name}: {key} of {signature} must be above 0, found {values[key]:g}"
            )
    if found.base and not {"lower", "upper"} & values.keys():
        raise PriorError(
            f"prior for {name}: {family} needs lower or upper or both; or write {found.base}"
        )
    return tuple(values.items())


def _check_support(name: str, prior: Prior, target: _Target) -> None:
    """Refuse parameters that are out of order, and a prior that lies elsewhere."""
    family, values = prior_family(prior.family), dict(prior.parameters)
    order = [values[key] for key in family.increasing if key in values]
    stated = ", ".join(f"{key}={values[key]:g}" for key in family.increasing if key in values)
    (least, most), (lower, upper) = target.support, prior.support
    ordered = all(a <= b for a, b in pairwise(order)) and (len(order) < 2 or order[0] < order[-1])
    fits = is_within(prior.support, target.support) or prior.family == "Flat"
    if target.cut and prior.family != "Uniform":
        fits = max(lower, least) < min(upper, most)
    if ordered and fits and lower < upper:
        return
    if prior.family == "Uniform":
        allowed = "lower < upper" if math.isinf(least) else f"{least:g} <= lower < upper"
        allowed += "" if math.isinf(most) else f" <= {most:g}"
        raise PriorError(f"prior for {name}: Uniform needs {allowed}, found {stated}")
    if not ordered:
        rule = " <= ".join(family.increasing) if len(order) > 2 else "lower < upper"
        raise PriorError(f"prior for {name}: {prior.family} needs {rule}, found {stated}")
    inside = f"{least:g} or above" if math.isinf(most) else f"between {least:g} and {most:g}"
    advice = f"; cut it: Truncated{prior.family}(..., lower={least:g})" if not family.base else ""
    raise PriorError(
        f"prior for {name}: {prior} lies between {lower:g} and {upper:g}, and {name} is {inside}"
        + advice
    )


def _allowed(target: _Target) -> str:
    """List the families of a parameter's priors, the usual ones with their arguments."""
    usual = ", ".join(_signature(family) for family in target.usual)
    others = sorted(one for one in PRIOR_FAMILIES if one not in target.usual)
    others = [one for one in others if not target.refuses(one)]
    if not others:
        return usual
    cut = ""
    if target.support == _SD:
        cut = (
            "; or one of another family cut to the range, such as "
            "TruncatedNormal(mu, sigma, lower=0)"
        )
    return f"{usual}; and, by NUTS, {', '.join(others)}{cut}"


def _signature(family: str) -> str:
    return f"{family}({', '.join(prior_family(family).parameters)})"

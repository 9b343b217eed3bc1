"""Priors of every parameter of a design: the user's, or weakly informative defaults.

Defaults are in outcome units and scale with the data, as in rstanarm (Gabry & Goodrich, vignette
"Prior Distributions for rstanarm Models") for the coefficients and Gelman (2006, Bayesian
Analysis 1(3), sec. 7) for the sds. With s_y the outcome's sd and s_k a column's:

=================== ================================== =========================================
parameter           default                            in words
=================== ================================== =========================================
``Intercept``       Normal(mean(y), 2.5 s_y)           where every predictor is at its mean
``beta[k]``         Normal(0, 2.5 s_y / s_k)           one sd of x moves y by some sds at most
``u``               Normal(mean(y), 10 s_y)            no pooling: all but flat
``sigma_u[k]``      HalfStudentT(3, s_y)  (/ s_k)      heavy tail, finite at zero
``rho_u``           LKJ(2)                             mildly against correlations of ±1
``sigma_e``         HalfStudentT(3, s_y)               each one of several too
``rho_e``           Uniform(-1, 1), or (0, 1) where    flat over what it may be
                    time is not in whole steps
``nu``              Gamma(2, 0.1), cut to above 2      Juárez & Steel (2010): from heavy
                                                       tails to all but normal
=================== ================================== =========================================

The intercept's prior is stated where the predictors are at their means, because at zero (the year
0, an income of 0) nobody knows what to expect; ``beta[Intercept]`` itself is reported at zero. So
are the priors of ``sigma_u[Intercept]`` and ``rho_u``, of group effects that may correlate
(`bayes_mlm.likelihood.effect_centring`); with ``||`` that of ``sigma_u[Intercept]`` holds at zero.
"""

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from bayes_mlm.base import EngineError, Floats, PriorError, describe_value, expect
from bayes_mlm.design import INTERCEPT, Design, column_moments, mean_offset
from bayes_mlm.likelihood.parameters import group_parameters, group_views
from bayes_mlm.model import Prior, default_of, half_student_t, parse_prior, prior_target


@dataclass(frozen=True, kw_only=True)
class GroupPriors:
    """Priors of one term of group effects.

    Parameters
    ----------
    sigma_u : tuple of Prior, length q
        One a column of Z.
    rho_u : Prior or None
        LKJ, if the effects may correlate; None for independent ones.
    """

    sigma_u: tuple[Prior, ...]
    rho_u: Prior | None = None


@dataclass(frozen=True, kw_only=True, repr=False)
class ModelPriors:
    """Priors of the parameters of one design.

    Parameters
    ----------
    beta : tuple of Prior, length p
        One a column of X; that of the intercept is for the intercept at the predictors' means.
    u : Prior or None
        Group-specific intercepts of a no-pooling model.
    groups : tuple of GroupPriors
        One a term of group effects; none for a no-pooling model.
    auxiliary : mapping of str to Prior
        Of the family's auxiliary parameters: ``sigma_e``, ``nu``.
    residual_sds : tuple of Prior
        One a residual sd where they differ by the levels of a factor; then ``sigma_e``, the sd
        over all rows, follows from them.
    rho_e : Prior or None
        Of AR(1) residuals.
    family : str
        Of the outcome.
    effects_at : {"means", "zero"}
        Where the predictors are at which the priors of correlated group effects hold, if an
        intercept is among them (`bayes_mlm.likelihood.effect_centring`); "zero" is for comparison
        with programs that state them there.
    """

    beta: tuple[Prior, ...]
    u: Prior | None
    groups: tuple[GroupPriors, ...]
    auxiliary: Mapping[str, Prior]
    residual_sds: tuple[Prior, ...] = ()
    rho_e: Prior | None = None
    family: str = "gaussian"
    effects_at: Literal["means", "zero"] = "means"

    @property
    def sigma_u(self) -> tuple[Prior, ...]:
        """One a column of Z of the only term of group effects; empty without one."""
        return self._only.sigma_u if self.groups else ()

    @property
    def rho_u(self) -> Prior | None:
        """LKJ of the only term of group effects, if they may correlate."""
        return self._only.rho_u if self.groups else None

    @property
    def sigma_e(self) -> Prior:
        """The residual sd of a family that has one."""
        return self.auxiliary["sigma_e"]

    @property
    def _only(self) -> GroupPriors:
        if len(self.groups) > 1:
            raise EngineError(
                f"the model has {len(self.groups)} grouping factors, and this is for one; "
                "use a model with one group term"
            )
        return self.groups[0]

    @property
    def group_sds(self) -> tuple[Prior, ...]:
        """Those of the sds of every term of group effects, in order."""
        return tuple(prior for one in self.groups for prior in one.sigma_u)

    def with_group_sds(self, sigma_u: tuple[Prior, ...]) -> "ModelPriors":
        """Return the priors with others of the sds of every term of group effects, in order."""
        left, groups = list(sigma_u), []
        for one in self.groups:
            mine, left = left[: len(one.sigma_u)], left[len(one.sigma_u) :]
            groups.append(replace(one, sigma_u=tuple(mine)))
        return replace(self, groups=tuple(groups))

    def of_term(self, place: int) -> "ModelPriors":
        """Return the priors with those of one term of group effects only."""
        return replace(self, groups=self.groups[place : place + 1])

    def __repr__(self) -> str:
        """List the priors."""
        named: dict[str, Any] = {"beta": self.beta, "u": self.u}
        for name in ("sigma_u", "rho_u"):
            found = [getattr(one, name) for one in self.groups]
            named[name] = found[0] if len(found) == 1 else tuple(map(str, found))
        named |= self.auxiliary
        named |= {"residual_sds": self.residual_sds, "rho_e": self.rho_e}
        named["effects_at"] = self.effects_at
        shown = [
            f"{name} = {', '.join(dict.fromkeys(map(str, one))) if isinstance(one, tuple) else one}"
            for name, one in named.items()
            if one not in (None, ())
        ]
        text = "; ".join(shown)
        return f"<ModelPriors: {text if len(text) <= 400 else f'{text[:400]}…'}>"

    def by_name(self, design: Design) -> dict[str, Prior]:
        """List the priors under the names the tables use, in the design's order.

        Examples
        --------
        >>> from bayes_mlm.data import load_dataset
        >>> from bayes_mlm.design import build_design
        >>> design = build_design("mathach ~ ses + (1 | schoolid)", load_dataset("hsb"))
        >>> for name, prior in model_priors(design).by_name(design).items():
        ...     print(f"{name:16} {prior}")
        Intercept        Normal(mu=12.75, sigma=17.2)
        beta[ses]        Normal(mu=0, sigma=22.06)
        sigma_u          HalfStudentT(nu=3, sigma=6.878)
        sigma_e          HalfStudentT(nu=3, sigma=6.878)
        """
        named = {
            INTERCEPT if term == INTERCEPT else f"beta[{term}]": prior
            for term, prior in zip(design.terms, self.beta, strict=True)
        }
        if self.u is not None:
            named["u"] = self.u
        terms = group_parameters(design) if self.groups else ()
        for group, term in zip(self.groups, terms, strict=True):
            named |= dict(zip(term.sd_names, group.sigma_u, strict=True))
            if group.rho_u is not None:
                named[term.rho_u.text] = group.rho_u
        residual_sd = design.family.residual_sd
        strata = () if design.residual is None else design.residual.strata
        for stratum, prior in zip(strata, self.residual_sds, strict=True):
            named[f"{residual_sd}[{stratum}]"] = prior
        named |= {
            name: prior
            for name, prior in self.auxiliary.items()
            if not strata or name != residual_sd
        }
        if self.rho_e is not None:
            named["rho_e"] = self.rho_e
        return named


def expect_priors(priors: object) -> None:
    """Raise an error for priors that are not a mapping by parameter."""
    if priors is not None and not isinstance(priors, Mapping):
        raise PriorError(
            "priors are a dict by parameter, for example {'beta': 'Normal(0, 10)'}, found "
            f"{describe_value(priors)}"
        )


def model_priors(
    design: Design, priors: Mapping[str, Any] | ModelPriors | None = None
) -> ModelPriors:
    """Return the user's priors, with weakly informative defaults for the rest.

    Parameters
    ----------
    design : Design
        Laid out for its kind.
    priors : mapping of str to str, mapping or Prior, optional
        For example ``{"beta": "Normal(0, 10)", "sigma_u": "HalfCauchy(5)"}``. A prior for one
        coefficient (``beta[ses]``) takes precedence over that for some by a pattern
        (``beta[ses:*]``; ``*`` any text, ``?`` one character), and both over that for all
        (``beta``). Values may be distributions of PyMC or PreliZ (`bayes_mlm.model.parse_prior`). A
        `ModelPriors` is checked against the design and returned.

    Raises
    ------
    PriorError
        If a prior names a parameter this model does not have, or is not allowed for it.
    """
    expect("model_priors", design, Design)
    if isinstance(priors, ModelPriors):
        if _shape(model_priors(design)) != _shape(priors):
            raise PriorError("these priors were made for another design; make them for this one")
        return priors
    expect_priors(priors)
    chosen = _chosen(design, priors or {})
    moments = column_moments(design)
    mean, s_y = design.family.scale(moments.y_mean, moments.y_sd)
    if design.family.link != "identity":  # else the outcome's mean is less the offset already
        mean -= mean_offset(design)
    s_x = _spread(moments.x_sd)

    def coefficient(k: int, term: str) -> Prior:
        if term == INTERCEPT:
            default = _normal(mean, 2.5 * s_y)
            return chosen.get("Intercept", chosen.get(f"beta[{term}]", default))
        default = chosen.get("beta", _normal(0.0, 2.5 * s_y / s_x[k]))
        return chosen.get(f"beta[{term}]", default)

    no_pooling = design.kind == "no_pooling"
    residual_sd, structure = design.family.residual_sd, design.residual
    auxiliary = {
        one.name: chosen.get(one.name, default_of(one, s_y)) for one in design.family.auxiliary
    }
    strata = () if structure is None else structure.strata
    rho_e = None
    if structure is not None and structure.spec.ar is not None:
        flat = Prior("Uniform", (("lower", structure.least_rho), ("upper", 1.0)))
        rho_e = chosen.get("rho_e", flat)
    return ModelPriors(
        beta=tuple(coefficient(k, term) for k, term in enumerate(design.terms)),
        u=chosen.get("u", _normal(mean, 10 * s_y)) if no_pooling else None,
        groups=() if no_pooling else tuple(_group_priors(design, chosen, s_y)),
        auxiliary=auxiliary,
        residual_sds=tuple(
            chosen.get(f"{residual_sd}[{name}]", auxiliary[str(residual_sd)]) for name in strata
        ),
        rho_e=rho_e,
        family=design.family.name,
    )


def _group_priors(design: Design, chosen: Mapping[str, Prior], s_y: float) -> Iterator[GroupPriors]:
    """Return the priors of each term of group effects, the user's where there are some."""
    for view, term in zip(group_views(design), group_parameters(design), strict=True):
        s_z = _spread(column_moments(view).z_sd)
        sds = []
        for effect, scale, name in zip(view.effects, s_z, term.sd_names, strict=True):
            default = half_student_t(s_y if effect == INTERCEPT else s_y / scale)
            default = chosen.get(term.sigma_u.text, chosen.get("sigma_u", default))
            sds.append(chosen.get(name, chosen.get(f"sigma_u[{effect}]", default)))
        lkj = chosen.get("rho_u", Prior("LKJ", (("eta", 2.0),)))
        yield GroupPriors(
            sigma_u=tuple(sds),
            rho_u=chosen.get(term.rho_u.text, lkj) if view.group_term.pairs else None,
        )


def _shape(priors: ModelPriors) -> tuple[Any, ...]:
    """Return the parameters with priors, and their numbers."""
    groups = [(len(one.sigma_u), one.rho_u is not None) for one in priors.groups]
    rest = priors.u is not None, tuple(priors.auxiliary), len(priors.residual_sds)
    return len(priors.beta), priors.family, groups, *rest, priors.rho_e is not None


def _normal(mu: float, sigma: float) -> Prior:
    return Prior("Normal", (("mu", mu), ("sigma", sigma)))


def _spread(sds: Floats) -> list[float]:
    """Return the sd of each column, and 1 for a constant one (its scale is its magnitude)."""
    return [float(sd) if sd > 0 else 1.0 for sd in sds]


def _chosen(design: Design, priors: Mapping[str, Any]) -> dict[str, Prior]:
    """Read the user's priors; a name takes precedence over the patterns that match it.

    Raises
    ------
    PriorError
        Also if a pattern matches no parameter, or two patterns the same one.
    """
    allowed = _allowed_names(design)
    by_pattern: dict[str, tuple[str, Any]] = {}
    patterns = [name for name in priors if _is_pattern(name) and name not in allowed]
    for pattern in patterns:
        match = re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."))
        names = [name for name in allowed if match.fullmatch(name)]
        if not names:
            raise PriorError(
                f"no parameter of this {design.kind} model matches {pattern!r}; "
                f"it has: {', '.join(allowed)}"
            )
        for name in names:
            if name in by_pattern and name not in priors:
                raise PriorError(
                    f"both {by_pattern[name][0]!r} and {pattern!r} match {name!r}; give "
                    f"{name!r} a prior by itself, or change one of the patterns"
                )
            by_pattern[name] = pattern, priors[pattern]
    named = {name: value for name, value in priors.items() if name not in patterns}
    named = {name: value for name, (_, value) in by_pattern.items()} | named
    chosen = {name: parse_prior(name, value) for name, value in named.items()}
    _check_names(design, chosen, allowed)
    return chosen


def _is_pattern(name: str) -> bool:
    return "*" in name or "?" in name


def _allowed_names(design: Design) -> list[str]:
    """Return the names under which priors of a design may be given."""
    slopes = [term for term in design.terms if term != INTERCEPT]
    allowed = [f"beta[{term}]" for term in design.terms]
    allowed += [one.name for one in design.family.auxiliary]
    allowed += ["Intercept"] if design.has_intercept else []
    allowed += ["beta"] if slopes else []
    if design.kind == "no_pooling":
        allowed.append("u")
    else:
        for view, term in zip(group_views(design), group_parameters(design), strict=True):
            allowed += ["sigma_u", term.sigma_u.text, *term.sd_names]
            allowed += [f"sigma_u[{effect}]" for effect in view.effects]
            allowed += ["rho_u", term.rho_u.text] if view.group_term.pairs else []
    if design.residual is not None:
        structure = design.residual
        allowed += [f"{design.family.residual_sd}[{name}]" for name in structure.strata]
        allowed += ["rho_e"] if structure.spec.ar is not None else []
    return list(dict.fromkeys(allowed))


def _check_names(design: Design, chosen: Mapping[str, Prior], allowed: list[str]) -> None:
    """Refuse a prior of a parameter that the model does not have."""
    for name in chosen:
        prior_target(name)
        if name not in allowed:
            near = difflib.get_close_matches(name, allowed, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise PriorError(
                f"there is no parameter {name!r} in this {design.kind} model; "
                f"{hint}it has: {', '.join(allowed)}"
            )
    if "Intercept" in chosen and f"beta[{INTERCEPT}]" in chosen:
        raise PriorError("the intercept has two priors: give 'Intercept' or 'beta[Intercept]'")

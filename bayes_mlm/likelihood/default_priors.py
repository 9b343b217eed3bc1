"""Give every parameter of a design its prior: the user's, or a weakly informative default.

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
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from bayes_mlm.base import Floats, PriorError, describe_value, expect
from bayes_mlm.design import INTERCEPT, Design, column_moments
from bayes_mlm.model import Prior, parse_prior, role_of


@dataclass(frozen=True, kw_only=True, repr=False)
class ModelPriors:
    """Hold the prior of each parameter of one design.

    Parameters
    ----------
    beta : tuple of Prior, length p
        One a column of X; that of the intercept is for the intercept at the predictors' means.
    u : Prior or None
        The groups' own intercepts of a no-pooling model.
    sigma_u : tuple of Prior, length q
        One a column of Z; empty for a no-pooling model.
    rho_u : Prior or None
        LKJ, when there are group effects that may correlate; None for independent ones.
    sigma_e : Prior
        The residual sd.
    sigma_e_by : tuple of Prior
        One a residual sd where they differ by the levels of a factor; then `sigma_e`, the sd over
        all rows, follows from them.
    rho_e, nu : Prior or None
        Of AR(1) residuals, and of Student-t ones.
    effects_at : {"means", "zero"}
        Where the predictors are at which the priors of correlated group effects hold, if an
        intercept is among them (`bayes_mlm.likelihood.effect_centring`); "zero" is for comparison
        with programs that state them there.
    """

    beta: tuple[Prior, ...]
    u: Prior | None
    sigma_u: tuple[Prior, ...]
    rho_u: Prior | None
    sigma_e: Prior
    sigma_e_by: tuple[Prior, ...] = ()
    rho_e: Prior | None = None
    nu: Prior | None = None
    effects_at: Literal["means", "zero"] = "means"

    def __repr__(self) -> str:
        """List the priors."""
        named = {name: getattr(self, name) for name in self.__dataclass_fields__}
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
        for effect, prior in zip(design.effects, self.sigma_u, strict=False):
            named["sigma_u" if design.has_icc else f"sigma_u[{effect}]"] = prior
        if self.rho_u is not None:
            named["rho_u"] = self.rho_u
        strata = () if design.residual is None else design.residual.strata
        for stratum, prior in zip(strata, self.sigma_e_by, strict=True):
            named[f"sigma_e[{stratum}]"] = prior
        if not strata:
            named["sigma_e"] = self.sigma_e
        if self.rho_e is not None:
            named["rho_e"] = self.rho_e
        if self.nu is not None:
            named["nu"] = self.nu
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
    """Join the user's priors with weakly informative defaults for the rest.

    Parameters
    ----------
    design : Design
        Laid out for its kind.
    priors : mapping of str to str, mapping or Prior, optional
        For example ``{"beta": "Normal(0, 10)", "sigma_u": "HalfCauchy(5)"}``. A prior for one
        coefficient (``beta[ses]``) beats the one for all (``beta``). A `ModelPriors` is checked
        against the design and returned.

    Raises
    ------
    PriorError
        If a prior names a parameter this model does not have, or is not allowed for it.
    """
    expect("model_priors", design, Design)
    if isinstance(priors, ModelPriors):
        correlated = priors.rho_u is not None
        sizes = len(priors.beta), len(priors.sigma_u), correlated
        own = design.residual
        structure = (
            0 if own is None else len(own.strata),
            own is not None and own.asked.ar is not None,
            own is not None and own.asked.family == "student_t",
        )
        given_structure = len(priors.sigma_e_by), priors.rho_e is not None, priors.nu is not None
        if (
            sizes != (design.p, _n_sigma_u(design), bool(design.effect_pairs))
            or structure != given_structure
        ):
            raise PriorError("these priors were made for another design; make them for this one")
        return priors
    expect_priors(priors)
    given = {name: parse_prior(name, value) for name, value in (priors or {}).items()}
    _check_names(design, given)
    moments = column_moments(design)
    s_y, mean = moments.y_sd, moments.y_mean
    s_x, s_z = _spread(moments.x_sd), _spread(moments.z_sd)
    pooled_sd = Prior("HalfStudentT", (("nu", 3.0), ("sigma", s_y)))

    def coefficient(k: int, term: str) -> Prior:
        if term == INTERCEPT:
            default = _normal(mean, 2.5 * s_y)
            return given.get("Intercept", given.get(f"beta[{term}]", default))
        default = given.get("beta", _normal(0.0, 2.5 * s_y / s_x[k]))
        return given.get(f"beta[{term}]", default)

    def group_sd(k: int, effect: str) -> Prior:
        sd = s_y if effect == INTERCEPT else s_y / s_z[k]
        default = given.get("sigma_u", Prior("HalfStudentT", (("nu", 3.0), ("sigma", sd))))
        return given.get(f"sigma_u[{effect}]", default)

    no_pooling = design.kind == "no_pooling"
    effects = () if no_pooling else design.effects
    return ModelPriors(
        beta=tuple(coefficient(k, term) for k, term in enumerate(design.terms)),
        u=given.get("u", _normal(mean, 10 * s_y)) if no_pooling else None,
        sigma_u=tuple(group_sd(k, effect) for k, effect in enumerate(effects)),
        rho_u=given.get("rho_u", Prior("LKJ", (("eta", 2.0),))) if design.effect_pairs else None,
        sigma_e=given.get("sigma_e", pooled_sd),
        **_residual_priors(design, given, pooled_sd),
    )


def _residual_priors(design: Design, given: Mapping[str, Prior], sd: Prior) -> dict[str, Any]:
    """Give the priors of what residuals have beside one sd."""
    own = design.residual
    if own is None:
        return {}
    found: dict[str, Any] = {
        "sigma_e_by": tuple(
            given.get(f"sigma_e[{name}]", given.get("sigma_e", sd)) for name in own.strata
        )
    }
    if own.asked.ar is not None:
        flat = Prior("Uniform", (("lower", own.least_rho), ("upper", 1.0)))
        found["rho_e"] = given.get("rho_e", flat)
    if own.asked.family == "student_t":
        found["nu"] = given.get("nu", Prior("Gamma", (("alpha", 2.0), ("beta", 0.1))))
    return found


def _n_sigma_u(design: Design) -> int:
    return 0 if design.kind == "no_pooling" else design.q


def _normal(mu: float, sigma: float) -> Prior:
    return Prior("Normal", (("mu", mu), ("sigma", sigma)))


def _spread(sds: Floats) -> list[float]:
    """Give the sd of each column, and 1 for a constant one (its scale is its own size)."""
    return [float(sd) if sd > 0 else 1.0 for sd in sds]


def _check_names(design: Design, given: Mapping[str, Prior]) -> None:
    """Refuse a prior that would be ignored: a silent drop is worse than an error."""
    slopes = [term for term in design.terms if term != INTERCEPT]
    allowed = [f"beta[{term}]" for term in design.terms] + ["sigma_e"]
    allowed += ["Intercept"] if design.has_intercept else []
    allowed += ["beta"] if slopes else []
    if design.kind == "no_pooling":
        allowed.append("u")
    elif design.q:
        allowed += ["sigma_u", *(f"sigma_u[{effect}]" for effect in design.effects)]
        allowed += ["rho_u"] if design.effect_pairs else []
    if design.residual is not None:
        own = design.residual
        allowed += [f"sigma_e[{name}]" for name in own.strata]
        allowed += ["rho_e"] if own.asked.ar is not None else []
        allowed += ["nu"] if own.asked.family == "student_t" else []
    for name in given:
        role_of(name)
        if name not in allowed:
            near = difflib.get_close_matches(name, allowed, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise PriorError(
                f"there is no parameter {name!r} in this {design.kind} model; "
                f"{hint}it has: {', '.join(allowed)}"
            )
    if "Intercept" in given and f"beta[{INTERCEPT}]" in given:
        raise PriorError("the intercept has two priors: give 'Intercept' or 'beta[Intercept]'")

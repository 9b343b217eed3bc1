"""Compute every figure a study may have printed about a model, under one name each.

Least squares
    ``n``, ``df_model``, ``df_residual``, ``r_squared``, ``r_squared_adj``, ``f``, ``p[f]``,
    ``loglik``, ``aic``, ``bic``, ``sigma_e``; a term: ``beta[ses]``, ``se[ses]``, ``t[ses]``,
    ``p[ses]``, ``ci_lower[ses]``, ``ci_upper[ses]`` (95 %, Student's t); of the residuals:
    ``omnibus``, ``p[omnibus]``, ``jarque_bera``, ``p[jarque_bera]``, ``skew``, ``kurtosis``,
    ``durbin_watson``; of X: ``condition_number``.
REML
    ``n``, ``n_groups``, ``group_size_min``, ``group_size_mean``, ``group_size_max``, ``loglik``,
    ``sigma_e``, ``sigma_e^2``, ``se[sigma_e]``; a term: ``beta[ses]``, its standard error given
    the variances, ``se_gls[ses]`` (lme4's), and jointly with them, ``se[ses]`` (statsmodels'), with
    ``z[ses]``, ``p[ses]``, ``ci_lower[ses]``, ``ci_upper[ses]`` (95 %, normal) from the latter.
    With a random intercept alone ``sigma_u``, ``sigma_u^2``, ``icc``, their ``se[...]``,
    ``z[icc]``, ``lrt[sigma_u]`` and ``p[sigma_u]`` (against no group effects), and
    ``se_sigma_u2_statsmodels``; with others ``sigma_u[ses]``, ``se[sigma_u[ses]]`` and
    ``rho_u[Intercept,ses]`` where the effects may correlate.
ML of other families
    ``n``, ``n_groups``, ``loglik``, ``aic``, ``bic``; a term: ``beta[ses]``, ``se[ses]``; sds,
    correlations and the family's own parameters by their names in tables, ``se[sigma_u]``.
Against a null model (`bayes_mlm.studies.published`)
    ``r2_between``, ``r2_within``, and in per cent ``r2_between_percent``, ``r2_within_percent``.
The 2015 document's arithmetic (`bayes_mlm.studies.hsb.arithmetic`)
    ``sigma_u_raw``, ``sigma_u_raw_at_means``, ``sigma_e_raw``, ``sigma_u_raw_err``,
    ``sigma_e_raw_err``, ``icc_raw``, ``icc_raw_err``, ``z_critical``, ``z_critical_one_sided``;
    against other models ``icc_raw_z``, ``pseudo_r2_between``, ``pseudo_r2_within``.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from statistics import NormalDist
from typing import Any

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.design import Design
from bayes_mlm.engines import GeneralisedFit, OlsFit, RemlFit
from bayes_mlm.likelihood import effect_pairs
from bayes_mlm.studies.hsb.arithmetic import raw_residuals, short_error
from bayes_mlm.studies.hsb.regression import regression_quantities

_LEVEL = 0.95  # of every interval in the tables that statsmodels prints


def model_quantities(design: Design, fit: RemlFit | GeneralisedFit | OlsFit) -> dict[str, float]:
    """Compute every figure of one model, by name.

    Parameters
    ----------
    design : Design
        Of the model's kind.
    fit : RemlFit, GeneralisedFit or OlsFit
        Of that design.

    Returns
    -------
    dict of str to float
        By the names at the top of this module, in the outcome's units.
    """
    return dict(_QUANTITIES[type(fit)](design, fit))


def _ols_quantities(design: Design, fit: OlsFit) -> Iterator[tuple[str, float]]:
    from scipy.stats import t as t_distribution

    yield "n", float(fit.n)
    yield "df_residual", float(fit.df_resid)
    yield "sigma_e", fit.sigma_e
    yield "r_squared", fit.r2
    yield "loglik", fit.loglik
    yield "aic", fit.aic
    yield "bic", fit.bic
    reach = float(t_distribution.ppf(0.5 + _LEVEL / 2.0, fit.df_resid)) * fit.beta_se
    columns = {"beta": fit.beta, "se": fit.beta_se, "t": fit.beta_t, "p": fit.beta_p}
    yield from _by_term(design, columns | _interval(fit.beta, reach))
    yield from regression_quantities(design).items()


def _reml_quantities(design: Design, fit: RemlFit) -> Iterator[tuple[str, float]]:
    sizes = design.group_sizes
    yield "n", float(design.n)
    yield "n_groups", float(design.J)
    yield "group_size_min", float(sizes.min())
    yield "group_size_mean", float(sizes.mean())
    yield "group_size_max", float(sizes.max())
    yield "loglik", fit.loglik
    yield "sigma_e", fit.sigma_e
    yield "sigma_e^2", fit.sigma_e**2
    yield "se[sigma_e]", fit.errors.sigma_e
    z = fit.beta / fit.beta_se_joint
    reach = NormalDist().inv_cdf(0.5 + _LEVEL / 2.0) * fit.beta_se_joint
    columns = {"beta": fit.beta, "se": fit.beta_se_joint, "se_gls": fit.beta_se}
    columns |= {"z": z, "p": 2.0 * np.array([_upper_tail(abs(one)) for one in z])}
    columns |= _interval(fit.beta, reach)
    yield from _by_term(design, columns)
    if not design.has_icc:
        yield from _effect_quantities(design, fit)
    if design.has_icc and fit.icc is not None and fit.errors.icc is not None:
        yield from _icc_quantities(design, fit, fit.icc, fit.errors.icc)


def _generalised_quantities(_: Design, fit: GeneralisedFit) -> Iterator[tuple[str, float]]:
    yield "n", float(fit.n)
    yield "n_groups", float(fit.n_groups)
    for name in ("loglik", "aic", "bic"):
        yield name, float(getattr(fit, name))
    for name, estimate, error, _interval in fit.estimate_rows():
        yield name, estimate
        short = name[len("beta[") : -1] if name.startswith("beta[") else name
        if error is not None:
            yield f"se[{short}]", error


def _effect_quantities(design: Design, fit: RemlFit) -> Iterator[tuple[str, float]]:
    for a, effect in enumerate(design.effects):
        yield f"sigma_u[{effect}]", float(fit.sigma_u[a])
        yield f"se[sigma_u[{effect}]]", float(fit.errors.sigma_u[a])
    for pair, (a, b) in zip(effect_pairs(design), design.group_term.pairs, strict=True):
        yield f"rho_u[{pair}]", float(fit.rho_u[a, b])


def _icc_quantities(
    design: Design, fit: RemlFit, icc: float, se_icc: float
) -> Iterator[tuple[str, float]]:
    sigma_u = float(fit.sigma_u[0])
    yield "sigma_u", sigma_u
    yield "sigma_u^2", sigma_u**2
    yield "icc", icc
    yield "se[sigma_u]", float(fit.errors.sigma_u[0])
    yield "se[sigma_u^2]", float(fit.errors.sigma_u2[0])
    yield "se[icc]", se_icc
    yield "z[icc]", icc / se_icc
    yield (
        "se_sigma_u2_statsmodels",
        short_error(design, fit.beta, sigma_u=sigma_u, sigma_e=fit.sigma_e),
    )
    lrt = max(0.0, 2.0 * (fit.loglik - _loglik_without_groups(design)))
    yield "lrt[sigma_u]", lrt
    # Half the chi-squared(1) tail: the hypothesis sigma_u = 0 lies on the boundary (Self & Liang
    # 1987, J. Am. Stat. Assoc. 82). That tail is twice the normal's beyond the root.
    yield "p[sigma_u]", _upper_tail(math.sqrt(lrt))
    raw = raw_residuals(design, fit.beta)
    yield "sigma_u_raw", raw.sigma_u
    yield "sigma_u_raw_err", raw.sigma_u_err
    yield "sigma_u_raw_at_means", raw.sigma_u_at_means
    yield "sigma_e_raw", raw.sigma_e
    yield "sigma_e_raw_err", raw.sigma_e_err
    yield "icc_raw", raw.icc
    yield "icc_raw_err", raw.icc / math.sqrt(design.J)
    yield "z_critical", NormalDist().inv_cdf(0.975)
    yield "z_critical_one_sided", NormalDist().inv_cdf(0.95)


def _upper_tail(z: float) -> float:
    """Return the normal probability beyond z, with all its digits far out."""
    return 0.5 * math.erfc(z / math.sqrt(2.0))


def _loglik_without_groups(design: Design) -> float:
    """Evaluate the REML log-likelihood at sigma_u = 0, where it is that of least squares."""
    beta, *_ = np.linalg.lstsq(design.X, design.y_less_offset)
    rss = float(((design.y_less_offset - design.X @ beta) ** 2).sum())
    freedom = design.n - design.p
    _, logdet = np.linalg.slogdet(design.X.T @ design.X)
    return -0.5 * (freedom * (math.log(2.0 * math.pi * rss / freedom) + 1.0) + float(logdet))


def _interval(beta: Floats, reach: Floats) -> dict[str, Floats]:
    return {"ci_lower": beta - reach, "ci_upper": beta + reach}


def _by_term(design: Design, columns: dict[str, Floats]) -> Iterator[tuple[str, float]]:
    for name, values in columns.items():
        for term, value in zip(design.terms, values, strict=True):
            yield f"{name}[{term}]", float(value)


# By the result of the engine.
_QUANTITIES: Mapping[type, Callable[[Design, Any], Iterator[tuple[str, float]]]] = {
    OlsFit: _ols_quantities,
    RemlFit: _reml_quantities,
    GeneralisedFit: _generalised_quantities,
}

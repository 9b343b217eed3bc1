"""Build a PyMC model for each kind of multilevel analysis.

Every factory takes a `Design` and, optionally, priors, and returns a `pymc.Model` that needs
nothing else of this package: ``with model: pymc.sample()``. The observed variable has the name of
the outcome. Variables and coordinates carry the same names in every model:

=========== ============================= =======================================================
variable    dims                          meaning
=========== ============================= =======================================================
``beta``    ``term``                      coefficients, the intercept at predictors = 0
``u``       the factor's, ``effect``      group effects, labelled with the real group labels
``sigma_u`` none, or ``effect``           sd of the group effects (``effect`` if there are several)
``rho_u``   ``effect_pair``               their correlations, if there are several and they may
                                          correlate (``|``, not ``||``)
``sigma_e`` none                          residual sd
``icc``     none                          sigma_u² / (sigma_u² + sigma_e²); random intercept only
=========== ============================= =======================================================

A design with a residual structure (`bayes_mlm.model.residual`) adds ``sigma_e_by`` and ``icc_by``
(``stratum``), ``rho_e`` or ``nu``; its likelihood is always conditional.

The data are containers, which ``pymc.set_data`` replaces: ``X`` (obs, term), ``y_data`` (obs), the
place of each row's group ``codes`` (obs), and, unless the intercept is the only group effect, ``Z``
(obs, effect); with several factors ``codes_school``, ``Z_school``; ``offset``, and ``stratum_idx``
where residual sds differ. So a model predicts new rows of known groups; for new groups, draw their
effects anew:

>>> import numpy as np, pymc as pm
>>> from bayes_mlm import build_design, fit, load_dataset, partial_pooling
>>> formula = "reaction ~ days + (1 | subject)"
>>> fitted = fit(formula, "sleepstudy", random_seed=1)
>>> with partial_pooling(build_design(formula, load_dataset("sleepstudy"))) as model:
...     rows = {"X": np.array([[1.0, 3.0], [1.0, 12.0]]), "codes": np.array([0, 1])}
...     pm.set_data(rows | {"y_data": np.zeros(2)}, coords={"obs": [0, 1]})
...     model.set_dim("subject", 2, coord_values=["new", "another"])
...     dims = model.named_vars_to_dims
...     effects = [v.name for v in model.free_RVs if "subject" in dims.get(v.name, ())]
...     drawn = pm.sample_posterior_predictive(
...         fitted.data, sample_vars=[*effects, "reaction"], random_seed=1, progressbar=False
...     )
>>> drawn.posterior_predictive["reaction"].sizes["obs"]
2

The order of AR(1) residuals is no container. What u is replaced by, ``pymc.do(model, {"u": ...})``,
the outcome depends on, in every parametrisation.

Names ending in an underscore (``beta_free_``, ``z_``) are the sampler's coordinates, not
quantities to report; `bayes_mlm.likelihood.free_variables` computes them from a fit's draws, for
PyMC.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from bayes_mlm.base import EngineError, expect
from bayes_mlm.design import Design, for_kind
from bayes_mlm.likelihood.default_priors import model_priors
from bayes_mlm.likelihood.parameters import group_dim
from bayes_mlm.likelihood.pymc.builders import LikelihoodForm, Priors, multilevel, regression
from bayes_mlm.likelihood.pymc.parts import (
    coefficients,
    coords,
    data,
    fixed_part,
    observe,
    residual_sd,
)
from bayes_mlm.likelihood.pymc.prior_variables import variable

if TYPE_CHECKING:
    import pymc as pm


def _laid_out(design: Design, kind: str) -> Design:
    expect(kind, design, Design)
    design.require_likelihood(kind)
    return for_kind(design, kind)


def pooled(design: Design, priors: Priors = None, *, mu: bool = False) -> "pm.Model":
    r"""Build the model that ignores groups.

    .. math:: y_{ij} = \mathbf{x}_{ij}'\beta + e_{ij}, \qquad e_{ij} \sim N(0, \sigma_e^2)

    Parameters
    ----------
    design : Design
        From `bayes_mlm.build_design`; its group effects are ignored.
    priors : mapping, optional
        Priors by parameter name; see `bayes_mlm.likelihood.default_priors`.
    mu : bool
        Whether the model keeps the linear predictor of each row, with the offset, as `mu`.

    Returns
    -------
    pymc.Model
        With ``beta`` (term) and ``sigma_e``.

    References
    ----------
    Gelman & Hill (2007), Data Analysis Using Regression and Multilevel/Hierarchical Models, ch. 12.

    Examples
    --------
    >>> from bayes_mlm import build_design, load_dataset, pooled
    >>> model = pooled(build_design("mathach ~ ses", load_dataset("hsb")))
    >>> sorted(model.named_vars)
    ['X', 'beta', 'beta_free_', 'mathach', 'sigma_e', 'y_data']
    """
    return regression(_laid_out(design, "pooled"), priors, mu=mu)


def between(design: Design, priors: Priors = None, *, mu: bool = False) -> "pm.Model":
    r"""Build the regression of group means on group means, a row a group, unweighted.

    .. math:: \bar y_{j} = \bar{\mathbf{x}}_{j}'\beta + e_{j}, \qquad e_{j} \sim N(0, \sigma_e^2)

    ``sigma_e`` is the sd of group means about the line, not of persons.

    Parameters
    ----------
    design : Design
        With a group.
    priors : mapping, optional
        Priors by parameter name; defaults scale with the group means.
    mu : bool
        Whether the model keeps the linear predictor of each row, with the offset, as `mu`.

    Returns
    -------
    pymc.Model
        With ``beta`` (term) and ``sigma_e``; the observations are the groups.

    References
    ----------
    Snijders & Bosker (2012), Multilevel Analysis, 2nd ed., ch. 3, on aggregation.

    Examples
    --------
    >>> from bayes_mlm import between, build_design, load_dataset
    >>> design = build_design("mathach ~ ses", load_dataset("hsb"), group="schoolid")
    >>> between(design)["mathach"].eval().shape
    (160,)
    """
    return regression(_laid_out(design, "between"), priors, mu=mu)


def within(design: Design, priors: Priors = None, *, mu: bool = False) -> "pm.Model":
    r"""Build the regression on predictors de-meaned by group, the outcome as it is.

    .. math:: y_{ij} = \beta_0 + (\mathbf{x}_{ij} - \bar{\mathbf{x}}_j)'\beta + e_{ij}

    The slope is the within-group slope. ``sigma_e`` includes the differences between groups, so
    the slope's sd is wider than that of `no_pooling`, which has the same slope.

    Parameters
    ----------
    design : Design
        With a group, and predictors that vary within it.
    priors : mapping, optional
        Priors by parameter name (``beta[within(ses)]``).
    mu : bool
        Whether the model keeps the linear predictor of each row, with the offset, as `mu`.

    Returns
    -------
    pymc.Model
        With ``beta`` (term: ``within(ses)``, ...) and ``sigma_e``.

    References
    ----------
    Enders & Tofighi (2007), Psychological Methods 12(2), on centering within cluster.

    Examples
    --------
    >>> from bayes_mlm import build_design, load_dataset, within
    >>> design = build_design("mathach ~ ses", load_dataset("hsb"), group="schoolid")
    >>> within(design).coords["term"]
    ('Intercept', 'within(ses)')
    """
    return regression(_laid_out(design, "within"), priors, mu=mu)


def no_pooling(design: Design, priors: Priors = None, *, mu: bool = False) -> "pm.Model":
    r"""Build the fixed-effects model: an intercept for each group, not related to any other.

    .. math:: y_{ij} = u_j + \mathbf{x}_{ij}'\beta + e_{ij}, \qquad e_{ij} \sim N(0, \sigma_e^2)

    There is no common intercept: ``u`` is that of each group, with an all but flat prior.

    Parameters
    ----------
    design : Design
        With a group, and predictors that vary within it.
    priors : mapping, optional
        Priors by parameter name (``u`` for the group-specific intercepts).
    mu : bool
        Whether the model keeps the linear predictor of each row, with the offset, as `mu`.

    Returns
    -------
    pymc.Model
        With ``u`` (factor, effect) and ``sigma_e``, and ``beta`` (term) unless the formula has no
        predictors.

    References
    ----------
    Gelman & Hill (2007), ch. 12.2.

    Examples
    --------
    >>> from bayes_mlm import build_design, load_dataset, no_pooling
    >>> design = build_design("mathach ~ ses", load_dataset("hsb"), group="schoolid")
    >>> model = no_pooling(design)
    >>> model["u"].eval().shape, model.coords["term"]
    ((160, 1), ('ses',))
    """
    import pymc as pm

    design = _laid_out(design, "no_pooling")
    chosen = model_priors(design, priors)
    assert chosen.u is not None  # for mypy: model_priors gives one for this kind
    with pm.Model(coords=coords(design)) as model:
        u = variable("u", (chosen.u,), dims=(group_dim(design), "effect"))
        eta = u[data("codes", design.codes, ("obs",)), 0]
        if design.p:
            eta = eta + fixed_part(design, coefficients(design, chosen))
        observe(design, chosen, eta, residual_sd(design, chosen), mu=mu)
    return model


def mundlak(
    design: Design,
    priors: Priors = None,
    *,
    centred: bool | None = None,
    likelihood: LikelihoodForm = "conditional",
    mu: bool = False,
) -> "pm.Model":
    r"""Build the model with each predictor and its group mean.

    .. math:: y_{ij} = \mathbf{x}_{ij}'\beta + \bar{\mathbf{x}}_j'\gamma + u_j + e_{ij}

    ``beta[ses]`` is the slope within groups; ``beta[between(ses)]`` is the contextual effect, the
    between-group slope minus the within-group slope. u exists if the formula has a bar; without
    one this is the 2015 document's ordinary regression.

    Parameters
    ----------
    design : Design
        With a group, and at least one predictor that varies within it.
    priors : mapping, optional
        Priors by parameter name.
    mu : bool
        Whether the model keeps the linear predictor of each row, with the offset, as `mu`.
    centred, likelihood : optional
        As in `partial_pooling`; only for a formula with a bar.

    Returns
    -------
    pymc.Model
        Variables as in `partial_pooling`, or as in `pooled` without group effects.

    Raises
    ------
    EngineError
        If an option does not apply to the model.

    References
    ----------
    Mundlak (1978), Econometrica 46(1), eq. 2.3.

    Examples
    --------
    >>> from bayes_mlm import build_design, load_dataset, mundlak
    >>> model = mundlak(build_design("mathach ~ ses + (1 | schoolid)", load_dataset("hsb")))
    >>> model.coords["term"]
    ('Intercept', 'ses', 'between(ses)')
    """
    design = _laid_out(design, "mundlak")
    if design.q:
        return multilevel(design, priors, centred, likelihood, mu=mu)
    if centred is not None or likelihood != "conditional":
        raise EngineError(
            f"the formula '{design.formula}' has no group effects to be centred or integrated "
            f"out; omit centred and likelihood, or add (1 | {design.group})"
        )
    return regression(design, priors, mu=mu)


def partial_pooling(
    design: Design,
    priors: Priors = None,
    *,
    centred: bool | None = None,
    likelihood: LikelihoodForm = "conditional",
    mu: bool = False,
) -> "pm.Model":
    r"""Build the multilevel model: group effects drawn from one normal distribution.

    .. math::
       y_{ij} = \mathbf{x}_{ij}'\beta + \mathbf{z}_{ij}'\mathbf{u}_j + e_{ij}, \quad
       \mathbf{u}_j \sim N(0, \Sigma_u), \quad e_{ij} \sim N(0, \sigma_e^2)

    With several group effects, :math:`\Sigma_u` has the sds ``sigma_u`` and the correlations
    ``rho_u``. These are reported where the predictors are zero, and have their priors (LKJ for the
    correlation matrix) where the predictors are at their means
    (`bayes_mlm.likelihood.effect_centring`). With ``||`` the matrix is diagonal, and there is no
    ``rho_u``.

    Parameters
    ----------
    design : Design
        With group effects: ``(1 | g)``, ``(x | g)``, ``(0 + x | g)``, ``(x || g)``.
    priors : mapping, optional
        Priors by parameter name; see `bayes_mlm.likelihood.default_priors`.
    mu : bool
        Whether the model keeps the linear predictor of each row, with the offset, as `mu`.
    centred : bool, optional
        Whether u itself is sampled (centred) or u in units of its sd (non-centred). By default the
        group-specific coefficients are, u about the regression, where `prefers_centred` finds that
        the data determine them, else u in units of its sd. Only for the conditional likelihood.
    likelihood : {"conditional", "marginal"}
        "conditional" has u as a parameter and the rows as observations, to look at and to build
        on. "marginal" integrates u out exactly: the same posterior of everything else, from
        per-group cross-products, faster by far, with one term of group effects. Given its draws,
        `bayes_mlm.engines.recovery.recover_effects` draws u.

    Returns
    -------
    pymc.Model
        With ``beta``, ``u``, ``sigma_u``, ``sigma_e``; ``rho_u`` if there are correlated group
        effects; ``icc`` if the random intercept is the only one. The marginal model has no ``u``,
        and its observed variable is the outcome's sum of squares, from which PyMC cannot predict.

    Raises
    ------
    EngineError
        If `centred` is given with the marginal likelihood, which has no u to centre, or the formula
        has several terms of group effects.

    References
    ----------
    Raudenbush & Bryk (2002), Hierarchical Linear Models, 2nd ed., ch. 4. Betancourt & Girolami
    (2015), "Hamiltonian Monte Carlo for hierarchical models", and Gelfand, Sahu & Carlin (1995),
    Biometrika 82(3), on the parametrisations.

    Examples
    --------
    >>> from bayes_mlm import build_design, load_dataset, partial_pooling
    >>> design = build_design("mathach ~ ses * sector + (1 | schoolid)", load_dataset("hsb"))
    >>> model = partial_pooling(design, {"sigma_u": "HalfNormal(5)"})
    >>> [int(label) for label in model.coords["schoolid"][:3]]
    [1224, 1288, 1296]
    """
    return multilevel(_laid_out(design, "partial_pooling"), priors, centred, likelihood, mu=mu)


FACTORIES: Mapping[str, Callable[..., "pm.Model"]] = {
    "pooled": pooled,
    "between": between,
    "no_pooling": no_pooling,
    "within": within,
    "mundlak": mundlak,
    "partial_pooling": partial_pooling,
}

"""Functions, methods and attributes of other packages, and what does the same here."""

_FOUND = {
    **dict.fromkeys(("fixef", "coef", "params", "bse", "confint", "conf_int"), "summary()"),
    **dict.fromkeys(("sigma", "VarCorr", "icc", "pvalues", "to_frame"), "summary().to_frame()"),
    **dict.fromkeys(
        ("ranef", "random_effects", "blup"),
        "bayes_mlm.group_lines(result), group_effects(0.95)",
    ),
    **dict.fromkeys(("vcov", "cov_params"), "joint_covariance(weights), weights (k, p)"),
    **dict.fromkeys(("loglik", "logLik", "llf"), "summary()['loglik'] of an estimate"),
    **dict.fromkeys(("loo", "waic"), "bayes_mlm.leave_one_group_out(result) or leave_one_row_out"),
    **dict.fromkeys(
        ("aic", "bic", "AIC", "BIC", "anova"), "bayes_mlm.loo_compare([one, other]), of draws"
    ),
    **dict.fromkeys(("predict", "fitted", "fittedvalues"), "bayes_mlm.predict(result, new)"),
    **dict.fromkeys(("margins", "slopes", "emtrends"), "bayes_mlm.slopes(result, 'x')"),
    **dict.fromkeys(("comparisons", "contrasts", "emmeans"), "bayes_mlm.comparisons(result, 'x')"),
    **dict.fromkeys(("save", "to_netcdf"), "bayes_mlm.save_fit(fit, 'fit.nc')"),
    **dict.fromkeys(("plot", "plots"), "`bayes-mlm plot --list`, or ArviZ on `fit.data`"),
    **dict.fromkeys(("idata", "inference_data"), "data, the tree that ArviZ reads"),
    **dict.fromkeys(("check", "diagnose", "resid"), "bayes_mlm.check(fit)"),
    **dict.fromkeys(
        ("model", "graph", "backend", "build"),
        "bayes_mlm.partial_pooling(bayes_mlm.build_design(formula, data)), a pymc.Model",
    ),
    **dict.fromkeys(("prior", "plot_priors", "prior_predictive"), "data['prior'], and priors"),
    **dict.fromkeys(
        ("posterior_predictive", "simulate", "pp_check", "posterior_predict", "posterior_epred"),
        "data['posterior_predictive']",
    ),
    **dict.fromkeys(
        ("trace", "samples", "chains", "as_draws", "as_draws_df", "as_matrix", "extract"),
        "data['posterior'], or posterior, of the reported quantities",
    ),
    **dict.fromkeys(("coefficients", "coef_", "tidy", "results", "print_summary"), "summary()"),
    **dict.fromkeys(
        ("r2", "rsquared", "r_squared", "R2", "bayes_R2", "performance", "estat_icc"),
        "bayes_mlm.variance_by_level(result)",
    ),
    **dict.fromkeys(
        ("kfold", "elpd", "loo_compare", "deviance", "lrtest", "compare_models"),
        "bayes_mlm.loo_compare([one, other]), of draws",
    ),
    **dict.fromkeys(
        ("marginal_effects", "conditional_effects", "avg_slopes", "marginaleffects"),
        "bayes_mlm.slopes(result, 'x') or bayes_mlm.comparisons(result, 'x')",
    ),
    **dict.fromkeys(
        ("hypothesis", "lincom", "wald_test", "t_test", "glht", "estimable"),
        "bayes_mlm.comparisons(result, 'x'), or combine(weights)",
    ),
    **dict.fromkeys(
        ("nobs", "n", "ngrps", "formula", "terms"), "design, with its n, J and formula"
    ),
    **dict.fromkeys(
        ("residuals", "residual", "influence", "cooks_distance"), "bayes_mlm.check(fit)"
    ),
    **dict.fromkeys(("cov_re", "varcorr", "scale", "vcomp"), "summary().to_frame()"),
    **dict.fromkeys(("isSingular", "converged", "rhat", "diagnostics"), "verdict"),
    **dict.fromkeys(("update", "refit"), "bayes_mlm.fit, again"),
    **dict.fromkeys(("psense", "powerscale_sensitivity"), "arviz.psense_summary(fit.data)"),
}
_FUNCTIONS = {
    **dict.fromkeys(
        ("Model", "lmer", "lme", "brm", "mixed", "mixedlm", "MixedLM", "lm"),
        "fit('y ~ x + (1 | g)', data), with engine='reml' for an estimate",
    ),
    **dict.fromkeys(("interpret", "marginaleffects"), "predict, comparisons and slopes"),
    **dict.fromkeys(("predictions", "fitted", "posterior_predict"), "predict(result, new)"),
    **dict.fromkeys(("emmeans", "contrast", "contrasts"), "comparisons(result, 'x')"),
    **dict.fromkeys(("emtrends", "margins"), "slopes(result, 'x')"),
    **dict.fromkeys(("ranef", "coef", "blup"), "group_lines(result)"),
    **dict.fromkeys(("fixef", "confint", "summary", "tidy"), "result.summary()"),
    **dict.fromkeys(("VarCorr", "estat_icc", "r2"), "variance_by_level(result)"),
    **dict.fromkeys(("anova", "loo", "waic", "lrtest", "compare"), "loo_compare([one, other])"),
    **dict.fromkeys(("simulate", "pp_check"), "result.data['posterior_predictive'], or check"),
    **dict.fromkeys(
        ("read_csv", "read_dta", "read_sav", "read_excel", "read_spss", "read_stata"),
        "read_table(path), or the path itself as the data of fit",
    ),
    **dict.fromkeys(("save", "load", "from_netcdf"), "save_fit(fit, path) and load_fit(path)"),
}


def no_attribute(kind: str, name: str) -> AttributeError:
    """Return the error for a name that a result does not have, with what it is called here.

    Examples
    --------
    >>> print(no_attribute("Fit", "predict"))
    a Fit has no 'predict'; use bayes_mlm.predict(result, new)
    """
    advice = f"; use {_FOUND[name]}" if name in _FOUND else ""
    return AttributeError(f"{'an' if kind[0] in 'AEIO' else 'a'} {kind} has no {name!r}{advice}")


def no_function(name: str) -> AttributeError:
    """Return the error for a name that the package does not have, with what it is called here.

    Examples
    --------
    >>> print(no_function("ranef"))
    bayes_mlm has no 'ranef'; use group_lines(result)
    """
    advice = f"; use {_FUNCTIONS[name]}" if name in _FUNCTIONS else ""
    return AttributeError(f"bayes_mlm has no {name!r}{advice}")

"""Methods and attributes of results in other packages, and what does the same here."""

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

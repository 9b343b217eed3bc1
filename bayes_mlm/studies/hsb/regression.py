"""What the 2015 document's regression tables print apart from the coefficients, by statsmodels."""

import numpy as np

from bayes_mlm.design import Design


def regression_quantities(design: Design) -> dict[str, float]:
    """Compute the test of all slopes and the tests of the residuals of a least-squares fit.

    Parameters
    ----------
    design : Design
        Without group effects, or with an intercept a group (`no_pooling`).

    Returns
    -------
    dict of str to float
        ``df_model``, ``r_squared_adj``, ``f``, ``p[f]``, ``omnibus``, ``p[omnibus]``,
        ``jarque_bera``, ``p[jarque_bera]``, ``skew``, ``kurtosis``, ``durbin_watson`` and
        ``condition_number`` (the ratio of the extreme singular values of X).

    Examples
    --------
    >>> from bayes_mlm.data import load_dataset
    >>> from bayes_mlm.design import build_design
    >>> found = regression_quantities(build_design("mathach ~ ses", load_dataset("hsb")))
    >>> round(found["f"], 1), round(found["durbin_watson"], 3)
    (1074.7, 1.82)
    """
    from statsmodels.regression.linear_model import OLS
    from statsmodels.stats.stattools import durbin_watson, jarque_bera, omni_normtest

    X = design.X
    if design.kind == "no_pooling":
        X = np.column_stack([design.group_term.by_row(np.eye(design.J)), X])
    result = OLS(design.y, X).fit()
    residual = np.asarray(result.resid)
    normal, normal_p, skew, kurtosis = jarque_bera(residual)
    omnibus, omnibus_p = omni_normtest(residual) if len(residual) >= 8 else (np.nan, np.nan)
    found = {
        "df_model": result.df_model,
        "r_squared_adj": result.rsquared_adj,
        "f": result.fvalue,
        "p[f]": result.f_pvalue,
        "omnibus": omnibus,
        "p[omnibus]": omnibus_p,
        "jarque_bera": normal,
        "p[jarque_bera]": normal_p,
        "skew": skew,
        "kurtosis": kurtosis,
        "durbin_watson": durbin_watson(residual),
        "condition_number": np.linalg.cond(X),
    }
    return {name: float(value) for name, value in found.items()}

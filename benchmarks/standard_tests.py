"""The standard test of each departure: its p value on a data set."""

import math
from collections.abc import Callable

import numpy as np
from right_models import PLAIN, Columns
from scipy import stats

from bayes_mlm import build_design, fit_reml, hausman
from bayes_mlm.data.table import as_table
from bayes_mlm.design import Design
from bayes_mlm.engines.reml import RemlFit


def conditional(columns: Columns) -> tuple[Design, RemlFit, np.ndarray]:
    """Fit ``y ~ x + (1 | g)`` by REML: design, fit and conditional residuals."""
    design = build_design(PLAIN.formula, as_table(columns))
    reml = fit_reml(design, profile=False)
    return design, reml, design.y - design.X @ reml.beta - reml.u[design.codes, 0]


def mundlak_f(columns: Columns) -> float:
    test = hausman(build_design(PLAIN.formula, as_table(columns)))
    n_groups = np.unique(columns["g"]).size
    return float(stats.f.sf(test.wald / test.df, test.df, n_groups - 1 - test.df))


def likelihood_ratio(columns: Columns) -> float:
    """Test a random slope: REML likelihood ratio, half chi² on 1 and half on 2 df."""
    _, reml, _ = conditional(columns)
    wider = fit_reml(build_design("y ~ x + (x | g)", as_table(columns)), profile=False)
    ratio = max(2.0 * (wider.loglik - reml.loglik), 0.0)
    return float(0.5 * stats.chi2.sf(ratio, 1) + 0.5 * stats.chi2.sf(ratio, 2))


def breusch_pagan(columns: Columns) -> float:
    from statsmodels.stats.diagnostic import het_breuschpagan

    design, _, left = conditional(columns)
    return float(het_breuschpagan(left, design.X)[1])


def levene(columns: Columns) -> float:
    design, _, left = conditional(columns)
    return float(stats.levene(*(left[design.codes == j] for j in range(design.J))).pvalue)


def lag_one(columns: Columns) -> float:
    design, _, left = conditional(columns)
    order = np.argsort(design.codes, kind="stable")
    pairs, e = np.flatnonzero(np.diff(design.codes[order]) == 0), left[order]
    lag = float((e[pairs] * e[pairs + 1]).mean() / np.square(e).mean())
    return 2.0 * float(stats.norm.sf(abs(lag) * math.sqrt(pairs.size)))


def wald_of_square(columns: Columns) -> float:
    table = as_table(columns)
    found = fit_reml(build_design("y ~ x + I(x ** 2) + (1 | g)", table), profile=False)
    return 2.0 * float(stats.norm.sf(abs(found.beta[2]) / math.sqrt(found.beta_cov[2, 2])))


STANDARD: dict[str, Callable[[Columns], float]] = {
    "Mundlak Wald, chi²": lambda c: hausman(build_design(PLAIN.formula, as_table(c))).wald_p,
    "Mundlak Wald, F": mundlak_f,
    "likelihood ratio": likelihood_ratio,
    "Breusch-Pagan (Koenker)": breusch_pagan,
    "Levene": levene,
    "lag-1 correlation": lag_one,
    "skewness of residuals": lambda c: float(stats.skewtest(conditional(c)[2]).pvalue),
    "kurtosis of residuals": lambda c: float(stats.kurtosistest(conditional(c)[2]).pvalue),
    "skewness of modes": lambda c: float(stats.skewtest(conditional(c)[1].u[:, 0]).pvalue),
    "kurtosis of modes": lambda c: float(stats.kurtosistest(conditional(c)[1].u[:, 0]).pvalue),
    "Wald of x²": wald_of_square,
}

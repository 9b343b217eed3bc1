"""Summary of a result: a posterior, or an estimate, as rows of one shape."""

from bayes_mlm.base import DEFAULT_PROB, check_choice, check_prob, expect
from bayes_mlm.fitting.estimate import Estimate
from bayes_mlm.fitting.estimates import Summary
from bayes_mlm.fitting.posterior_summary import summarise_posterior
from bayes_mlm.fitting.result import Fit
from bayes_mlm.fitting.results import estimate_of, expect_draws, posterior_of
from bayes_mlm.fitting.source import INTERVALS, IntervalKind


def summarise(
    fit: Fit | Estimate,
    *,
    null: Fit | Estimate | None = None,
    prob: float | None = None,
    interval: IntervalKind = "hdi",
    groups: bool = False,
    exponentiate: bool = False,
) -> Summary:
    """Summarise every quantity that is defined for a model.

    Parameters
    ----------
    fit : Fit or Estimate
    null : Fit or Estimate, optional
        The model without predictors, for R² by level (`r2_between`, `r2_within`).
    prob : float
        Of the intervals: 0.95 by default; of an estimate those it was fitted with.
    interval : {"hdi", "eti"}
        Of draws: highest density interval, or equal tails.
    groups : bool
        Whether every group effect has a row too.
    exponentiate : bool
        Whether coefficients are shown as ratios, as the family names them: ``odds_ratio[x]``,
        ``rate_ratio[x]``, ``hazard_ratio[x]``. Intervals of draws are those of the ratio (an HDI is
        not the exponentiated HDI of the coefficient), of an estimate those of the coefficient, ends
        exponentiated.

    Returns
    -------
    Summary
        Fixed effects, then ``sigma_u``, ``rho_u``, ``sigma_e``; with a random intercept as the
        only group effect also ``icc``, ``design_effect`` and ``reliability``, and against a null
        model ``r2_between`` and ``r2_within``; with AR(1) residuals ``corr_next``, the correlation
        of two outcomes of a group one step apart; with `groups`, ``u[1224]`` for every group. With
        outcomes of a family without a residual sd `icc` is of the latent outcome, where there is
        one, and ``median_odds_ratio`` (``median_rate_ratio``, ...) compares two groups.

    Raises
    ------
    EngineError
        If `prob` is not between 0 and 1, or `null` is not a null model of the same data.
    UnsupportedModelError
        If coefficients are to be exponentiated and the family has no ratios.
    """
    expect("summarise", fit, Fit, Estimate)
    if null is not None:
        expect("summarise (null)", null, Fit, Estimate)
    check_prob(DEFAULT_PROB if prob is None else prob)
    check_choice("interval", interval, INTERVALS)
    posterior = posterior_of(fit)
    if posterior is None:
        found = estimate_of(fit) if prob is None else estimate_of(fit).at_prob(prob)
        return found.summary(
            null=None if null is None else estimate_of(null),
            groups=groups,
            exponentiate=exponentiate,
        )
    if null is not None:
        expect_draws("a summary of draws (null)", null, likelihood=False)
    of_null = None if null is None else posterior_of(null)
    return summarise_posterior(
        posterior,
        null=of_null,
        prob=DEFAULT_PROB if prob is None else prob,
        interval=interval,
        groups=groups,
        exponentiate=exponentiate,
    )

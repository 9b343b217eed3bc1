"""Certificate that a maximum-likelihood or REML fit is the optimum."""

import math
from dataclasses import dataclass

from bayes_mlm.base import tiny
from bayes_mlm.engines.reml.search import KKT_TOLERANCE, Optimum, Start
from bayes_mlm.engines.reml.statsmodels_check import StatsmodelsCheck

# Log-likelihood that a further Newton step may gain: far below anything a table shows.
STATIONARY = 1e-8
# Agreement required of statsmodels: 1e-6, or the rounding of its sums at large |loglik|.
AGREEMENT = 1e-6
ROUNDING = 1e-11


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """Evidence that a fit is the optimum.

    Attributes
    ----------
    ok : bool
        Whether every check passed.
    finite : bool
        Whether the log-likelihood and its derivatives are finite.
    decrement : float
        Log-likelihood that one more Newton step would gain; free of all units.
    kkt : float
        For variances at zero: slope of the log-likelihood in them (not positive at an
        optimum, reported as 0), a group.
    starts : tuple of Start
        Each start of the search and the log-likelihood it led to.
    statsmodels_loglik : float or None
        MixedLM's log-likelihood at the optimum.
    statsmodels_difference : float or None
        That less the log-likelihood.
    statsmodels_note : str
        Reason why there is no such value, else "".
    message : str
        One line of text, with a remedy where a check failed.
    """

    ok: bool
    finite: bool
    decrement: float
    kkt: float
    starts: tuple[Start, ...]
    statsmodels_loglik: float | None
    statsmodels_difference: float | None
    statsmodels_note: str
    message: str


def certify(
    optimum: Optimum, check: StatsmodelsCheck, unidentified: tuple[str, ...] = ()
) -> Certificate:
    """Return the certificate of an optimum: its derivatives, other starts, and statsmodels.

    Parameters
    ----------
    optimum : Optimum
    check : StatsmodelsCheck
    unidentified : tuple of str
        Parameters that the data do not identify, for which the optimum is arbitrary; see
        `bayes_mlm.likelihood.identification`.

    Returns
    -------
    Certificate
    """
    loglik = optimum.loglik
    finite = math.isfinite(loglik) and math.isfinite(optimum.decrement)
    difference = None if check.loglik is None else check.loglik - loglik
    allowed = max(AGREEMENT, ROUNDING * abs(loglik), check.rounding)
    slack = 1e-9 * (1.0 + abs(loglik))
    faults = list(unidentified)
    if not finite:
        faults.append("the log-likelihood is not finite: check the outcome and rescale predictors")
    if not abs(optimum.decrement) <= STATIONARY:
        faults.append(
            f"a Newton step would still gain {tiny(optimum.decrement)} log-likelihood: rescale "
            "predictors that differ by many orders of magnitude, or drop a group effect"
        )
    if optimum.kkt > KKT_TOLERANCE:
        faults.append(
            f"a variance at zero wants to grow (slope {tiny(optimum.kkt)}): drop a group effect"
        )
    if any(start.loglik > loglik + slack for start in optimum.starts):
        faults.append("another start did better: report this as a bug")
    if difference is not None and not abs(difference) <= allowed:
        faults.append(
            f"statsmodels' log-likelihood here differs by {tiny(difference)} (allowed "
            f"{tiny(allowed)}): centre predictors with large offsets and fit again"
        )
    if faults:
        message = "not certified: " + "; ".join(faults)
    else:
        count = len(optimum.starts)
        searched = f", the highest of {count} starts" if count else ""
        agree = (
            f"statsmodels' log-likelihood here differs by {tiny(difference)}"
            if difference is not None
            else f"not compared with statsmodels ({check.reason})"
        )
        message = (
            f"certified: a Newton step would gain {tiny(optimum.decrement)}{searched}; {agree}"
        )
    return Certificate(
        ok=not faults,
        finite=finite,
        decrement=optimum.decrement,
        kkt=optimum.kkt,
        starts=optimum.starts,
        statsmodels_loglik=check.loglik,
        statsmodels_difference=difference,
        statsmodels_note=check.reason,
        message=message,
    )

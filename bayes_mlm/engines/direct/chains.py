"""Diagnostics of the chains of block Gibbs sampling."""

from dataclasses import dataclass

from bayes_mlm.base import Finding, count, scaled
from bayes_mlm.engines.diagnostics import MAX_R_HAT, MIN_ESS_PER_CHAIN

# Above it a draw of the slowest linear function of the effects is worth a fortieth.
MAX_EIGENVALUE = 0.95
# Monte Carlo error of the mean of an effect, in posterior sds, of all effects together.
MAX_MEAN_ERROR = 0.1


@dataclass(frozen=True, kw_only=True)
class GibbsReport:
    """Diagnostics of the chains.

    Attributes
    ----------
    chains, draws : int
        Chains, and draws kept of each.
    burn : int
        Sweeps of each chain before those.
    eigenvalue : float
        Largest eigenvalue of the map of the effects to their expectation a sweep later: the
        autocorrelation of their slowest linear function.
    r_hat, ess : float
        Largest R-hat and smallest effective sample size of the sds and coefficients.
    mean_error : float
        Monte Carlo error of the means of the group effects, in posterior sds (root mean square).
    """

    chains: int
    draws: int
    burn: int
    eigenvalue: float
    r_hat: float
    ess: float
    mean_error: float

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is found, with remedies."""
        wanted = MIN_ESS_PER_CHAIN * self.chains
        checks = (
            (
                "mixing",
                self.eigenvalue <= MAX_EIGENVALUE,
                f"largest eigenvalue of the Gibbs map {scaled(self.eigenvalue, 3)}",
                f"above {MAX_EIGENVALUE} parts of the levels are linked by few rows, and their "
                "difference mixes slowly: raise --draws, or fit the parts apart",
            ),
            (
                "R-hat",
                self.r_hat <= MAX_R_HAT,
                f"largest R-hat {scaled(self.r_hat, 3)}",
                "the chains disagree: raise --draws",
            ),
            (
                "ESS",
                self.ess >= wanted,
                f"smallest effective sample size {count(self.ess)}",
                f"{wanted} are needed: raise --draws",
            ),
            (
                "group effects",
                self.mean_error <= MAX_MEAN_ERROR,
                f"Monte Carlo error of the group effects' means {scaled(self.mean_error, 3)} of "
                "their sds",
                "raise --draws",
            ),
        )
        return tuple(
            Finding(name, bool(fine), text if fine else f"{text}: {remedy}")
            for name, fine, text, remedy in checks
        )

"""Report on direct draws: how they were made, and whether they are reliable."""

from dataclasses import dataclass
from typing import Literal

from bayes_mlm.base import Finding, Verdict, count, scaled, tiny
from bayes_mlm.engines.direct.chains import GibbsReport
from bayes_mlm.engines.direct.pareto import MAX_K_HAT

# An error of 0.001 in a probability is a fifteenth of the noise of 4,000 draws at its least.
MAX_ERROR = 1e-3
# Of the log weights of an interpolated density: a mean is off by a twentieth of an sd at most.
MAX_WEIGHT_SD = 0.05
# Log of the exact over the interpolated density where that is not negligible.
MAX_MISSED = 0.3
# Error of the conditional mean of a group effect, in posterior sds.
MAX_EFFECTS_ERROR = 0.1
# Draws that may be copies of others, as a part of all.
MAX_COPIES = 0.02
# Of the log-likelihood, where group effects are integrated out numerically.
MAX_INTEGRAL_ERROR = 0.05
# Trials of group effects that may lie above their rejection bound, as a part of all.
MAX_VIOLATIONS = 0.01


@dataclass(frozen=True, kw_only=True)
class DirectReport:
    """Diagnostics of direct draws.

    Parameters
    ----------
    method : {"quadrature", "importance", "interpolation", "gibbs"}
        How the variance parameters were drawn; the rest is drawn exactly given them.
    log_marginal_likelihood : float or None
        Log of the density of the outcome with everything integrated out; None where a prior is
        flat, which makes it undefined.
    log_marginal_likelihood_error : float
        Its standard error (importance) or bound (quadrature).
    error : float or None
        Quadrature: error of any posterior probability. The larger of a bound from the highest
        polynomial coefficients of all rectangles, and of the mean difference between the exact
        density and the one drawn from.
    k_hat : float or None
        Importance sampling: shape of the tail of the weights.
    ess : float
        A cautious count of what the draws are worth: their number (quadrature), joined with the
        effective size of the proposals that they were resampled from (importance).
    n_draws, n_unique : int
        Draws, and how many of them differ.
    n_evaluations : int
        Evaluations of the density.
    effects : {"none", "drawn", "summarised"}
        Whether the group effects are available as draws (``u``), or as means and sds (``u_mean``,
        ``u_sd``) because the draws would not fit the memory bound; "none" where the model has
        none or they were not requested.
    integral_error : float or None
        Of the log-likelihood, where the group effects are integrated out numerically: its root mean
        square at some draws, by a finer rule.
    n_trials, n_violations : int
        Group effects drawn by rejection: trials, and how many lie above the bound.
    log_weight_sd : float or None
        Of an interpolated density: sd of the logs of its exact weights, at some draws (method
        "interpolation"), or at all, which are accepted by these weights.
    missed : float or None
        Interpolation: largest log weight at points about the draws whose density is not
        negligible, which shows mass that was never proposed.
    effects_error : float or None
        Interpolation: largest error of the conditional mean of a group effect, in posterior sds.
    notes : tuple of str
        What the data do not identify, so that the priors decide.
    chains : GibbsReport or None
        Gibbs sampling: diagnostics of the chains.
    """

    method: Literal["quadrature", "importance", "interpolation", "gibbs"]
    log_marginal_likelihood: float | None
    log_marginal_likelihood_error: float
    error: float | None
    k_hat: float | None
    ess: float
    n_draws: int
    n_unique: int
    n_evaluations: int
    effects: Literal["none", "drawn", "summarised"]
    log_weight_sd: float | None = None
    missed: float | None = None
    effects_error: float | None = None
    integral_error: float | None = None
    n_trials: int = 0
    n_violations: int = 0
    notes: tuple[str, ...] = ()
    chains: GibbsReport | None = None

    @property
    def trusted(self) -> bool:
        """Whether the draws are reliable; if not, use NUTS."""
        if self.k_hat is not None and self.k_hat > MAX_K_HAT:
            return False
        if self.error is not None and not self.error <= MAX_ERROR:
            return False
        if not (self._interpolated_well and self._integrated_well):
            return False
        return self.n_unique >= (1.0 - MAX_COPIES) * self.n_draws

    @property
    def how(self) -> str:
        """How the draws were made, in a few words."""
        if self.chains:
            return "by block Gibbs sampling"
        if self.method == "interpolation":
            return "from an interpolated density, checked by exact ones"
        return f"exact by {self.method}"

    @property
    def _integrated_well(self) -> bool:
        if self.integral_error is not None and not self.integral_error <= MAX_INTEGRAL_ERROR:
            return False
        return self.n_violations <= MAX_VIOLATIONS * self.n_trials

    @property
    def _interpolated_well(self) -> bool:
        if self.method != "interpolation":
            return True
        limits = (
            (self.log_weight_sd, MAX_WEIGHT_SD),
            (self.missed, MAX_MISSED),
            (self.effects_error, MAX_EFFECTS_ERROR),
        )
        return all(value is None or value <= limit for value, limit in limits)

    @property
    def verdict(self) -> Verdict:
        """Diagnostics of the draws, with remedies.

        Examples
        --------
        >>> report = DirectReport(
        ...     method="importance", log_marginal_likelihood=-9.1,
        ...     log_marginal_likelihood_error=0.01, error=None, k_hat=0.9, ess=120.0, n_draws=4000,
        ...     n_unique=4000, n_evaluations=20000, effects="drawn")
        >>> print(report.verdict)
        Pareto k-hat 0.90 of the importance weights: above 0.7 the draws are not reliable; use NUTS
        (--engine nuts)
        """
        remedy = "; use NUTS (--engine nuts)"
        findings = []
        if self.error is not None:
            fine = self.error <= MAX_ERROR
            text = f"quadrature error {tiny(self.error)} in any probability"
            findings.append(Finding("quadrature", fine, text + ("" if fine else remedy)))
        if self.k_hat is not None:
            fine = self.k_hat <= MAX_K_HAT
            text = f"Pareto k-hat {scaled(self.k_hat, 2)} of the importance weights"
            wrong = f": above {MAX_K_HAT} the draws are not reliable{remedy}"
            findings.append(Finding("k-hat", fine, text + ("" if fine else wrong)))
        if self.log_weight_sd is not None and self.method != "interpolation":
            text = "exact weights of draws from an interpolated density: sd of their logs "
            findings.append(Finding("interpolation", True, text + tiny(self.log_weight_sd)))
        if self.integral_error is not None:
            fine = self.integral_error <= MAX_INTEGRAL_ERROR
            text = f"group integrals: error {tiny(self.integral_error)} of the log-likelihood"
            findings.append(Finding("integrals", fine, text + ("" if fine else remedy)))
        if self.n_trials:
            fine = self.n_violations <= MAX_VIOLATIONS * self.n_trials
            text = (
                f"group effects by rejection: {count(self.n_violations)} of "
                f"{count(self.n_trials)} trials above the bound"
            )
            findings.append(Finding("rejection", fine, text + ("" if fine else remedy)))
        copies = self.n_draws - self.n_unique
        if self.method in ("importance", "interpolation"):
            fine = copies <= MAX_COPIES * self.n_draws
            text = f"{copies} of {self.n_draws} draws are copies of others"
            findings.append(Finding("copies", fine, text + ("" if fine else remedy)))
        if self.chains is not None:
            findings += self.chains.findings
        if self.method == "interpolation":
            fine = self._interpolated_well
            sd, error = self.log_weight_sd or 0.0, self.effects_error or 0.0
            text = (
                f"interpolated density: log weights of sd {scaled(sd, 2)} at exact evaluations, "
                f"group effects to {scaled(error, 2)} of an sd"
            )
            if self.missed is not None and not self.missed <= MAX_MISSED:
                text += f", log densities up to {scaled(self.missed, 2)} too low at test points"
            findings.append(Finding("interpolation", fine, text + ("" if fine else remedy)))
        findings += [Finding("identification", False, note) for note in self.notes]
        return Verdict(tuple(findings))

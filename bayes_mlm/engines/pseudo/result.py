"""The result of a fit under survey weights."""

import math
from dataclasses import dataclass
from typing import Literal

from bayes_mlm.base import Finding, Floats, Verdict, percent, scaled
from bayes_mlm.design import GroupWeights
from bayes_mlm.engines.reml.result import RemlFit

# Share by which a variance differs between two scalings that is worth a word.
MOVED = 0.1
# Standard errors are of the jackknife up to this many groups, unless otherwise requested: the
# sandwich has less than its nominal coverage there.
FEW_GROUPS = 50

# Scalings that are both fitted, whichever was chosen.
ESTIMATED: tuple[Literal["size", "effective"], ...] = ("size", "effective")

SCALING_WORDS = {
    "size": "scaled to sum to each group's number of rows (size)",
    "effective": "scaled to sum to each group's effective number of rows (effective)",
    "none": "as they are (none)",
}
ERROR_WORDS = {
    "sandwich": "sandwich over all parameters, by group",
    "replicates": "replicate weights",
    "jackknife": "jackknife, leaving out a group at a time",
    "fixed": "sandwich of the coefficients, the variances held at their estimates (WeMix's)",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Variances:
    """Estimates of the variance parameters by one scaling of the weights.

    Parameters
    ----------
    scaling : str
        As of `Weights`.
    sigma_u : ndarray, shape (q,)
    sigma_e : float
    beta : ndarray, shape (p,)
    """

    scaling: str
    sigma_u: Floats
    sigma_e: float
    beta: Floats


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PseudoFit(RemlFit):
    """Pseudo-maximum likelihood under survey weights.

    As `RemlFit`, and: `loglik` is the log pseudo-likelihood at level-2 weights of mean one, which
    is no likelihood, so that `aic` and `bic` are nan; `beta_cov` and `errors` are of the sandwich
    or the jackknife; intervals are of the t with J less the number of group-level columns degrees
    of freedom, of variance parameters on the scale of logs (of the icc: log odds); `u` are
    predictions given the scaled weights.

    Attributes
    ----------
    weights : GroupWeights
    standard_errors : {"sandwich", "jackknife", "fixed", "replicates"}
    covariance : ndarray, shape (v + p, v + p)
        Of the variance parameters, named in `errors`, and the coefficients; nan where the former
        are not defined.
    model_covariance : ndarray, shape (v + p, v + p)
        Of the same, by the inverse information alone, as if rows were drawn by the model.
    others : tuple of Variances
        Estimates by size or effective scaling, whichever was not chosen.
    """

    weights: GroupWeights
    standard_errors: str
    covariance: Floats
    model_covariance: Floats
    others: tuple[Variances, ...] = ()

    def __repr__(self) -> str:
        """Return the size of the data and the log pseudo-likelihood."""
        return (
            f"<PseudoFit, n = {self.weights.n}, {self.n_groups} groups ({self.group}), "
            f"log pseudo-likelihood = {scaled(self.loglik, 2)}>"
        )

    @property
    def engine(self) -> str:
        """The engine: "pml"."""
        return "pml"

    @property
    def log_pseudo_likelihood(self) -> float:
        """With the level-2 weights as they were given."""
        return float(self.loglik * self.weights.level2.mean())

    @property
    def moved(self) -> str:
        """What differs by more than a tenth between size and effective scaling; empty if none."""
        if self.weights.spec.scaling not in ESTIMATED or not self.others:
            return ""
        other = self.others[0]
        names = [*(f"sigma_u[{name}]" for name in self.effects), "sigma_e"]
        if len(self.effects) == 1:
            names[0] = "sigma_u"
        mine, theirs = ((*one.sigma_u.tolist(), one.sigma_e) for one in (self, other))
        found = []
        for name, a, b in zip(names, mine, theirs, strict=True):
            top = max(a, b)
            share = math.inf if min(a, b) == 0.0 < top else abs((a / b) ** 2 - 1.0) if b else 0.0
            if share > MOVED:
                found.append(f"{name} {scaled(a, 3)} against {scaled(b, 3)}")
        if not found:
            return ""
        return (
            f"the scaling of the weights matters: by {self.weights.spec.scaling} against "
            f"{other.scaling}, {', '.join(found)}; report both, and take the variances with caution"
        )

    @property
    def verdict(self) -> Verdict:
        """Whether this is the maximum, and whether the scaling of the weights moves a variance."""
        found = list(super().verdict.findings)
        if self.moved:
            found.append(Finding("scaling", True, self.moved, always=True))
        return Verdict(tuple(found))

    @property
    def summary_notes(self) -> tuple[str, ...]:
        """The weights, their scaling, effective numbers and standard errors, in words."""
        spec, weights = self.weights.spec, self.weights
        kind = "unconditional" if spec.overall else "conditional on the group"
        rows = (
            f"weights of rows {spec.rows} ({kind}), {SCALING_WORDS[spec.scaling]}; effective "
            f"number of rows {float(weights.effective_rows.sum()):,.0f} of {weights.n:,}"
            if spec.rows
            else "rows have no weights within groups"
        )
        groups = (
            f"weights of groups {spec.level2}; effective number of groups "
            f"{scaled(weights.effective_groups, 1)} of {self.n_groups:,}"
            if spec.level2
            else "groups have no weights"
        )
        how = ERROR_WORDS[self.standard_errors]
        how = str(spec.replicates) if self.standard_errors == "replicates" else how
        return (
            f"{rows}; {groups}",
            f"standard errors: {how}; loglik is a log "
            "pseudo-likelihood: no AIC, BIC or likelihood-ratio test",
            *([] if self.moved or not spec.rows else [self._agreement]),
        )

    @property
    def _agreement(self) -> str:
        if self.weights.spec.scaling == "none":
            return "the variances by the scaling none have a bias with few rows a group"
        other = self.others[0].scaling
        return f"by the scaling {other} no variance differs by more than {percent(MOVED)}"

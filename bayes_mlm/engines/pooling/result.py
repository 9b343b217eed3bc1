"""Results pooled over imputations: what the questions read of any likelihood estimate."""

import math
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bayes_mlm.base import Finding, Floats, UnsupportedModelError, Verdict, rounded
from bayes_mlm.engines.pooling.rubin import BarnardRubin, Pooled
from bayes_mlm.engines.reml.inference import EstimateRow, EstimatesTable, Interval, VarianceErrors

if TYPE_CHECKING:
    from bayes_mlm.design import Design
    from bayes_mlm.engines.generalised.joint import JointEstimate

# Below so many degrees of freedom, or with so few imputations for a fraction of missing information
# above, more imputations would change the intervals.
_FEW_DF, _FEW, _MUCH = 20.0, 5, 0.3


@dataclass(frozen=True, kw_only=True, eq=False)
class PooledQuantity:
    """A quantity of the table of a pooled result: on which scale it was pooled, and as what."""

    name: str
    scale: str
    of: Pooled
    place: int


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PooledResult(EstimatesTable):
    """What pooled results of one and of several grouping factors have in common.

    Parameters
    ----------
    parts : tuple
        The solutions of the M imputations.
    engine : str
        What made them, a name in `ENGINES`.
    n : int
        Rows.
    terms : tuple of str
    beta : ndarray, shape (p,)
        Means over the imputations.
    beta_cov : ndarray, shape (p, p)
        Rubin's total covariance.
    beta_interval : tuple of Interval
    sigma_e : float
        Root of the mean residual variance; nan of a family without.
    tests : BarnardRubin
    of_beta, of_residual : Pooled
        The coefficients, and the residual variance, with their parts of variance.
    auxiliary : dict of str to ndarray
        Means of further parameters of the family.
    auxiliary_rows : tuple of EstimateRow
    of_auxiliary : Pooled or None
    joint : JointEstimate or None
        Of outcomes that are not Gaussian: every parameter, with Rubin's total covariance.
    """

    parts: tuple[Any, ...]
    engine: str
    n: int
    terms: tuple[str, ...]
    beta: Floats
    beta_cov: Floats
    beta_interval: tuple[Interval, ...]
    sigma_e: float
    sigma_e_interval: Interval | None
    tests: BarnardRubin
    of_beta: Pooled
    of_residual: Pooled
    auxiliary: dict[str, Floats]
    auxiliary_rows: tuple[EstimateRow, ...]
    of_auxiliary: Pooled | None
    joint: "JointEstimate | None"

    residual = None
    intervals = None  # of profiles, which a likelihood has, of one data set
    loglik = aic = bic = math.nan

    @property
    @abstractmethod
    def covariances_u(self) -> tuple[Floats, ...]:
        """Covariance (q, q) of the group effects of each factor."""

    @abstractmethod
    def variance_rows(self) -> Iterator[EstimateRow]:
        """Return sds and correlations of the group effects, the residual sd, auxiliary ones."""

    @abstractmethod
    def icc_rows(self) -> Iterator[EstimateRow]:
        """Return what share of the variance left by X is between groups."""

    @abstractmethod
    def _variances(self) -> Iterator[PooledQuantity]:
        """Return sds, correlations and icc as they were pooled."""

    @property
    def m(self) -> int:
        """Number of imputations."""
        return len(self.parts)

    @property
    def method(self) -> str:
        """The method of the parts: "REML", "ML"."""
        return str(getattr(self.parts[0], "method", self.engine.upper()))

    @property
    def beta_se(self) -> Floats:
        """Standard errors (p,)."""
        return np.sqrt(np.diagonal(self.beta_cov))

    @property
    def df(self) -> float:
        """Degrees of freedom of intervals of group effects: infinite, the normal."""
        return math.inf

    @property
    def n_singular(self) -> int:
        """How many imputations have an estimate at the boundary."""
        return sum(bool(one.singular) for one in self.parts)

    @property
    def singular(self) -> bool:
        """Whether the estimate of some imputation is at the boundary."""
        return self.n_singular > 0

    @property
    def quantities(self) -> tuple[PooledQuantity, ...]:
        """Every parameter as it was pooled: coefficients, variances, correlations, icc."""
        found = [
            PooledQuantity(name=f"beta[{term}]", scale="", of=self.of_beta, place=k)
            for k, term in enumerate(self.terms)
        ]
        found += self._variances()
        found += [
            PooledQuantity(name=row[0], scale="", of=self.of_auxiliary, place=k)
            for k, row in enumerate(self.auxiliary_rows)
            if self.of_auxiliary is not None
        ]
        return tuple(found)

    @cached_property
    def verdict(self) -> Verdict:
        """How many imputations, how much is missing, and what is wrong with any of them."""
        found = [
            Finding(one.check, False, f"imputation {k}: {one.message}")
            for k, part in enumerate(self.parts, start=1)
            for one in part.verdict.problems
        ]
        found += self._cautions()
        fmi, df = self.of_beta.fmi, self.of_beta.df
        worst, least = int(np.argmax(fmi)), int(np.argmin(df))
        found.append(
            Finding(
                "imputations",
                True,
                f"{self.m} imputations pooled by Rubin's rules; largest fraction of missing "
                f"information of a coefficient {fmi[worst]:.2f} ({self.terms[worst]})",
                always=True,
            )
        )
        few = self.m <= _FEW and fmi[worst] > _MUCH
        # Whether it is the imputations that are few, and not the groups.
        scarce = df[least] < _FEW_DF and self.of_beta.df_complete[least] >= 2.0 * df[least]
        if few or scarce:
            which = worst if few else least
            found.append(
                Finding(
                    "few imputations",
                    True,
                    f"{self.m} imputations are few for it: {rounded(float(df[which]))} degrees of "
                    f"freedom of {self.terms[which]}; more would give narrower intervals",
                    always=True,
                )
            )
        if self.singular:
            found.append(
                Finding(
                    "singular",
                    True,
                    f"singular in {self.n_singular} of {self.m} imputations: a variance is not "
                    "distinguishable from 0 there, and has no standard error",
                    always=True,
                )
            )
        return Verdict(tuple(found))

    def _cautions(self) -> list[Finding]:
        """Return what parts say whatever else they say, with how many of them do."""
        said: dict[str, list[Finding]] = {}
        for part in self.parts:
            for one in part.verdict.findings:
                if one.ok and one.always:
                    said.setdefault(one.check, []).append(one)
        return [
            replace(
                many[0],
                message=f"in {len(many)} of {self.m} imputations, such as: {many[0].message}",
            )
            for many in said.values()
        ]

    @property
    def summary_notes(self) -> tuple[str, ...]:
        """What the parts are, in words: the weights of a survey."""
        notes: tuple[str, ...] = self.parts[0].summary_notes
        return notes

    @property
    def remarks(self) -> tuple[str, ...]:
        """The verdict, below the table."""
        return (self.verdict.line,)

    def estimate_rows(self) -> Iterator[EstimateRow]:
        """Return all estimates but the group effects."""
        columns = (self.terms, self.beta, self.beta_se, self.beta_interval)
        for term, beta, error, span in zip(*columns, strict=True):
            yield f"beta[{term}]", float(beta), float(error), span
        yield from self.variance_rows()
        yield from self.icc_rows()

    def _residual_row(self) -> Iterator[EstimateRow]:
        if not math.isnan(self.sigma_e):
            error = float(0.5 * self.of_residual.se[0] / self.sigma_e)
            yield "sigma_e", self.sigma_e, error, self.sigma_e_interval

    def _residual_quantity(self) -> Iterator[PooledQuantity]:
        if not math.isnan(self.sigma_e):
            yield PooledQuantity(name="sigma_e", scale="variance", of=self.of_residual, place=0)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PooledFit(PooledResult):
    """Likelihood estimates of M imputations, with one grouping factor at most, as one.

    Parameters
    ----------
    effects, group, labels, n_groups
        As of the parts.
    cov_u, rho_u : ndarray, shape (q, q)
        Mean covariance of the group effects, and its correlations.
    sigma_u : ndarray, shape (q,)
    icc : float or None
        Mean over the imputations.
    errors : VarianceErrors or None
        None of least squares.
    sigma_u_interval, rho_u_interval : tuple of Interval
    icc_interval : Interval or None
    sd_names, rho_names : tuple of str
    u, u_sd : ndarray, shape (J, q)
        Mean predicted effects, and sds within and between imputations.
    variance_pools : mapping of str to Pooled
        Of "sigma_u" (as variances), "rho_u" and "icc".
    """

    effects: tuple[str, ...]
    group: str | None
    labels: npt.NDArray[Any]
    n_groups: int
    cov_u: Floats
    rho_u: Floats
    sigma_u: Floats
    icc: float | None
    errors: VarianceErrors | None
    sigma_u_interval: tuple[Interval, ...]
    rho_u_interval: tuple[Interval, ...]
    icc_interval: Interval | None
    sd_names: tuple[str, ...]
    rho_names: tuple[str, ...]
    u: Floats
    u_sd: Floats
    variance_pools: dict[str, Pooled]

    def __repr__(self) -> str:
        """Return the method, the number of imputations and the size of the data."""
        groups = f", {self.n_groups} groups ({self.group})" if self.group else ""
        return f"<PooledFit ({self.method}), {self.m} imputations, n = {self.n}{groups}>"

    @property
    def covariances_u(self) -> tuple[Floats, ...]:
        """Covariance (q, q) of the group effects of each factor."""
        return (self.cov_u,) if self.effects else ()

    def variance_rows(self) -> Iterator[EstimateRow]:
        """Return sds and correlations of the group effects, the residual sd, auxiliary ones."""
        if self.errors is None:
            yield "sigma_e", self.sigma_e, None, None
            return
        for k, (name, span) in enumerate(zip(self.sd_names, self.sigma_u_interval, strict=True)):
            yield name, float(self.sigma_u[k]), float(self.errors.sigma_u[k]), span
        pairs = combinations(range(len(self.effects)), 2)
        for name, (a, b), span in zip(
            self.rho_names, pairs if self.rho_names else (), self.rho_u_interval, strict=True
        ):
            yield name, float(self.rho_u[a, b]), float(self.errors.rho_u[a, b]), span
        yield from self._residual_row()
        yield from self.auxiliary_rows

    def icc_rows(self) -> Iterator[EstimateRow]:
        """Return the icc, where it is one number."""
        if self.icc is not None and self.errors is not None:
            yield "icc", self.icc, self.errors.icc, self.icc_interval

    def _variances(self) -> Iterator[PooledQuantity]:
        named = {"sigma_u": self.sd_names, "rho_u": self.rho_names, "icc": ("icc",)}
        for kind in ("sigma_u", "rho_u"):
            scale = "variance" if kind == "sigma_u" else ""
            for k, name in enumerate(named[kind] if self.errors is not None else ()):
                yield PooledQuantity(name=name, scale=scale, of=self.variance_pools[kind], place=k)
        yield from self._residual_quantity()
        if "icc" in self.variance_pools:
            yield PooledQuantity(name="icc", scale="", of=self.variance_pools["icc"], place=0)

    def of_groups(self, design: "Design") -> "PooledFit":
        """Return the fit with the effects of a design's groups only; the rest stays that of all."""
        at = design.group_term.places_in(self.labels)
        parts = tuple(one.of_groups(design) for one in self.parts)
        return replace(self, parts=parts, labels=self.labels[at], u=self.u[at], u_sd=self.u_sd[at])


def refuse_pooled(solution: object, what: str, why: str) -> None:
    """Refuse what has no meaning for several imputations.

    Raises
    ------
    UnsupportedModelError
    """
    if isinstance(solution, PooledResult):
        raise UnsupportedModelError(
            f"{what} is not defined for {solution.m} imputations pooled: {why}, or fit one of them "
            "by itself"
        )

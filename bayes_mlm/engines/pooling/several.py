"""Results with several grouping factors pooled over imputations."""

from collections.abc import Iterator
from dataclasses import dataclass

from bayes_mlm.base import Floats
from bayes_mlm.engines.pooling.result import PooledFit, PooledQuantity, PooledResult
from bayes_mlm.engines.pooling.rubin import Pooled
from bayes_mlm.engines.reml.inference import EstimateRow, VarianceErrors
from bayes_mlm.engines.reml.several.result import FactorEstimates


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PooledSeveralFit(PooledResult):
    """Likelihood estimates of M imputations, with several grouping factors, as one.

    Parameters
    ----------
    factors : tuple of FactorEstimates
        In the order of the formula; their `theta` and `u_cov` are nan.
    factor_pools : tuple of mapping
        Of each factor: "sigma_u" (as variances), "rho_u" and "icc" as they were pooled.
    """

    factors: tuple[FactorEstimates, ...]
    factor_pools: tuple[dict[str, Pooled], ...]

    icc = None

    def __repr__(self) -> str:
        """Return the method, the number of imputations and the size of the data."""
        groups = "".join(f", {len(one.labels):,} groups ({one.factor})" for one in self.factors)
        return f"<PooledSeveralFit ({self.method}), {self.m} imputations, n = {self.n:,}{groups}>"

    @property
    def covariances_u(self) -> tuple[Floats, ...]:
        """Covariance (q, q) of the group effects of each factor."""
        return tuple(one.cov_u for one in self.factors)

    @property
    def errors(self) -> tuple[VarianceErrors, ...]:
        """Standard errors of the variance parameters, factor by factor."""
        return tuple(one.errors for one in self.factors)

    def variance_rows(self) -> Iterator[EstimateRow]:
        """Return sds and correlations factor by factor, the residual sd, auxiliary ones."""
        for one in self.factors:
            yield from one.variance_rows()
        yield from self._residual_row()
        yield from self.auxiliary_rows

    def icc_rows(self) -> Iterator[EstimateRow]:
        """Return each factor's share of the variance left by X, where that is one number."""
        for one in self.factors:
            if one.icc is not None:
                yield f"icc[{one.factor}]", one.icc, one.errors.icc, one.icc_interval

    def _variances(self) -> Iterator[PooledQuantity]:
        for one, of in zip(self.factors, self.factor_pools, strict=True):
            for k, name in enumerate(one.sd_names):
                yield PooledQuantity(name=name, scale="variance", of=of["sigma_u"], place=k)
            for k, name in enumerate(one.rho_names):
                yield PooledQuantity(name=name, scale="", of=of["rho_u"], place=k)
        yield from self._residual_quantity()
        for one, of in zip(self.factors, self.factor_pools, strict=True):
            if "icc" in of:
                yield PooledQuantity(name=f"icc[{one.factor}]", scale="", of=of["icc"], place=0)

    def of_factor(self, place: int) -> PooledFit:
        """Return the fit with the group effects of one factor, by its place in the formula."""
        one = self.factors[place]
        shared = {
            name: getattr(self, name)
            for name in PooledResult.__dataclass_fields__
            if name != "parts"
        }
        pools = {kind: of for kind, of in self.factor_pools[place].items() if kind != "icc"}
        return PooledFit(
            **shared,
            parts=tuple(part.of_factor(place) for part in self.parts),
            effects=one.effects,
            group=one.factor,
            labels=one.labels,
            n_groups=len(one.labels),
            cov_u=one.cov_u,
            rho_u=one.rho_u,
            sigma_u=one.sigma_u,
            icc=None,
            errors=one.errors,
            sigma_u_interval=one.sigma_u_interval,
            rho_u_interval=one.rho_u_interval,
            icc_interval=None,
            sd_names=one.sd_names,
            rho_names=one.rho_names,
            u=one.u,
            u_sd=one.u_sd,
            variance_pools=pools,
        )

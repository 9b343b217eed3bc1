"""Expected log predictive density (elpd): how well a model predicts new data."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from bayes_mlm.base import Finding, Floats, Tabular, Verdict, View, count, scaled, texts
from bayes_mlm.engines import reliable_k_hat
from bayes_mlm.likelihood import factor_dim

if TYPE_CHECKING:
    from arviz_stats.utils import ELPDData

# Small compared with 4, below which a difference of elpd is negligible.
MAX_MCSE = 0.5


PART_COLUMNS = ("unit", "label", "log_density", "k_hat", "refitted")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Elpd(Tabular):
    """Expected log predictive density of a model by leave-one-out cross-validation.

    Parameters
    ----------
    unit : {"group", "row"}
        What was omitted, one at a time.
    pointwise : (N,) array
        ``log p(y_k | y_-k)`` of each part, everything else integrated out.
    labels : (N,) array
        Group labels; or the numbers of the rows used, from 1.
    k_hat : (N,) array
        Pareto shape of the importance weights of each part; minus infinity where they are equal.
    refitted : (N,) bool array
        Parts whose weights were not reliable, and which were computed by a fit without them.
    p : float
        Effective number of parameters: the optimism of the in-sample density.
    mcse : float
        Monte Carlo standard error of `elpd`.
    n_draws : int
        Draws of the variance parameters that were used.
    group : str or None
        Name of the grouping factor.
    """

    unit: Literal["group", "row"]
    pointwise: Floats
    labels: NDArray[Any]
    k_hat: Floats
    refitted: NDArray[np.bool_]
    p: float
    mcse: float
    n_draws: int
    group: str | None

    def __repr__(self) -> str:
        """Return the estimate with its standard error."""
        what = f"{len(self.pointwise)} {self.unit}s"
        shown = texts(self.elpd, self.se)
        return f"<Elpd by leaving out {what}: {shown.estimate}, se {shown.error}>"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns of the data, which have a row for each part."""
        return PART_COLUMNS

    def raw(self) -> Iterator[tuple[Any, ...]]:
        """Return the log predictive density of each part, with the reliability of its weights."""
        columns = (self.labels, self.pointwise, self.k_hat, self.refitted)
        parts = zip(*(column.tolist() for column in columns), strict=True)
        return ((self.unit, *part) for part in parts)

    def view(self) -> View:
        """Return the sum over the parts as a table of one row."""
        elpd, p = texts(self.elpd, self.se), texts(self.p, self.mcse)
        return View(
            headings=("unit", "parts", "elpd", "se", "p", "mcse"),
            cells=((self.unit, count(len(self.pointwise)), *elpd[:2], *p[:2]),),
            legend=(self.verdict.line,),
        )

    def to_arviz(self) -> "ELPDData":
        """Return the estimate as `arviz.loo` returns its own, for `arviz.compare` and plots.

        Returns
        -------
        arviz_stats.ELPDData
            With the pointwise values and k-hats by the factor's dimension, or ``obs``.

        Examples
        --------
        >>> from bayes_mlm import fit, leave_one_group_out
        >>> fitted = fit("reaction ~ days + (1 | subject)", "sleepstudy", random_seed=1)
        >>> found = leave_one_group_out(fitted)
        >>> found.to_arviz().elpd == found.elpd
        True
        """
        import xarray as xr
        from arviz_stats.utils import ELPDDataLOO

        by_group = self.unit == "group"
        dim = factor_dim(str(self.group)) if by_group else "obs"
        coords = {dim: self.labels.astype(str) if self.labels.dtype.kind in "OUS" else self.labels}
        if not by_group:
            coords = {dim: self.labels - 1}  # as in the tree of the fit
        limit = reliable_k_hat(self.n_draws)
        return ELPDDataLOO(
            elpd=self.elpd,
            se=self.se,
            p=self.p,
            n_samples=self.n_draws,
            n_data_points=len(self.pointwise),
            scale="log",
            warning=bool((self.k_hat[~self.refitted] > limit).any()),
            good_k=limit,
            elpd_i=xr.DataArray(self.pointwise, coords, (dim,)),
            pareto_k=xr.DataArray(np.where(self.refitted, -np.inf, self.k_hat), coords, (dim,)),
        )

    @property
    def elpd(self) -> float:
        """The sum over all parts."""
        return float(self.pointwise.sum())

    @property
    def se(self) -> float:
        """Standard error from the parts' differences (Vehtari, Gelman & Gabry 2017, eq. 23)."""
        return float(np.sqrt(len(self.pointwise) * self.pointwise.var(ddof=1)))

    @property
    def n_refitted(self) -> int:
        """Count the parts that were computed by a fit without them."""
        return int(np.count_nonzero(self.refitted))

    @property
    def verdict(self) -> Verdict:
        """Checks of the estimate, with remedies."""
        limit = reliable_k_hat(self.n_draws)
        kept = ~self.refitted
        worst = int(np.argmax(np.where(kept, self.k_hat, -np.inf)))
        name = f"{self.group or 'group'}" if self.unit == "group" else "row"
        n_bad = int(np.count_nonzero(self.k_hat[kept] > limit))
        if n_bad:
            text = (
                f"{n_bad} of {len(kept)} {self.unit}s have Pareto k-hat above "
                f"{scaled(limit, 2)} (largest {scaled(self.k_hat[worst], 2)}, {name} "
                f"{self.labels[worst]}): leaving them out moves the posterior too far for "
                "weights, so elpd is not reliable; check them, and the model"
            )
        else:
            text = f"Pareto k-hat at most {scaled(max(self.k_hat[worst], 0.0), 2)}"
        if self.n_refitted:
            plural = "" if self.n_refitted == 1 else "s"
            text += f"; {self.n_refitted} {self.unit}{plural} by a fit without"
        accurate = self.mcse <= MAX_MCSE
        error = f"Monte Carlo error {scaled(self.mcse, 2)}"
        return Verdict(
            (
                Finding("k-hat", n_bad == 0, text),
                Finding("mcse", accurate, error + ("" if accurate else ": raise draws (--draws)")),
            )
        )


def difference_se(one: Elpd, other: Elpd) -> float:
    """Return the standard error of the difference of two models' elpd, paired by part.

    References
    ----------
    Vehtari, Gelman & Gabry (2017), Statistics and Computing 27(5), eq. 24.
    """
    gap = one.pointwise - other.pointwise
    return float(np.sqrt(len(gap) * gap.var(ddof=1)))

"""The parametric, the cluster and the case bootstrap of a REML estimate, for any quantity."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from bayes_mlm.assess.bootstrap.intervals import INTERVALS, Replicated
from bayes_mlm.assess.bootstrap.samples import KINDS, Resampler, why_not_refitted
from bayes_mlm.base import (
    DEFAULT_PROB,
    Column,
    EngineError,
    Flags,
    Floats,
    ResultTable,
    check_prob,
    check_whole,
    count,
    expect,
    level,
)
from bayes_mlm.engines import Refits, RemlFit
from bayes_mlm.fitting import Estimate, Fit, estimate_of
from bayes_mlm.likelihood import effect_pairs

__all__ = [
    "Bootstrap",
    "BootstrapRow",
    "Resampler",
    "bootstrap",
    "quantities_of",
    "why_not_refitted",
]

# Fewest estimates that ends of intervals are read from.
_FEWEST = 40
# Of fewer groups, resampling them is known to be too narrow (Cameron, Gelbach & Miller 2008, Rev.
# Econ. Stat. 90(3)).
_FEW_GROUPS = 30
_DRAWN = {
    "parametric": "outcomes drawn from the model at its REML estimate",
    "cluster": "groups drawn with replacement",
    "case": "groups, and rows within each, drawn with replacement",
}


@dataclass(frozen=True, kw_only=True)
class BootstrapRow:
    """One quantity.

    Parameters
    ----------
    model, quantity : str
    estimate : float
        Of the data.
    bias : float
        Mean of the bootstrap estimates less that of the data.
    sd : float
        Of the bootstrap estimates: the standard error.
    lower, upper : float
        Ends of the interval.
    """

    model: str
    quantity: str
    estimate: float
    bias: float
    sd: float
    lower: float
    upper: float


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Bootstrap(ResultTable[BootstrapRow]):
    """Bootstrap estimates of every parameter of a model.

    Parameters
    ----------
    rows : tuple of BootstrapRow
        ``found["icc"]`` is the row of a quantity.
    kind, interval : str
        "parametric", "cluster" or "case"; "percentile", "basic" or "bca".
    prob : float
    samples : mapping of str to ndarray, shape (B,)
        Bootstrap estimates of each quantity.
    failed : ndarray of bool, shape (n,)
        Which of all found no maximum, and were left out.
    refits : Refits
        All B of them.
    resampler : Resampler
        The estimate, and what was refitted.
    """

    key = ("quantity",)
    row_type = BootstrapRow

    kind: str
    interval: str
    prob: float
    samples: Mapping[str, Floats]
    failed: Flags
    refits: Refits
    resampler: Resampler

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns of the view."""
        return (
            Column(name="quantity"),
            Column(name="estimate", kind="number"),
            Column(name="bias", kind="error"),
            Column(name="sd", heading="se", kind="error"),
            Column(name="lower", heading=f"{level(self.prob)} CI", kind="interval"),
        )

    def of(self, quantity: Callable[[Estimate], float], name: str = "") -> BootstrapRow:
        """Return the row of any quantity: a function of an estimate.

        Parameters
        ----------
        quantity : callable
            Takes an `Estimate` and returns a number: a question and one of its answers. Of the
            refits an estimate has coefficients and variances, neither standard errors nor group
            effects (both are nan).
        name : str
            What the row is called.

        Examples
        --------
        >>> from bayes_mlm import fit, variance_by_level
        >>> found = fit("reaction ~ days + (1 | subject)", "sleepstudy", engine="reml")
        >>> refitted = bootstrap(found, 99, random_seed=1)
        >>> row = refitted.of(lambda one: one.solution.sigma_u[0] / one.solution.sigma_e, "ratio")
        >>> round(row.estimate, 3), row.lower < row.estimate < row.upper
        (1.197, True)
        """
        data = self.resampler.estimate

        def at(refits: Refits) -> Floats:
            every = range(len(refits.sigma2))
            return np.array([float(quantity(_estimate_at(data, refits, b))) for b in every])

        found = Replicated(
            values=at(self.refits),
            estimate=float(quantity(data)),
            jackknife=at(self.resampler.without_each) if self.interval == "bca" else np.zeros(0),
        )
        return _row(
            data.name,
            name or getattr(quantity, "__name__", "quantity"),
            found,
            self.interval,
            self.prob,
        )


def bootstrap(
    result: Fit | Estimate,
    n: int = 1000,
    *,
    kind: str = "parametric",
    interval: str = "percentile",
    prob: float = DEFAULT_PROB,
    random_seed: int = 1,
) -> Bootstrap:
    """Refit a REML estimate to simulated or resampled data, and summarise the estimates.

    Parameters
    ----------
    result : Fit or Estimate
        Of a Gaussian outcome with one grouping factor; of a posterior, the REML estimate of its
        model is taken.
    n : int
        How many.
    kind : {"parametric", "cluster", "case"}
        Outcomes drawn from the model at its estimate, on the design of the data; or as many groups,
        drawn with replacement with all their rows ("cluster"), or with as many of their rows, drawn
        with replacement ("case"), which assume neither normality nor equal variances, and need many
        groups. Rows drawn within groups add to the variance between them: prefer "cluster" where
        that is of interest (van der Leeden, Meijer & Busing 2008, Handbook of Multilevel Analysis,
        ch. 11).
    interval : {"percentile", "basic", "bca"}
    prob : float
        Of the intervals.
    random_seed : int

    Returns
    -------
    Bootstrap

    Raises
    ------
    UnsupportedModelError
        If REML cannot be computed from sums of new outcomes: other families, several grouping
        factors, a residual structure.
    EngineError
        If there is no such kind or interval, or `n` is too small for it.

    Notes
    -----
    Outcomes are drawn as the sums by group that REML reads, whose distribution is known, so that
    the time does not grow with the rows. Refits start near the truth and are not searched for
    several maxima, as `fit_reml` is; tests compare them with it.

    Examples
    --------
    >>> from bayes_mlm import fit
    >>> found = fit("reaction ~ days + (days | subject)", "sleepstudy", engine="reml")
    >>> table = bootstrap(found, 200, random_seed=1)
    >>> row = table["beta[days]"]
    >>> print(f"{row.estimate:.2f}, {row.sd:.1f}")
    10.47, 1.5
    """
    expect("bootstrap", result, Fit, Estimate)
    check_prob(prob)
    make, ends = KINDS[kind], INTERVALS[interval]
    check_whole("n, the simulated data sets,", n, _FEWEST)
    resampler = Resampler(estimate=estimate_of(result, prob))
    every = make(resampler, n, random_seed)
    refits = every.where(~every.failed)
    if len(refits.sigma2) < _FEWEST:
        raise EngineError(
            f"{count(int(every.failed.sum()))} of {count(n)} refits found no maximum; the groups "
            "or the rows are too few for this model"
        )
    left = quantities_of(resampler.without_each, resampler) if ends is INTERVALS["bca"] else {}
    samples = quantities_of(refits, resampler)
    data = {
        name: float(values[0])
        for name, values in quantities_of(resampler.at_data, resampler).items()
    }
    rows = tuple(
        _row(
            resampler.estimate.name,
            name,
            Replicated(values=values, estimate=data[name], jackknife=left.get(name, np.zeros(0))),
            interval,
            prob,
        )
        for name, values in samples.items()
    )
    groups = len(resampler.solution.labels)
    return Bootstrap(
        rows=rows,
        kind=kind,
        interval=interval,
        prob=prob,
        samples=samples,
        failed=every.failed,
        refits=refits,
        resampler=resampler,
        verdict=resampler.estimate.verdict,
        notes=(
            f"{kind} bootstrap, {count(n)} refits by REML of {_DRAWN[kind]}, seed {random_seed}; "
            f"{interval} intervals",
            f"singular in {count(int(refits.singular.sum()))} of them",
        ),
        cautions=tuple(_cautions(samples, every.failed, None if kind == "parametric" else groups)),
    )


def quantities_of(refits: Refits, resampler: Resampler) -> dict[str, Floats]:
    """Return every parameter (B,) of refits by its name in the tables: ``sigma_u``, ``icc``."""
    solution, cov_u, design = resampler.solution, refits.cov_u, resampler.estimate.design
    found = {f"beta[{term}]": refits.beta[:, k] for k, term in enumerate(solution.terms)}
    sd = np.sqrt(np.maximum(np.einsum("baa->ba", cov_u), 0.0))
    for k, effect in enumerate(solution.effects):
        found["sigma_u" if design.has_icc else f"sigma_u[{effect}]"] = sd[:, k]
    for pair, (j, k) in zip(effect_pairs(design), design.group_term.pairs, strict=True):
        with np.errstate(invalid="ignore", divide="ignore"):
            rho = cov_u[:, j, k] / (sd[:, j] * sd[:, k])
        found[f"rho_u[{pair}]"] = np.clip(rho, -1.0, 1.0)
    found["sigma_e"] = np.sqrt(refits.sigma2)
    if design.has_icc:
        found["icc"] = cov_u[:, 0, 0] / (cov_u[:, 0, 0] + refits.sigma2)
    return found


def _estimate_at(estimate: Estimate, refits: Refits, b: int) -> Estimate:
    """Return the estimate with the parameters of one refit."""
    solution, cov_u, s2 = estimate.solution, refits.cov_u[b], float(refits.sigma2[b])
    assert isinstance(solution, RemlFit)
    sd = np.sqrt(np.maximum(np.diagonal(cov_u), 0.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        rho = np.clip(cov_u / np.outer(sd, sd), -1.0, 1.0)
    unknown = np.full_like(solution.beta_cov, math.nan)
    icc = None if solution.icc is None else float(cov_u[0, 0] / (cov_u[0, 0] + s2))
    found = replace(
        solution,
        beta=refits.beta[b],
        beta_cov=unknown,
        beta_cov_joint=unknown,
        cov_u=cov_u,
        sigma_u=sd,
        rho_u=rho,
        sigma_e=math.sqrt(s2),
        icc=icc,
        intervals=None,
        tests=None,
        u=np.full_like(solution.u, math.nan),
        u_sd=np.full_like(solution.u_sd, math.nan),
    )
    return replace(estimate, solution=found)


def _row(model: str, name: str, sample: Replicated, interval: str, prob: float) -> BootstrapRow:
    known = sample.values[np.isfinite(sample.values)]  # a correlation of an sd of zero is not
    left = sample.jackknife[np.isfinite(sample.jackknife)]
    bias = sd = lower = upper = math.nan
    if len(known) >= _FEWEST:
        bias, sd = float(known.mean()) - sample.estimate, float(known.std(ddof=1))
        sample = replace(sample, values=known, jackknife=left)
        lower, upper = INTERVALS[interval](sample, prob)
    return BootstrapRow(
        model=model,
        quantity=name,
        estimate=sample.estimate,
        bias=bias,
        sd=sd,
        lower=lower,
        upper=upper,
    )


def _cautions(samples: Mapping[str, Floats], failed: Flags, resampled: int | None) -> Iterator[str]:
    """Say what limits the numbers; of so many groups that were resampled."""
    if failed.any():
        yield f"{count(int(failed.sum()))} refits found no maximum, and are left out"
    if resampled is not None and resampled < _FEW_GROUPS:
        yield (
            f"resampling {resampled} groups understates the variance; with fewer than "
            f"{_FEW_GROUPS} the parametric bootstrap is the safer one"
        )
    unknown = [name for name, one in samples.items() if not np.isfinite(one).all()]
    if unknown:
        yield f"{', '.join(unknown)}: where an sd is 0 there is none; of the others alone"

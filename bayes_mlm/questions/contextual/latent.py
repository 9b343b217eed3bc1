"""Contextual effects of latent group means: corrected for the sampling of members."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import (
    DEFAULT_PROB,
    Column,
    Floats,
    ResultTable,
    check_prob,
    expect,
    level,
    scaled,
    wald_reach,
)
from bayes_mlm.engines import is_drawing, pool
from bayes_mlm.fitting import Estimate, Fit
from bayes_mlm.questions.contextual.latent_model import (
    LatentModel,
    check_latent_model,
    fit_latent_model,
)
from bayes_mlm.questions.contextual.table import QUANTITIES, contextual_effects

# Below, the error of the latent estimate may exceed the bias of the observed one
# (benchmarks/latent_means.py; the simulations of Lüdtke et al. 2008).
_FEW_GROUPS = 50
_LOW = 0.5


@dataclass(frozen=True, kw_only=True)
class LatentRow:
    """One slope of one predictor, by observed and by latent group means.

    Parameters
    ----------
    model, predictor : str
    quantity : {"within", "between", "contextual"}
        As in `ContextualRow`; of the latent mean, of all the members that a group could have.
    engine : str
        Of the estimate with observed means.
    observed, observed_sd : float
        With observed group means: estimate and standard error, or posterior mean and sd.
    estimate, sd : float
        With latent group means, by maximum likelihood.
    lower, upper : float
        Ends of the interval of `estimate`.
    bias : float
        Expected error of the observed-mean estimate if `estimate` is the true value.
    reliability : float
        Mean over groups of the reliability of the predictor's observed mean, given the group-level
        predictors.
    """

    model: str
    predictor: str
    quantity: str
    engine: str
    observed: float
    observed_sd: float
    estimate: float
    sd: float
    lower: float
    upper: float
    bias: float
    reliability: float


@dataclass(frozen=True, kw_only=True, repr=False)
class LatentContextualTable(ResultTable[LatentRow]):
    """Slopes at both levels by observed and by latent group means.

    Parameters
    ----------
    rows : tuple of LatentRow
        ``table["ses", "contextual"]`` is the row of a predictor and a quantity.
    interval : str
        Level and kind of the interval of the latent estimate.
    notes, cautions : tuple of str
    verdict : Verdict
        Of the fit with observed means.
    """

    key = ("predictor", "quantity")
    row_type = LatentRow

    interval: str

    def __repr__(self) -> str:
        """Return the model and its predictors."""
        names = ", ".join(dict.fromkeys(row.predictor for row in self.rows))
        return f"<LatentContextualTable of {names} in {self.rows[0].model}>"

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns of the view."""
        error = "sd" if is_drawing(self.rows[0].engine) else "se"
        return (
            Column(name="predictor"),
            Column(name="quantity", heading="slope", kind="label"),
            Column(name="observed", heading="observed mean", kind="number"),
            Column(name="observed_sd", heading=error, kind="error"),
            Column(name="estimate", heading="latent mean", kind="number"),
            Column(name="sd", heading="se", kind="error"),
            Column(name="lower", heading=self.interval, kind="interval"),
            Column(name="bias", heading="bias of observed", kind="number"),
        )


def latent_contextual_effects(
    fit: Fit | Estimate, *, means: Mapping[str, str] | None = None, prob: float = DEFAULT_PROB
) -> LatentContextualTable:
    r"""Return slopes within and between groups of latent group means, next to the observed ones.

    The mean of the sampled members of a group measures the mean of all its members with error, so
    that the slope of observed means is biased towards the slope within groups. The latent mean is a
    random effect of the predictor's own two-level model, fitted jointly with that of the outcome.

    Parameters
    ----------
    fit : Fit or Estimate
        As for `contextual_effects`: a Gaussian model with a random intercept of one factor. Other
        predictors may be at either level; an individual-level predictor without its group mean in
        the model has one slope for both levels.
    means : mapping of str to str, optional
        Columns of group means by predictor.
    prob : float
        Of the intervals.

    Returns
    -------
    LatentContextualTable

    Raises
    ------
    DesignError
        If no predictor is in the model at both levels, its group means vary no more than the
        sampling of members makes them, or the model has what this likelihood has not: random
        slopes, several factors, products of individual-level predictors, other outcomes or
        residual structures.
    EngineError
        If the likelihood has no maximum that is found.

    Notes
    -----
    .. math::
        x_{ij} = \xi_j + r_{ij}, \quad
        y_{ij} = \gamma_0 + \beta_w r_{ij} + \beta_b \xi_j + u_j + e_{ij}

    All four random parts are normal; individual-level predictors are correlated freely at both
    levels, and group-level predictors are regressors of all means. By exact maximum likelihood from
    sums by group; standard errors are of the observed information. In groups of n rows the
    reliability of a mean is :math:`\lambda = \tau_x^2 / (\tau_x^2 + \sigma_x^2 / n)`, and observed
    means estimate :math:`\lambda \beta_b + (1 - \lambda) \beta_w` between groups; `bias` is this
    for unequal groups and several predictors.

    Latent means suppose that the rows are a sample of many members who could be in the group. Where
    all members are among the rows and the mean describes these very members (the share of girls in
    a class), the observed mean has no error and its estimate is right; in between, the truth is
    between the two (Lüdtke et al. 2008, on the sampling ratio).

    References
    ----------
    Lüdtke, Marsh, Robitzsch, Trautwein, Asparouhov & Muthén (2008), Psychological Methods 13(3),
    203-229.

    Examples
    --------
    >>> from bayes_mlm import fit
    >>> of = fit("mathach ~ ses + between(ses) + (1 | schoolid)", "hsb", engine="reml")
    >>> row = latent_contextual_effects(of)["ses", "contextual"]
    >>> print(f"{row.observed:.2f} {row.estimate:.2f} {row.bias:.2f} {row.reliability:.2f}")
    3.68 3.90 -0.24 0.94
    """
    expect("latent_contextual_effects", fit, Fit, Estimate)
    check_prob(prob)
    design = fit.design.whole
    check_latent_model(design)
    observed = contextual_effects(fit, means=means, prob=prob)
    models = [fit_latent_model(one, means) for one in design.imputations or (design,)]
    estimates, errors, biases = (
        np.array(part) for part in zip(*(one.slopes() for one in models), strict=True)
    )
    se, df = errors[0], np.full(errors[0].shape, np.inf)
    if len(models) > 1:
        flat = (len(models), -1)
        pooled = pool(estimates.reshape(flat), errors.reshape(flat) ** 2)
        se, df = pooled.se.reshape(se.shape), pooled.df.reshape(se.shape)
    reliability = np.mean([one.reliability.mean(axis=0) for one in models], axis=0)
    rows = []
    for place, pair in enumerate(models[0].pairs):
        for k, quantity in enumerate(QUANTITIES):
            by_observed = observed[pair.predictor, quantity]
            estimate = float(estimates[:, place, k].mean())
            reach = wald_reach(prob, float(df[place, k])) * float(se[place, k])
            rows.append(
                LatentRow(
                    model=fit.name,
                    predictor=pair.predictor,
                    quantity=quantity,
                    engine=fit.engine,
                    observed=by_observed.estimate,
                    observed_sd=by_observed.sd,
                    estimate=estimate,
                    sd=float(se[place, k]),
                    lower=estimate - reach,
                    upper=estimate + reach,
                    bias=float(biases[:, place, k].mean()),
                    reliability=float(reliability[place]),
                )
            )
    return LatentContextualTable(
        rows=tuple(rows),
        interval=f"{level(prob)} CI",
        notes=_notes(models),
        cautions=(*observed.cautions, *_cautions(models[0])),
        verdict=fit.verdict,
    )


def _notes(models: Sequence[LatentModel]) -> tuple[str, ...]:
    notes = []
    first = models[0]
    found, pairs, single = first.found, first.pairs, first.single
    sizes = found.sizes
    for pair, of in zip(pairs, first.reliability.T, strict=True):
        spread = f" ({_ratio(of.min())} to {_ratio(of.max())})" if sizes.min() < sizes.max() else ""
        given = "" if len(single.terms) == 1 + len(found.terms) else " given group-level predictors"
        notes.append(
            f"reliability of the observed mean of {pair.predictor} by {single.group}{given}: "
            f"{_ratio(of.mean())}{spread}, with {_number(sizes)} rows a group"
        )
    return (
        *notes,
        "latent mean: of all the members a group could have, of whom the rows are a sample; by "
        "maximum likelihood of predictor and outcome jointly, both normal at both levels; se of "
        "the observed information, normal interval",
        "bias of observed: expected of observed means if the latent estimates are the truth "
        "(Lüdtke et al. 2008)",
        "where all members of the groups are among the rows, and the mean describes these very "
        "members, it has no sampling error: the observed column is then the right one",
        *(
            f"{pair.mean} is a column of the data; the latent mean is of the rows of "
            f"{pair.predictor}, and the bias is that of their means"
            for pair in pairs
            if not pair.from_rows
        ),
        *(
            [f"{len(models)} imputations pooled by Rubin's rules; reliability of the first"]
            if len(models) > 1
            else []
        ),
    )


def _cautions(model: LatentModel) -> tuple[str, ...]:
    found, single = model.found, model.single
    texts = []
    if single.J < _FEW_GROUPS:
        texts.append(
            f"{single.J} groups: with fewer than {_FEW_GROUPS} the latent estimate may vary so "
            "much that the observed one, in spite of its bias, has the smaller error; compare the "
            "se with the bias"
        )
    for pair, of in zip(model.pairs, model.reliability.T, strict=True):
        mean = float(of.mean())
        if mean < _LOW:
            texts.append(
                f"the observed means of {pair.predictor} are mostly sampling error (reliability "
                f"{_ratio(mean)}): the correction is large and depends on normality"
            )
    if single.has_rows:
        columns: Floats = single.X[:, model.moves]
        binary = [name for name, x in zip(found.terms, columns.T, strict=True) if _is_binary(x)]
        if binary:
            texts.append(
                f"{', '.join(binary)} has two values and is taken as normal: estimates hold in "
                "large samples, standard errors approximately"
            )
    return tuple(texts)


def _is_binary(column: Floats) -> bool:
    return bool(np.all((column == column.min()) | (column == column.max())))


def _ratio(value: float) -> str:
    return scaled(float(value), 2)


def _number(sizes: Floats) -> str:
    low, high = int(sizes.min()), int(sizes.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"

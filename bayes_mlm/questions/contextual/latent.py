"""Contextual effects of latent group means: corrected for the sampling of members."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import (
    DEFAULT_PROB,
    Column,
    DesignError,
    Floats,
    ResultTable,
    check_prob,
    expect,
    level,
    scaled,
    wald_reach,
)
from bayes_mlm.design import Design, Pair, pairs_of
from bayes_mlm.engines import LatentMeans, fit_latent_means, is_drawing
from bayes_mlm.fitting import Estimate, Fit
from bayes_mlm.questions.contextual.one_slope import varying, without_means
from bayes_mlm.questions.contextual.table import QUANTITIES, contextual_effects

# Below, the error of the latent estimate may exceed the bias of the observed one
# (benchmarks/latent_means.py; the simulations of Lüdtke et al. 2008).
_FEW_GROUPS = 50
_LOW = 0.5
# Least mean reliability; below, the latent slope is a ratio of two numbers near zero.
_LEAST = 0.05


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
    _check_model(design)
    observed = contextual_effects(fit, means=means, prob=prob)
    pairs = _pairs(design, means, {row.predictor for row in observed})
    single, _ = without_means(design, means)
    moves = varying(single)
    _check_columns(single, moves)
    columns = np.flatnonzero(moves).tolist()
    names = [single.terms[k] for k in columns]
    paired = [names.index(pair.predictor) for pair in pairs]
    found = fit_latent_means(single.moments(), columns, paired)
    _check_variance(found, design)
    rows = []
    for place, pair in enumerate(pairs):
        values = _slopes(found, place)
        reach = wald_reach(prob, np.inf)
        reliability = float(found.reliability[:, paired[place]].mean())
        for quantity, estimate, sd, bias in zip(QUANTITIES, *values, strict=True):
            beside = observed[pair.predictor, quantity]
            rows.append(
                LatentRow(
                    model=fit.name,
                    predictor=pair.predictor,
                    quantity=quantity,
                    engine=fit.engine,
                    observed=beside.estimate,
                    observed_sd=beside.sd,
                    estimate=estimate,
                    sd=sd,
                    lower=estimate - reach * sd,
                    upper=estimate + reach * sd,
                    bias=bias,
                    reliability=reliability,
                )
            )
    return LatentContextualTable(
        rows=tuple(rows),
        interval=f"{level(prob)} CI",
        notes=_notes(found, pairs, single),
        cautions=(*observed.cautions, *_cautions(found, pairs, single, moves)),
        verdict=fit.verdict,
    )


def _slopes(found: LatentMeans, place: int) -> tuple[list[float], list[float], list[float]]:
    """Return the slopes within and between and their difference, their se and the expected bias."""
    K, at = len(found.within), found.paired[place]
    weights = np.zeros((3, K + len(found.contextual)))
    weights[:2, at] = 1.0
    weights[1:, K + place] = 1.0
    expected = np.concatenate(found.expected_of_observed())
    values = np.concatenate([found.within, found.contextual])
    se = np.sqrt(np.einsum("ik,kl,il->i", weights, found.cov, weights))
    bias = weights @ (expected - values)
    return (weights @ values).tolist(), se.tolist(), bias.tolist()


def _check_model(design: Design) -> None:
    what = "latent group means"
    if len(design.factors) > 1:
        raise DesignError(
            f"{what} are of one grouping factor, and the model has {' and '.join(design.factors)}; "
            "fit it with the groups of one of them"
        )
    if not design.family.gaussian_moments:
        raise DesignError(
            f"{what} are fitted jointly with a Gaussian outcome, and this one is "
            f"{design.family.label}; use contextual_effects, whose means are observed"
        )
    if design.residual is not None and not design.residual.spec.is_plain:
        raise DesignError(
            f"{what} are fitted with independent residuals of one sd, and the model has "
            f"{design.errors}; omit them, or use contextual_effects"
        )
    if design.group is not None and not design.q:
        raise DesignError(
            f"{what} are fitted with a random intercept, and the model has none; add "
            f"(1 | {design.group}) to the formula"
        )
    if design.group is not None and not design.has_icc:
        raise DesignError(
            f"{what} need a random intercept alone, (1 | {design.group}), and the model has "
            f"{', '.join(design.group_term.effects)}: the product of a random slope and "
            "a latent deviation is not normal, and the likelihood has no closed form"
        )


def _pairs(design: Design, means: Mapping[str, str] | None, known: set[str]) -> list[Pair]:
    """Return the predictors with a latent mean, whose slopes must be single numbers."""
    pairs = [pair for pair in pairs_of(design, means)[0] if pair.predictor in known]
    for pair in pairs:
        if pair.averaged:
            raise DesignError(
                f"the slopes of {pair.predictor} depend on {', '.join(pair.averaged)}, and the "
                "product of a latent mean with another column is not normal; omit the product, or "
                "use contextual_effects, whose means are observed"
            )
        if not pair.from_rows and pair.predictor not in design.terms:
            raise DesignError(
                f"{pair.mean} is not the mean that {pair.predictor} is centred at, so its values "
                f"are not known; write {pair.predictor} in place of within({pair.predictor})"
            )
    return pairs


def _check_columns(single: Design, moves: Sequence[bool] | np.ndarray) -> None:
    if not single.has_intercept:
        raise DesignError(
            "latent group means need an intercept, from which they deviate; add it to the formula"
        )
    products = [term for term, one in zip(single.terms, moves, strict=True) if one and ":" in term]
    if products:
        raise DesignError(
            f"{', '.join(products)}: a product of individual-level columns is not normal with one "
            "covariance within groups, as latent group means need it; omit it, or use "
            "contextual_effects, whose means are observed"
        )


def _check_variance(found: LatentMeans, design: Design) -> None:
    reliability = found.reliability.mean(axis=0)
    flat = [found.terms[k] for k in found.paired if reliability[k] < _LEAST]
    if flat:
        raise DesignError(
            f"the means of {', '.join(flat)} by {design.group} vary hardly more than the sampling "
            f"of the rows in each group makes them (reliability below {_ratio(_LEAST)}, given the "
            "other predictors), so a slope of latent means cannot be estimated; the model needs "
            "more, or larger, groups, or a common slope"
        )


def _notes(found: LatentMeans, pairs: Sequence[Pair], single: Design) -> tuple[str, ...]:
    notes = []
    sizes = found.sizes
    for place, pair in zip(found.paired, pairs, strict=True):
        of = found.reliability[:, place]
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
    )


def _cautions(
    found: LatentMeans, pairs: Sequence[Pair], single: Design, moves: np.ndarray
) -> tuple[str, ...]:
    texts = []
    if single.J < _FEW_GROUPS:
        texts.append(
            f"{single.J} groups: with fewer than {_FEW_GROUPS} the latent estimate may vary so "
            "much that the observed one, in spite of its bias, has the smaller error; compare the "
            "se with the bias"
        )
    for place, pair in zip(found.paired, pairs, strict=True):
        mean = float(found.reliability[:, place].mean())
        if mean < _LOW:
            texts.append(
                f"the observed means of {pair.predictor} are mostly sampling error (reliability "
                f"{_ratio(mean)}): the correction is large and depends on normality"
            )
    if single.has_rows:
        columns: Floats = single.X[:, moves]
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

"""The model with latent group means of a design: what it can have, and its fit."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import DesignError, Flags, Floats, scaled
from bayes_mlm.design import Design, Pair, pairs_of
from bayes_mlm.engines import LatentMeans, fit_latent_means
from bayes_mlm.questions.contextual.one_slope import varying, without_means

# Least mean reliability; below, the latent slope is a ratio of two numbers near zero.
_LEAST = 0.05


@dataclass(frozen=True, kw_only=True, eq=False)
class LatentModel:
    """The fit of one data set, with the design that it is of.

    Parameters
    ----------
    found : LatentMeans
    pairs : tuple of Pair
        Predictors with a latent mean, in the order of ``found.paired``.
    single : Design
        With one column of each predictor.
    moves : ndarray of bool
        Which columns vary within groups.
    """

    found: LatentMeans
    pairs: tuple[Pair, ...]
    single: Design
    moves: Flags

    @property
    def reliability(self) -> Floats:
        """Reliability of the observed means by group and predictor, shape (J, P)."""
        return self.found.reliability[:, list(self.found.paired)]

    def slopes(self) -> tuple[Floats, Floats, Floats]:
        """Return the slopes (P, 3) within, between and their difference, their se and the bias.

        The bias is that expected of observed means.
        """
        found = self.found
        K, P = len(found.within), len(found.contextual)
        weights = np.zeros((P, 3, K + P))
        for place, at in enumerate(found.paired):
            weights[place, :2, at] = 1.0
            weights[place, 1:, K + place] = 1.0
        values = np.concatenate([found.within, found.contextual])
        expected = np.concatenate(found.expected_of_observed())
        se = np.sqrt(np.einsum("pik,kl,pil->pi", weights, found.cov, weights))
        return weights @ values, se, weights @ (expected - values)


def fit_latent_model(design: Design, means: Mapping[str, str] | None) -> LatentModel:
    """Fit the model of the predictors that a design has at two levels, after checking it.

    Raises
    ------
    DesignError
        If the likelihood does not have what the design has.
    """
    pairs = _pairs(design, means)
    single, _ = without_means(design, means)
    moves = varying(single)
    _check_columns(single, moves)
    columns = np.flatnonzero(moves).tolist()
    names = [single.terms[k] for k in columns]
    paired = [names.index(pair.predictor) for pair in pairs]
    found = fit_latent_means(single.moments(), columns, paired)
    _check_variance(found, design)
    return LatentModel(found=found, pairs=pairs, single=single, moves=moves)


def check_latent_model(design: Design) -> None:
    """Refuse a model that has what the likelihood of latent group means does not have."""
    what = "latent group means"
    if design.weights is not None:
        raise DesignError(
            f"{what} are fitted by maximum likelihood, which survey weights do not have; fit "
            "without them, or use contextual_effects, whose means are observed"
        )
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


def _pairs(design: Design, means: Mapping[str, str] | None) -> tuple[Pair, ...]:
    """Return the predictors with a latent mean, whose slopes must be single numbers."""
    pairs = pairs_of(design, means)[0]
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


def _check_columns(single: Design, moves: Flags) -> None:
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
            f"of the rows in each group makes them (reliability below {scaled(_LEAST, 2)}, given "
            "the other predictors), so a slope of latent means cannot be estimated; the model "
            "needs more, or larger, groups, or a common slope"
        )

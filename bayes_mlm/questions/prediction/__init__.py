"""Predict the outcome of new rows, by the estimand (`question`).

======================= ===========================================================================
question                group effects
======================= ===========================================================================
``existing_group``      the posterior of the effects of that group
``new_group``           drawn from N(0, Sigma_u): a new group of the same population
``population``          zero, their mean
======================= ===========================================================================

With several grouping factors the groups of some may be new and of others known: a new class in a
known school.

The kind of prediction is the expected outcome (``mean``) or one outcome (``observation``, with the
residual). Both include the uncertainty of the coefficients, the variances and the group effects.
"""

from collections.abc import Sequence
from typing import Any, get_args

import numpy as np

from bayes_mlm.base import (
    DEFAULT_PROB,
    EngineError,
    Floats,
    Ints,
    Stream,
    check_choice,
    check_prob,
    expect,
    knows_words,
    stream,
)
from bayes_mlm.data import USUAL
from bayes_mlm.design import read_data
from bayes_mlm.engines import ENGINES, effects_root, samples
from bayes_mlm.fitting import Estimate, Fit, estimate_of, posterior_of, residual_draws
from bayes_mlm.model import Auxiliary, Family
from bayes_mlm.questions.one_factor import check_kept
from bayes_mlm.questions.prediction.effects import batches, effects_for
from bayes_mlm.questions.prediction.mixtures import mixture_quantile
from bayes_mlm.questions.prediction.noise import Residuals
from bayes_mlm.questions.prediction.of_estimate import predict_estimate
from bayes_mlm.questions.prediction.plug_in import plug_in
from bayes_mlm.questions.prediction.result import PlugIn, Prediction, PredictionKind
from bayes_mlm.questions.prediction.rows import (
    PredictionRows,
    arrange_rows,
    check_estimand,
    check_rows,
)
from bayes_mlm.questions.response.rows import Question, scores_of, targets_of

__all__ = ["PlugIn", "Prediction", "check_rows", "predict"]


# What bambi, brms, lme4 and marginaleffects call an argument, and a kind of prediction.
_ELSEWHERE = {
    **dict.fromkeys(("data", "newdata", "new_data", "idata"), "the new rows, in second place"),
    **dict.fromkeys(("type", "what"), "kind='mean' or kind='observation'"),
    **dict.fromkeys(
        ("re_form", "re_formula", "include_group_specific"), "question='population' to omit them"
    ),
    **dict.fromkeys(
        ("allow_new_levels", "sample_new_groups", "sample_new_levels"), "question='new_group'"
    ),
    **dict.fromkeys(("level", "ci", "hdi_prob", "conf_level"), "prob=0.9"),
    "seed": "random_seed=1",
    "inplace": "the prediction that is returned",
}
_KINDS_ELSEWHERE = {
    **dict.fromkeys(("response", "pps", "posterior_predict", "prediction"), "observation"),
    **dict.fromkeys(("response_params", "link", "linpred", "epred", "fitted"), "mean"),
}


def _check_kind(kind: str) -> None:
    """Refuse an unknown kind of prediction, and name the one that another package's word means."""
    if kind in _KINDS_ELSEWHERE:
        raise EngineError(
            f"unknown kind {kind!r}; use kind={_KINDS_ELSEWHERE[kind]!r}: 'mean' is the expected "
            "outcome, 'observation' one outcome with its variation"
        )
    check_choice("kind", kind, get_args(PredictionKind.__value__))


@knows_words(_ELSEWHERE)
def predict(
    fit: Fit | Estimate,
    new_rows: Any,
    *,
    question: Question | None = None,
    kind: PredictionKind = "mean",
    prob: float = DEFAULT_PROB,
    random_seed: int | None = None,
    draws: bool = False,
    likelihood: bool = True,
    factor: str | Sequence[str] | None = None,
) -> Prediction:
    """Predict the outcome of new rows, with all sources of uncertainty.

    Parameters
    ----------
    fit : Fit or Estimate
        By any engine. The prediction of a Gaussian estimate treats its variances as known; of
        other families by ML the mean is integrated over the group effects, with the errors of all
        parameters.
    new_rows : data frame, mapping, str or Path
        With the columns of the predictors, and of the group where the estimand depends on it. They
        are encoded as the design was: same categories, same means in ``center`` or ``within``.
    question : {"existing_group", "new_group", "population"}, optional
        The estimand; by default "existing_group" in a model with group effects, else "population".
        With "new_group" rows with the same label share one new group; without a column of labels
        each row is in a separate group.
    kind : {"mean", "observation"}
        The expected outcome (of counts at the exposure of the rows, of binomial outcomes at
        their trials, of ordered categories the expected score), or one outcome.
    prob : float
        Probability of the intervals.
    random_seed : int, optional
        Of the draws made for the prediction, by default that of the fit. The same seed and rows
        give the same numbers.
    draws : bool
        Whether to keep the draws, an (S, m) array.
    likelihood : bool
        Whether to compare a posterior's prediction with that of REML or OLS.
    factor : str or sequence of str, optional
        With "new_group" and several grouping factors: those with new groups, by default all. The
        groups of the others are those of the data: with ``factor="class:school"`` a new class in a
        known school. What is nested in a new group is new too.

    Returns
    -------
    Prediction

    Raises
    ------
    DataError
        If a column or a value is missing, or a category or group is not among those of the data;
        the message lists those known.
    DesignError
        If the estimand is not defined for the model.

    References
    ----------
    Gelman & Hill (2007), Data Analysis Using Regression and Multilevel/Hierarchical Models, sec.
    12.8 (new observations in existing and in new groups).

    Examples
    --------
    >>> from bayes_mlm import fit
    >>> fitted = fit("reaction ~ days + (1 | subject)", "sleepstudy", random_seed=1)
    >>> new = {"days": [10, 10], "subject": [308, 309]}
    >>> predict(fitted, new).mean.round(-1)
    array([400., 280.])
    >>> predict(fitted, {"days": [10]}, question="new_group", kind="observation").sd.round(-1)
    array([50.])
    >>> y, school, room = [1.0, 2, 4, 5, 2, 3, 7, 9], [1] * 4 + [2] * 4, [1, 1, 2, 2] * 2
    >>> data = {"y": y, "school": school, "room": room}
    >>> nested = fit("y ~ 1 + (1 | school/room)", data, engine="reml")
    >>> predict(nested, {"school": [1]}, factor="room:school").new_factors
    ('room:school',)
    """
    expect("predict", fit, Fit, Estimate)
    check_prob(prob)
    design = fit.design
    design.require_all_factors("predict")
    estimand = check_estimand(design, question, factor)
    question = estimand.question
    _check_kind(kind)
    if random_seed is not None and not _is_seed(random_seed):
        raise EngineError(f"random_seed must be a whole number of 0 or more, found {random_seed!r}")
    options = USUAL
    if fit.request is not None:
        options = fit.request.source.options.of_new_rows(new_rows)
    table = read_data(new_rows, options=options)
    new = arrange_rows(design, table, estimand, kind)
    posterior, normal = posterior_of(fit), _is_normal(design.family)
    if posterior is None and draws:
        raise EngineError(f"{ENGINES[fit.engine].label} has no draws; omit draws=True")
    plugged = None
    chances: Floats = np.empty((table.n, 0))
    if normal and (posterior is None or (likelihood and len(design.factors) <= 1)):
        plugged = plug_in(
            estimate_of(fit, prob).solution,
            design,
            new,
            observation=kind == "observation",
            prob=prob,
        )
    seed, kept = 0, None
    what: tuple[str, ...] = ()
    if posterior is not None:
        check_kept(posterior, estimand.known_factors)
        seed = int(posterior.settings.random_seed if random_seed is None else random_seed)
        found, chances, kept = _draw(posterior, new, kind, prob, seed=seed, keep=draws)
    elif plugged is not None:
        found = [plugged.estimate, plugged.se, plugged.lower, plugged.upper]
    else:
        assert isinstance(fit, Estimate)
        seed = 1 if random_seed is None else int(random_seed)
        rng = stream(seed, Stream.PREDICTION)
        one = predict_estimate(fit, new, observation=kind == "observation", prob=prob, rng=rng)
        found, chances = [one.mean, one.sd, one.lower, one.upper], one.chances
        what = (f"{fit.engine}: {one.what}",)
    return Prediction(
        model=fit.title,
        engine=fit.engine,
        question=question,
        kind=kind,
        rows=table,
        mean=found[0],
        sd=found[1],
        lower=found[2],
        upper=found[3],
        prob=prob,
        draws=kept,
        plug_in=None if posterior is None else plugged,
        random_seed=seed,
        notes=(*what, *new.notes),
        chances=chances if chances.size else None,
        categories=targets_of(design)[:-1],
        verdict=fit.verdict,
        new_factors=estimand.new_factors,
        known_factors=estimand.known_factors,
        has_residual=design.family.is_additive,
    )


def _draw(
    fit: Fit,
    new: PredictionRows,
    kind: PredictionKind,
    prob: float,
    *,
    seed: int,
    keep: bool,
) -> tuple[list[Floats], Floats, Floats | None]:
    """Return mean, sd, lower and upper (m,), chances of categories (m, K), and draws if kept."""
    n = len(new.X)
    design, family = fit.design, fit.design.family
    normal = _is_normal(family)
    beta = samples(fit.draws, "beta")
    rng = stream(seed, Stream.PREDICTION)
    parts = [fit.of_factor(name) for name in design.factors[: len(new.groups)]] or [fit]
    pairs = list(zip(parts, new.groups, strict=True))
    effects = [effects_for(one, of.status, rng, drawn=keep or not normal) for one, of in pairs]
    added = [(effects_root(one.draws), of) for one, of in pairs if of.status == "new"]
    found = [np.empty(n) for _ in range(4)]
    kept = np.empty((len(beta), n)) if keep else None
    scores = scores_of(design)
    chances = np.empty((n, scores.size))
    residuals = Residuals(fit, new, rng) if normal and kind == "observation" else None
    given = residual_draws(fit.draws)
    for rows, terms in batches(new.groups, effects):
        values = beta @ new.X[rows].T + new.offset[rows]
        for one in terms:
            if one.status == "known" or not normal:
                one.add_to(values)
        if not normal:
            aux = given.auxiliary(design, {name: one[rows] for name, one in new.known.items()})
            made, of_rows = _outcomes(
                family, values, aux, rng if kind == "observation" else None, scores
            )
            chances[rows] = of_rows.mean(axis=0)
            still = np.zeros(made.shape)
            _store(found, rows, _summary(made, still, still, prob))
            if kept is not None:
                kept[:, rows] = made
            continue
        noise = np.zeros(values.shape)
        for root, term in added:
            along = np.einsum("sqr,bq->sbr", root, term.Z[rows])
            noise += np.square(along).sum(axis=2)
        centre, spread = values, noise
        if residuals is not None:
            residual = residuals.of(rows)
            centre, noise = values + residual.mean, noise + residual.mixed
            spread = spread + residual.variance
        _store(found, rows, _summary(centre, noise, spread, prob))
        if kept is not None:
            for one in terms:
                if one.status == "new":
                    one.add_to(values)
            if residuals is not None:
                values += residuals.draw(rows)
            kept[:, rows] = values
    return found, chances, kept


def _outcomes(
    family: Family, eta: Floats, aux: Auxiliary, rng: np.random.Generator | None, scores: Floats
) -> tuple[Floats, Floats]:
    """Return expected outcomes at a linear predictor, or with a generator random ones.

    With the chances (S, b, K) of ordered categories, whose outcomes are scores; K is 0 of others.
    """
    if family.chances is None or not scores.size:
        made = family.expected(eta, aux) if rng is None else family.draw(eta, aux, rng)
        return made, np.empty((1, eta.shape[1], 0))
    chances = family.chances(eta, aux)
    if rng is None:
        return np.asarray(chances @ scores), chances
    return scores[family.draw(eta, aux, rng).astype(np.int64)], chances


def _store(found: list[Floats], rows: Ints, parts: tuple[Floats, ...]) -> None:
    for array, part in zip(found, parts, strict=True):
        array[rows] = part


def _is_normal(family: Family) -> bool:
    """Return whether outcomes are normal conditional on a draw, or scale mixtures of normals."""
    return family.gaussian_moments or family.mixing is not None


def _is_seed(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        return False
    return int(value) >= 0


def _summary(
    centre: Floats, noise: Floats, spread: Floats, prob: float
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return mean, sd and interval (b,) of normals (S, b), mixed over the draws.

    `noise` is their variance, `spread` its expectation where it is random.
    """
    tail = (1.0 - prob) / 2.0
    sd = np.sqrt(noise)
    return (
        centre.mean(axis=0),
        np.sqrt(centre.var(axis=0, ddof=1) + spread.mean(axis=0)),
        mixture_quantile(centre, sd, tail),
        mixture_quantile(centre, sd, 1.0 - tail),
    )

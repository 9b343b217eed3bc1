"""Predict the outcome of new rows, by the estimand (`question`).

======================= ===========================================================================
question                group effects
======================= ===========================================================================
``existing_group``      those of the group itself, as far as the data tell them
``new_group``           drawn from N(0, Sigma_u): a group like these, of which nothing is known
``population``          none: the average over groups, which is a group of average effects
======================= ===========================================================================

A kind of prediction is the expected outcome (``mean``) or one outcome (``observation``, with the
residual). Either carries every uncertainty there is: of the coefficients, of the variances, of the
group effects.
"""

from typing import Any, get_args

import numpy as np

from bayes_mlm.base import (
    DEFAULT_PROB,
    EngineError,
    Floats,
    Ints,
    Stream,
    check_prob,
    expect,
    stream,
)
from bayes_mlm.data import USUAL
from bayes_mlm.design import read_data
from bayes_mlm.engines import ENGINES, effects_root, samples
from bayes_mlm.fitting import Estimate, Fit, estimate_of, posterior_of, residual_draws
from bayes_mlm.model import Auxiliary, Family
from bayes_mlm.questions.prediction.effects import batches, effects_for
from bayes_mlm.questions.prediction.mixtures import mixture_quantile
from bayes_mlm.questions.prediction.noise import Residuals
from bayes_mlm.questions.prediction.plug_in import plug_in
from bayes_mlm.questions.prediction.result import PlugIn, Prediction, PredictionKind, Question
from bayes_mlm.questions.prediction.rows import LaidOut, check_rows, lay_out, settle_question

__all__ = ["PlugIn", "Prediction", "check_rows", "predict"]


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
) -> Prediction:
    """Predict the outcome of new rows, with all sources of uncertainty.

    Parameters
    ----------
    fit : Fit or Estimate
        By any engine. The prediction of an estimate takes its variances for known.
    new_rows : data frame, mapping, str or Path
        With the columns of the predictors, and of the group where the question is about one. They
        are laid out as the design was: same categories, same means in ``center`` or ``within``.
    question : {"existing_group", "new_group", "population"}, optional
        By default "existing_group" in a model with group effects, else "population". In
        "new_group" rows of the same label, whatever it is, share one new group; without a column
        of labels every row is in a group of its own.
    kind : {"mean", "observation"}
        The expected outcome, or one outcome with its residual.
    prob : float
        Probability of the intervals.
    random_seed : int, optional
        Of what is drawn for the prediction, by default that of the fit. The same seed and rows
        give the same numbers.
    draws : bool
        Whether to keep the draws, S by m numbers.
    likelihood : bool
        Whether to compare a posterior's prediction with that of REML or OLS.

    Returns
    -------
    Prediction

    Raises
    ------
    DataError
        If a column is not there, a value is missing, or a category or group was not there when
        the model was made; the message names it and those known.
    DesignError
        If the model cannot answer the question.

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
    """
    expect("predict", fit, Fit, Estimate)
    check_prob(prob)
    design = fit.design
    asked = settle_question(design, question)
    if kind not in get_args(PredictionKind.__value__):
        raise EngineError(f"kind must be 'mean' or 'observation', found {kind!r}")
    if random_seed is not None and not _is_seed(random_seed):
        raise EngineError(f"random_seed must be a whole number of 0 or more, found {random_seed!r}")
    written = USUAL if fit.request is None else fit.request.source.written
    table = read_data(new_rows, written=written)
    laid_out = lay_out(design, table, asked, kind)
    posterior = posterior_of(fit)
    plugged = None
    if posterior is None or (likelihood and _is_normal(design.family) and len(design.factors) <= 1):
        plugged = plug_in(
            estimate_of(fit, prob).solution,
            design,
            laid_out,
            known=asked == "existing_group",
            new_group=asked == "new_group",
            observation=kind == "observation",
            prob=prob,
        )
    seed, kept = 0, None
    if posterior is not None:
        seed = int(posterior.settings.random_seed if random_seed is None else random_seed)
        found, kept = _draw(posterior, laid_out, asked, kind, prob, seed=seed, keep=draws)
    elif plugged is not None and not draws:
        found = [plugged.estimate, plugged.se, plugged.lower, plugged.upper]
    else:
        raise EngineError(f"{ENGINES[fit.engine].label} does not draw; leave draws out")
    return Prediction(
        model=fit.title,
        engine=fit.engine,
        question=asked,
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
        notes=laid_out.notes,
        verdict=fit.verdict,
    )


def _draw(
    fit: Fit,
    laid_out: LaidOut,
    asked: Question,
    kind: PredictionKind,
    prob: float,
    *,
    seed: int,
    keep: bool,
) -> tuple[list[Floats], Floats | None]:
    """Return mean, sd and ends (m,) of the predictive distribution, and its draws if kept."""
    n = len(laid_out.X)
    design, family = fit.design, fit.design.family
    normal = _is_normal(family)
    beta = samples(fit.draws, "beta")
    rng = stream(seed, Stream.PREDICTION)
    parts = [fit.of_factor(name) for name in design.factors[: len(laid_out.groups)]]
    effects = [effects_for(one, asked, rng, drawn=keep or not normal) for one in parts]
    roots = [effects_root(one.draws) for one in parts] if asked == "new_group" else []
    found = [np.empty(n) for _ in range(4)]
    kept = np.empty((len(beta), n)) if keep else None
    residuals = Residuals(fit, laid_out, rng) if normal and kind == "observation" else None
    aux = residual_draws(fit.draws).auxiliary(design) if not normal else {}
    for rows, terms in batches(laid_out.groups, effects):
        values = beta @ laid_out.X[rows].T
        for one in terms if asked == "existing_group" or not normal else ():
            one.add_to(values)
        if not normal:
            made = _outcomes(family, values, aux, rng if kind == "observation" else None)
            still = np.zeros(made.shape)
            _store(found, rows, _summary(made, still, still, prob))
            if kept is not None:
                kept[:, rows] = made
            continue
        noise = np.zeros(values.shape)
        for root, term in zip(roots, laid_out.groups, strict=True) if roots else ():
            along = np.einsum("sqr,bq->sbr", root, term.Z[rows])
            noise += np.square(along).sum(axis=2)
        centre, spread = values, noise
        if residuals is not None:
            own = residuals.of(rows)
            centre, noise = values + own.mean, noise + own.mixed
            spread = spread + own.variance
        _store(found, rows, _summary(centre, noise, spread, prob))
        if kept is not None:
            for one in terms if asked == "new_group" else ():
                one.add_to(values)
            if residuals is not None:
                values += residuals.draw(rows)
            kept[:, rows] = values
    return found, kept


def _outcomes(
    family: Family, eta: Floats, aux: Auxiliary, rng: np.random.Generator | None
) -> Floats:
    """Return expected outcomes at a linear predictor, or with a generator drawn ones."""
    return family.expected(eta, aux) if rng is None else family.draw(eta, aux, rng)


def _store(found: list[Floats], rows: Ints, parts: tuple[Floats, ...]) -> None:
    for array, part in zip(found, parts, strict=True):
        array[rows] = part


def _is_normal(family: Family) -> bool:
    """Return whether outcomes are normal given the draws, or scale mixtures: none need drawing."""
    return family.gaussian_moments or family.mixing is not None


def _is_seed(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        return False
    return int(value) >= 0


def _summary(
    centre: Floats, noise: Floats, spread: Floats, prob: float
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return mean, sd and interval (b,) of normals (S, b), mixed over the draws.

    `noise` is their variance, and `spread` its expectation where it is itself drawn.
    """
    tail = (1.0 - prob) / 2.0
    sd = np.sqrt(noise)
    return (
        centre.mean(axis=0),
        np.sqrt(centre.var(axis=0, ddof=1) + spread.mean(axis=0)),
        mixture_quantile(centre, sd, tail),
        mixture_quantile(centre, sd, 1.0 - tail),
    )

"""Fit a model: from a formula and a table to draws, or an estimate, with a verdict."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

from bayes_mlm.base import DEFAULT_PROB, EngineError, Stream, Verdict, stream
from bayes_mlm.design import Design, Rows, design_of
from bayes_mlm.engines import (
    AUTO,
    ENGINES,
    EngineName,
    RemlFit,
    Settings,
    Task,
    engine_names,
    is_drawing,
)
from bayes_mlm.fitting.drawing import cautions_on, draw
from bayes_mlm.fitting.estimate import Estimate, estimate_design
from bayes_mlm.fitting.mixture import mix_fits
from bayes_mlm.fitting.request import (
    DEFAULT_TARGET_ACCEPT,
    RequestOptions,
    as_request,
    make_settings,
    takes_options,
)
from bayes_mlm.fitting.result import Fit
from bayes_mlm.fitting.versions import installed_versions
from bayes_mlm.fitting.waiting import is_watched, waiting
from bayes_mlm.likelihood import ModelPriors, model_priors
from bayes_mlm.model import HasRequest
from bayes_mlm.moments import GroupMoments

# Draws a chain of one imputation, at least: the adjustment to a covariance is by their mean.
_LEAST_DRAWS = 250


@takes_options
def fit(
    model: str | Path | HasRequest | Design,
    data: Any = None,
    *,
    draws: int | None = None,
    tune: int | None = None,
    chains: int | None = None,
    random_seed: int | None = None,
    target_accept: float = DEFAULT_TARGET_ACCEPT,
    engine: EngineName = AUTO,
    rows: Rows = "auto",
    progressbar: bool | None = None,
    prob: float = DEFAULT_PROB,
    **options: Unpack[RequestOptions],
) -> Fit | Estimate:
    """Fit a model: draws from its posterior, or its likelihood estimate, with a verdict.

    Parameters
    ----------
    model : str, Path, Record, ModelRequest or Design
        A formula (``"mathach ~ ses + (1 | schoolid)"``), the name of a bundled record
        (``"hsb_ses"``), the path of a TOML record or of saved sums (``"year1.sums"``), or a design
        (of `build_design`, or of summed data), which needs no data.
    data : data frame, mapping, Scan, DataSource, str, Path or list of these, optional
        Any frame narwhals supports, a file of any kind that `read_table` reads, a directory or glob
        of files, the result of `open_data`, or the name of an embedded set. A record names its
        data; a formula needs this argument. A list has the imputations of one data set.
    kind, group, group_level, missing
        With a formula: as the fields of a `ModelSpec` and a `DataSource`. The kind is
        "partial_pooling" if the formula has a bar and "pooled" otherwise.
    priors : mapping, optional
        Priors by parameter name (see `bayes_mlm.likelihood.default_priors`); over those of a
        record.
    residual : Residual or mapping, optional
        With a formula: how residuals depart from independent ones of one sd, as in
        ``{"sigma": "sector"}``, ``{"ar": "age"}`` (`bayes_mlm.model.residual`). NUTS draws such
        models.
    family : str, optional
        With a formula: the distribution of the outcome given its linear predictor, by default
        "gaussian"; "student_t" has heavier tails, "bernoulli" is passed or failed, "binomial"
        successes among trials, "poisson" and "negative_binomial" counts, "cumulative" ordered
        categories, "gamma" positive measurements, "beta" shares; others may be registered
        (`bayes_mlm.model.family`).
    link : str, optional
        Of the family, if not the usual one: "probit", "cloglog".
    trials : str or int, optional
        The column (or number) of trials of a binomial outcome, instead of
        ``successes | trials(n) ~ ...`` in the formula.
    weights : mapping or str, optional
        With a formula: columns of survey weights by level, as in ``{"level1": "w1", "school":
        "w2"}``; "overall" instead of "level1" where those of the rows are unconditional. The model
        is then fitted by pseudo-maximum likelihood, and drawn from its pseudo-posterior.
    scaling : {"size", "effective", "none"}, optional
        What the weights of the rows of a group are scaled to sum to: its number of rows (the
        default), its effective number, or what they do.
    standard_errors : {"sandwich", "jackknife", "fixed"}, optional
        Under weights; see `bayes_mlm.model.Weights`.
    replicates : mapping or str, optional
        Replicate weights of a survey, which standard errors are then of:
        ``"fay(W_FSTURWT1..W_FSTURWT80)"``; see `bayes_mlm.model.Replicates`. Weights by the name of
        a survey have them: ``weights="pisa"``.
    decimal, delimiter, encoding, sheet, cells, omit_rows, codes, na_values : optional
        How a file is read, where it does not state it itself: as of `bayes_mlm.read_table`.
    imputation : str, optional
        Column that numbers the imputations of a long table (Stata's ``_mi_m``, mice's ``.imp``,
        SAS's ``_Imputation_``; 0, the incomplete original, is omitted), or "each-file".
    strip : bool
        Whether to strip labels of spaces at their ends (tabs, no-break and zero-width ones too).
    draws, tune, chains : int, optional
        Kept and discarded draws a chain, and chains; by default the record's, else 1000, 1000, 4.
    random_seed : int, optional
        By default the record's, else a fresh one, which the result records.
    target_accept : float
        Between 0 and 1; nearer 1 means smaller, safer steps.
    engine : str
        A name in `bayes_mlm.engines.ENGINES`. "direct" draws independently from the exact
        posterior; "nuts" runs Markov chains; "auto" takes "direct" where it is exact, and "nuts"
        otherwise (`Fit.reason` states the reason). "reml", "ml" and "ols" maximise a likelihood.
    rows : {"auto", "keep", "sum"}
        Whether rows come into memory, or are summed by group where they lie; see `design_of`.
    progressbar : bool, optional
        Whether to show progress, from the third second on, and the bar of NUTS; by default on a
        terminal and in Jupyter, and not in a pipe.
    prob : float
        Coverage of the intervals of an engine that does not draw.

    Returns
    -------
    Fit or Estimate
        A `Fit` of an engine that draws, else an `Estimate`.

    Raises
    ------
    BayesMLMError
        A branch of it, whose message says what is wrong and what to do.

    Examples
    --------
    >>> from bayes_mlm import fit, load_sleepstudy
    >>> fitted = fit("reaction ~ days + (1 | subject)", load_sleepstudy(), random_seed=1)
    >>> fitted.engine, fitted.reason, fitted.verdict.ok
    ('direct', 'exact by quadrature', True)
    """
    started = time.perf_counter()
    request = as_request(model, data, **options)
    settings = make_settings(
        request,
        draws=draws,
        tune=tune,
        chains=chains,
        random_seed=random_seed,
        target_accept=target_accept,
    )
    if progressbar is None:
        progressbar = is_watched()
    drawing = is_drawing(engine)
    with waiting(f"reading the data of {request.model.formula}", shown=progressbar):
        design = design_of(request, model if isinstance(model, Design) else data, rows=rows)
    if not drawing:
        with waiting(f"fitting {request.model.formula} by {engine}", shown=progressbar):
            found = estimate_design(design, engine, request=request, prob=prob)
        return replace(found, seconds=time.perf_counter() - started)
    return fit_design(
        request, design, settings, engine=engine, started=started, progressbar=progressbar
    )


def fit_design(
    request: HasRequest,
    design: Design,
    settings: Settings,
    *,
    engine: str = AUTO,
    statistics: GroupMoments | None = None,
    started: float | None = None,
    progressbar: bool = False,
    priors: ModelPriors | None = None,
    estimate: RemlFit | None = None,
) -> Fit:
    """Draw from the posterior of a design that is laid out for its kind, data being read.

    Of several imputations each is fitted, with the same priors, and the draws are mixed.

    Raises
    ------
    EngineError
        If the engine does not draw, or cannot fit the model.
    """
    began = time.perf_counter() if started is None else started
    design.require_all_factors("a fit")
    if not is_drawing(engine):
        raise EngineError(
            f"the {ENGINES[engine].label} engine does not draw; use estimate_design, or an engine "
            f"of {', '.join(engine_names(drawing=True))}"
        )
    request = request.request
    priors = model_priors(design, request.model.priors) if priors is None else priors
    if design.imputations:
        rng = stream(settings.random_seed, Stream.IMPUTATIONS)
        seeds = rng.integers(2**31, size=len(design.imputations)).tolist()
        part, known = _of_part(design, settings)
        fits = [
            fit_design(
                request,
                one,
                replace(part, random_seed=seed),
                engine=engine,
                progressbar=progressbar,
                priors=priors,
                estimate=estimate,
            )
            for one, seed, estimate in zip(design.imputations, seeds, known, strict=True)
        ]
        return mix_fits(
            fits,
            design,
            request=request,
            priors=priors,
            settings=settings,
            seconds=time.perf_counter() - began,
        )
    several = len(design.factors) > 1  # moments are by one factor
    moments = design.moments() if statistics is None and not several else statistics
    task = Task(
        design=design,
        priors=priors,
        settings=settings,
        statistics=moments,
        progressbar=progressbar,
        estimate=estimate,
    )
    name, reason, drawn = draw(engine, task)
    extra = cautions_on(task, name, drawn.draws, moments)
    return Fit(
        request=request,
        design=design,
        priors=priors,
        draws=drawn.draws,
        engine=name,
        reason=reason,
        report=drawn.report,
        settings=settings,
        versions=installed_versions(),
        verdict=Verdict((*drawn.verdict.findings, *extra)),
        seconds=time.perf_counter() - began,
    )


def _of_part(design: Design, settings: Settings) -> tuple[Settings, Sequence[RemlFit | None]]:
    """Return the settings for one imputation of several, and what is known of each.

    Under survey weights all are fitted at once, and draws that the mixture leaves out are not made.
    """
    many = len(design.imputations)
    if design.weights is None:
        return settings, [None] * many
    each = max(-(-settings.draws // many), _LEAST_DRAWS)
    solution = estimate_design(design, "pml").solution
    return replace(settings, draws=min(each, settings.draws)), getattr(solution, "parts", ())


def fit_by(
    request: HasRequest,
    design: Design,
    settings: Settings,
    *,
    engine: str = AUTO,
    progressbar: bool = False,
    prob: float = DEFAULT_PROB,
) -> Fit | Estimate:
    """Fit a design by any engine: a `Fit` of one that draws, else an `Estimate`."""
    if is_drawing(engine):
        return fit_design(request, design, settings, engine=engine, progressbar=progressbar)
    return estimate_design(design, engine, request=request.request, prob=prob)

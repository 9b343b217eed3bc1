"""Fit a model: from a formula and a table to draws with a verdict."""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from bayes_mlm.base import EngineError, Finding, Verdict, check_memory
from bayes_mlm.design import Design, Rows, design_of
from bayes_mlm.engines import (
    MAX_EFFECTS,
    DirectReport,
    Draws,
    Settings,
    cautions,
    diagnose,
    recover_effects,
    sample_direct,
    sample_nuts,
    why_not_direct,
)
from bayes_mlm.fitting.request import DEFAULT_TARGET_ACCEPT, as_request, make_settings
from bayes_mlm.fitting.result import Fit, installed_versions
from bayes_mlm.likelihood import (
    FACTORIES,
    ModelPriors,
    check_bounded_rows,
    group_views,
    model_priors,
    parameters_of,
    unidentified,
)
from bayes_mlm.model import HasRequest, Kind, Residual
from bayes_mlm.moments import GroupMoments, from_design, reduce

type Engine = Literal["auto", "direct", "nuts"]


def fit(
    model: str | Path | HasRequest | Design,
    data: Any = None,
    *,
    kind: Kind | None = None,
    group: str | None = None,
    group_level: Sequence[str] = (),
    missing: Literal["error", "drop"] = "error",
    priors: Mapping[str, Any] | None = None,
    residual: Residual | Mapping[str, Any] | None = None,
    family: str | None = None,
    strip: bool = False,
    decimal: Literal[".", ","] | None = None,
    delimiter: str | None = None,
    draws: int | None = None,
    tune: int | None = None,
    chains: int | None = None,
    random_seed: int | None = None,
    target_accept: float = DEFAULT_TARGET_ACCEPT,
    engine: Engine = "auto",
    rows: Rows = "auto",
    progressbar: bool | None = None,
) -> Fit:
    """Draw from the posterior of a model and judge the result.

    Parameters
    ----------
    model : str, Path, Record, ModelRequest or Design
        A formula (``"mathach ~ ses + (1 | schoolid)"``), the name of a bundled record
        (``"hsb_ses"``), the path of a TOML record or of saved sums (``"year1.sums"``), or a design
        (of `build_design`, or of summed data), which needs no data.
    data : data frame, mapping, Scan, str or Path, optional
        Any frame narwhals supports, a file, a directory or glob of files, what `open_data` gives,
        or the name of an embedded set. A record names its own; a formula needs it.
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
        "gaussian"; "student_t" has heavier tails, and other families may be registered
        (`bayes_mlm.model.family`). NUTS draws all but the Gaussian.
    decimal, delimiter : str, optional
        How the text of the data is written: `bayes_mlm.read_table`.
    strip : bool
        Whether to strip labels of spaces at their ends (tabs, no-break and zero-width ones too).
    draws, tune, chains : int, optional
        Kept and discarded draws a chain, and chains; by default the record's, else 1000, 1000, 4.
    random_seed : int, optional
        By default the record's, else a fresh one, which the result records.
    target_accept : float
        Between 0 and 1; nearer 1 means smaller, safer steps.
    engine : {"auto", "direct", "nuts"}
        "direct" draws independently from the exact posterior; "nuts" runs Markov chains; "auto"
        takes "direct" where it is exact, and "nuts" otherwise. `Fit.why` says which and why.
    rows : {"auto", "keep", "sum"}
        Whether rows come into memory, or are summed by group where they lie; see `design_of`.
    progressbar : bool, optional
        Whether NUTS draws a progress bar; by default on a terminal only.

    Returns
    -------
    Fit

    Raises
    ------
    BayesMLMError
        A branch of it, whose message says what is wrong and what to do.

    Examples
    --------
    >>> from bayes_mlm import fit, load_sleepstudy
    >>> fitted = fit("reaction ~ days + (1 | subject)", load_sleepstudy(), random_seed=1)
    >>> fitted.engine, fitted.why, fitted.verdict.ok
    ('direct', 'exact by quadrature', True)
    """
    started = time.perf_counter()
    request = as_request(
        model,
        data,
        kind=kind,
        group=group,
        group_level=group_level,
        missing=missing,
        priors=priors,
        residual=residual,
        family=family,
        strip=strip,
        decimal=decimal,
        delimiter=delimiter,
    )
    settings = make_settings(
        request,
        draws=draws,
        tune=tune,
        chains=chains,
        random_seed=random_seed,
        target_accept=target_accept,
    )
    design = design_of(request, model if isinstance(model, Design) else data, rows=rows)
    if progressbar is None:
        progressbar = sys.stderr.isatty()
    return fit_design(
        request, design, settings, engine=engine, started=started, progressbar=progressbar
    )


def fit_design(
    request: HasRequest,
    design: Design,
    settings: Settings,
    *,
    engine: Engine = "auto",
    statistics: GroupMoments | None = None,
    started: float | None = None,
    progressbar: bool = False,
) -> Fit:
    """Fit a design that is already laid out for its kind (what `fit` does after reading data)."""
    began = time.perf_counter() if started is None else started
    request = request.request
    priors = model_priors(design, request.model.priors)
    own = statistics if statistics is not None else from_design(design)
    drawn = _draw(
        engine, request.model.kind, design, priors, settings, own, progressbar=progressbar
    )
    return Fit(
        request=request,
        design=design,
        priors=priors,
        draws=drawn.draws,
        engine=drawn.engine,
        why=drawn.why,
        report=drawn.report,
        settings=settings,
        versions=installed_versions(),
        verdict=Verdict((*drawn.verdict.findings, *_cautions(design, priors, drawn, own))),
        seconds=time.perf_counter() - began,
    )


@dataclass(frozen=True, kw_only=True)
class _Drawn:
    """Hold draws with what made them, why, and what is to be thought of them."""

    draws: Draws
    engine: str
    why: str
    verdict: Verdict
    report: DirectReport | None = None


def _draw(
    engine: Engine,
    kind: Kind,
    design: Design,
    priors: ModelPriors,
    settings: Settings,
    statistics: GroupMoments,
    *,
    progressbar: bool,
) -> _Drawn:
    """Draw with the engine asked for; "auto" hands over to NUTS what direct cannot do exactly."""
    if engine not in get_args(Engine.__value__):
        raise EngineError(
            f"unknown engine {engine!r}; allowed: auto, direct, nuts (for REML and OLS there are "
            "fit_reml and fit_ols)"
        )
    why = "asked for"
    if engine != "nuts":
        reason = why_not_direct(priors)
        if reason and engine == "direct":
            raise EngineError(f"the direct engine cannot fit this model: {reason}; use nuts")
        if not reason:
            found = sample_direct(
                design,
                priors,
                draws=settings.draws,
                chains=settings.chains,
                random_seed=settings.random_seed,
                statistics=statistics,
            )
            if found.report.trusted or engine == "direct":
                return _Drawn(
                    draws=found.draws,
                    engine="direct",
                    why=why if engine == "direct" else f"exact by {found.report.method}",
                    verdict=found.report.verdict,
                    report=found.report,
                )
            reason = str(found.report.verdict)
        why = f"not direct: {reason}"
    check_bounded_rows(design)
    draws = _sample(kind, design, priors, settings, progressbar=progressbar)
    return _Drawn(draws=draws, engine="nuts", why=why, verdict=diagnose(draws))


def _cautions(
    design: Design, priors: ModelPriors, drawn: _Drawn, statistics: GroupMoments
) -> list[Finding]:
    """List what the engine's own verdict does not see."""
    independent = drawn.draws.n_chains * drawn.draws.n_draws if drawn.engine == "direct" else None
    found = cautions(design, priors, independent)
    # The direct engine's report says this itself.
    if drawn.engine == "nuts" and len(priors.groups) == 1 and design.family.is_additive:
        notes = unidentified(reduce(statistics), correlated=priors.rho_u is not None)
        found += [Finding("identification", False, note) for note in notes]
    return found


def _sample(
    kind: Kind, design: Design, priors: ModelPriors, settings: Settings, *, progressbar: bool
) -> Draws:
    """Sample with NUTS, with the group effects integrated out where there are some."""
    views = group_views(design)
    integrated = kind in ("partial_pooling", "mundlak") and len(views) == 1
    integrated = integrated and design.residual is None
    scalars = design.p + sum(view.q for view in views) + 6
    numbers = settings.chains * (settings.draws + settings.tune) * scalars
    effects = settings.chains * settings.draws * sum(view.q * view.J for view in views)
    numbers += min(effects, MAX_EFFECTS) if integrated else effects
    check_memory(
        8 * numbers,
        f"{settings.chains} chains of {settings.draws:,} draws",
        "ask for fewer (draws, --draws)",
    )
    if integrated:
        model = FACTORIES[kind](design, priors, likelihood="marginal")
        draws = sample_nuts(model, settings, progressbar=progressbar)
        return recover_effects(design, draws, settings.random_seed)
    model = FACTORIES[kind](design, priors)
    return sample_nuts(model, settings, progressbar=progressbar, parameters=parameters_of(design))

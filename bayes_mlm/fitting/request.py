"""What is to be fitted: a formula, a design or saved sums made into a request; the settings."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack, cast

from bayes_mlm.base import (
    DataError,
    EngineError,
    FormulaError,
    SpecError,
    check_choice,
    suggest,
)
from bayes_mlm.data import DATASETS, IN_MEMORY, DataSource, ReadOptions, na_text
from bayes_mlm.design import Design, is_sums, model_of_sums
from bayes_mlm.engines import Settings
from bayes_mlm.formula import parse_formula
from bayes_mlm.likelihood import expect_priors
from bayes_mlm.model import (
    KINDS,
    PLAIN,
    UNNAMED,
    UNWEIGHTED,
    HasRequest,
    Kind,
    ModelRequest,
    ModelSpec,
    Prior,
    Replicates,
    Residual,
    Weights,
    as_residual,
    as_weights,
    check_request,
    family_of,
    is_formula,
    read_distribution,
)

DEFAULT_DRAWS, DEFAULT_TUNE, DEFAULT_CHAINS, DEFAULT_TARGET_ACCEPT = 1000, 1000, 4, 0.9

_SETTINGS = ("engine", "draws", "tune", "chains", "random_seed", "target_accept", "rows", "prob")
# What brms, lme4, bambi, Stan and Stata call an option.
_ELSEWHERE = {
    "REML": "engine='reml' or engine='ml'",
    "reml": "engine='reml'",
    "ml": "engine='ml'",
    "mle": "engine='ml'",
    "method": "engine='reml', 'ml', 'direct' or 'nuts'",
    "inference_method": "engine='nuts'",
    "iter": "draws=1000, tune=1000",
    "warmup": "tune=1000",
    "cores": "chains=4",
    "seed": "random_seed=1",
    "prior": "priors={'sigma_u': 'HalfNormal(5)'}",
    "adapt_delta": "target_accept=0.95",
    "na_action": "missing='drop'",
    "dropna": "missing='drop'",
    "na_strings": "na_values='-999,k.A.'",
    "na": "na_values='-999,k.A.'",
    "groups": "group='school', or (1 | school) in the formula",
    "ci": "prob",
    "level": "prob",
}


class RequestOptions(TypedDict, total=False):
    """What `fit` and `as_request` take by keyword next to model and data; see `bayes_mlm.fit`."""

    kind: Kind | None
    group: str | None
    group_level: Sequence[str]
    missing: Literal["error", "drop"]
    priors: Mapping[str, Any] | None
    residual: Residual | Mapping[str, Any] | None
    family: str | None
    link: str | None
    trials: str | int | None
    weights: Weights | Mapping[str, str] | str | None
    scaling: Literal["size", "effective", "none"] | None
    standard_errors: Literal["sandwich", "jackknife", "fixed"] | None
    replicates: Replicates | Mapping[str, Any] | str | None
    strip: bool
    imputation: str | None
    decimal: Literal[".", ","] | None
    delimiter: str | None
    encoding: str | None
    sheet: str | None
    cells: str | None
    omit_rows: str | None
    codes: str | None
    na_values: Any


def takes_options[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Return a function of `RequestOptions` whose signature lists each, for help and editors."""
    found = signature(function)
    *named, _ = found.parameters.values()
    options = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=kind)
        for name, kind in RequestOptions.__annotations__.items()
    ]
    vars(function)["__signature__"] = found.replace(parameters=[*named, *options])
    return function


@takes_options
def as_request(
    model: str | Path | HasRequest | Design, data: Any = None, **options: Unpack[RequestOptions]
) -> ModelRequest:
    """Return what is requested by a formula, a design or saved sums, or a request with changes.

    Parameters
    ----------
    model : str, Path, Design, ModelRequest or other with a `request`
        Priors and reading options in `options` take precedence over those of a request.
    data, **options
        As in `bayes_mlm.fit`.

    Raises
    ------
    BayesMLMError
        If the parts contradict one another, or data are needed and not given.

    Examples
    --------
    >>> as_request("reaction ~ days + (1 | subject)", "sleepstudy").model.kind
    'partial_pooling'
    """
    for name in options.keys() - RequestOptions.__annotations__.keys():
        known = (*RequestOptions.__annotations__, *_SETTINGS)
        raise EngineError(f"unknown argument {name!r}{_meant(name) or suggest(name, known)}")
    priors = options.get("priors")
    expect_priors(priors)
    given = {name: _plain(name, prior) for name, prior in (priors or {}).items()}
    if isinstance(model, Design):
        return _request_of(model, options.get("kind"), given)
    requested: ModelRequest | None = getattr(model, "request", None)
    if not isinstance(model, (str, Path)) and requested is None:
        raise EngineError(
            f"the model must be a formula, a record or its path, found {type(model).__name__}; "
            "the model comes first, the data second"
        )
    kind, group = options.get("kind"), options.get("group")
    if kind is not None:
        check_choice("kind", kind, KINDS)
    level = options.get("group_level") or ()
    residual, family = options.get("residual"), _family(options.get("family"), options.get("link"))
    trials = options.get("trials")
    weights = as_weights(
        options.get("weights"),
        scaling=options.get("scaling"),
        standard_errors=options.get("standard_errors"),
        replicates=options.get("replicates"),
    )
    reading: dict[str, Any] = {
        "missing": options.get("missing") or "error",
        "strip": options.get("strip") or False,
        "imputation": options.get("imputation"),
    }
    found: dict[str, Any] = {one.name: options.get(one.name) for one in fields(ReadOptions)}
    found["na_values"] = na_text(found["na_values"])
    how = ReadOptions(**found).given
    if requested is None and is_sums(model):
        if data is not None:
            raise DataError(
                f"{model} holds sums, which are fitted without data; to add rows to them use "
                "sum_more_rows and merge_sums (bayes-mlm sum)"
            )
        data, (model, grouping, stripped) = model, model_of_sums(str(model))
        reading["strip"] = reading["strip"] or stripped
        group = None if parse_formula(model).group_terms else grouping
    if requested is not None:
        changed = (kind, group, level, residual, family, trials, weights or None)
        if any(one is not None and one != () for one in changed):
            raise EngineError(
                "a record states its kind, group, group_level, residual, family, trials and "
                "weights; change them there"
            )
        source = requested.source
        request = replace(
            requested,
            model=replace(requested.model, priors=dict(requested.model.priors) | given),
            source=replace(
                source,
                strip=source.strip or reading["strip"],
                imputation=reading["imputation"] or source.imputation,
                missing=source.missing if reading["missing"] == "error" else reading["missing"],
                **how,
            ),
        )
    else:
        request = _request_for(
            _with_trials(str(model), trials),
            data,
            kind=kind,
            group=group,
            group_level=(level,) if isinstance(level, str) else tuple(level),
            priors=given,
            residual=as_residual(residual),
            family=family or "gaussian",
            weights=weights,
            reading=reading | how,
        )
    check_request(request)
    return request


def _family(family: str | None, link: str | None) -> str | None:
    """Return a family's text with its link."""
    if link is None:
        return family
    if family is None:
        raise SpecError(f"link={link!r} needs its family, as in family='bernoulli'")
    return family_of(family, link).text


def _with_trials(formula: str, trials: str | int | None) -> str:
    """Return a formula with its number of trials, given apart from it."""
    if trials is None:
        return formula
    left, tilde, right = formula.partition("~")
    if "trials(" in left:
        raise FormulaError(f"the formula has trials already, and trials={trials!r} is given")
    return f"{left.strip()} | trials({trials}) {tilde}{right}"


def _meant(name: str) -> str:
    """Return the option that another package's word stands for, as the end of a message."""
    if name not in _ELSEWHERE:
        return ""
    return f"; did you mean {_ELSEWHERE[name]}?"


def _request_for(
    formula: str, data: Any, *, kind: Kind | None, reading: dict[str, Any], **model: Any
) -> ModelRequest:
    """Return the request of a formula and data."""
    if not is_formula(formula):
        raise EngineError(
            f"{formula!r} is no formula, such as 'y ~ x + (1 | g)'; for a record by its name or "
            "path use bayes_mlm.fit, or load_record"
        )
    if data is None:
        raise DataError(
            "a formula needs data: give a data frame, a file (--data my.csv) or an embedded "
            f"set ({', '.join(DATASETS)})"
        )
    kind = kind or ("partial_pooling" if parse_formula(formula).group_terms else "pooled")
    if isinstance(data, DataSource):
        given = {
            name: value for name, value in reading.items() if value not in (False, None, "error")
        }
        source = replace(data, **given)
    else:
        named = str(data) if isinstance(data, (str, Path)) else IN_MEMORY
        source = DataSource(data=named, **reading)
    return ModelRequest(model=ModelSpec(formula=formula, kind=kind, **model), source=source)


def _request_of(design: Design, kind: Kind | None, priors: dict[str, Any]) -> ModelRequest:
    """Return the request of a design that has been built."""
    model = ModelSpec(
        formula=design.formula.text,
        kind=kind or cast("Kind", design.kind),
        group=None if design.formula.group_terms else design.group,
        priors=priors,
        residual=PLAIN if design.residual is None else design.residual.spec,
        family=design.family.text,
        weights=UNWEIGHTED if design.weights is None else design.weights.spec,
    )
    return ModelRequest(model=model, source=DataSource(strip=design.encoding.strip))


def named_apart(requests: Sequence[ModelRequest]) -> list[ModelRequest]:
    """Return requests of which, if they are several, those of formulas are named after these."""
    return [
        replace(one, model=replace(one.model, name=one.model.formula))
        if len(requests) > 1 and one.model.name == UNNAMED
        else one
        for one in requests
    ]


def make_settings(
    request: HasRequest,
    *,
    draws: int | None = None,
    tune: int | None = None,
    chains: int | None = None,
    random_seed: int | None = None,
    target_accept: float = DEFAULT_TARGET_ACCEPT,
) -> Settings:
    """Return the sampler's settings: what is given, else what is requested, else the defaults."""

    def settle(name: str, given: int | None, default: int, least: int) -> int:
        requested = getattr(request.request.settings, name) if given is None else given
        value = default if requested is None else requested
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise EngineError(f"{name} must be a whole number of {least} or more, found {value!r}")
        return value

    if not 0 < target_accept < 1:
        raise EngineError(f"target_accept must be between 0 and 1, found {target_accept}")
    return Settings(
        draws=settle("draws", draws, DEFAULT_DRAWS, 4),
        tune=settle("tune", tune, DEFAULT_TUNE, 1),
        chains=settle("chains", chains, DEFAULT_CHAINS, 2),
        random_seed=settle("random_seed", random_seed, secrets.randbits(31), 0),
        target_accept=target_accept,
    )


def _plain(name: str, prior: Any) -> Any:
    """Return a prior as a record can state it."""
    if isinstance(prior, (str, Mapping)):
        return prior
    if isinstance(prior, Prior):
        return prior.to_text()
    family, parameters = read_distribution(name, prior) or (None, {})
    return prior if family is None else Prior(family, tuple(parameters.items())).to_text()

"""Every engine, family, structure of groups and question: an answer, or a refusal that helps.

Whatever is registered is tried, so a new engine or family is held to this from its first day.
"""

import inspect
import itertools
import math
import re
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import bayes_mlm
from bayes_mlm import BayesMLMError, engines, model
from bayes_mlm.engines import is_drawing
from bayes_mlm.figures import model_figures
from bayes_mlm.fitting import Analysis, estimate_of, posterior_of
from bayes_mlm.report import Origin, render_report

GROUPS, EACH = 12, 8
# Of each structure the formula; `x` varies within groups, `w` between them, and they interact.
STRUCTURES = {
    "none": "y ~ x * w",
    "intercepts": "y ~ x * w + (1 | g)",
    "slopes": "y ~ x * w + (x | g)",
    "uncorrelated": "y ~ x * w + (x || g)",
    "within": "y ~ within(x, g) + between(x, g) + w + (1 | g)",
    "two factors": "y ~ x * w + (1 | g) + (1 | h)",
    "nested": "y ~ x * w + (x | g) + (1 | c:g)",
}
ENGINES: tuple[str, ...] = tuple(getattr(engines, "ENGINES", ("direct", "nuts")))
FAMILIES: tuple[str, ...] = tuple(getattr(model, "FAMILIES", ("gaussian", "student_t")))
FAMILY_IS_AN_ARGUMENT = "family" in inspect.signature(bayes_mlm.fit).parameters
# Compiling for NUTS takes a minute a structure: the quick run has the one that other tests compile.
QUICK_NUTS = {("gaussian", "intercepts")}
# Answers from draws take seconds a cell: the quick run has one of each family, of structures that
# differ, and every Gaussian one; of reports three. It has all of estimates.
QUICK_DRAWS = {
    "gaussian": tuple(STRUCTURES),
    "bernoulli": ("slopes",),
    "binomial": ("intercepts",),
    "poisson": ("within",),
    "negative_binomial": ("none",),
    "cumulative": ("uncorrelated",),
}
QUICK_REPORTS = dict.fromkeys(FAMILIES, ()) | {
    "gaussian": ("within", "nested"),
    "bernoulli": ("slopes",),
}
# Cells that must answer: what refuses everything would keep the contract too.
FITS = {
    (engine, "gaussian", terms)
    for engine, structures in {
        "direct": tuple(STRUCTURES),
        "reml": tuple(STRUCTURES)[1:],
        "ml": tuple(STRUCTURES)[1:],
        "ols": ("none",),
        "nuts": tuple(STRUCTURES),
    }.items()
    for terms in structures
} | {("nuts", "student_t", terms) for terms in ("none", "intercepts", "slopes")}
FITS |= {
    (engine, family, terms)
    for family in (
        *("bernoulli", "binomial", "poisson", "negative_binomial", "gamma", "cumulative"),
    )
    for engine in ("ml", "nuts")
    for terms in ("none", "intercepts", "slopes", "uncorrelated", "within")
}
FITS |= {
    ("ml", family, terms)
    for family in (
        *("bernoulli", "binomial", "poisson", "negative_binomial", "gamma", "cumulative"),
    )
    for terms in ("two factors", "nested")
}
FITS |= {
    ("direct", family, terms)
    for family in (
        *("bernoulli", "binomial", "poisson", "negative_binomial", "gamma", "cumulative"),
    )
    for terms in ("none", "intercepts", "slopes", "within")
}
# The outcome of each family, made of a Gaussian one; and how a formula names it.
TRIALS = 6
OUTCOMES: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "bernoulli": lambda y: (y > 1.2) * 1.0,
    "binomial": lambda y: np.clip(np.round(3 + y), 0, TRIALS),
    "poisson": lambda y: np.floor(np.exp(0.5 * y)),
    "negative_binomial": lambda y: np.floor(np.exp(0.7 * y)),
    "gamma": np.exp,
    "beta": lambda y: 1.0 / (1.0 + np.exp(-y)),
    "cumulative": lambda y: np.digitize(y, [0.3, 1.8]).astype(float),
}


@cache
def table() -> pd.DataFrame:
    """Return rows made from the model of `slopes`, with a second factor that crosses the first.

    The third, `c`, numbers the two halves of each group: `c:g` is nested in `g`.
    """
    rng = np.random.default_rng(1)
    g, h = np.repeat(np.arange(GROUPS), EACH), np.tile(np.arange(EACH), GROUPS)
    w = (np.arange(GROUPS) % 2)[g].astype(float)
    x = rng.normal(size=g.size) + 0.3 * w
    u, v = rng.normal(size=(2, GROUPS)) * [[0.8], [0.3]]
    c, halves = h // (EACH // 2), np.random.default_rng(2).normal(size=2 * GROUPS)
    y = (
        1
        + u[g]
        + 0.5 * halves[2 * g + c]
        + (0.5 + 0.3 * w + v[g]) * x
        + 0.4 * w
        + rng.normal(size=g.size)
    )
    return pd.DataFrame({"y": y, "x": x, "w": w, "g": g, "h": h, "c": c})


def sampling(engine: str) -> dict[str, int]:
    """Return the settings of an engine that draws: few draws serve questions of structure."""
    return {"draws": 60, "tune": 60, "chains": 2} if engine in ("direct", "nuts") else {}


def fitted(engine: str, family: str, terms: str) -> Any:
    """Fit a cell of the contract; every time anew, so that no question depends on another."""
    options: dict[str, Any] = {"engine": engine, "random_seed": 1}
    if family != "gaussian":
        named = {"family": family}
        options |= named if FAMILY_IS_AN_ARGUMENT else {"residual": named}
    formula = STRUCTURES[terms]
    if family == "binomial":
        formula = formula.replace("y ~", f"y | trials({TRIALS}) ~")
    return bayes_mlm.fit(formula, rows_of(family), **options, **sampling(engine))


@cache
def rows_of(family: str) -> pd.DataFrame:
    """Return the rows with outcomes that a family can have."""
    found = table()
    return found.assign(y=OUTCOMES[family](found["y"].to_numpy())) if family in OUTCOMES else found


def answer_of(ask: Callable[..., Any], *arguments: Any) -> tuple[Any, BayesMLMError | None]:
    """Return an answer, or what refused it; any other error is one of the test."""
    try:
        return ask(*arguments), None
    except BayesMLMError as error:
        return None, error


@cache
def cell(engine: str, family: str, terms: str) -> tuple[Any, BayesMLMError | None]:
    """Return the fit of a cell, or the error that refuses it; made once."""
    return answer_of(fitted, engine, family, terms)


NEW = {"x": [0.0, 1.0], "w": [0.0, 1.0], "g": [3, 4], "h": [2, 2], "c": [0, 1]}
UNSEEN = NEW | {"g": [99, 99]}
UNSEEN_SECOND = NEW | {"h": [99, 99], "c": [99, 99]}


def _other_model(fit: Any) -> Any:
    """Return a second model of the same rows, to compare with."""
    formula = "y ~ x + (1 | g)" if fit.engine != "ols" else "y ~ x"
    options, family = sampling(fit.engine), fit.design.family
    if family.takes_trials:
        formula = formula.replace("y ~", f"y | trials({TRIALS}) ~")
    return bayes_mlm.fit(
        formula,
        rows_of(family.name),
        family=family.name,
        engine=fit.engine,
        random_seed=1,
        **options,
    )


def _written_effects(fit: Any) -> Any:
    """Return the effects of the groups, as the file has them."""
    with tempfile.TemporaryDirectory() as folder:
        path = bayes_mlm.write_group_effects(fit, f"{folder}/u.parquet", **_first(fit))
        return pq.read_table(path).to_pandas()


def _first(fit: Any) -> dict[str, str]:
    """Return the choice of the first grouping factor, for questions of the groups of one."""
    return {"factor": fit.design.factors[0]} if len(fit.design.factors) > 1 else {}


QUESTIONS: Mapping[str, Callable[[Any], Any]] = {
    "summarise": bayes_mlm.summarise,
    "summarise as ratios": lambda fit: bayes_mlm.summarise(fit, exponentiate=True),
    "comparisons": lambda fit: bayes_mlm.comparisons(fit, "x"),
    "slopes": lambda fit: bayes_mlm.slopes(fit, "x"),
    "crossing": lambda fit: bayes_mlm.crossing(fit, {"w": (0, 1)}, "x"),
    "predict": lambda fit: bayes_mlm.predict(fit, NEW, random_seed=1),
    "predict observations": lambda fit: bayes_mlm.predict(
        fit, NEW, kind="observation", random_seed=1
    ),
    "predict a new group": lambda fit: bayes_mlm.predict(fit, UNSEEN, question="new_group"),
    "variance_by_level": bayes_mlm.variance_by_level,
    "predict a new second group": lambda fit: bayes_mlm.predict(
        fit, UNSEEN_SECOND, factor=fit.design.factors[-1:]
    ),
    "contextual_effects": lambda fit: bayes_mlm.contextual_effects(fit, **_first(fit)),
    "group_lines": lambda fit: bayes_mlm.group_lines(fit, **_first(fit)),
    "population_line": lambda fit: bayes_mlm.population_line(fit, "x"),
    "hausman": lambda fit: bayes_mlm.hausman(fit.design),
    "leave_one_group_out": lambda fit: bayes_mlm.leave_one_group_out(fit, **_first(fit)),
    "leave_one_row_out": bayes_mlm.leave_one_row_out,
    "log_marginal_likelihood": bayes_mlm.log_marginal_likelihood,
    "check": bayes_mlm.check,
    "loo_compare": lambda fit: bayes_mlm.loo_compare([fit, _other_model(fit)]),
    "write_group_effects": _written_effects,
    "prior_sensitivity": lambda fit: bayes_mlm.prior_sensitivity(
        fit, rows_of(fit.design.family.name), draws=60, random_seed=1
    ),
}
# Questions about a posterior, which an estimate refuses.
OF_DRAWS = {
    "leave_one_group_out",
    "leave_one_row_out",
    "log_marginal_likelihood",
    "check",
    "loo_compare",
}
# Questions about one factor, or of models with means by group, which these models do not have.
NOT_OF_SEVERAL = {"contextual_effects", "hausman", "prior_sensitivity"}
OF_GAUSSIAN = set(QUESTIONS) - {"summarise as ratios"}
# What a model of a class must be able to answer, whoever fitted it.
ANSWERS = {
    **{
        (engine, "gaussian", terms): OF_GAUSSIAN - OF_DRAWS - {"contextual_effects"}
        for engine in ("reml", "ml")
        for terms in ("intercepts", "slopes", "uncorrelated")
    },
    **{
        (engine, "gaussian", terms): OF_GAUSSIAN - OF_DRAWS - NOT_OF_SEVERAL
        for engine in ("reml", "ml")
        for terms in ("two factors", "nested")
    },
    **{
        (engine, "gaussian", terms): OF_GAUSSIAN
        - NOT_OF_SEVERAL
        - ({"log_marginal_likelihood"} if engine == "nuts" else set())
        for engine in ("direct", "nuts")
        for terms in ("two factors", "nested")
    },
    ("reml", "gaussian", "within"): {"contextual_effects", "hausman", "write_group_effects"},
    # On the scale of the outcome: a family with a link has its own answers to these.
    **{
        (engine, family, terms): {
            *("comparisons", "slopes", "crossing", "predict", "predict observations"),
            *(() if terms == "none" else ("predict a new group",)),
        }
        for engine, family, terms in FITS
        if engine in ("ml", "direct") and family not in ("gaussian", "student_t")
        # Differences by a group-level predictor alone have no crossing.
        if terms != "within"
    },
    ("ols", "gaussian", "none"): {
        *("summarise", "comparisons", "slopes", "crossing"),
        *("predict", "predict observations", "variance_by_level"),
    },
    ("direct", "gaussian", "slopes"): OF_GAUSSIAN - {"contextual_effects"},
    ("direct", "gaussian", "within"): {"contextual_effects", "hausman", "summarise", "check"},
    **{
        ("nuts", "gaussian", terms): OF_GAUSSIAN - {"contextual_effects", "log_marginal_likelihood"}
        for terms in ("intercepts", "slopes")
    },
    **{
        (engine, family, terms): {"summarise", "summarise as ratios", "variance_by_level"}
        for engine, family, terms in FITS
        if family not in ("gaussian", "student_t")
    },
    ("nuts", "student_t", "intercepts"): {"summarise", "slopes", "predict", "leave_one_row_out"},
}


def check_refusal(error: BayesMLMError) -> None:
    """Hold that a refusal says what is not possible and, after that, what to do."""
    reason, advice = re.split(r"[;:(]", str(error), maxsplit=1)
    assert len(reason.split()) >= 3, error
    assert re.search(r"\b(add|allowed|choose|compare|fit|give|name|put|use|write)\b", advice), error


def check_answer(answer: Any) -> None:
    """Hold that an answer can be printed, without the text of an array, or is a number."""
    shown = str(answer)
    assert shown.strip()
    assert "array(" not in shown
    if isinstance(answer, float):
        assert math.isfinite(answer)


def may_answer(engine: str, family: str, terms: str) -> bool:
    """Return whether a cell may be fitted; what is refused takes no time."""
    several = terms in ("two factors", "nested") and family != "gaussian"
    return not (engine == "direct" and (several or family == "student_t"))


def cells(quick: Mapping[str, tuple[str, ...]] = QUICK_DRAWS) -> list[Any]:
    found = []
    for engine, family, terms in itertools.product(ENGINES, FAMILIES, STRUCTURES):
        slow = engine == "nuts" and (family, terms) not in QUICK_NUTS
        if is_drawing(engine) and engine != "nuts":
            slow = terms not in quick.get(family, ("intercepts",))
            slow &= may_answer(engine, family, terms)
        marks = [pytest.mark.slow] if slow else []
        found.append(pytest.param(engine, family, terms, marks=marks))
    return found


@pytest.mark.parametrize(("engine", "family", "terms"), cells())
def test_cell_is_fitted_or_refused(engine: str, family: str, terms: str) -> None:
    fit, error = cell(engine, family, terms)
    if error is None:
        check_answer(fit)
        assert fit.engine == engine
    else:
        assert (engine, family, terms) not in FITS, error
        check_refusal(error)


@pytest.mark.parametrize(("engine", "family", "terms"), cells())
def test_questions_are_answered_or_refused(
    engine: str, family: str, terms: str, subtests: pytest.Subtests
) -> None:
    fit, error = cell(engine, family, terms)
    for question, ask in QUESTIONS.items() if error is None else ():
        with subtests.test(question):
            answer, error = answer_of(ask, fit)
            if error is None:
                check_answer(answer)
            else:
                assert question not in ANSWERS.get((engine, family, terms), ()), error
                check_refusal(error)
            if question in OF_DRAWS and not is_drawing(engine):
                assert "needs posterior draws" in str(error)


@pytest.mark.parametrize(("engine", "family", "terms"), cells(quick=QUICK_REPORTS))
def test_every_fit_has_a_report(engine: str, family: str, terms: str, undrawn: None) -> None:
    """The page has every section, and what each figure shows is computed; none is drawn here."""
    fit, error = cell(engine, family, terms)
    if error is not None:
        return
    drawn = posterior_of(fit)
    fits = () if drawn is None else (drawn,)
    found, _ = answer_of(estimate_of, fit)
    estimates = () if found is None else (found,)
    analysis = Analysis(
        request=fit.request,
        design=fit.design,
        fits=fits,
        estimates=estimates,
        summaries=tuple(map(bayes_mlm.summarise, (*fits, *estimates))),
        prob=0.95,
    )
    shown = [figure for _, figure in model_figures(analysis)]
    assert shown or not (fits or fit.design.has_group_effects)
    assert all(figure.text.caption and figure.text.alt for figure in shown)
    page = render_report([analysis], Origin(title="contract"))
    assert page.startswith("<!DOCTYPE html>")
    assert "array(" not in page

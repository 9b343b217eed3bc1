"""Methods of a paper: a paragraph on the main model to paste, with the works that it cites."""

import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bayes_mlm.base import count
from bayes_mlm.engines import (
    ENGINES,
    ERROR_WORDS,
    SCALING_WORDS,
    PooledResult,
    PseudoFit,
    Satterthwaite,
    has_chains,
    has_random_effects,
)
from bayes_mlm.fitting import Analysis, installed_versions
from bayes_mlm.report.model_description import describe_model
from bayes_mlm.report.narrative import main_model
from bayes_mlm.report.references import REFERENCES, Reference
from bayes_mlm.report.remarks import typeset

_MOST_PRIORS = 6


@dataclass(frozen=True, kw_only=True)
class MethodsText:
    """Text and references of a methods section.

    Parameters
    ----------
    text : str
        One paragraph.
    references : tuple of Reference
        That it cites, by author.
    bibtex : str
        The same for a reference manager, with an entry of the software.
    software : str
        The software's entry of a list of references.
    """

    text: str
    references: tuple[Reference, ...]
    bibtex: str
    software: str


@dataclass(frozen=True)
class _Sentence:
    text: str
    cites: tuple[str, ...] = ()

    def __str__(self) -> str:
        cited = "; ".join(REFERENCES[name].cited for name in self.cites)
        return f"{self.text} ({cited})." if cited else f"{self.text}."


def methods(analyses: Sequence[Analysis]) -> MethodsText:
    """Return the methods paragraph of the main model of some analyses.

    Parameters
    ----------
    analyses : sequence of Analysis
        One or more.

    Returns
    -------
    MethodsText

    Examples
    --------
    >>> from bayes_mlm import load_record
    >>> from bayes_mlm.fitting import analyse
    >>> found = methods([analyse(load_record("hsb_ses").request, None, engines=["reml"])])
    >>> [one.key for one in found.references]
    ['bates2015', 'kuznetsova2017', 'patterson1971', 'raudenbush2002']
    """
    main = main_model(analyses)
    sentences = [sentence for write in _SENTENCES for sentence in write(main)]
    if others := len(analyses) - 1:
        which = "The other model was" if others == 1 else f"The other {others} models were"
        sentences.append(_Sentence(f"{which} estimated for comparison in the same way"))
    keys = dict.fromkeys(name for one in sentences for name in one.cites)
    references = sorted((REFERENCES[name] for name in keys), key=lambda one: one.text)
    version = installed_versions()["bayes-mlm"]
    software = f"The bayes_mlm authors. bayes_mlm: Bayesian and REML multilevel models ({version})."
    entry = "\n".join(
        (
            "@software{bayes_mlm,",
            "  author = {{The bayes\\_mlm authors}},",
            "  title = {{bayes\\_mlm: Bayesian and REML multilevel models}},",
            f"  version = {{{version}}},",
            "}",
        )
    )
    return MethodsText(
        text=" ".join(map(str, sentences)),
        references=tuple(references),
        bibtex="\n\n".join([*(one.bibtex for one in references), entry]),
        software=software,
    )


def _model(main: Analysis) -> Iterator[_Sentence]:
    design = main.design
    rows = count(design.n, "row")
    groups = " and ".join(
        f"{count(one.J, 'group')} of {one.factor}" for one in design.group_terms if one.factor
    )
    sample = f"{rows} in {groups}" if groups else rows
    multilevel = has_random_effects(design)
    what = "a multilevel model" if multilevel else f"a {design.kind.replace('_', ' ')} regression"
    yield _Sentence(
        f"We fitted {what} ({main.spec.formula}{design.errors_text}) to {sample}",
        ("multilevel",) if multilevel else (),
    )
    if design.n_dropped:
        yield _Sentence(f"{count(design.n_dropped, 'row')} with missing values were omitted")
    yield _Sentence(f"In this model {describe_model(design).rstrip('.')}")
    if design.kind == "mundlak":
        text = "Group means of the predictors separate effects within groups from those between"
        yield _Sentence(text, ("mundlak",))


def _priors(main: Analysis) -> Iterator[_Sentence]:
    if not main.fits:
        return
    listed = [
        f"{name} ~ {prior}" for name, prior in main.fits[0].priors.by_name(main.design).items()
    ]
    rest = len(listed) - _MOST_PRIORS
    more = f"; and {rest} more, in the table of priors" if rest > 0 else ""
    cites = ["priors"] if any("HalfStudentT" in one for one in listed) else []
    cites += ["lkj"] if any("LKJ" in one for one in listed) else []
    yield _Sentence(
        f"Priors, with that of the intercept at the means of the predictors, were "
        f"{'; '.join(listed[:_MOST_PRIORS])}{more}",
        tuple(cites),
    )


def _posterior(main: Analysis) -> Iterator[_Sentence]:
    for fit in main.fits:
        settings = fit.settings
        draws = f"{settings.chains} × {count(settings.draws)} draws"
        seed = f"seed {settings.random_seed}"
        if has_chains(fit.engine):
            yield _Sentence(
                f"The posterior was sampled with the No-U-Turn sampler: {draws} after "
                f"{count(settings.tune)} of warm-up, target acceptance "
                f"{settings.target_accept:g}, {seed}",
                ("nuts", "pymc"),
            )
        else:
            how = fit.report.how if fit.report else fit.reason
            yield _Sentence(f"The posterior was drawn directly, {how}: {draws}, {seed}", ("bayes",))
    for summary in main.summaries[: min(1, len(main.fits))]:
        yield _Sentence(f"We report posterior means with {summary.interval} (highest density)")


def _likelihood(main: Analysis) -> Iterator[_Sentence]:
    for summary, one in zip(main.summaries[len(main.fits) :], main.estimates, strict=True):
        label = ENGINES[summary.engine].label
        additive = main.design.family.is_additive
        cites = {"reml": ("reml", "lme4"), "ml": ("lme4",) if additive else ("quadrature",)}
        what = {
            "reml": "Restricted maximum likelihood (REML)",
            "ml": "Maximum likelihood" + ("" if additive else ", group effects integrated out,"),
            "ols": "Ordinary least squares",
            "pml": "Pseudo-maximum likelihood",
        }.get(summary.engine, label)
        also = " for comparison" if main.fits else ""
        text = f"{what} gave estimates with {summary.interval}{also}"
        yield _Sentence(text, cites.get(summary.engine, ()))
        if isinstance(one.solution, PooledResult):
            yield _Sentence(
                f"The estimates of {one.solution.m} imputations were pooled by Rubin's rules, with "
                "Barnard and Rubin's degrees of freedom for coefficients",
                ("rubin", "barnard_rubin"),
            )
        if isinstance(one.solution.tests, Satterthwaite):
            t = "Intervals of coefficients are of t tests with Satterthwaite's degrees of freedom"
            yield _Sentence(t, ("satterthwaite",))


def _survey(main: Analysis) -> Iterator[_Sentence]:
    weights = main.design.weights
    if weights is None:
        return
    spec = weights.spec
    levels = [name for name, there in (("rows", spec.rows), ("groups", spec.level2)) if there]
    scaled_to = f", those of rows {SCALING_WORDS[spec.scaling]}" if spec.rows else ""
    yield _Sentence(
        f"Survey weights of {' and of '.join(levels)} ({spec}) were taken into account by "
        f"pseudo-likelihood{scaled_to}",
        ("pfeffermann", "rabe_hesketh_2006"),
    )
    solution = main.estimate.solution
    part = solution.parts[0] if isinstance(solution, PooledResult) else solution
    if isinstance(part, PseudoFit):
        errors = ERROR_WORDS[part.standard_errors]
        if spec.replicates is not None:
            errors = f"{errors} ({spec.replicates})"
        yield _Sentence(f"Standard errors are of the {errors}")
    if main.fits:
        text = "Draws of the pseudo-posterior were mapped to the covariance of these errors"
        yield _Sentence(text, ("williams_savitsky",))


# The works that define a diagnostic.
_DEFINED = {"R-hat": "rhat", "ESS": "rhat", "E-BFMI": "ebfmi", "k-hat": "pareto"}


def _diagnostics(main: Analysis) -> Iterator[_Sentence]:
    for summary in main.summaries:
        if summary.engine == "ols" and summary.verdict.ok:  # a closed form
            continue
        found = summary.verdict.findings
        # Without the advice on what else could be compared.
        listed = typeset("; ".join(one.message.partition("; not compared")[0] for one in found))
        works = dict.fromkeys(_DEFINED[one.check] for one in found if one.check in _DEFINED)
        state = "passed" if summary.verdict.ok else "did NOT all pass"
        what = f"Diagnostics of {ENGINES[summary.engine].label}"
        what += " draws" if summary.engine == "direct" else ""
        yield _Sentence(f"{what} {state}: {listed}", tuple(works))


def _software(main: Analysis) -> Iterator[_Sentence]:
    versions = installed_versions()
    chains = any(has_chains(one.engine) for one in main.fits)
    used = ["numpy", *(("pymc", "nutpie", "arviz") if chains else ())]
    listed = ", ".join(f"{name} {versions[name]}" for name in used)
    yield _Sentence(
        f"Software: bayes_mlm {versions['bayes-mlm']}, Python {platform.python_version()}, {listed}"
    )


# In the order of the paragraph.
_SENTENCES: tuple[Callable[[Analysis], Iterator[_Sentence]], ...] = (
    _model,
    _survey,
    _priors,
    _posterior,
    _likelihood,
    _diagnostics,
    _software,
)

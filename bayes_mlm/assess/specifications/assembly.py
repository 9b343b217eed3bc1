"""The result of a multiverse, from the fits of its models."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayes_mlm.assess.specifications.averages import averages_of
from bayes_mlm.assess.specifications.changes import changes_of
from bayes_mlm.assess.specifications.choices import Specification
from bayes_mlm.assess.specifications.nodes import SubmodelPosterior
from bayes_mlm.assess.specifications.tables import (
    Changes,
    EffectRow,
    LeftOut,
    LeftOutRow,
    ModelRow,
    Models,
    Multiverse,
    SpecificationRow,
    Specifications,
)
from bayes_mlm.assess.specifications.universe import Universe
from bayes_mlm.assess.stacking import stacking_weights
from bayes_mlm.base import Finding, Floats, Verdict, count
from bayes_mlm.engines import Submodel


@dataclass(frozen=True, kw_only=True, eq=False)
class Fitted:
    """One model: places of its columns, coefficients of interest in it, and its fits."""

    specification: Specification
    focal: list[str]
    reml: Submodel
    posterior: SubmodelPosterior | None


def assemble(
    universe: Universe,
    kept: list[Fitted],
    without: list[LeftOutRow],
    wanted: list[str],
    prob: float,
) -> Multiverse:
    """Return the result: estimates, weights and averages.

    Parameters
    ----------
    universe : Universe
    kept : list of Fitted
        The models.
    without : list of LeftOutRow
        Combinations that are none.
    wanted : list of str
        Coefficients of interest.
    prob : float
        Of the intervals.
    """
    weights = _weights(kept)
    models, rows = [], []
    for place, one in enumerate(kept):
        of_model = {name: float(values[place]) for name, values in weights.items()}
        models.append(
            ModelRow(
                specification=place + 1,
                formula=universe.formula(one.specification),
                sigma_u=math.sqrt(one.reml.cov_u[0, 0]),
                sigma_e=one.reml.sigma_e,
                singular=one.reml.singular,
                reml_loglik=one.reml.loglik,
                reliable=None if one.posterior is None else one.posterior.reliable,
                **of_model,
            )
        )
        rows += list(_estimates(place + 1, one, of_model, prob))
    choices = universe.choices.choices
    by_name: dict[str, Any] = {
        "choices": tuple(one.name for one in choices),
        "options": tuple(one.specification.options for one in kept),
    }
    effects, changes = [], []
    for term in wanted:
        of_term = [row for row in rows if row.term == term]
        if of_term:
            effects.append(_effect(term, of_term, prob))
            changes += changes_of(
                term,
                choices,
                [kept[row.specification - 1].specification.options for row in of_term],
                np.array([row.estimate for row in of_term]),
                np.array([row.se for row in of_term]),
            )
    return Multiverse(
        rows=tuple(effects),
        specifications=Specifications(rows=tuple(rows), **by_name),
        models=Models(rows=tuple(models), **by_name),
        changes=Changes(rows=tuple(changes)),
        left_out=LeftOut(rows=tuple(without)),
        prob=prob,
        notes=_notes(universe, kept, prob),
        cautions=_cautions(universe, kept, without, wanted),
        verdict=_verdict(kept),
    )


def _weights(kept: list[Fitted]) -> dict[str, Floats]:
    """Return what compares the models, by the name of its field; nothing without posteriors."""
    found = [one.posterior for one in kept if one.posterior is not None]
    if not found:
        return {}
    loo = np.stack([one.loo for one in found], axis=1)
    evidence = np.array([one.log_marginal_likelihood for one in found])
    relative = np.exp(evidence - evidence.max())
    return {
        "log_marginal_likelihood": evidence,
        "elpd": loo.sum(axis=0),
        "stacking_weight": stacking_weights(loo),
        "probability": relative / relative.sum(),
    }


def _estimates(
    number: int, one: Fitted, of_model: Mapping[str, float], prob: float
) -> Iterator[SpecificationRow]:
    from scipy.special import stdtrit

    reml = one.reml
    reach = stdtrit(np.maximum(reml.df, 1.0), 0.5 * (1.0 + prob)) * reml.se
    for k, term in enumerate(one.focal):
        of_posterior = {}
        if one.posterior is not None:
            effects = one.posterior.effects
            of_posterior = {
                "posterior_mean": float(effects.mean[k]),
                "posterior_sd": float(effects.sd[k]),
                "posterior_lower": float(effects.lower[k]),
                "posterior_upper": float(effects.upper[k]),
                "positive": float(effects.above[k]),
            }
        yield SpecificationRow(
            specification=number,
            term=term,
            estimate=float(reml.estimate[k]),
            se=float(reml.se[k]),
            df=float(reml.df[k]),
            lower=float(reml.estimate[k] - reach[k]),
            upper=float(reml.estimate[k] + reach[k]),
            **of_posterior,
            **of_model,
        )


def _effect(term: str, rows: list[SpecificationRow], prob: float) -> EffectRow:
    """Summarise one coefficient over its models."""
    estimates = np.array([row.estimate for row in rows])
    averages: dict[str, float] = {}
    if rows[0].posterior_mean is not None:
        mean, sd, stacking, probability = np.array(
            [
                (row.posterior_mean, row.posterior_sd, row.stacking_weight, row.probability)
                for row in rows
            ]
        ).T
        averages |= averages_of("stacked", "stacking_share", mean, sd, stacking, prob)
        averages |= averages_of("averaged", "probability_share", mean, sd, probability, prob)
    return EffectRow(
        term=term,
        specifications=len(rows),
        above_zero=float((estimates > 0.0).mean()),
        lowest=float(estimates.min()),
        median=float(np.median(estimates)),
        highest=float(estimates.max()),
        **averages,
    )


def _notes(universe: Universe, kept: list[Fitted], prob: float) -> tuple[str, ...]:
    design, choices = universe.design, universe.choices
    rows = f"the same {count(design.n, 'row')} of {count(design.J, 'group')} in all of them"
    if design.n_dropped:
        rows += (
            f", {count(design.n_dropped, 'row')} with a missing value in a column of any model "
            "being left out of all"
        )
    notes = [f"{count(len(kept), 'model')}; {rows}"]
    if choices.n_against_hierarchy:
        notes.append(
            f"{count(choices.n_against_hierarchy, 'combination')} of options with a product "
            "without its parents, or a slope by group without its mean, are no models here"
        )
    if choices.n_repeated:
        notes.append(
            f"{count(choices.n_repeated, 'combination')} of options are the same model as another"
        )
    notes.append(
        "an effect is a slope averaged over the rows, so that it is the same quantity with and "
        "without products; range, median and signs are of REML estimates"
    )
    notes.append(
        "shares count the models that these choices make: they show what the answer depends on, "
        "and are no test"
    )
    if kept[0].posterior is not None:
        notes.append(
            f"averages are mixtures of the posteriors, each taken as normal, with {100 * prob:g}% "
            "intervals: by weights that predict omitted groups best together (stacking), and by "
            "posterior probabilities of the models, all as likely before, which depend on how wide "
            "the priors are"
        )
    return tuple(notes)


def _cautions(
    universe: Universe, kept: list[Fitted], without: list[LeftOutRow], wanted: list[str]
) -> tuple[str, ...]:
    cautions = []
    if without:
        cautions.append(
            f"{count(len(without), 'combination')} left out, because the data do not identify "
            f"them, as {without[0].formula}: {without[0].reason}"
        )
    singular = sum(one.reml.singular for one in kept)
    if singular:
        cautions.append(
            f"{count(singular, 'model')} of {count(len(kept))} have a singular covariance of the "
            "group effects (a variance of zero, or a correlation of 1 or -1)"
        )
    for term in wanted:
        others = universe.also_in(term)
        if others:
            cautions.append(
                f"{term} is also in {', '.join(others)}: where a model has that, the coefficient "
                f"of {term} is not its whole effect"
            )
    return tuple(cautions)


def _verdict(kept: list[Fitted]) -> Verdict:
    bad = sum(one.posterior is not None and not one.posterior.reliable for one in kept)
    if kept[0].posterior is None:
        return Verdict(())
    message = "numerical errors of all posteriors are small"
    if bad:
        message = (
            f"the posterior, marginal likelihood or leave-one-group-out of {count(bad, 'model')} "
            "has a large numerical error (models: reliable); fit these by themselves before "
            "relying on averages"
        )
    return Verdict((Finding("posteriors", not bad, message),))

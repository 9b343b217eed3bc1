"""The posterior of several imputations: the same number of draws of each, as one fit."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bayes_mlm.base import Array, Finding, Verdict
from bayes_mlm.design import Design
from bayes_mlm.engines import SAMPLE_DIMS, Draws, Settings, Variable, has_chains
from bayes_mlm.fitting.result import Fit
from bayes_mlm.likelihood import ModelPriors
from bayes_mlm.model import ModelRequest


def mix_fits(
    fits: Sequence[Fit],
    design: Design,
    *,
    request: ModelRequest,
    priors: ModelPriors,
    settings: Settings,
    seconds: float,
) -> Fit:
    """Return the mixture of the posteriors of M imputations.

    The posterior given incomplete data is the mean of those given the data completed, so that a
    mixture of as many draws of each is one of draws from it (Gelman et al. 2013, Bayesian Data
    Analysis, sec. 18.2; Zhou & Reiter 2010, The American Statistician 64(2)).

    Parameters
    ----------
    fits : sequence of Fit
        An imputation each, by other seeds.
    design : Design
        Of all of them.
    request, priors, settings
        Of the whole; it has about as many draws as these request.
    seconds : float
        Wall time.

    Returns
    -------
    Fit
        A "chain" of whose draws is an imputation.
    """
    wanted = settings.draws * settings.chains
    each = max(2, -(-wanted // len(fits)))
    first = next((one for one in fits if has_chains(one.engine)), fits[0])
    return replace(
        fits[0],
        request=request,
        design=design,
        priors=priors,
        draws=_mixed([one.draws for one in fits], each),
        engine=first.engine,
        reason=f"{first.reason}, {len(fits)} imputations",
        report=None,
        settings=settings,
        verdict=_verdict(fits, each),
        seconds=seconds,
        added={},
    )


def _mixed(parts: Sequence[Draws], each: int) -> Draws:
    """Return draws of which a chain has some of each part, evenly; of means and sds theirs."""
    first = parts[0]
    posterior = {}
    for name, variable in first.posterior.items():
        found = [one.posterior.get(name) for one in parts]
        there = [one for one in found if one is not None]
        if len(there) < len(parts):
            continue
        values = [one.values for one in there]
        if variable.dims[:2] == SAMPLE_DIMS:
            posterior[name] = Variable(
                variable.dims, np.stack([_some(one, each) for one in values])
            )
        elif name.endswith("_sd"):
            continue
        else:  # means and sds of effects that were too many to keep
            posterior[name] = Variable(variable.dims, np.mean(values, axis=0))
            other = f"{name.removesuffix('_mean')}_sd"
            if name.endswith("_mean") and other in first.posterior:
                inside = np.mean([np.square(one.posterior[other].values) for one in parts], axis=0)
                spread = np.sqrt(inside + np.var(values, axis=0))
                posterior[other] = Variable(variable.dims, spread)
    shared = set(first.sample_stats).intersection(*(one.sample_stats for one in parts))
    stats = {
        name: Variable(
            SAMPLE_DIMS, np.stack([_some(one.sample_stats[name].values, each) for one in parts])
        )
        for name in sorted(shared)
    }
    return replace(first, posterior=posterior, sample_stats=stats)


def _some(values: Array, each: int) -> Array:
    """Return so many draws (each, ...) of draws by chain, evenly."""
    joined = values.reshape(values.shape[0] * values.shape[1], *values.shape[2:])
    if len(joined) <= each:
        return joined[np.arange(each) % len(joined)]
    return joined[np.linspace(0, len(joined) - 1, each).astype(np.int64)]


def _verdict(fits: Sequence[Fit], each: int) -> Verdict:
    """Return what was mixed, with every problem of a part; of what passed, that of the first."""
    mixed = (
        f"mixture of {each} draws from the posterior of each of {len(fits)} imputations; a chain "
        "is an imputation"
    )
    found = [Finding("imputations", True, mixed, always=True)]
    found += [one for one in fits[0].verdict.findings if one.ok and one.always]
    failed = {one.check for one in found}
    for k, one in enumerate(fits, start=1):
        for finding in one.verdict.problems:
            failed.add(finding.check)
            found.append(replace(finding, message=f"imputation {k}: {finding.message}"))
    found += [
        replace(one, message=f"imputation 1: {one.message}", always=False)
        for one in fits[0].verdict.findings
        if one.ok and one.check not in failed
    ]
    return Verdict(tuple(found))

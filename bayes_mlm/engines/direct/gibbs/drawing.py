"""Posterior draws of two crossed random intercepts by block Gibbs sampling, with their names."""

from collections.abc import Callable

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.design import INTERCEPT, Design
from bayes_mlm.engines.diagnostics import convergence
from bayes_mlm.engines.direct.chains import GibbsReport
from bayes_mlm.engines.direct.gibbs.sampler import GibbsDraws, GibbsPriors, sample_gibbs
from bayes_mlm.engines.direct.priors import BetaPrior, coefficient_priors, sd_log_density
from bayes_mlm.engines.direct.report import DirectReport
from bayes_mlm.engines.draws import SAMPLE_DIMS, SWEEP, Draws, Variable
from bayes_mlm.likelihood import ModelPriors, group_parameters, parameters_of
from bayes_mlm.model import Prior
from bayes_mlm.moments import CrossedTable


def draw_crossed(
    table: CrossedTable,
    design: Design,
    priors: ModelPriors,
    *,
    shape: tuple[int, int],
    seed: int,
    effects: bool,
    max_effects: int,
) -> tuple[Draws, DirectReport]:
    """Draw from the posterior of two crossed random intercepts.

    Parameters
    ----------
    table : CrossedTable
        Of the design.
    design : Design
    priors : ModelPriors
    shape : (int, int)
        Chains and draws.
    seed : int
    effects : bool
    max_effects : int
        As of `sample_direct`.
    """
    chains, n_draws = shape
    n_effects = sum(one.m for one in table.margins)
    keep = effects and chains * n_draws * n_effects <= max_effects
    found = sample_gibbs(
        table,
        gibbs_priors(table, design, priors),
        draws=n_draws,
        chains=chains,
        seed=seed,
        keep_effects=keep,
    )
    names = group_parameters(design)
    order = table.in_formula_order(0, 1)
    posterior = {"beta": Variable((*SAMPLE_DIMS, "term"), found.beta)}
    coords = {"term": np.array(design.terms, dtype=str)}
    terms = [term for term in design.group_terms if term.q]
    for name, term, place in zip(names, terms, order, strict=True):
        margin = table.margins[place]
        sds = found.sds[:, :, place]
        dims = name.sigma_u.dims
        posterior[name.sigma_u.name] = Variable(
            (*SAMPLE_DIMS, *dims), sds[:, :, None] if dims else sds
        )
        coords |= {name.group: term.labels, name.effect: np.array(term.effects, dtype=str)}
        if not effects:
            continue
        if found.effects is not None:
            drawn = np.empty_like(found.effects[place])
            drawn[:, :, margin.places] = found.effects[place]
            posterior[name.u.name] = Variable((*SAMPLE_DIMS, *name.u.dims), drawn[..., None])
        else:
            for what, values in (
                ("u_mean", found.means[place]),
                ("u_sd", found.sds_of_effects[place]),
            ):
                by_level = margin.in_data_order(values)[:, None]
                posterior[name.variable(what)] = Variable(name.u.dims, by_level)
    posterior["sigma_e"] = Variable(SAMPLE_DIMS, found.sds[:, :, 2])
    chains_report = _report_on(found)
    report = DirectReport(
        method="gibbs",
        log_marginal_likelihood=None,
        log_marginal_likelihood_error=float("nan"),
        error=None,
        k_hat=None,
        ess=min(chains_report.ess, float(chains * n_draws)),
        n_draws=chains * n_draws,
        n_unique=chains * n_draws,
        n_evaluations=chains * (n_draws + found.burn),
        effects="none" if not effects else "drawn" if keep else "summarised",
        chains=chains_report,
    )
    draws = Draws(
        posterior=posterior,
        sample_stats={
            "lp": Variable(SAMPLE_DIMS, found.log_density),
            SWEEP: Variable(SAMPLE_DIMS, np.tile(np.arange(n_draws), (chains, 1))),
        },
        coords=coords,
        parameters=parameters_of(design),
    )
    return draws, report


def gibbs_priors(table: CrossedTable, design: Design, priors: ModelPriors) -> GibbsPriors:
    """Return the priors of a design as the sampler evaluates them."""
    of_terms = [group.sigma_u[0] for group in priors.groups]
    places = table.in_formula_order(0, 1)
    of_margins = [of_terms[places.index(place)] for place in (0, 1)]
    free, mean, precision, nu = coefficient_priors(design.terms, priors, _means(table))
    scale, shift = table.transform[:-1, :-1], table.original_beta(np.zeros(table.p))
    return GibbsPriors(
        sds=tuple(map(_of_log, (*of_margins, priors.sigma_e))),
        beta=BetaPrior(
            form=np.column_stack([free @ scale, mean - free @ shift]), precision=precision, nu=nu
        ),
    )


def _of_log(prior: Prior) -> Callable[[float], float]:
    """Return the log-density of an sd with respect to its log."""

    def density(log_sd: float) -> float:
        return float(sd_log_density(prior, np.array(log_sd))) + log_sd

    return density


def _means(table: CrossedTable) -> Floats:
    """Return the means (p,) of the columns of X as given."""
    back = np.linalg.inv(table.transform[:-1, :-1])
    products = back.T @ table.total[:-1, :-1] @ back
    return np.asarray(products[table.terms.index(INTERCEPT)] / table.n)


def _report_on(found: GibbsDraws) -> GibbsReport:
    """Return the diagnostics of draws."""
    chains, draws = found.sds.shape[:2]
    moving = np.concatenate([np.log(found.sds), found.beta], axis=2)
    diagnostics = convergence(moving)
    relative = np.concatenate(
        [
            error / np.where(sd > 0.0, sd, 1.0)
            for error, sd in zip(found.mean_errors, found.sds_of_effects, strict=True)
        ]
    )
    r_hat = np.where(np.isfinite(diagnostics.r_hat), diagnostics.r_hat, np.inf)
    return GibbsReport(
        chains=chains,
        draws=draws,
        burn=found.burn,
        eigenvalue=found.eigenvalue,
        r_hat=float(r_hat.max()),
        ess=float(np.nanmin(np.fmin(diagnostics.ess_bulk, diagnostics.ess_tail))),
        mean_error=float(np.sqrt(np.mean(np.square(relative)))),
    )

"""A fit's prior: the same model with draws from its priors in place of the posterior's."""

from dataclasses import replace
from functools import cached_property

from bayes_mlm.base import Array, Stream, stream
from bayes_mlm.engines import SAMPLE_DIMS, Variable, in_arviz_order
from bayes_mlm.fitting.sampled import Sampled
from bayes_mlm.fitting.tree.pointwise import expected_outcomes, replicated_outcomes
from bayes_mlm.likelihood import draw_priors, log_priors

N_PRIOR_DRAWS = 1000


class PriorOf:
    """The prior of a fit, drawn when first read.

    Parameters
    ----------
    fit : Fit or Sampled
    """

    def __init__(self, fit: Sampled) -> None:
        self.fit = fit

    @cached_property
    def drawn(self) -> Sampled:
        """The fit with draws from its priors, one chain of `N_PRIOR_DRAWS`."""
        fit, posterior = self.fit, self.fit.draws.posterior
        rng = stream(fit.settings.random_seed, Stream.TREE_PRIOR)
        found = draw_priors(fit.design, fit.priors, N_PRIOR_DRAWS, rng)
        variables = {
            name: Variable(posterior[name].dims, values[None])
            for name, values in found.items()
            if name in posterior
        }
        return fit.with_draws(replace(fit.draws, posterior=in_arviz_order(variables)))

    @cached_property
    def free(self) -> dict[str, Variable]:
        """The draws of the free variables of the factories' models."""
        return self.drawn.draws.free(self.fit.design, self.fit.priors)

    def values(self, name: str) -> Array:
        """Return the draws of a variable of the posterior, (1, N, ...)."""
        if name == "mu":
            return expected_outcomes(self.drawn)
        return (self.free if name in self.free else self.drawn.draws.posterior)[name].values

    def outcomes(self) -> Array:
        """Return replicated outcomes, (1, N, n)."""
        return replicated_outcomes(self.drawn, Stream.TREE_PRIOR_PREDICTIVE)


class LogPriorOf:
    """The log-densities of a fit's priors at its draws, computed when first read.

    Parameters
    ----------
    fit : Fit or Sampled
    """

    def __init__(self, fit: Sampled) -> None:
        self.fit = fit

    @cached_property
    def _found(self) -> dict[str, Array]:
        draws = self.fit.draws
        known = {k: v.values for k, v in draws.posterior.items() if v.dims[:2] == SAMPLE_DIMS}
        return log_priors(self.fit.design, self.fit.priors, known)

    def values(self, name: str) -> Array:
        """Return the log-density of a parameter's prior, (chain, draw, ...)."""
        return self._found[name]

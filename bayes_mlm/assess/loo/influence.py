"""Influence of a group on the posterior means (as DFBETAS), without refits."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayes_mlm.assess.loo.conditional import Model
from bayes_mlm.assess.loo.refit import MAX_REFITTED, Refit, posterior_without, without_group
from bayes_mlm.base import Floats, Ints, Stream, stream
from bayes_mlm.engines import quantities, reliable_k_hat, smooth_rows
from bayes_mlm.fitting import Fit


@dataclass(frozen=True, kw_only=True, eq=False)
class ParameterShifts:
    """Influence of each group on the posterior means, in posterior sds.

    Parameters
    ----------
    quantities : tuple of str
        ``beta[ses]``, ``sigma_u``, ``sigma_e``, ``icc``, ..., as in the tables.
    shift : (J, k) array
        Posterior mean without the group less that with it, in posterior sds.
    k_hat : (J,) array
        Pareto shape of the weights; minus infinity where they are equal.
    refitted : (J,) bool array
        Groups whose weights were not reliable, and which were refitted without them.
    limit : float
        The largest k-hat that can be relied on.
    """

    quantities: tuple[str, ...]
    shift: Floats
    k_hat: Floats
    refitted: NDArray[np.bool_]
    limit: float

    @property
    def reliable(self) -> NDArray[np.bool_]:
        """Flags (J,) of the groups whose influence is reliable."""
        return self.refitted | (self.k_hat <= self.limit)


def shifts_of(
    fit: Fit, chosen: Ints, log_density: Floats, exact: tuple[Model, Floats] | None
) -> ParameterShifts:
    """Return the influence of groups from importance-weighted draws.

    Parameters
    ----------
    fit : Fit
    chosen : (S,) int array
        The draws, chains joined.
    log_density : (J, S) array
        ``log p(y_j | ...)`` at them: the posterior without group j is in proportion to that with
        it over this.
    exact : tuple of Model and (J, p, S) array, or None
        Where the coefficients are integrated out: the model, and their means given the draw.
    """
    named = {name: np.ravel(values) for name, values in quantities(fit.draws)}
    names = tuple(named)
    drawn = np.array([values[chosen] for values in named.values()])
    mean = np.array([values.mean() for values in named.values()])
    sd = np.array([values.std(ddof=1) for values in named.values()])
    smoothed = smooth_rows(-log_density)
    weight = np.exp(smoothed.log_weight)
    # The shift is from the mean of the draws used.
    moved = weight @ drawn.T - drawn.mean(axis=1)
    n_groups, n_draws = log_density.shape
    p = fit.design.p
    limit, refitted = reliable_k_hat(n_draws), np.zeros(n_groups, dtype=bool)
    if exact is not None:
        model, beta = exact
        centred = np.einsum("js,jps->jp", weight, beta)
        moved[:, :p] = model.problem.reduced.original_beta(centred) - mean[:p]
        for place in np.flatnonzero(smoothed.k_hat > limit)[:MAX_REFITTED].tolist():
            rng = stream(fit.settings.random_seed, Stream.LOO_INFLUENCE, place)
            repeat = posterior_without(model, without_group(model, place), rng)
            if repeat is not None:
                moved[place] = _means(fit, names, repeat) - mean
                refitted[place] = True
    return ParameterShifts(
        quantities=names,
        shift=moved / np.where(sd > 0, sd, 1.0),
        k_hat=smoothed.k_hat,
        refitted=refitted,
        limit=limit,
    )


def _means(fit: Fit, names: tuple[str, ...], repeat: Refit) -> Floats:
    """Return the posterior mean of every quantity from a fit without a group."""
    found = [*repeat.beta.mean(axis=0), *_variance_means(fit, repeat)]
    assert len(found) == len(names)  # the tables' order is the same everywhere
    return np.array(found)


def _variance_means(fit: Fit, repeat: Refit) -> list[float]:
    at = repeat.at
    sigma_u, correlation = at.reported(repeat.effects_transform)
    residual_sd = np.exp(at.log_sigma_e)
    found = sigma_u.mean(axis=0).tolist() if fit.priors.sigma_u else []
    if fit.design.group_term.pairs and fit.priors.rho_u is not None:
        found += [float(correlation[:, a, b].mean()) for a, b in fit.design.group_term.pairs]
    found.append(float(residual_sd.mean()))
    if "icc" in fit.draws.posterior:
        square = np.square(sigma_u[:, 0])
        found.append(float((square / (square + np.square(residual_sd))).mean()))
    return found

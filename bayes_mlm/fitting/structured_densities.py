"""Draws of a fit that needs its rows, as points at which their densities are evaluated.

The coefficients are not integrated out but taken from the draws; the group effects are, where a
group is left out: in closed form for Gaussian outcomes, by quadrature for others. Importance
weights over all parameters vary more than those over the variance parameters alone, and k-hat says
whether they vary too much; there are no refits.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import DesignError, Floats, Ints
from bayes_mlm.design import Design
from bayes_mlm.engines import effects_root
from bayes_mlm.fitting.residuals import residual_draws
from bayes_mlm.fitting.sampled import Sampled
from bayes_mlm.likelihood import Likelihood, Point


@dataclass(frozen=True, kw_only=True, eq=False)
class ConditionalModel:
    """The likelihood of a fit's rows, in order of their groups, at S of its draws.

    Parameters
    ----------
    likelihood : Likelihood
    order : ndarray of int, shape (n,)
        Places of the ordered rows among those of the fit.
    points : tuple of Point
        S of them.
    chosen : ndarray of int, shape (S,)
        Which of the fit's draws they are, chains joined.
    """

    likelihood: Likelihood
    order: Ints
    points: tuple[Point, ...]
    chosen: Ints


def spaced(n_draws: int, most: int) -> Ints:
    """Return places of at most so many draws, evenly spaced."""
    return np.unique(np.linspace(0, n_draws - 1, min(most, n_draws)).astype(int))


def conditional_model(fit: Sampled, grouping: Design | None, most_draws: int) -> ConditionalModel:
    """Return the parts of a fit that its predictive densities are computed from."""
    design = fit.design.weighted_rows
    design.require_all_factors("a likelihood")
    by = design if design.group is not None or grouping is None else grouping
    if not np.array_equal(by.y, design.y):
        raise DesignError("the grouping is of other rows; give a design of the same rows")
    order = by.group_term.row_order()
    ordered = design.grouped_by(by).take(order)
    n_draws = fit.draws.n_chains * fit.draws.n_draws
    chosen = spaced(n_draws, most_draws)
    residual, q = residual_draws(fit.draws), design.q
    beta = fit.draws["beta"].reshape(n_draws, -1)
    root = effects_root(fit.draws) if q else np.zeros((n_draws, 0, 0))
    u = fit.draws["u"].reshape(n_draws, design.J, q) if q else None
    points = []
    for s in chosen.tolist():
        one = residual.at([s])
        points.append(
            Point(
                beta=beta[s],
                root=root[s],
                sds=one.sds[0],
                rho=float(one.rho[0]),
                aux={name: values[0] for name, values in one.auxiliary(ordered).items()},
                u=None if u is None else u[s],
            )
        )
    return ConditionalModel(
        likelihood=Likelihood(design=ordered),
        order=order,
        points=tuple(points),
        chosen=chosen,
    )


def group_log_densities(model: ConditionalModel) -> Floats:
    """Evaluate ``log p(y_j | beta, theta)`` of every group, its effects integrated out: (J, S)."""
    return np.column_stack([model.likelihood.marginal(at) for at in model.points])


def row_log_densities(model: ConditionalModel) -> Iterator[tuple[Floats, Floats]]:
    """Evaluate each draw's densities of the rows, in the order of the model: (n,) and (n,)."""
    return (model.likelihood.by_row(at) for at in model.points)

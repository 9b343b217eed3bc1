"""Leave-one-group-out and leave-one-row-out cross-validation: exact, without refits.

Given the variance parameters everything is normal and is integrated out in closed form; only over
the variance parameters are the posterior draws averaged, with importance weights that are nearly
constant. Where they are not, because there are few groups or one is unlike the others, the model
is fitted without that part, by the direct engine (`bayes_mlm.assess.loo.refit`).

Residuals that differ in variance, are AR(1) or Student-t, and coefficients whose priors the direct
engine does not take, have another algorithm (`bayes_mlm.fitting.structured_densities`).

The priors stay as they are in the fit, also those that were scaled by the data.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from bayes_mlm.assess.loo.average import average
from bayes_mlm.assess.loo.conditional import LEAST_DRAWS, Model, check_draws, make_model
from bayes_mlm.assess.loo.elpd import Elpd, difference_se
from bayes_mlm.assess.loo.from_draws import check_finite, from_draws
from bayes_mlm.assess.loo.groups import GroupDensities, group_densities
from bayes_mlm.assess.loo.influence import ParameterShifts, shifts_of
from bayes_mlm.assess.loo.refit import (
    MAX_REFITTED,
    LogMarginal,
    check_proper_without,
    log_marginal,
    without_group,
)
from bayes_mlm.assess.loo.rows import RowDensities, row_densities, rows_of
from bayes_mlm.assess.loo.several import group_of_several, row_of_several
from bayes_mlm.base import (
    DesignError,
    EngineError,
    Ints,
    Stream,
    expect,
    rounded,
    stream,
)
from bayes_mlm.design import Design, column_moments, moments_without
from bayes_mlm.engines import reliable_k_hat
from bayes_mlm.fitting import (
    Fit,
    conditional_model,
    expect_draws,
    group_log_densities,
    row_log_densities,
)
from bayes_mlm.formula import place_of_factor
from bayes_mlm.model import DIRECT_FAMILIES
from bayes_mlm.moments import GroupMoments

__all__ = [
    "Elpd",
    "ParameterShifts",
    "difference_se",
    "leave_one_group_out",
    "leave_one_row_out",
    "shifts_without_groups",
]

# Groups so few that each is left out by a fit without it.
_FEW_GROUPS = 20
# Draws times groups, and draws times rows: about half a second each. Independent draws of a few
# parameters need not be many.
MAX_GROUP_EVALUATIONS = 300_000
MAX_ROW_EVALUATIONS = 4_000_000
_FEWEST = 2 * LEAST_DRAWS


def leave_one_group_out(
    fit: Fit, *, grouping: Design | None = None, factor: str | None = None
) -> Elpd:
    """Estimate how well the model predicts all members of a group that it has never seen.

    Parameters
    ----------
    fit : Fit
        By any engine.
    grouping : Design, optional
        Of the same rows, with the groups to omit where the design of the fit has none.
    factor : str, optional
        Whose groups, where the model has several grouping factors. A group is left out with all its
        rows, so with the groups nested in it: a school with its classes.

    Returns
    -------
    Elpd
        ``log p(y_j | y_-j)`` of each group j, its effects integrated out over their distribution
        among groups, and the coefficients and variance parameters over their posterior given the
        other groups. `Elpd.p` is what it falls short of ``log p(y_j' | y)`` of a further group
        with the same outcomes.

    Raises
    ------
    DesignError
        If there are no groups, or a coefficient is not identified without one of them.
    EngineError
        If a new group has no predictive distribution: the group-specific intercepts have a flat
        prior, or the posterior without a group is improper.

    References
    ----------
    Merkle, Furr & Rabe-Hesketh (2019), Psychometrika 84(3): leaving out groups against rows.
    Vehtari, Mononen, Tolvanen, Sivula & Winther (2016), JMLR 17(103): integrated importance
    sampling.

    Examples
    --------
    >>> from bayes_mlm import fit
    >>> fitted = fit("reaction ~ days + (1 | subject)", "sleepstudy", random_seed=1)
    >>> leave_one_group_out(fitted)
    <Elpd by leaving out 18 groups: -905, se 20>
    """
    expect_draws("leave_one_group_out", fit)
    if grouping is not None:
        expect("leave_one_group_out (grouping)", grouping, Design)
    _whole(fit)
    place = place_of_factor(fit.design.factors, factor, "leave-one-group-out")
    if len(fit.design.factors) > 1:
        return group_of_several(fit, place)
    if fit.design.group is None and grouping is None:
        raise DesignError(
            f"leave-one-group-out needs groups, and the model '{fit.design.formula}' names none; "
            'name their column (group = "NAME" in a record, group="NAME" in fit)'
        )
    if fit.priors.u is not None and fit.priors.u.family == "Flat":
        moments = column_moments(fit.design)
        raise EngineError(
            "leave-one-group-out is not defined for a no-pooling model with a flat prior on u: a "
            "new group's intercept has no distribution; give u a proper prior, such as "
            f"Normal({rounded(moments.y_mean)}, {rounded(10 * moments.y_sd)})"
        )
    if _given_coefficients(fit):
        return _structured(fit, grouping, "group")
    n_groups = (fit.design if fit.design.group is not None else grouping or fit.design).J
    model = make_model(fit, grouping, _most_draws(MAX_GROUP_EVALUATIONS, n_groups))
    check_proper_without(model)
    return _estimate(
        model,
        "group",
        [(np.arange(n_groups), group_densities(model, model.at))],
        lambda group: without_group(model, group),
        seed=fit.settings.random_seed,
    )


def leave_one_row_out(fit: Fit, *, rows: Any = None) -> Elpd:
    """Estimate how well the model predicts another member of one of the groups at hand.

    Parameters
    ----------
    fit : Fit
        By any engine.
    rows : data frame or mapping, optional
        Of summed data: some of the rows that were summed, each of which is left out in turn of
        *all* of them; `Elpd` is then of these rows alone.

    Returns
    -------
    Elpd
        ``log p(y_i | y_-i)`` of each row i (with several grouping factors by importance weights
        given the coefficients, and given the group effects too where they are too many or not
        normal): the quantity that `arviz.loo` estimates from the
        likelihood given all parameters, with the coefficients and group effects integrated out
        in closed form here, which leaves far less Monte Carlo error. `Elpd.p` is what it falls
        short of ``log p(y_i' | y)``, arviz's p_loo.

    Raises
    ------
    DesignError
        If a coefficient is not identified without one of the rows.
    EngineError
        If the group-specific intercepts have a prior that is neither normal nor flat.
    RowsNeededError
        If the data were summed and no rows are given.

    References
    ----------
    Sundararajan & Keerthi (2001), Neural Computation 13(5); Vehtari et al. (2016), JMLR 17(103).

    Examples
    --------
    >>> from bayes_mlm import fit
    >>> fitted = fit("reaction ~ days + (1 | subject)", "sleepstudy", random_seed=1)
    >>> leave_one_row_out(fitted)
    <Elpd by leaving out 180 rows: -885, se 14>
    """
    expect_draws("leave_one_row_out", fit)
    _whole(fit)
    if len(fit.design.factors) > 1:
        if rows is not None and fit.design.has_rows:
            raise DesignError("the fit has its rows; leave out rows=, which is for summed data")
        return row_of_several(fit)
    if _given_coefficients(fit):
        return _structured(fit, None, "row")
    n_rows = fit.design.n
    some = None
    if rows is not None:
        some = rows_of(fit.design, rows)
        n_rows = some.y.size
    else:
        fit.design.rows("give some of them: leave_one_row_out(fit, rows=...)")
    model = make_model(fit, None, _most_draws(MAX_ROW_EVALUATIONS, n_rows))
    if some is not None:
        model = replace(model, design=some)
    blocks = ((block.places, block) for block in row_densities(model, model.at))
    return _estimate(
        model,
        "row",
        blocks,
        lambda row: moments_without(model.design, row),
        seed=fit.settings.random_seed,
    )


def _given_coefficients(fit: Fit) -> bool:
    """Return whether the coefficients cannot be integrated out, given the variance parameters."""
    takes = DIRECT_FAMILIES["fixed effect"]
    usual = all(prior.family in takes for prior in fit.priors.beta)
    return fit.design.residual is not None or not (usual or fit.design.kind == "no_pooling")


def _structured(fit: Fit, grouping: Design | None, unit: Literal["group", "row"]) -> Elpd:
    """Leave out parts given the coefficients, without refits."""
    check_draws(fit)
    # Student-t densities are given the group effects: cheap, and less exact draw by draw.
    most = MAX_ROW_EVALUATIONS
    n = fit.design.weighted_rows.n if unit == "group" else fit.design.rows().n
    if (
        not fit.design.family.gaussian_moments and unit == "row"
    ):  # given the group effects: cheap, less exact
        most *= 4
    model = conditional_model(fit, grouping, _most_draws(most, n))
    term = model.likelihood.term
    labels = term.labels
    if unit == "group":
        densities = lpd = group_log_densities(model)
    else:
        found = [np.array(pair) for pair in row_log_densities(model)]
        place = np.argsort(model.order)
        densities, lpd = np.stack(found, axis=2)[:, place]
        labels = np.arange(1, n + 1)
    return from_draws(fit, unit, labels, densities, lpd, term.factor or None)


def _whole(fit: Fit) -> None:
    """Refuse a fit that holds the rows of a sample of groups only."""
    if fit.design.sample_of is not None:
        raise DesignError(
            f"this fit has the rows of {fit.design.J} of {fit.design.sample_of.J:,} groups; leave "
            "groups and rows out of the fit of all of them"
        )


def shifts_without_groups(fit: Fit) -> ParameterShifts:
    """Return the influence of each group on the posterior means, as DFBETAS are defined.

    Parameters
    ----------
    fit : Fit
        By any engine, of a model with groups.

    Returns
    -------
    ParameterShifts
        In posterior sds, without refits where importance weights are reliable.

    Raises
    ------
    DesignError
        If there are no groups, or a coefficient is not identified without one of them.

    References
    ----------
    Belsley, Kuh & Welsch (1980), Regression Diagnostics, sec. 2.1 (DFBETAS); Bradlow & Zaslavsky
    (1997), Journal of Computational and Graphical Statistics 6(3): case influence by importance
    weights.
    """
    _whole(fit)
    design = fit.design
    if design.group is None:
        raise DesignError(f"the model '{design.formula}' names no groups to leave out")
    if _given_coefficients(fit):
        check_draws(fit)
        model_given = conditional_model(fit, None, _most_draws(MAX_ROW_EVALUATIONS, design.n))
        return shifts_of(fit, model_given.chosen, group_log_densities(model_given), None)
    model = make_model(fit, None, _most_draws(MAX_GROUP_EVALUATIONS, design.J))
    check_proper_without(model)
    found = group_densities(model, model.at)
    return shifts_of(fit, model.chosen, found.loo, (model, found.beta))


def _most_draws(evaluations: int, n_parts: int) -> int:
    return max(_FEWEST, evaluations // n_parts)


def _estimate(
    model: Model,
    unit: Literal["group", "row"],
    blocks: Iterable[tuple[Ints, GroupDensities | RowDensities]],
    without: Callable[[int], GroupMoments],
    *,
    seed: int,
) -> Elpd:
    """Average each block over the draws, and refit where the weights are not reliable.

    Of few groups each is refitted: without one of them the posterior of their sd reaches beyond its
    draws with all, and the diagnostic of the weights does not see it.
    """
    design, s = model.design, model.statistics
    labels = s.labels if unit == "group" else np.arange(1, design.y.size + 1)
    n_parts, n_draws = len(labels), len(model.at.log_sigma_e)
    few = unit == "group" and n_parts <= _FEW_GROUPS
    limit = -np.inf if few else reliable_k_hat(n_draws)
    pointwise, lpd, k_hat = np.full((3, n_parts), np.nan)
    refitted = np.zeros(n_parts, dtype=bool)
    influence, variance, n_tried = np.zeros(n_draws), 0.0, 0
    whole: LogMarginal | None = None
    for places, block in blocks:
        found = average(block.loo, block.lpd)
        pointwise[places], lpd[places], k_hat[places] = found.loo, found.lpd, found.k_hat
        for place in places[found.k_hat > limit].tolist():
            if n_tried >= MAX_REFITTED:
                break
            n_tried += 1
            if whole is None:
                whole = log_marginal(model, s, stream(seed, Stream.LOO_WHOLE))
            part = _without(
                model,
                without(place),
                stream(seed, Stream.LOO_REFIT, place),
                f"{unit} {labels[place]}",
            )
            if whole is not None and part is not None:
                pointwise[place] = whole.value - part.value
                refitted[place] = True
                variance += part.error**2
        influence += found.influence[~refitted[places]].sum(axis=0)
    check_finite(pointwise + lpd, unit, labels)
    if whole is not None:
        variance += (refitted.sum() * whole.error) ** 2
    batches = np.array_split(influence, model.n_batches)
    variance += sum(float(batch.sum()) ** 2 for batch in batches)
    return Elpd(
        unit=unit,
        pointwise=pointwise,
        labels=labels,
        k_hat=k_hat,
        refitted=refitted,
        p=float(lpd.sum() - pointwise.sum()),
        mcse=float(np.sqrt(variance)),
        n_draws=n_draws,
        group=s.group,
    )


def _without(
    model: Model, statistics: GroupMoments, rng: np.random.Generator, what: str
) -> LogMarginal | None:
    """Integrate without a part of the data, which an error names."""
    try:
        return log_marginal(model, statistics, rng)
    except EngineError as error:
        raise EngineError(f"without {what} {error}") from error

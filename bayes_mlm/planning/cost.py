"""The design with the most precise effect that a budget pays for."""

from dataclasses import dataclass, replace

from bayes_mlm.base import EngineError
from bayes_mlm.planning.closed_form import standard_error
from bayes_mlm.planning.simulation import Scenario

_LARGEST = 2_000


@dataclass(frozen=True, kw_only=True)
class Allocation:
    """Groups and rows of each that a budget is best spent on.

    Parameters
    ----------
    groups, size : int
    se : float
        Standard error of the effect, in units of the outcome, by the closed form.
    cost : float
    """

    groups: int
    size: int
    se: float
    cost: float


def best_allocation(
    scenario: Scenario, *, budget: float, cost_group: float, cost_row: float
) -> Allocation:
    """Return the numbers of groups and rows with the least standard error for a budget.

    Every size of groups is tried, with as many groups, an even number, as the budget pays for: in
    the limit the size is ``sqrt(cost_group / cost_row * sigma_e^2 / sigma_u^2)`` of groups that are
    compared (Raudenbush 1997, Psychological Methods 2(2), eq. 10).

    Parameters
    ----------
    scenario : Scenario
        Whose groups and size are ignored.
    budget, cost_group, cost_row : float
        In all, of a group, and of each of its rows.

    Returns
    -------
    Allocation

    Raises
    ------
    EngineError
        If the budget does not pay for four groups of two rows.

    Examples
    --------
    >>> from bayes_mlm.planning import scenario_of
    >>> planned = scenario_of(groups=4, size=2, icc=0.1)
    >>> found = best_allocation(planned, budget=10_000, cost_group=300, cost_row=10)
    >>> found.groups, found.size, round((300 / 10 * 0.9 / 0.1) ** 0.5, 1)
    (20, 20, 16.4)
    """
    found = []
    for size in range(2, _LARGEST + 1):
        groups = 2 * int(budget / (cost_group + size * cost_row) / 2.0)
        if groups < 4:
            break
        if scenario.predictor == "binary" and scenario.has_x and size % 2:
            continue
        one = replace(scenario, groups=groups, size=size)
        cost = groups * (cost_group + size * cost_row)
        se, _ = standard_error(one)
        found.append(Allocation(groups=groups, size=size, se=se, cost=cost))
    if not found:
        raise EngineError(
            f"a budget of {budget:g} does not pay for four groups of two rows "
            f"({4 * (cost_group + 2 * cost_row):g})"
        )
    return min(found, key=lambda one: one.se)

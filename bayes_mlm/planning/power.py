"""Power, width of intervals and smallest effects of studies with groups, by simulation."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from bayes_mlm.base import (
    Column,
    EngineError,
    Floats,
    ResultTable,
    Stream,
    check_choice,
    check_whole,
    count,
    probability,
    scaled,
    stream,
)
from bayes_mlm.engines import Refits
from bayes_mlm.planning.binary import binary_scenario
from bayes_mlm.planning.closed_form import closed_power, standard_error
from bayes_mlm.planning.ranges import numbers_between, whole_numbers
from bayes_mlm.planning.simulation import Scenario, scenario_of

COMPARED = ("groups", "rows", "slopes")
PREDICTORS = ("binary", "normal")
# Fewest simulated studies; power that the smallest effect is to have.
FEWEST, _WANTED = 100, 0.8
# Share of singular fits from which the closed form is known to be off.
_OFTEN = 0.05
_WHAT = {
    "groups": "between groups, half of which are treated",
    "rows": "of a predictor within groups",
    "slopes": "on the slope within groups, between two halves of the groups",
}


@dataclass(frozen=True, kw_only=True)
class StudyPlanRow:
    """One design of a study, at one effect.

    Parameters
    ----------
    groups, size : int
        Groups, and planned rows of each.
    icc : float
        Share of the variance between groups, at the middle of the predictor.
    effect : float
        In sds of the outcome, or of a binary one the logarithm of an odds ratio.
    power : float
        Share of simulated studies whose test is significant.
    mcse : float
        Its Monte Carlo error.
    closed_form : float
        Power by formula, as if variances were known and groups equal.
    assurance : float
        Power averaged over the effects that are thought possible; nan if none were stated.
    direction : float
        Share of simulated studies whose estimate has the sign of the effect.
    width : float
        Expected width of the interval, in the unit of the effect.
    smallest : float
        The smallest effect with a power of 0.8.
    singular : float
        Share of simulated studies in which a variance of the effects was estimated as zero.
    failed : float
        Share of simulated studies without an estimate, which are left out of all other shares.
    cost : float
        Nan if no costs were stated.
    """

    groups: int
    size: int
    icc: float
    effect: float
    power: float
    mcse: float
    closed_form: float
    assurance: float
    direction: float
    width: float
    smallest: float
    singular: float
    failed: float
    cost: float


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class StudyPlan(ResultTable[StudyPlanRow]):
    """Designs of a study; ``plan[100, 20, 0.1, 0.3]`` is a row.

    Parameters
    ----------
    unit, units : str
        Of an effect, after its number and at an axis: "sd", "sds of the outcome".
    """

    key = ("groups", "size", "icc", "effect")
    row_type = StudyPlanRow

    unit: str = Scenario.unit
    units: str = Scenario.units

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns of the view."""
        found = [
            Column(name="groups", kind="count"),
            Column(name="size", kind="count"),
            Column(name="icc", text=lambda row: scaled(row.icc, 2)),
            Column(name="effect", text=lambda row: scaled(row.effect, 2)),
            Column(name="power", kind="probability"),
            Column(name="closed_form", heading="closed form", kind="probability"),
            Column(name="width", heading="interval width", text=lambda row: scaled(row.width, 2)),
            Column(name="smallest", heading="smallest", text=lambda row: scaled(row.smallest, 2)),
        ]
        if any(not math.isnan(row.assurance) for row in self.rows):
            found.insert(6, Column(name="assurance", kind="probability"))
        if any(not math.isnan(row.cost) for row in self.rows):
            found.append(Column(name="cost", text=lambda row: scaled(row.cost, 0)))
        return tuple(found)

    @property
    def sentence(self) -> str:
        """The first row in words."""
        row = self.rows[0]
        return (
            f"With {count(row.groups, 'group')} of {count(row.size)} an effect of "
            f"{scaled(row.effect, 2)} {self.unit} is found with probability "
            f"{probability(row.power)} (closed form {probability(row.closed_form)}); the smallest "
            f"effect found with probability {_WANTED} is {scaled(row.smallest, 2)} {self.unit}."
        )


def plan_study(
    groups: int | Iterable[int],
    size: int | Iterable[int],
    icc: float | Iterable[float],
    effect: float | Iterable[float],
    *,
    compared: str = "groups",
    predictor: str = "binary",
    slope_sd: float = 0.0,
    effect_sd: float | None = None,
    probability: float | None = None,
    missing: float = 0.0,
    cost_group: float | None = None,
    cost_row: float | None = None,
    alpha: float = 0.05,
    n: int = 1000,
    random_seed: int = 1,
) -> StudyPlan:
    """Compute the power of every combination of numbers of groups, sizes, iccs and effects.

    Parameters
    ----------
    groups, size : int or iterable of int
        Groups; rows of each.
    icc : float or iterable of float
        Share of the variance between groups, of outcomes with an sd of 1 at the middle of the
        predictor.
    effect : float or iterable of float
        In those sds.
    compared : {"groups", "rows", "slopes"}
        What the effect is of: half of the groups against the other half (a cluster-randomised
        trial); a predictor within groups (a multisite trial); the halves' difference in the slope
        of that predictor (a cross-level interaction).
    predictor : {"binary", "normal"}
        Within groups: a treatment of half of their rows, or normal with an sd of 1.
    slope_sd : float
        Sd between groups of the predictor's slope; 0 leaves a random intercept.
    effect_sd : float, optional
        Sd of what is thought possible of the effect, about `effect`: for the assurance.
    probability : float, optional
        Of a binary outcome, at the middle of the predictor in a typical group. Effects are then
        logarithms of odds ratios, and the icc is of the latent logistic variable.
    missing : float
        Share of rows that are lost at random.
    cost_group, cost_row : float, optional
        Of a group, and of each of its rows.
    alpha : float
        Of the two-sided t test with Satterthwaite's degrees of freedom.
    n : int
        Simulated studies of each design.
    random_seed : int

    Returns
    -------
    StudyPlan

    Raises
    ------
    EngineError
        If a number is out of its range.

    Notes
    -----
    Studies are drawn as the sums by group that REML reads, and refitted. The closed form
    (Raudenbush 1997; Raudenbush & Liu 2000) takes variances as known and never zero: where many
    fits are singular the simulation is right and the formula is not. Studies of binary outcomes
    are fitted by maximum likelihood, some 20 ms each, and tested by Wald's z; their closed form is
    to the first order (Moerbeek, van Breukelen & Berger 2001, The Statistician 50(1)).

    Examples
    --------
    >>> plan = plan_study(groups=[40, 80], size=20, icc=0.1, effect=0.3, n=400)
    >>> [f"{row.power:.1f} {row.closed_form:.2f}" for row in plan]
    ['0.7 0.68', '0.9 0.94']
    """
    check_choice("compared", compared, COMPARED)
    check_choice("predictor", predictor, PREDICTORS)
    many, sizes = whole_numbers("groups", groups, 4), whole_numbers("size", size, 2)
    shares = numbers_between("icc", icc, 0.0, 1.0, ends=(True, False))
    effects = numbers_between("effect", effect, -math.inf, math.inf)
    within = compared != "groups"
    if slope_sd and not within:
        raise EngineError(
            "slope_sd is of a predictor within groups: omit it, or compare 'rows' or 'slopes'"
        )
    numbers_between("slope_sd", slope_sd, 0.0, math.inf, ends=(True, False))
    numbers_between("missing", missing, 0.0, 1.0, ends=(True, False))
    numbers_between("alpha", alpha, 0.0, 1.0)
    for name, one in (("effect_sd", effect_sd), ("cost_group", cost_group), ("cost_row", cost_row)):
        if one is not None:
            numbers_between(name, one, 0.0, math.inf, ends=(True, False))
    check_whole("n, the simulated studies,", n, FEWEST)
    if probability is not None:
        _check_binary(probability, predictor, slope_sd, compared)
    costs = None
    if cost_group is not None or cost_row is not None:
        costs = cost_group or 0.0, cost_row or 0.0
    rows: list[StudyPlanRow] = []
    scenario = None
    for place, (groups_of, rows_of, share) in enumerate(product(many, sizes, shares)):
        scenario = scenario_of(
            groups=groups_of,
            size=rows_of,
            icc=share,
            compared=compared,
            predictor=predictor,
            slope_sd=slope_sd,
            missing=missing,
        )
        if probability is not None:
            scenario = binary_scenario(scenario, share, probability)
        rng = stream(random_seed, Stream.STUDY_DESIGN, place)
        rows += _rows(scenario, effects, share, effect_sd, costs, n, alpha, rng)
    assert scenario is not None  # for mypy: there is a design
    return StudyPlan(
        rows=tuple(rows),
        unit=scenario.unit,
        units=scenario.units,
        notes=_notes(scenario, n, random_seed, alpha),
        cautions=tuple(_cautions(rows)),
    )


def _check_binary(probability: float, predictor: str, slope_sd: float, compared: str) -> None:
    numbers_between("probability", probability, 0.0, 1.0)
    if predictor != "binary" or slope_sd or compared == "slopes":
        raise EngineError(
            "studies of a binary outcome compare groups or rows, by a binary predictor without a "
            "random slope; omit predictor and slope_sd, and compare 'groups' or 'rows'"
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Studies:
    """Errors of the estimates of simulated studies, and what follows from them."""

    refits: Refits
    alpha: float

    @classmethod
    def of(cls, refits: Refits, alpha: float) -> "Studies":
        """Return the studies that have an estimate."""
        found = cls(refits=refits.where(~refits.failed), alpha=alpha)
        if not len(found.error):
            raise EngineError("no simulated study has an estimate; plan more groups or rows")
        return found

    @property
    def error(self) -> Floats:
        """Errors of the estimates, one a study."""
        return self.refits.beta[:, -1]

    @property
    def reach(self) -> Floats:
        """Half the width of the interval, one a study."""
        from scipy.special import stdtrit

        df = np.maximum(self.refits.df[:, 0], 1.0)
        return np.asarray(stdtrit(df, 1.0 - self.alpha / 2.0) * np.sqrt(self.refits.variance[:, 0]))

    def power(self, effect: float | Floats) -> float:
        """Share of studies that are significant, at an effect or at one each."""
        return float(np.mean(np.abs(effect + self.error) > self.reach))

    def smallest(self) -> float:
        """Return the positive effect with the power that is wanted: a quantile over the studies.

        The other tail, whose share is below alpha / 2, is left out.
        """
        return float(np.quantile(self.reach - self.error, _WANTED))


def _rows(
    scenario: Scenario,
    effects: Sequence[float],
    icc: float,
    effect_sd: float | None,
    costs: tuple[float, float] | None,
    n: int,
    alpha: float,
    rng: np.random.Generator,
) -> Iterator[StudyPlanRow]:
    refits: Refits | None = None
    for effect in effects:
        refits = scenario.errors(np.full(n, effect), rng, refits)
        studies, assurance = Studies.of(refits, alpha), math.nan
        power, many = studies.power(effect), len(studies.error)
        if effect_sd is not None:
            possible = effect + effect_sd * rng.standard_normal(n)
            at_possible = scenario.errors(possible, rng, refits)
            assurance = Studies.of(at_possible, alpha).power(possible[~at_possible.failed])
        sign = 1.0 if effect >= 0.0 else -1.0
        yield StudyPlanRow(
            groups=scenario.groups,
            size=scenario.size,
            icc=icc,
            effect=effect,
            power=power,
            mcse=math.sqrt(max(power * (1.0 - power), 1.0 / many) / many),
            closed_form=closed_power(effect, *standard_error(scenario, effect), alpha),
            assurance=assurance,
            direction=float(np.mean(sign * (effect + studies.error) > 0.0)),
            width=float(2.0 * studies.reach.mean()),
            smallest=studies.smallest(),
            singular=float(studies.refits.singular.mean()),
            failed=float(refits.failed.mean()),
            cost=math.nan if costs is None
            else scenario.groups * (costs[0] + scenario.size * costs[1]),
        )  # fmt: skip


def _notes(scenario: Scenario, n: int, seed: int, alpha: float) -> tuple[str, ...]:
    return (
        f"effect {_WHAT[scenario.compared]}, in {scenario.units}; {count(n)} simulated studies of "
        f"each design, refitted by {scenario.fitted}, seed {seed}: power has a Monte Carlo error "
        f"of at most {scaled(0.5 / math.sqrt(n), 3)}",
        f"two-sided {scenario.tested.format(f'{alpha:g}')}; smallest: the effect with a power of "
        f"{_WANTED}; closed form: as if variances were known and never 0",
    )


def _cautions(rows: Sequence[StudyPlanRow]) -> Iterator[str]:
    often, failed = (max(getattr(row, name) for row in rows) for name in ("singular", "failed"))
    if often >= _OFTEN:
        yield (
            f"up to {probability(often)} of the simulated studies estimate a variance between "
            "groups as 0; there the closed form is off, and the simulation counts"
        )
    if failed > 0.0:
        yield (
            f"up to {probability(failed)} of the simulated studies have no estimate, as where all "
            "outcomes of an arm are alike, and are left out"
        )

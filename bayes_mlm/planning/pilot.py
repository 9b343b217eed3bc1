"""Plan a study from a pilot's posterior, with all that it leaves open."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import product

import numpy as np

from bayes_mlm.base import (
    EngineError,
    Floats,
    Stream,
    check_choice,
    check_whole,
    count,
    expect_text,
    stream,
)
from bayes_mlm.engines import Refits, samples
from bayes_mlm.fitting import Fit, expect_draws
from bayes_mlm.planning.power import FEWEST, Studies, StudyPlan, plan_study
from bayes_mlm.planning.ranges import whole_numbers
from bayes_mlm.planning.simulation import scenario_of

# Draws of the posterior that studies are simulated at.
_DRAWS = 100


def plan_from_pilot(
    pilot: Fit,
    term: str,
    groups: int | Iterable[int],
    size: int | Iterable[int],
    *,
    compared: str = "groups",
    unit: float = 1.0,
    missing: float = 0.0,
    cost_group: float | None = None,
    cost_row: float | None = None,
    alpha: float = 0.05,
    n: int = 1000,
    random_seed: int = 1,
) -> StudyPlan:
    """Compute the power and the assurance of studies whose parameters a pilot has estimated.

    Parameters
    ----------
    pilot : Fit
        Posterior of a Gaussian outcome with one grouping factor, from rows or from sums.
    term : str
        The coefficient that the study is to find: "treatment".
    groups, size : int or iterable of int
        Of the study.
    compared : {"groups", "rows"}
        Whether `term` varies between groups or within them. Within, a random slope of the pilot is
        one of the study.
    unit : float
        Difference of the predictor between the arms: 1 of 0 and 1.
    missing, cost_group, cost_row, alpha, n, random_seed
        As `plan_study`.

    Returns
    -------
    StudyPlan
        Power is at the posterior means of effect and icc. The assurance is the probability that
        the study is significant, averaged over the posterior of effect and variances: what the
        pilot leaves open counts.

    Raises
    ------
    EngineError
        If there are no draws, the model is another, or it has no such coefficient.

    References
    ----------
    O'Hagan, Stevens & Campbell (2005), Pharmaceutical Statistics 4(3): assurance.

    Examples
    --------
    >>> import numpy as np
    >>> from bayes_mlm import fit
    >>> rng = np.random.default_rng(3)
    >>> school = np.repeat(np.arange(12), 10)
    >>> new = (school % 2).astype(float)
    >>> y = 0.4 * new + 0.4 * rng.normal(size=12)[school] + rng.normal(size=120)
    >>> pilot = fit("y ~ new + (1 | school)", {"y": y, "new": new, "school": school}, random_seed=1)
    >>> (row,) = plan_from_pilot(pilot, "new", groups=60, size=20, n=400)
    >>> row.assurance < row.power
    True
    """
    expect_draws("plan_from_pilot", pilot)
    expect_text("plan_from_pilot", term, "the name of a coefficient", EngineError)
    check_choice("compared", compared, ("groups", "rows"))
    many, sizes = whole_numbers("groups", groups, 4), whole_numbers("size", size, 2)
    check_whole("n, the simulated studies,", n, FEWEST)
    icc, effect, slope = _standardised(pilot, term, compared, unit)
    plan = plan_study(
        many,
        sizes,
        float(icc.mean()),
        float(effect.mean()),
        compared=compared,
        missing=missing,
        cost_group=cost_group,
        cost_row=cost_row,
        alpha=alpha,
        n=n,
        random_seed=random_seed,
        slope_sd=float(slope.mean()),
    )
    some = np.linspace(0, len(icc) - 1, min(_DRAWS, len(icc))).astype(np.int64).tolist()
    each = max(1, n // len(some))
    rows = []
    for row, (groups_of, rows_of) in zip(plan.rows, product(many, sizes), strict=True):
        rng = stream(random_seed, Stream.STUDY_DESIGN, groups_of, rows_of)
        parts = []
        for k in some:
            scenario = scenario_of(
                groups=groups_of,
                size=rows_of,
                icc=float(icc[k]),
                compared=compared,
                slope_sd=float(slope[k]),
                missing=missing,
            )
            parts.append(scenario.refits(each, rng))
        refits = Refits.joined([replace(one, cov_u=one.cov_u[:, :1, :1]) for one in parts])
        effects = np.repeat(effect[some], each)[~refits.failed]
        rows.append(replace(row, assurance=Studies.of(refits, alpha).power(effects)))
    low, high = np.quantile(effect, [0.025, 0.975])
    note = (
        f"power at the pilot's posterior means; assurance over {count(len(some))} draws of its "
        f"posterior (effect {low:.2f} to {high:.2f} sd, icc {np.quantile(icc, 0.025):.2f} to "
        f"{np.quantile(icc, 0.975):.2f}; 95%)"
    )
    return replace(plan, rows=tuple(rows), notes=(*plan.notes, note))


def _standardised(
    pilot: Fit, term: str, compared: str, unit: float
) -> tuple[Floats, Floats, Floats]:
    """Return iccs, effects and sds of the slope of every draw, in sds of the outcome."""
    design = pilot.design
    if len(design.factors) != 1 or not design.q or not design.family.gaussian_moments:
        raise EngineError(
            "a pilot has a Gaussian outcome and one grouping factor with effects; of another give "
            "plan_study the numbers"
        )
    if term not in design.terms or term == "Intercept":
        raise EngineError(
            f"the pilot has no coefficient {term!r}; it has {', '.join(design.terms)}"
        )
    cov_u = pilot.group_covariance()
    mean = design.moments().moments[0][design.p : design.p + design.q]
    between = np.einsum("a,sab,b->s", mean, cov_u, mean)
    variance = between + np.square(samples(pilot.draws, "sigma_e"))
    effect = samples(pilot.draws, "beta")[:, design.terms.index(term)] * unit / np.sqrt(variance)
    slope = np.zeros(len(effect))
    if compared == "rows" and term in design.effects:
        place = design.effects.index(term)
        slope = np.sqrt(cov_u[:, place, place] / variance) * abs(unit)
    return between / variance, effect, slope

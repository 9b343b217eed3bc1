"""What survey weights do to the estimates: weighted, by either scaling, and unweighted."""

from dataclasses import dataclass, replace

import numpy as np

from bayes_mlm.base import (
    Column,
    ResultTable,
    UnsupportedModelError,
    expect,
    percent,
    scaled,
    signed,
)
from bayes_mlm.design import Design, changed, pool_designs
from bayes_mlm.engines import SCALING_WORDS, PooledFit, PseudoFit, RemlFit
from bayes_mlm.fitting import Estimate, Fit, estimate_design, estimate_of

# Standard errors that a coefficient moves by which are worth a word.
_FAR = 2.0


@dataclass(frozen=True, kw_only=True)
class WeightingRow:
    """One parameter, with weights and without.

    Parameters
    ----------
    model, engine, quantity : str
    estimate, se : float
        With weights.
    other : float or None
        By the other of the scalings size and effective; None where rows have no weights.
    unweighted : float
        By maximum likelihood, as if each row had been drawn with the same probability.
    moved : float
        Weighted less unweighted, in standard errors of the weighted.
    """

    model: str
    engine: str
    quantity: str
    estimate: float
    se: float
    other: float | None
    unweighted: float
    moved: float


@dataclass(frozen=True, kw_only=True, repr=False)
class Weighting(ResultTable[WeightingRow]):
    """Estimates with weights next to those without, and what the weights are.

    Parameters
    ----------
    rows : tuple of WeightingRow
        ``table["beta[ses]"]`` is the row of a quantity.
    other_scaling : str
        That of `other`.
    """

    key = ("quantity",)
    row_type = WeightingRow

    other_scaling: str

    def __repr__(self) -> str:
        """Return the number of parameters."""
        return f"<Weighting of {len(self.rows)} parameters>"

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns of the view."""
        known = any(row.other is not None for row in self.rows)
        more = (Column(name="other", heading=self.other_scaling, kind="number"),) if known else ()
        return (
            Column(name="quantity"),
            Column(name="estimate", heading="weighted", kind="number"),
            Column(name="se", kind="error"),
            *more,
            Column(name="unweighted", kind="number"),
            Column(name="moved", heading="difference/se", text=lambda row: signed(row.moved, 1)),
        )


def survey_weighting(result: Fit | Estimate) -> Weighting:
    """Compare the estimates of a model with survey weights with those without.

    Parameters
    ----------
    result : Fit or Estimate
        With weights; of a pseudo-posterior, the pseudo-likelihood estimate is compared, and of
        several imputations pooled estimates.

    Returns
    -------
    Weighting
        With the weights, their scaling and effective sample sizes in words.

    Raises
    ------
    UnsupportedModelError
        If the model has no weights, or there are sums alone.

    Examples
    --------
    >>> from bayes_mlm import fit, load_hsb
    >>> students = load_hsb()
    >>> students["w"] = 1.0 + students["sector"]
    >>> found = fit("mathach ~ ses + (1 | schoolid)", students, weights={"schoolid": "w"},
    ...             engine="pml")
    >>> row = survey_weighting(found)["beta[Intercept]"]
    >>> print(f"{row.estimate:.2f} {row.unweighted:.2f} {row.moved:+.1f}")
    13.03 12.66 +1.8
    """
    expect("survey_weighting", result, Fit, Estimate)
    estimate = estimate_of(result)
    solution, design = estimate.solution, estimate.design
    parts = solution.parts if isinstance(solution, PooledFit) else (solution,)
    found = [one for one in parts if isinstance(one, PseudoFit)]
    if not isinstance(solution, PseudoFit | PooledFit) or not found or solution.errors is None:
        raise UnsupportedModelError(
            "survey_weighting compares a fit by survey weights, and this model has no survey "
            "weights; fit with weights=..."
        )
    plain = estimate_design(_unweighted(design), "ml", request=estimate.request).solution
    assert isinstance(plain, RemlFit | PooledFit)  # for mypy: of one factor
    weighted = _values(solution)
    without = _values(plain)
    errors = [*solution.beta_se, *solution.errors.sigma_u, solution.errors.sigma_e]
    scaling = found[0].others[0].scaling if found[0].others else ""
    others: list[float | None] = [None] * len(weighted)
    if scaling:
        each = [one.others[0] for one in found]
        variances = np.mean([np.append(one.sigma_u, one.sigma_e) ** 2 for one in each], axis=0)
        beta = np.mean([one.beta for one in each], axis=0)
        others = [*beta.tolist(), *np.sqrt(variances).tolist()]
    rows = tuple(
        WeightingRow(
            model=estimate.name,
            engine=estimate.engine,
            quantity=name,
            estimate=value,
            se=float(error),
            other=None if second is None else float(second),
            unweighted=without[name],
            moved=float((value - without[name]) / error),
        )
        for (name, value), error, second in zip(weighted.items(), errors, others, strict=True)
    )
    return Weighting(
        rows=rows,
        other_scaling=scaling,
        notes=(*solution.summary_notes, _what_moves(rows)),
        verdict=solution.verdict,
    )


def _unweighted(design: Design) -> Design:
    """Return the design as if every row had been drawn with the same probability."""
    if design.aggregated is not None:
        raise UnsupportedModelError(
            "sums by weights hold no unweighted ones; fit the rows (rows='keep') to compare"
        )
    if design.imputations:
        return pool_designs([_unweighted(one) for one in design.imputations])
    return replace(design, weights=None, response=changed(design.response, weights=None))


def _values(solution: RemlFit | PooledFit) -> dict[str, float]:
    names = [f"beta[{term}]" for term in solution.terms]
    alone = solution.effects == ("Intercept",)
    names += ["sigma_u" if alone else f"sigma_u[{name}]" for name in solution.effects]
    numbers = [*solution.beta, *solution.sigma_u, solution.sigma_e]
    return dict(zip([*names, "sigma_e"], map(float, numbers), strict=True))


def _what_moves(rows: tuple[WeightingRow, ...]) -> str:
    """Return which parameters the weights move, in a sentence."""
    far = [row for row in rows if abs(row.moved) >= _FAR]
    if not far:
        most = max(rows, key=lambda row: abs(row.moved) if np.isfinite(row.moved) else 0.0)
        return (
            f"weights move no parameter by {_FAR:g} standard errors; most {most.quantity}, by "
            f"{signed(most.moved, 1)}: what is estimated hardly depends on how rows were drawn"
        )
    named = ", ".join(f"{row.quantity} ({signed(row.moved, 1)})" for row in far)
    return (
        f"weights move {named} by {_FAR:g} standard errors or more: whether rows were drawn hangs "
        "together with the outcome given the predictors, and without weights these are biased"
    )


def survey_facts(design: Design) -> list[tuple[str, str]]:
    """Return the design of a survey as terms with their definitions; none without weights.

    Parameters
    ----------
    design : Design
    """
    weights, facts = design.weights, list[tuple[str, str]]()
    if weights is None:
        return facts
    spec, J = weights.spec, len(weights.level2)
    if spec.rows:
        kind = "unconditional" if spec.overall else "conditional on the group"
        facts.append(("Weights of rows", f"{spec.rows}, {kind}"))
        facts.append(("Scaling", SCALING_WORDS[spec.scaling]))
        total = float(weights.effective_rows.sum())
        share = percent(total / weights.n)
        shown = f"{total:,.0f} of {weights.n:,}, given the groups ({share})"
        facts.append(("Effective rows", shown))
    if spec.level2:
        low, high = float(weights.level2.min()), float(weights.level2.max())
        shown = f"{spec.level2}, from {scaled(low, 2)} to {scaled(high, 2)}"
        facts.append(("Weights of groups", shown))
        facts.append(
            (
                "Effective groups",
                f"{scaled(weights.effective_groups, 1)} of {J:,} "
                f"({percent(weights.effective_groups / J)})",
            )
        )
    if spec.replicates is not None:
        facts.append(("Replicate weights", str(spec.replicates)))
    if spec.replicates is not None and design.imputations:
        within = {"mean": "mean over the plausible values", "first": "of the first plausible value"}
        facts.append(("Sampling variance", within[spec.replicates.within]))
    return facts

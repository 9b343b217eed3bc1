"""Posterior predictive checks: of several grouping factors, and of families without residual sds.

Each statistic is of the data and a draw from the posterior; the same is computed of outcomes drawn
anew given that draw, and the two are compared over draws. Such p values are conservative: a model
that is right fails less often than the level (Meng 1994, Annals of Statistics 22(3), sec. 3).

References
----------
Gelman, Meng & Stern (1996), Statistica Sinica 6(4), sec. 2: realised discrepancies.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from bayes_mlm.assess.checks.result import Assessment
from bayes_mlm.base import Floats, Ints, Stream as Use, scaled, stream
from bayes_mlm.design import GroupTerm
from bayes_mlm.engines import effects_root, samples
from bayes_mlm.fitting import Fit, linear_predictors, residual_draws
from bayes_mlm.model import Auxiliary

# Numbers drawn in all, and the fewest and most draws compared.
_NUMBERS, _FEWEST, _MOST = 4_000_000, 100, 1000
# Draws at a time.
_BATCH = 25
_BINS = 10
RESIDUALS = "Residuals", "Are they as the model says?"
# Groups below which the distribution of their effects is not judged; and rows of a group whose
# spread is.
_LEAST_GROUPS, _LEAST_ROWS = 8, 4
# Draws beyond the data below which a tail is taken for normal.
_FEW_BEYOND = 10


@dataclass(kw_only=True)
class _Statistic:
    """A statistic of the data and of replicates, by draw."""

    topic: str
    question: str
    remedy: str
    observed: list[float] = field(default_factory=list)
    replicated: list[float] = field(default_factory=list)

    def add(self, observed: Floats, replicated: Floats) -> None:
        self.observed += np.ravel(observed).tolist()
        self.replicated += np.ravel(replicated).tolist()

    def assessment(self) -> Assessment | None:
        found, expected = np.array(self.observed), np.array(self.replicated)
        kept = np.isfinite(found) & np.isfinite(expected)
        if np.count_nonzero(kept) < _FEW_BEYOND:
            return None
        found, expected = found[kept], expected[kept]
        p = _two_sided(found - expected)
        return Assessment(
            topic=self.topic,
            question=self.question,
            found=f"{scaled(float(found.mean()), 3)} in the data, "
            f"{scaled(float(expected.mean()), 3)} (sd {scaled(float(expected.std()), 2)}) in data "
            "drawn from the model.",
            remedy=self.remedy,
            statistic=f"{len(found)} draws",
            p=p,
        )


def _two_sided(gap: Floats) -> float:
    """Return the probability of a gap as far from 0, by its draws or their normal tail."""
    from scipy.special import ndtr

    above = np.count_nonzero(gap > 0) + 0.5 * np.count_nonzero(gap == 0)
    few = min(above, gap.size - above)
    if few >= _FEW_BEYOND or gap.std() == 0:
        return float(min(2.0 * max(few, 0.5) / gap.size, 1.0))
    return float(2.0 * ndtr(-abs(gap.mean()) / gap.std()))


def predictive_assessments(fit: Fit) -> Iterator[Assessment]:
    """Compare the data with outcomes, residuals and group effects drawn anew at posterior draws.

    Parameters
    ----------
    fit : Fit
        With rows. Where its group effects were summarised and not kept, they are not judged.
    """
    rng = stream(fit.settings.random_seed, Use.PREDICTIVE_CHECKS)
    n_drawn = fit.draws.n_chains * fit.draws.n_draws
    many = int(np.clip(_NUMBERS // fit.design.n, _FEWEST, min(_MOST, n_drawn)))
    chosen = np.linspace(0, n_drawn - 1, many).astype(np.int64)
    found = [*_of_rows(fit, chosen, rng), *_of_effects(fit, chosen, rng)]
    yield from (one for one in found if one is not None)


def _of_rows(fit: Fit, chosen: Ints, rng: np.random.Generator) -> Iterator[Assessment | None]:
    design = fit.design
    try:
        statistics = _additive(fit) if design.family.is_additive else _of_family(fit)
        for start in range(0, chosen.size, _BATCH):
            part = chosen[start : start + _BATCH]
            eta = linear_predictors(fit, part)
            aux = residual_draws(fit.draws).at(part).auxiliary(design)
            replicated = design.family.draw(eta, aux, rng)
            for one, compute in statistics:
                one.add(compute(design.y[None], eta, aux), compute(replicated, eta, aux))
    except KeyError:  # the effects were too many to keep
        yield Assessment(
            topic=RESIDUALS[0],
            question=RESIDUALS[1],
            found="Not tested: the group effects are summarised, not kept as draws; raise "
            "max_effects, or fit a sample of groups.",
        )
        return
    yield from (one.assessment() for one, _ in statistics)


type _Compute = Callable[[Floats, Floats, Auxiliary], Floats]


def _additive(fit: Fit) -> list[tuple[_Statistic, _Compute]]:
    """List the statistics of residuals: their shape, and their spread by group of each factor."""
    family = fit.design.family
    sd = str(family.residual_sd)

    def scores(y: Floats, eta: Floats, aux: Auxiliary) -> Floats:
        return family.normal_scores((y - eta) / aux[sd], aux)

    found: list[tuple[_Statistic, _Compute]] = [
        (
            _Statistic(
                topic="Skewness of residuals",
                question="Are residuals symmetric?",
                remedy="Transform the outcome (log), or use a family for skewed outcomes: gamma.",
            ),
            lambda y, eta, aux: _moment(scores(y, eta, aux), 3),
        ),
        (
            _Statistic(
                topic="Tails of residuals",
                question="Are there as few large residuals as the model says?",
                remedy='Heavier tails: family="student_t".',
            ),
            lambda y, eta, aux: _moment(scores(y, eta, aux), 4),
        ),
    ]
    for term in fit.design.group_terms:
        if np.count_nonzero(term.sizes >= _LEAST_ROWS) < _LEAST_GROUPS:
            continue
        statistic = _Statistic(
            topic=f"Residual variance by {term.factor}",
            question=f"Is the residual sd the same in every {term.factor}?",
            remedy="Let it differ by a factor of few levels (sigma ~ factor), or transform the "
            "outcome.",
        )
        found.append((statistic, _spread_of(term, scores)))
    return found


def _spread_of(term: GroupTerm, scores: _Compute) -> _Compute:
    """Return the sd among groups of the log mean square of their residuals."""
    large = term.sizes >= _LEAST_ROWS

    def compute(y: Floats, eta: Floats, aux: Auxiliary) -> Floats:
        squares = np.square(scores(y, eta, aux))
        means = np.stack([term.means(one) for one in squares])[:, large]
        return np.asarray(np.log(np.maximum(means, 1e-300)).std(axis=1))

    return compute


def _of_family(fit: Fit) -> list[tuple[_Statistic, _Compute]]:
    """List the statistics of outcomes that have no residual sd."""
    family, y = fit.design.family, fit.design.y

    def pearson(y: Floats, eta: Floats, aux: Auxiliary) -> Floats:
        return np.square(y - family.expected(eta, aux)) / family.variance(eta, aux)

    def calibration(y: Floats, eta: Floats, aux: Auxiliary) -> Floats:
        """Return Hosmer & Lemeshow's statistic, of rows in bins of the expected outcome."""
        mean, variance = family.expected(eta, aux), family.variance(eta, aux)
        off = np.broadcast_to(y, mean.shape) - mean
        total = np.zeros(len(mean))
        for s in range(len(mean)):
            for rows in np.array_split(np.argsort(mean[s], kind="stable"), _BINS):
                total[s] += off[s, rows].sum() ** 2 / max(variance[s, rows].sum(), 1e-300)
        return total

    found: list[tuple[_Statistic, _Compute]] = [
        (
            _Statistic(
                topic="Calibration",
                question="Are outcomes as the model expects, from its lowest to its highest?",
                remedy="Add curvature or interactions of predictors, or use another link.",
            ),
            calibration,
        )
    ]
    # The variance of a single 0 or 1 is its mean's, and says nothing of dispersion.
    if family.outcome == "number":
        dispersion = _Statistic(
            topic="Dispersion",
            question="Do outcomes vary about their expectation as the family says?",
            remedy="More spread than Poisson: family='negative_binomial'; than binomial: a group "
            "effect of each row, (1 | row).",
        )
        found.append((dispersion, lambda y, eta, aux: pearson(y, eta, aux).mean(axis=1)))
    if family.outcome == "number" and (y == np.floor(y)).all() and (y == 0).any():
        zeros = _Statistic(
            topic="Zeros",
            question="Are there as many zeros as the model says?",
            remedy="Too many zeros: family='negative_binomial', or a predictor that tells them.",
        )
        found.append((zeros, lambda y, *_: np.asarray((y == 0).mean(axis=-1))))
    return [(one, _by_draw(compute)) for one, compute in found]


def _by_draw(compute: _Compute) -> _Compute:
    """Return a statistic of shape (S,) whether outcomes are the data's or replicates."""
    return lambda y, eta, aux: np.broadcast_to(compute(y, eta, aux), (len(eta),))


def _of_effects(fit: Fit, chosen: Ints, rng: np.random.Generator) -> Iterator[Assessment | None]:
    """Compare the shape of each factor's effects with that of a normal distribution."""
    for name in fit.design.factors:
        one = fit.of_factor(name)
        term = one.design.group_term
        if "u" not in one.draws.posterior or not term.q or term.J < _LEAST_GROUPS:
            continue
        u, root = samples(one.draws, "u")[chosen], effects_root(one.draws)[chosen]
        for place, effect in enumerate(term.effects):
            sd = np.sqrt(np.square(root[:, place]).sum(axis=1))
            with np.errstate(divide="ignore", invalid="ignore"):
                scaled_u = u[:, :, place] / sd[:, None]
            normal = rng.standard_normal(scaled_u.shape)
            for power, shape in ((3, "Skewness"), (4, "Tails")):
                of = f"effects of {name}" + ("" if term.q == 1 else f" ({effect})")
                statistic = _Statistic(
                    topic=f"{shape} of {of}",
                    question="Are group effects normal?",
                    remedy="Look for a predictor of the groups that stand out, or leave them out "
                    "and compare.",
                )
                statistic.add(_moment(scaled_u, power), _moment(normal, power))
                yield statistic.assessment()


def _moment(values: Floats, power: int) -> Floats:
    """Return standardised third or fourth moments of rows (S, n)."""
    off = values - values.mean(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = (off**power).mean(axis=1) / np.square(off).mean(axis=1) ** (power / 2)
    return found

"""Distribution of the residuals of new rows, draw by draw."""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats, Ints
from bayes_mlm.engines import samples
from bayes_mlm.fitting import Fit, residual_draws
from bayes_mlm.questions.prediction.residuals import Neighbours, draw_together
from bayes_mlm.questions.prediction.rows import PredictionRows


@dataclass(frozen=True, kw_only=True, eq=False)
class Noise:
    """Distribution of the residuals of b rows at S draws, (S, b) each.

    Parameters
    ----------
    mean : ndarray
        Conditional on neighbours in time; zero without AR(1).
    variance : ndarray
    mixed : ndarray
        Of a Student-t residual the variance of a normal, drawn so that the mixture over all draws
        is Student-t. Else `variance`.
    """

    mean: Floats
    variance: Floats
    mixed: Floats


class Residuals:
    """Residuals of new rows of any structure."""

    def __init__(self, fit: Fit, new: PredictionRows, rng: np.random.Generator) -> None:
        self.fit, self.new, self.rng = fit, new, rng
        self.residual = residual_draws(fit.draws)

    def of(self, rows: Ints) -> Noise:
        """Return the distribution of the residuals of some rows."""
        sds = self.residual.sds[:, self.new.stratum[rows]]
        variance, mean = np.square(sds), np.zeros((1, rows.size))
        near = self._near(rows)
        if near is not None:
            found = near.conditional(self.residual.rho)
            before, after = self._known(near)
            mean = sds * (found.weight_before * before + found.weight_after * after)
            variance = variance * found.variance
        mixed = variance
        mixing = self.fit.design.family.mixing
        if mixing is not None:
            aux = self.residual.auxiliary(self.fit.design)
            mixed = variance * np.square(mixing(aux, self.rng, sds.shape))
        return Noise(mean=mean, variance=variance, mixed=mixed)

    def draw(self, rows: Ints) -> Floats:
        """Draw the residuals (S, b) of some rows."""
        sds = self.residual.sds[:, self.new.stratum[rows]]
        near = self._near(rows)
        if near is not None:
            return sds * draw_together(
                near,
                self.new.codes[rows],
                self.new.time[rows],
                self.residual.rho,
                self._known(near),
                self.rng,
            )
        noise = sds * self.rng.standard_normal(sds.shape)
        mixing = self.fit.design.family.mixing
        if mixing is not None:
            noise *= mixing(self.residual.auxiliary(self.fit.design), self.rng, sds.shape)
        return noise

    def _near(self, rows: Ints) -> Neighbours | None:
        near = self.new.near
        if near is None:
            return None
        return Neighbours(
            before=near.before[rows],
            after=near.after[rows],
            gap_before=near.gap_before[rows],
            gap_after=near.gap_after[rows],
        )

    def _known(self, near: Neighbours) -> tuple[Floats, Floats]:
        """Return the standardised residuals (S, b) of the neighbours; 0 where there is none."""
        return self._standardised(near.before), self._standardised(near.after)

    def _standardised(self, places: Ints) -> Floats:
        design, beta = self.fit.design, samples(self.fit.draws, "beta")
        known = places >= 0
        found = np.zeros((len(beta), places.size))
        at = places[known]
        if at.size:
            left = design.y_less_offset[at] - beta @ design.X[at].T
            if design.q:
                term = design.group_term.take(at)
                left = left - term.sum_effects(samples(self.fit.draws, "u"))
            sds = self.residual.row_sds(design)
            found[:, known] = left / (sds if sds.shape[1] == 1 else sds[:, at])
        return found

"""Simulate studies with groups as the sums that REML reads, and refit them.

    y_ij = g00 + g01 w_j + g10 x_ij + g11 w_j x_ij + u_0j + u_1j x_ij + e_ij

Given w, a group is its rows n, its mean of x and its squares S of x about that: with
R = [[sqrt n, sqrt n mean], [0, sqrt S]] its outcome is R (line_j) + noise in two coordinates, and
chi-squared numbers beyond. Of x ~ N(0, 1), mean ~ N(0, 1 / n) and S ~ chi2(n - 1); of a treatment
x = -1/2, 1/2 they follow from the rows of each arm. A study of any number of rows takes six numbers
a group.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.engines import Designs, OutcomeSums, Refits, refit

# Numbers of simulated studies that are in memory at once.
_AT_ONCE = 2_000_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Scenario:
    """One design of a study, and what is assumed of the outcome.

    Parameters
    ----------
    groups, size : int
        Groups, in two halves of equal number where groups are compared, and planned rows of each.
    sigma_u, sigma_e, sigma_slope : float
        Sds between groups, of the residuals, and of the slope of x between groups; in units of the
        outcome.
    compared : {"groups", "rows", "slopes"}
        What has the effect: w, x, or their product.
    predictor : {"binary", "normal"}
        Whether x is a treatment of half of the rows of each group, or normal with an sd of 1.
    missing : float
        Share of rows that are lost at random.
    """

    groups: int
    size: int
    sigma_u: float
    sigma_e: float
    sigma_slope: float
    compared: str
    predictor: str
    missing: float = 0.0

    # Of an effect, after its number and at an axis; how studies are fitted and tested.
    unit: ClassVar[str] = "sd"
    units: ClassVar[str] = "sds of the outcome"
    fitted: ClassVar[str] = "REML"
    tested: ClassVar[str] = "t tests at {} with Satterthwaite's degrees of freedom"

    @property
    def has_x(self) -> bool:
        """Whether the model has a predictor within groups."""
        return self.compared != "groups"

    @property
    def q(self) -> int:
        """Number of group effects."""
        return 2 if self.has_x and self.sigma_slope > 0.0 else 1

    @property
    def contrast(self) -> Floats:
        """The coefficient (1, p) that is tested."""
        found = np.zeros((1, {"groups": 2, "rows": 2, "slopes": 4}[self.compared]))
        found[0, -1] = 1.0
        return found

    def errors(
        self,
        effects: Floats,
        rng: np.random.Generator,
        known: Refits | None = None,
        /,
    ) -> Refits:
        """Simulate a study of each effect (n,), and refit it.

        Parameters
        ----------
        effects : ndarray, shape (n,)
        rng : numpy.random.Generator
        known : Refits, optional
            Of as many studies of other effects, which serve where an effect moves nothing else.

        Returns
        -------
        Refits
            Whose coefficients are the estimates less the effects.
        """
        return self.refits(len(effects), rng) if known is None else known

    def refits(self, n: int, rng: np.random.Generator) -> Refits:
        """Simulate n studies whose effect is zero, and refit each by REML.

        An effect adds to the estimates and changes nothing else.
        """
        most = max(1, _AT_ONCE // (8 * self.groups))
        parts = [self._some(min(most, n - k), rng) for k in range(0, n, most)]
        return Refits.joined(parts)

    def _some(self, n: int, rng: np.random.Generator) -> Refits:
        shape, q = (n, self.groups), self.q
        rows, mean, squares = self._groups(shape, rng)
        w = np.where(np.arange(self.groups) % 2 == 0, 0.5, -0.5)
        r = np.zeros((*shape, 2, 2))
        r[..., 0, 0], r[..., 0, 1] = np.sqrt(rows), np.sqrt(rows) * mean
        r[..., 1, 1] = np.sqrt(squares)
        columns = {
            "groups": [r[..., 0], r[..., 0] * w[:, None]],
            "rows": [r[..., 0], r[..., 1]],
            "slopes": [r[..., 0], r[..., 0] * w[:, None], r[..., 1], r[..., 1] * w[:, None]],
        }[self.compared]
        c_x = np.stack(columns, axis=-1)  # (n, J, 2, p)
        sds = np.array([self.sigma_u, self.sigma_slope if q > 1 else 0.0])
        noise = self.sigma_e * rng.standard_normal((*shape, 2))
        # A coordinate that no row has is none: neither of Z nor of the outcome.
        live = np.stack([rows > 0.0, squares > 0.0], axis=-1) & np.array([True, self.has_x])
        c_y = np.einsum("bjac,bjc->bja", r, sds * rng.standard_normal((*shape, 2))) + noise * live
        left = (rows.sum(axis=1) - live.sum(axis=(1, 2))).astype(np.int64)
        y_y = self.sigma_e**2 * rng.chisquare(np.maximum(left, 1)) * (left > 0)
        outside = c_x[:, :, q:], c_y[:, :, q:]
        designs = Designs(
            r=np.ascontiguousarray(r[..., :q, :q]),
            c_x=c_x[:, :, :q],
            x_x=np.einsum("bjap,bjas->bps", outside[0], outside[0]),
            n=rows.sum(axis=1),
        )
        outcomes = OutcomeSums(
            c_y=c_y[:, :, :q],
            x_y=np.einsum("bjap,bja->bp", *outside),
            y_y=y_y + np.square(outside[1]).sum(axis=(1, 2)),
        )
        start = np.diag(np.square(sds[:q]))
        return refit(designs, outcomes, self.contrast, start, self.sigma_e**2)

    def _groups(
        self, shape: tuple[int, int], rng: np.random.Generator
    ) -> tuple[Floats, Floats, Floats]:
        """Draw rows, mean of x and squares of x about it, of each group."""
        if not self.has_x or self.predictor == "normal":
            rows = self._kept(self.size, shape, rng)
            if not self.has_x:
                return rows, np.zeros(shape), np.zeros(shape)
            mean = rng.standard_normal(shape) / np.sqrt(np.maximum(rows, 1.0))
            squares = rng.chisquare(np.maximum(rows - 1.0, 0.5)) * (rows > 1.0)
            return rows, mean, squares
        first = self._kept(self.size // 2, shape, rng)
        second = self._kept(self.size - self.size // 2, shape, rng)
        rows = first + second
        safe = np.maximum(rows, 1.0)
        return rows, (first - second) / (2.0 * safe), first * second / safe

    def _kept(self, size: int, shape: tuple[int, int], rng: np.random.Generator) -> Floats:
        if not self.missing:
            return np.full(shape, float(size))
        return rng.binomial(size, 1.0 - self.missing, shape).astype(np.float64)


def scenario_of(
    *,
    groups: int,
    size: int,
    icc: float,
    compared: str = "groups",
    predictor: str = "binary",
    slope_sd: float = 0.0,
    missing: float = 0.0,
) -> Scenario:
    """Return a scenario of an outcome with an sd of 1 at the middle of the predictor.

    Examples
    --------
    >>> one = scenario_of(groups=10, size=5, icc=0.36)
    >>> one.sigma_u, one.sigma_e
    (0.6, 0.8)
    """
    return Scenario(
        groups=groups,
        size=size,
        sigma_u=math.sqrt(icc),
        sigma_e=math.sqrt(1.0 - icc),
        sigma_slope=slope_sd,
        compared=compared,
        predictor=predictor,
        missing=missing,
    )

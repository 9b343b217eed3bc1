"""Draws of missing values from the joint normal model of columns at two levels.

The rows' columns z and the groups' columns v are normal, with group-level regressors w:

    z_ij = t_j + R_ij,               R_ij ~ N(0, within)        (d1 columns)
    (t_j, v_j) ~ N(B'w_j, between)                              (d1 + d2 columns)

A cycle draws the group vectors with the missing z integrated out, the missing z given them, and the
parameters. Priors are flat on B; on both covariances that of Huang & Wand (2013, Bayesian Analysis
8(2)) with 2 degrees of freedom: half-t(2) sds, of scale `PRIOR_SCALE` sds of the column, and
uniform correlations.

References
----------
Schafer & Yucel (2002), J. Computational and Graphical Statistics 11(2), 437-457; Goldstein,
Carpenter, Kenward & Levin (2009), Statistical Modelling 9(3), 173-197.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from bayes_mlm.base import Floats, Ints

PRIOR_SCALE = 2.5
_DF = 2.0


@dataclass(frozen=True, kw_only=True, eq=False)
class TwoLevelRows:
    """Columns at two levels, missing values NaN.

    Parameters
    ----------
    z : ndarray, shape (n, d1)
    codes : ndarray of int, shape (n,)
        Group of each row.
    v : ndarray, shape (J, d2)
    w : ndarray, shape (J, q)
        Complete, of full rank; the first column is ones.
    names : tuple of str
        Of the columns of z, then of v.
    """

    z: Floats
    codes: Ints
    v: Floats
    w: Floats
    names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class ImputedDraws:
    """Draws of the missing values and of the parameters.

    Parameters
    ----------
    z : ndarray, shape (m, number of NaN in z)
        In the order of ``z[np.isnan(z)]``.
    v : ndarray, shape (m, number of NaN in v)
    parameters : ndarray, shape (chains, draws, k)
        Every cycle after those discarded; sds and means in sds of the columns.
    names : tuple of str
        Of the k parameters.
    """

    z: Floats
    v: Floats
    parameters: Floats
    names: tuple[str, ...]


class MissingValues:
    """Chains that draw the missing values; each call of `draw` goes on where the last ended.

    Parameters
    ----------
    rows : TwoLevelRows
    generators : sequence of Generator
        One a chain.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> codes = np.repeat(np.arange(50), 4)
    >>> x = rng.normal(size=50)[codes] + rng.normal(size=200)
    >>> z = np.column_stack([x, x + 0.1 * rng.normal(size=200)])
    >>> z[::5, 0] = np.nan
    >>> rows = TwoLevelRows(z=z, codes=codes, v=np.empty((50, 0)), w=np.ones((50, 1)),
    ...                     names=("x", "y"))
    >>> draws = MissingValues(rows, [np.random.default_rng(2)]).draw(4, tune=50, thin=10)
    >>> draws.z.shape, bool(np.corrcoef(draws.z[0], x[::5])[0, 1] > 0.95)
    ((4, 40), True)
    """

    def __init__(self, rows: TwoLevelRows, generators: Sequence[np.random.Generator]) -> None:
        d1 = rows.z.shape[1]
        centre, scale = _scales(rows)
        self.rows, self.centre, self.scale = rows, centre, scale
        z, v = (rows.z - centre[:d1]) / scale[:d1], (rows.v - centre[d1:]) / scale[d1:]
        self.chains = [
            _Chain(z=z.copy(), codes=rows.codes, v=v, w=rows.w, rng=rng) for rng in generators
        ]

    def draw(self, m: int, *, tune: int, thin: int) -> ImputedDraws:
        """Draw the missing values m times.

        Parameters
        ----------
        m : int
            Number of imputations; the chains share them.
        tune : int
            Cycles that each chain discards.
        thin : int
            Cycles from one imputation of a chain to the next.
        """
        d1, chains = self.rows.z.shape[1], len(self.chains)
        centre, scale = self.centre, self.scale
        kept_z, kept_v, parameters = [], [], []
        for place, chain in enumerate(self.chains):
            for _ in range(tune):
                chain.cycle()
            wanted = m // chains + (place < m % chains)
            drawn = []
            for k in range(-(-m // chains)):
                for _ in range(thin):
                    chain.cycle()
                    drawn.append(chain.parameters())
                if k < wanted:
                    v = chain.theta[:, d1:] * scale[d1:] + centre[d1:]
                    kept_z.append((chain.z * scale[:d1] + centre[:d1])[chain.missing_z])
                    kept_v.append(v[chain.missing_v])
            parameters.append(np.array(drawn))
        return ImputedDraws(
            z=np.array(kept_z),
            v=np.array(kept_v),
            parameters=np.array(parameters),
            names=_parameter_names(self.rows),
        )


def _scales(rows: TwoLevelRows) -> tuple[Floats, Floats]:
    columns = [*rows.z.T, *rows.v.T]
    centre = np.array([np.nanmean(one) for one in columns])
    scale = np.array([np.nanstd(one) for one in columns])
    return centre, scale


def _parameter_names(rows: TwoLevelRows) -> tuple[str, ...]:
    d1 = rows.z.shape[1]
    names = [f"mean({name})" for name in rows.names]
    names += [
        f"{name} on group column {k}" for k in range(1, rows.w.shape[1]) for name in rows.names
    ]
    for level, of in (("within", rows.names[:d1]), ("between", rows.names)):
        names += [f"sd {level} groups ({name})" for name in of]
        names += [
            f"correlation {level} groups ({of[i]}, {of[j]})"
            for i, j in zip(*np.tril_indices(len(of), -1), strict=True)
        ]
    return tuple(names)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Pattern:
    """Rows, or groups, that miss the same columns."""

    at: Ints
    observed: Ints
    missing: Ints


def _patterns(missing: np.ndarray) -> list[_Pattern]:
    kinds, which = np.unique(missing, axis=0, return_inverse=True)
    which = which.ravel()
    return [
        _Pattern(
            at=np.flatnonzero(which == k),
            observed=np.flatnonzero(~one),
            missing=np.flatnonzero(one),
        )
        for k, one in enumerate(kinds)
    ]


@dataclass(kw_only=True, eq=False)
class _Chain:
    """State of one chain; `cycle` changes it."""

    z: Floats
    codes: Ints
    v: Floats
    w: Floats
    rng: np.random.Generator
    theta: Floats = field(init=False)
    beta: Floats = field(init=False)
    within: Floats = field(init=False)
    between: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.missing_z, self.missing_v = np.isnan(self.z), np.isnan(self.v)
        self.J, self.d1 = len(self.v), self.z.shape[1]
        self.D = self.d1 + self.v.shape[1]
        self.of_rows = _patterns(self.missing_z)
        self.of_groups = _patterns(self.missing_v)
        # Per pattern of rows: their number and the sums of what is observed, by group.
        self.counts = np.array(
            [np.bincount(self.codes[p.at], minlength=self.J) for p in self.of_rows], dtype=float
        )
        self.sums = [
            np.column_stack(
                [np.bincount(self.codes[p.at], self.z[p.at, k], self.J) for k in p.observed]
                or [np.empty((self.J, 0))]
            )
            for p in self.of_rows
        ]
        self.root_w = np.linalg.cholesky(self.w.T @ self.w)
        self.solve_w = np.linalg.solve(self.w.T @ self.w, self.w.T)
        # Apart from each other, so that R-hat can see whether the chains have met.
        spread = np.exp(0.5 * self.rng.standard_normal(2))
        self.within = spread[0] * np.eye(self.d1)
        self.between = 0.3 * spread[1] * np.eye(self.D)
        self.beta = 0.2 * self.rng.standard_normal((self.w.shape[1], self.D))
        self.scale_within, self.scale_between = np.ones(self.d1), np.ones(self.D)
        self.theta = np.concatenate([np.zeros((self.J, self.d1)), self.v], axis=1)

    def cycle(self) -> None:
        """Draw everything once."""
        self._draw_groups()
        self._draw_rows()
        residual = self.z - self.theta[self.codes, : self.d1]
        self.within, self.scale_within = self._covariance(
            residual.T @ residual, len(residual), self.within, self.scale_within
        )
        fitted = self.solve_w @ self.theta
        rest = self.theta - self.w @ fitted
        free = self.J - self.w.shape[1]
        self.between, self.scale_between = self._covariance(
            rest.T @ rest, free, self.between, self.scale_between
        )
        noise = self.rng.standard_normal(fitted.shape)
        root = np.linalg.cholesky(self.between)
        self.beta = fitted + np.linalg.solve(self.root_w.T, noise) @ root.T

    def _draw_groups(self) -> None:
        """Draw the latent means and missing v of every group, given the observed values."""
        d1 = self.d1
        inverse = np.linalg.inv(self.between)
        mean = self.w @ self.beta
        precision, linear = np.zeros((self.J, d1, d1)), np.zeros((self.J, d1))
        for count, sums, p in zip(self.counts, self.sums, self.of_rows, strict=True):
            if p.observed.size:
                part = np.linalg.inv(self.within[np.ix_(p.observed, p.observed)])
                precision[:, p.observed[:, None], p.observed] += count[:, None, None] * part
                linear[:, p.observed] += sums @ part
        for p in self.of_groups:
            free = np.concatenate([np.arange(d1), d1 + p.missing])
            known = d1 + p.observed
            of_free = inverse[np.ix_(free, free)]
            left = np.repeat(of_free[None], len(p.at), axis=0)
            left[:, :d1, :d1] += precision[p.at]
            gap = self.v[np.ix_(p.at, p.observed)] - mean[np.ix_(p.at, known)]
            right = mean[np.ix_(p.at, free)] @ of_free - gap @ inverse[np.ix_(known, free)]
            right[:, :d1] += linear[p.at]
            root = np.linalg.cholesky(left)
            half = np.linalg.solve(root, right[..., None])
            half += self.rng.standard_normal(half.shape)
            drawn = np.linalg.solve(np.swapaxes(root, 1, 2), half)[..., 0]
            self.theta[np.ix_(p.at, free)] = drawn

    def _draw_rows(self) -> None:
        """Draw the missing z given the group vectors and the row's other columns."""
        for p in self.of_rows:
            if not p.missing.size:
                continue
            means = self.theta[self.codes[p.at], : self.d1]
            cross = self.within[np.ix_(p.observed, p.missing)]
            slopes = np.linalg.solve(self.within[np.ix_(p.observed, p.observed)], cross)
            rest = self.within[np.ix_(p.missing, p.missing)] - cross.T @ slopes
            drawn = means[:, p.missing]
            if p.observed.size:
                drawn = drawn + (self.z[np.ix_(p.at, p.observed)] - means[:, p.observed]) @ slopes
            noise = self.rng.standard_normal(drawn.shape)
            self.z[np.ix_(p.at, p.missing)] = drawn + noise @ np.linalg.cholesky(rest).T

    def _covariance(
        self, scatter: Floats, n: int, now: Floats, scale: Floats
    ) -> tuple[Floats, Floats]:
        """Draw a covariance given the scatter of n rows, and the auxiliary scales of its prior."""
        d = len(scatter)
        rate = _DF * np.diag(np.linalg.inv(now)) + PRIOR_SCALE**-2
        scale = self.rng.gamma(0.5 * (_DF + d), 1.0 / rate)  # reciprocals of Huang and Wand's a
        root = np.linalg.cholesky(scatter + 2.0 * _DF * np.diag(scale))
        # Bartlett's decomposition of a Wishart matrix.
        lower = np.tril(self.rng.standard_normal((d, d)), -1)
        df = _DF + d - 1.0 + n
        lower[np.diag_indices(d)] = np.sqrt(self.rng.chisquare(df - np.arange(d)))
        half = np.linalg.solve(lower, root.T).T
        return half @ half.T, scale

    def parameters(self) -> Floats:
        """Return the parameters in the order of their names."""
        parts = [self.beta.ravel()]
        for cov in (self.within, self.between):
            sd = np.sqrt(np.diag(cov))
            parts += [sd, (cov / np.outer(sd, sd))[np.tril_indices(len(sd), -1)]]
        return np.concatenate(parts)

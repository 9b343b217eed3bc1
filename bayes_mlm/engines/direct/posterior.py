"""What the direct engine needs of a model: a protocol that any number of grouping factors obeys."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from bayes_mlm.base import Floats, Ints
from bayes_mlm.engines.direct.priors import BetaPrior
from bayes_mlm.model import Prior


@dataclass(frozen=True, kw_only=True)
class EffectBlock:
    """Group effects of one term, among those of all terms.

    Attributes
    ----------
    first, q : int
        Place of the first effect, and their number.
    eta : float or None
        Of the LKJ prior of their correlations; None of independent effects.
    """

    first: int
    q: int
    eta: float | None

    @property
    def n_pairs(self) -> int:
        """Number of correlations."""
        return 0 if self.eta is None else self.q * (self.q - 1) // 2

    @property
    def places(self) -> slice:
        """Places of the effects."""
        return slice(self.first, self.first + self.q)


@dataclass(frozen=True, kw_only=True, eq=False)
class Variances:
    """B values of the variance parameters, of the group effects that have the priors.

    Attributes
    ----------
    log_sigma_u : (B, q) array
    factor : (B, q, q) array
        Cholesky factors of the correlations of the group effects; the identity where they are
        independent.
    log_sigma_e : (B,) array
    log_scale : (B, t) array
        ``log lambda`` of the coefficients whose priors are of random scale.
    """

    log_sigma_u: Floats
    factor: Floats
    log_sigma_e: Floats
    log_scale: Floats

    def part(self, which: slice) -> "Variances":
        """Return some of the values."""
        return Variances(
            log_sigma_u=self.log_sigma_u[which],
            factor=self.factor[which],
            log_sigma_e=self.log_sigma_e[which],
            log_scale=self.log_scale[which],
        )

    def covariance(self) -> Floats:
        """Return the relative covariances (B, q, q) of the group effects, over sigma_e^2."""
        root = np.exp(self.log_sigma_u - self.log_sigma_e[:, None])[:, :, None] * self.factor
        relative: Floats = root @ root.swapaxes(1, 2)
        return relative

    def reported(self, transform: Floats) -> tuple[Floats, Floats]:
        """Return the sds (B, q) and correlations (B, q, q) of ``transform @ effects``."""
        root = transform @ (np.exp(self.log_sigma_u)[:, :, None] * self.factor)
        top = np.abs(root).max(axis=2, keepdims=True)  # squares of very small sds are 0
        unit = np.where(top > 0, root / np.where(top > 0, top, 1.0), self.factor)
        norm = np.sqrt(np.square(unit).sum(axis=2, keepdims=True))
        unit = unit / norm
        correlation: Floats = np.clip(unit @ unit.swapaxes(1, 2), -1.0, 1.0)
        return (top * norm)[:, :, 0], correlation


@dataclass(frozen=True, kw_only=True, eq=False)
class Sums:
    """Sums over groups at B values of the variance parameters.

    Attributes
    ----------
    logdet : (B,) array
        ``log |V| - n log sigma_e^2``.
    a : (p+1, p+1, B) array
        ``sigma_e^2 [X, y]' V^-1 [X, y]``, centred.
    """

    logdet: Floats
    a: Floats

    def part(self, which: slice | Ints) -> "Sums":
        """Return some of the values."""
        return Sums(logdet=self.logdet[which], a=self.a[:, :, which])


def join_sums(parts: Sequence[Sums]) -> Sums:
    """Return the sums at all of several batches of values."""
    return Sums(
        logdet=np.concatenate([one.logdet for one in parts]),
        a=np.concatenate([one.a for one in parts], axis=2),
    )


class Posterior(Protocol):
    """What the density of the variance parameters needs of a model and its data.

    `Problem` is that of a model with one grouping factor, `several.problem.SeveralProblem` of one
    with several.
    """

    @property
    def n_rows(self) -> int:
        """Rows, less those that integrating over flat priors of group intercepts takes."""

    @property
    def p(self) -> int:
        """Columns of X."""

    @property
    def constant(self) -> float:
        """What the log-likelihood has beyond the sums."""

    @property
    def residual_df(self) -> int:
        """Residual degrees of freedom of least squares."""

    @property
    def beta(self) -> BetaPrior:
        """Priors of the coefficients."""

    @property
    def sds(self) -> tuple[Prior, ...]:
        """Priors of the sds of the group effects, of all terms."""

    @property
    def sd_names(self) -> tuple[str, ...]:
        """Names of these sds in tables."""

    @property
    def sigma_e(self) -> Prior:
        """Prior of the residual sd."""

    @property
    def blocks(self) -> tuple[EffectBlock, ...]:
        """The terms of group effects."""

    @property
    def place_e(self) -> int:
        """Place of sigma_e among the coordinates, after the sds and correlations."""

    @property
    def size(self) -> str:
        """Rows and groups, for messages."""

    def sums(self, at: Variances) -> Sums:
        """Evaluate the sums over groups, the only step that touches the data."""

    def parts(self, n: int) -> Iterator[slice]:
        """Split n values of the variance parameters into parts that fit the memory."""

    def original_beta(self, beta: Floats) -> Floats:
        """Transform coefficients (..., p) of the centred columns to those of X as given."""

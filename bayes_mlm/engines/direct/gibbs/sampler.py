"""Chains of block Gibbs sampling of two crossed random intercepts."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import EngineError, Floats, check_memory
from bayes_mlm.engines.crossed.mixing import largest_eigenvalue
from bayes_mlm.engines.crossed.one_way import Conditional, OneWay
from bayes_mlm.engines.direct.gibbs.slices import slice_sample
from bayes_mlm.engines.direct.priors import BetaPrior, prior_form
from bayes_mlm.moments import CrossedTable

# Sweeps before draws are kept, at least and at most, and what is left of the start after them.
_LEAST, _MOST, _LEFT = 20, 2000, 1e-3
# Sweeps of the first chain before the eigenvalue is computed.
_FIRST = 10
# Spread of the chains' starts, in logs of sds.
_DISPERSION = 0.3


@dataclass(frozen=True, kw_only=True, eq=False)
class GibbsPriors:
    """Priors as the sampler evaluates them.

    Attributes
    ----------
    sds : three callables
        Log-densities of the sds of the two margins and the residuals, given the log of an sd, with
        respect to that log.
    beta : BetaPrior
        Of the table's coefficients, in units of the outcome.
    """

    sds: tuple[Callable[[float], float], ...]
    beta: BetaPrior


@dataclass(frozen=True, kw_only=True, eq=False)
class GibbsDraws:
    """Draws of C chains, S of each.

    Attributes
    ----------
    sds : ndarray, shape (C, S, 3)
        Of the effects of the two margins and of the residuals.
    beta : ndarray, shape (C, S, p)
        Of X as given.
    log_density : ndarray, shape (C, S)
        Of the sds given the effects of the first margin, up to a constant.
    means, sds_of_effects : (ndarray, ndarray), shape (m,) each
        Posterior means and sds of the effects of each margin, averaged over conditional ones.
    mean_errors : (ndarray, ndarray), shape (m,) each
        Sds between the chains' means, over the root of C: Monte Carlo errors of the means.
    effects : (ndarray, ndarray) or None, shape (C, S, m) each
        The draws, where they are kept.
    eigenvalue : float
        Of the Gibbs map, its largest.
    burn : int
        Sweeps of each chain that were not kept.
    """

    sds: Floats
    beta: Floats
    log_density: Floats
    means: tuple[Floats, Floats]
    sds_of_effects: tuple[Floats, Floats]
    mean_errors: tuple[Floats, Floats]
    effects: tuple[Floats, Floats] | None
    eigenvalue: float
    burn: int


@dataclass(kw_only=True, eq=False)
class _Chain:
    """Parameters of a chain, and how they are drawn."""

    priors: GibbsPriors
    log_sds: Floats
    log_scale: Floats
    rng: np.random.Generator
    beta: Floats
    widths: Floats
    log_density: float = 0.0

    @property
    def prior(self) -> Floats:
        """Quadratic form (p + 1, p + 1) of the coefficients' priors."""
        return np.ascontiguousarray(prior_form(self.priors.beta, self.log_scale[None])[:, :, 0])

    def draw_sds(
        self, given: Conditional, lane: int, place: int, prior: Floats, *, adapt: bool
    ) -> None:
        """Draw the sds of a margin and of the residuals, effects and coefficients integrated."""
        root = np.zeros_like(prior)

        def density(log_f: float, log_e: float) -> float:
            known = self.priors.sds[place](log_f) + self.priors.sds[2](log_e)
            if not known > -math.inf:
                return -math.inf
            return known + given.density(lane, log_f, log_e, prior, root)

        value = density(float(self.log_sds[place]), float(self.log_sds[2]))
        for which in (place, 2):

            def along(at: float, which: int = which) -> float:
                other = self.log_sds[2] if which == place else self.log_sds[place]
                return density(at, other) if which == place else density(other, at)

            before, width = float(self.log_sds[which]), float(self.widths[place, which])
            self.log_sds[which], value = slice_sample(along, before, value, width, self.rng)
            if adapt:
                moved = abs(self.log_sds[which] - before)
                self.widths[place, which] = 0.9 * width + 0.25 * moved + 1e-6
        self.log_density = value

    def draw_scales(self) -> None:
        """Draw the scales of the coefficients whose priors are Student t, given these."""
        mixed = self.priors.beta.mixed
        if mixed:
            away = (self.priors.beta.form @ np.append(self.beta, -1.0))[mixed]
            nu, precision = self.priors.beta.nu[mixed], self.priors.beta.precision[mixed]
            half = 0.5 * (nu + precision * away**2)
            self.log_scale = np.log(half) - np.log(self.rng.standard_gamma(0.5 * (nu + 1.0)))


@dataclass(kw_only=True, eq=False)
class _Block:
    """Chains that are drawn side by side, as many as LANES at most, and their effects."""

    layouts: tuple[OneWay, OneWay]
    seed: int
    number: int
    chains: list[_Chain]
    effects: list[Floats]
    moments: list[Floats]
    sweep: int = 0

    def step(self, kept: int, *, adapt: bool) -> None:
        """Draw (sds, coefficients, effects) of the first margin given the second, then of that."""
        for place in (0, 1):
            other = self.layouts[1 - place]
            given = self.layouts[place].condition(other, self.effects[1 - place])
            priors = [one.prior for one in self.chains]
            for lane, (chain, prior) in enumerate(zip(self.chains, priors, strict=True)):
                chain.draw_sds(given, lane, place, prior, adapt=adapt)
            beta = given.draw(
                np.array([one.log_sds[[place, 2]] for one in self.chains]),
                priors,
                [one.rng for one in self.chains],
                (self.sweep, place, self.number),
                self.seed,
                self.effects[place],
                self.moments[place],
                kept,
            )
            for chain, one in zip(self.chains, beta, strict=True):
                chain.beta = one
                chain.draw_scales()
        self.sweep += 1


def sample_gibbs(
    table: CrossedTable,
    priors: GibbsPriors,
    *,
    draws: int,
    chains: int,
    seed: int,
    keep_effects: bool = False,
) -> GibbsDraws:
    """Draw from the posterior of two crossed random intercepts by block Gibbs sampling.

    The draws do not depend on the number of threads.

    Parameters
    ----------
    table : CrossedTable
    priors : GibbsPriors
    draws, chains : int
    seed : int
    keep_effects : bool
        Whether to keep the draws of the effects, and not their means and sds alone.

    Raises
    ------
    EngineError
        If the chains would need too many sweeps, or too much memory.

    References
    ----------
    Papaspiliopoulos, Roberts & Zanella (2020), Biometrika 107(1), 25-40.
    """
    from bayes_mlm.engines.crossed.kernels import LANES, MOMENTS  # loads numba

    sizes = [one.m for one in table.margins]
    blocks = -(-chains // LANES)
    check_memory(
        8.0 * sum(sizes) * (4 * LANES + MOMENTS * blocks + draws * chains * keep_effects),
        f"chains of {sum(sizes):,} effects",
        "draw fewer (draws, --draws)",
    )
    layouts = OneWay(table=table, place=0), OneWay(table=table, place=1)
    out_sds, out_beta = np.empty((chains, draws, 3)), np.empty((chains, draws, table.p))
    out_density = np.empty((chains, draws))
    kept_effects = [np.empty((chains, draws, m)) for m in sizes] if keep_effects else []
    moments = []
    burn, eigenvalue = _LEAST, math.nan
    for number in range(blocks):
        these = range(number * LANES, min((number + 1) * LANES, chains))
        block = _Block(
            layouts=layouts,
            seed=seed,
            number=number,
            chains=[_start(table, priors, seed, one) for one in these],
            effects=[np.zeros((m, LANES)) for m in sizes],
            moments=[np.zeros((m, MOMENTS)) for m in sizes],
        )
        if number == 0:
            for _ in range(_FIRST):
                block.step(0, adapt=True)
            first = block.chains[0]
            eigenvalue = largest_eigenvalue(layouts, np.exp(first.log_sds), first.prior)
            if not eigenvalue < 1.0 - 10.0 / _MOST:
                raise EngineError(
                    f"the effects of {table.margins[0].factor} and {table.margins[1].factor} are "
                    "tied so closely that block Gibbs sampling does not move: parts of the levels "
                    "are linked by few rows; fit these parts apart"
                )
            wanted = math.log(_LEFT) / math.log(max(eigenvalue, 1e-3))
            burn = min(max(_LEAST, math.ceil(wanted)), _MOST)
        for _ in range(burn - block.sweep):
            block.step(0, adapt=True)
        for draw in range(draws):
            block.step(draw + 1, adapt=False)
            for lane, chain in zip(these, block.chains, strict=True):
                out_sds[lane, draw] = np.exp(chain.log_sds)
                out_beta[lane, draw] = chain.beta
                out_density[lane, draw] = chain.log_density
            for place, one in enumerate(kept_effects):
                one[these.start : these.stop, draw] = block.effects[place][:, : len(these)].T
        moments.append(block.moments)
    original = table.original_beta(out_beta / table.y_scale)
    summaries = [_summary([one[place] for one in moments], chains, draws) for place in (0, 1)]
    means, sds, errors = ((a, b) for a, b in zip(*summaries, strict=True))
    return GibbsDraws(
        sds=out_sds,
        beta=original,
        log_density=out_density,
        means=means,
        sds_of_effects=sds,
        mean_errors=errors,
        effects=(kept_effects[0], kept_effects[1]) if keep_effects else None,
        eigenvalue=eigenvalue,
        burn=burn,
    )


def _start(table: CrossedTable, priors: GibbsPriors, seed: int, number: int) -> _Chain:
    """Return a chain where it begins."""
    rng = np.random.Generator(np.random.Philox(key=[seed, number]))
    start = np.log(np.array([0.4, 0.4, 0.8]) * table.y_scale)
    return _Chain(
        priors=priors,
        log_sds=start + _DISPERSION * rng.standard_normal(3),
        log_scale=np.zeros(len(priors.beta.mixed)),
        rng=rng,
        beta=np.zeros(table.p),
        widths=np.full((2, 3), 0.2),
    )


def _summary(blocks: list[Floats], chains: int, draws: int) -> tuple[Floats, Floats, Floats]:
    """Return means, sds and the means' errors (m,) from the moments (m, MOMENTS) of blocks."""
    lanes = (blocks[0].shape[1] - 1) // 2
    means = np.concatenate([one[:, :lanes] for one in blocks], axis=1)[:, :chains]
    squares = sum(one[:, lanes : 2 * lanes].sum(axis=1) for one in blocks)
    within = sum(one[:, 2 * lanes] for one in blocks)
    mean = means.mean(axis=1)
    away = np.square(means - mean[:, None]).sum(axis=1)
    variance = within / (chains * draws) + (squares + draws * away) / max(chains * draws - 1, 1)
    error = np.sqrt(away / max(chains * (chains - 1), 1))
    return mean, np.sqrt(variance), error

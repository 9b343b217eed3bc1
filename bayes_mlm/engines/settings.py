"""Settings of the engines that draw."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of the sampler; with the versions, enough to reproduce the draws.

    Parameters
    ----------
    draws, tune, chains : int
        Kept and discarded draws of each chain, and the number of chains. The direct engine's draws
        are independent: it discards none, and its "chains" are only ArviZ's shape.
    random_seed : int
        The seed in force, also when none was given.
    target_accept : float
        The acceptance rate that NUTS adapts its step size to.
    """

    draws: int
    tune: int
    chains: int
    random_seed: int
    target_accept: float

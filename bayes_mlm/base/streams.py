"""Random streams: one for each use of a fit's seed, all listed here."""

from enum import Enum

import numpy as np


class Stream(Enum):
    """Uses of a seed other than by the sampler.

    A value is how a stream is derived from the seed: the key of a spawned child, or a second word
    of entropy. No two uses share one.
    """

    GROUP_EFFECTS = "spawned", 1
    PREDICTION = "spawned", 2
    GROUP_LINES = "spawned", 3
    QQ_BAND = "spawned", 4
    LOO_VARIANCES = "entropy", 1
    LOO_WHOLE = "entropy", 2
    LOO_REFIT = "entropy", 3
    LOO_INFLUENCE = "entropy", 4
    SAMPLED_GROUPS = "entropy", 5
    SAMPLED_EFFECTS = "entropy", 6
    REPLICATES = "entropy", 7
    TREE_PREDICTIVE = "spawned", 5
    TREE_PRIOR = "spawned", 6
    TREE_PRIOR_PREDICTIVE = "spawned", 7
    PREDICTIVE_CHECKS = "spawned", 8
    QUANTILE_RESIDUALS = "spawned", 9
    CALIBRATION = "spawned", 10
    BOOTSTRAP = "spawned", 11
    VARIANCE_TEST = "spawned", 12
    STUDY_DESIGN = "spawned", 13
    SIMULATED_TRUTHS = "spawned", 14
    CONTRASTS = "spawned", 15
    MULTIVERSE = "spawned", 16
    PRIOR_TRUTHS = "spawned", 17
    SIMULATED_POSTERIORS = "spawned", 18
    MISSING_VALUES = "spawned", 22
    IMPUTATIONS = "spawned", 23


def stream(seed: int, use: Stream, *parts: int) -> np.random.Generator:
    """Return the generator of one use of a seed.

    Parameters
    ----------
    seed : int
        That of the fit, 0 or more.
    use : Stream
    parts : int
        Numbers of parts that have a generator each: an omitted row.

    Examples
    --------
    >>> first = stream(1, Stream.PREDICTION).standard_normal()
    >>> first == stream(1, Stream.PREDICTION).standard_normal()
    True
    >>> first == stream(1, Stream.GROUP_LINES).standard_normal()
    False
    """
    how, key = use.value
    if how == "spawned":
        return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(key, *parts)))
    return np.random.default_rng([seed, key, *parts])

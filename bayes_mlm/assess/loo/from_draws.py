"""Average predictive densities of parts over the draws of a fit, into an `Elpd`."""

import math
from typing import Literal

import numpy as np

from bayes_mlm.assess.loo.average import average
from bayes_mlm.assess.loo.elpd import Elpd
from bayes_mlm.base import EngineError, Floats
from bayes_mlm.engines import has_chains
from bayes_mlm.fitting import Fit


def from_draws(
    fit: Fit,
    unit: Literal["group", "row"],
    labels: np.ndarray,
    densities: Floats,
    lpd: Floats,
    group: str | None,
) -> Elpd:
    """Average densities (parts, S), and those given all data, over the draws."""
    averages = average(densities, lpd)
    check_finite(averages.loo + averages.lpd, unit, labels)
    n_draws = densities.shape[1]
    n_batches = math.isqrt(n_draws) if has_chains(fit.engine) else n_draws
    batches = np.array_split(averages.influence.sum(axis=0), n_batches)
    return Elpd(
        unit=unit,
        pointwise=averages.loo,
        labels=labels,
        k_hat=averages.k_hat,
        refitted=np.zeros(labels.size, dtype=bool),
        p=float(averages.lpd.sum() - averages.loo.sum()),
        mcse=float(np.sqrt(sum(float(batch.sum()) ** 2 for batch in batches))),
        n_draws=n_draws,
        group=group,
    )


def check_finite(values: Floats, unit: str, labels: np.ndarray) -> None:
    """Refuse densities of parts that are not finite."""
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise EngineError(
            f"the predictive density of {unit} {labels[bad[0]]} is not finite "
            f"({len(bad)} of {len(labels)} {unit}s); check the scale of the columns and "
            "the priors"
        )

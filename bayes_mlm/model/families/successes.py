"""What Bernoulli and binomial outcomes share: successes among trials, of one probability."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.model.family import Auxiliary, Family, Known, OutcomeKind
from bayes_mlm.model.links import LINKS, Link


def _trials(aux: Auxiliary) -> "Floats | float":
    return aux.get("trials", 1.0)


def family_of_successes(
    name: str,
    label: str,
    link: Link,
    check: Callable[[Floats, Known], tuple[str, ...]],
    outcome: OutcomeKind,
) -> Family:
    """Return a family of successes among trials, one each where trials are not known."""

    def log_density(y: Floats, eta: Floats, aux: Auxiliary) -> Floats:
        from scipy.special import gammaln

        happens, fails = link.log_tails(eta)
        trials = _trials(aux)
        # 0 x -inf is 0: nothing is said of what was not tried.
        with np.errstate(invalid="ignore"):
            value = np.where(y > 0, y * happens, 0.0) + np.where(
                trials > y, (trials - y) * fails, 0.0
            )
        if "trials" in aux:
            value = value + gammaln(trials + 1.0) - gammaln(y + 1.0) - gammaln(trials - y + 1.0)
        return np.asarray(value)

    def score(y: Floats, eta: Floats, aux: Auxiliary) -> tuple[Floats, Floats]:
        happens, fails = link.log_tails(eta)
        slope, trials = link.log_slope(eta), _trials(aux)
        uphill = y * np.exp(slope - happens) - (trials - y) * np.exp(slope - fails)
        return np.asarray(uphill), np.asarray(trials * np.exp(2.0 * slope - happens - fails))

    def variance(eta: Floats, aux: Auxiliary) -> Floats:
        happens, fails = link.log_tails(eta)
        return np.asarray(_trials(aux) * np.exp(happens + fails))

    def mean(eta: Floats, aux: Auxiliary) -> Floats:
        return np.asarray(_trials(aux) * link.inverse(eta))

    def draw(eta: Floats, aux: Auxiliary, rng: np.random.Generator) -> Floats:
        trials = np.broadcast_to(np.asarray(_trials(aux), dtype=np.int64), eta.shape)
        return rng.binomial(trials, link.inverse(eta)).astype(float)

    def observe(name_: str, eta: Any, aux: Any, observed: Any, dims: str) -> Any:
        import pymc as pm

        whole = observed.astype("int64")
        if "trials" not in aux:
            if link.name == "logit":
                return pm.Bernoulli(name_, logit_p=eta, observed=whole, dims=dims)
            return pm.Bernoulli(name_, p=link.tensor(eta), observed=whole, dims=dims)
        chance = {"logit_p": eta} if link.name == "logit" else {"p": link.tensor(eta)}
        return pm.Binomial(
            name_, n=aux["trials"].astype("int64"), observed=whole, dims=dims, **chance
        )

    def scale(mean_: float, _: float) -> tuple[float, float]:
        return link.function(min(max(mean_, 0.01), 0.99)), link.latent_variance**0.5

    return Family(
        name=name,
        label=label,
        link=link.name,
        auxiliary=(),
        log_density=log_density,
        score=score,
        variance=variance,
        draw=draw,
        observe=observe,
        inverse_link=link.inverse,
        mean=mean if outcome == "number" else None,
        smoothed=link.smoothed,
        mean_range=(0.0, 1.0),
        mean_name="probability",
        scale=scale,
        check_response=check,
        outcome=outcome,
        takes_trials=outcome == "number",
        latent_variance=link.latent_variance,
        ratio_name=link.ratio_name,
        links={
            one: partial(family_of_successes, name, label, LINKS[one], check, outcome)
            for one in LINKS
        },
    )

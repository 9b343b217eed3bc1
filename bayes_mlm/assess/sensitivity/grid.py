"""Choose the priors of sigma_u under which a model is looked at again.

With s the scale of the default prior (`bayes_mlm.likelihood.default_priors`: the outcome's sd,
over the column's sd for a slope), the grid is:

======================= ==========================================================================
prior                   why it is there
======================= ==========================================================================
HalfStudentT(3, s)      the default: heavy tail, finite at zero (Gelman 2006)
HalfNormal(s/4)         tight: 95 % of it at sigma_u < s/2, an icc below about a quarter
HalfNormal(2 s)         wide, with a light tail
HalfCauchy(s)           the heaviest tail in common use (Gelman 2006; Polson & Scott 2012)
Exponential(1/s)        drawn to zero, where half of it lies below 0.7 s
Gamma(2, 1/(10 s))      avoids the boundary: zero at zero, rising to 10 s (Chung et al. 2013, for
                        modes); with few groups it pulls sigma_u far up
Uniform(0, 5 s)         flat up to a bound that no data reach
Flat                    no prior: with very few groups improper, or without a mean
======================= ==========================================================================

References: Gelman (2006), Bayesian Analysis 1(3); Chung, Rabe-Hesketh, Dorie, Gelman & Liu (2013),
Psychometrika 78(4); Polson & Scott (2012), Bayesian Analysis 7(4).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bayes_mlm.base import PriorError
from bayes_mlm.design import Design
from bayes_mlm.likelihood import ModelPriors, group_parameters, model_priors
from bayes_mlm.model import Prior, parse_prior


@dataclass(frozen=True, kw_only=True)
class PriorChoice:
    """Priors of all sds of group effects of one model, with a name for tables.

    Parameters
    ----------
    label : str
        Short text: the prior itself; of several that differ in scale only, that of the first.
    sigma_u : tuple of Prior
        One for each group effect, of every factor.
    text : str
        The priors in full precision, as a record or ``--prior`` takes them:
        ``HalfNormal(sigma=5.0)``, or ``sigma_u[Intercept]=...; sigma_u[ses]=...``.
    baseline : bool
        Whether these are the reference: the record's.
    """

    label: str
    sigma_u: tuple[Prior, ...]
    text: str
    baseline: bool


def choose_priors(
    design: Design, stated: ModelPriors, priors: Sequence[Any] | None = None
) -> tuple[PriorChoice, ...]:
    """Return the record's priors of sigma_u, then those of the grid or of the user.

    Parameters
    ----------
    design : Design
        Laid out for its kind, with at least one group effect.
    stated : ModelPriors
        Those in force for the record.
    priors : sequence of str, Prior or mapping, optional
        Instead of the default grid. ``"HalfNormal(5)"`` is given to every group effect, as a
        record's ``sigma_u`` is; ``{"sigma_u[ses]": "HalfNormal(1)"}`` changes one, and leaves the
        record's to the others.

    Returns
    -------
    tuple of PriorChoice
        Without repetition; the first is the record's.

    Raises
    ------
    PriorError
        If a prior cannot be read, is not one of sigma_u, or is given twice.

    Examples
    --------
    >>> from bayes_mlm import build_design, load_dataset
    >>> design = build_design("mathach ~ 1 + (1 | schoolid)", load_dataset("hsb"))
    >>> for choice in choose_priors(design, model_priors(design)):
    ...     print(choice.label)
    HalfStudentT(nu=3, sigma=6.878)
    HalfNormal(sigma=1.719)
    HalfNormal(sigma=13.76)
    HalfCauchy(beta=6.878)
    Exponential(lam=0.1454)
    Gamma(alpha=2, beta=0.01454)
    Uniform(lower=0, upper=34.39)
    Flat()
    """
    wanted = _default_grid(design) if priors is None else _read(design, stated, priors)
    labels = {sigma_u: str(sigma_u[0]) for sigma_u in _default_grid(design)}
    ordered = [stated.group_sds, *(sigma_u for sigma_u in wanted if sigma_u != stated.group_sds)]
    return tuple(
        PriorChoice(
            label=labels.get(sigma_u) or _write(design, [str(prior) for prior in sigma_u]),
            sigma_u=sigma_u,
            text=_write(design, [prior.to_text() for prior in sigma_u]),
            baseline=sigma_u == stated.group_sds,
        )
        for sigma_u in ordered
    )


def _default_grid(design: Design) -> list[tuple[Prior, ...]]:
    scales = [prior["sigma"] for prior in model_priors(design).group_sds]
    return [tuple(column) for column in zip(*map(_grid, scales), strict=True)]


def _grid(s: float) -> list[Prior]:
    return [
        Prior("HalfStudentT", (("nu", 3.0), ("sigma", s))),
        Prior("HalfNormal", (("sigma", 0.25 * s),)),
        Prior("HalfNormal", (("sigma", 2.0 * s),)),
        Prior("HalfCauchy", (("beta", s),)),
        Prior("Exponential", (("lam", 1.0 / s),)),
        Prior("Gamma", (("alpha", 2.0), ("beta", 0.1 / s))),
        Prior("Uniform", (("lower", 0.0), ("upper", 5.0 * s))),
        Prior("Flat"),
    ]


def _read(design: Design, stated: ModelPriors, priors: Sequence[Any]) -> list[tuple[Prior, ...]]:
    """Read the user's priors, each for all group effects or for those it names."""
    if isinstance(priors, (str, Prior, Mapping)) or not isinstance(priors, Sequence):
        raise PriorError(
            f"priors must be a list such as ['HalfNormal(5)', 'Flat'], found {priors!r}"
        )
    if not priors:
        raise PriorError("priors is empty; give at least one, or leave it out for the default grid")
    found: list[tuple[Prior, ...]] = []
    for given in priors:
        if isinstance(given, Mapping):
            sigma_u = _read_named(design, stated, given)
        else:
            sigma_u = (parse_prior("sigma_u", given),) * len(stated.group_sds)
        if sigma_u in found:
            raise PriorError(f"the prior {_write(design, list(map(str, sigma_u)))} is given twice")
        found.append(sigma_u)
    return found


def _read_named(design: Design, stated: ModelPriors, given: Mapping[str, Any]) -> tuple[Prior, ...]:
    for name in given:
        if not name.startswith("sigma_u"):
            raise PriorError(
                f"{name!r} cannot be varied here; priors are for sigma_u, or one of several as "
                "sigma_u[EFFECT]"
            )
    read = model_priors(design, given).group_sds
    named = ["sigma_u" in given or any(one in given for one in of) for of in _names(design)]
    return tuple(
        new if use else old for new, old, use in zip(read, stated.group_sds, named, strict=True)
    )


def _write(design: Design, texts: list[str]) -> str:
    """Write one prior for all effects, or each under the name a record gives it."""
    if len(set(texts)) == 1:
        return texts[0]
    named = zip(_names(design), texts, strict=True)
    return "; ".join(f"{names[0]}={text}" for names, text in named)


def _names(design: Design) -> list[tuple[str, ...]]:
    """Return the names under which a prior of each sd of group effects may be given."""
    found: list[tuple[str, ...]] = []
    for term, names in zip(design.group_terms, group_parameters(design), strict=True):
        for effect, sd in zip(term.effects, names.sd_names, strict=True):
            of_effect = f"sigma_u[{effect}]"
            several = len(design.factors) > 1
            found.append((sd, names.sigma_u.text, of_effect) if several else (of_effect, sd))
    return found

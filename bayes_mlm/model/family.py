"""Distributions of the outcome given its linear predictor, as values of functions."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from bayes_mlm.base import Floats, Registry, SpecError, UnsupportedModelError, suggest
from bayes_mlm.model.parameter import Parameter

type Auxiliary = Mapping[str, Floats]
# What is known of each outcome besides its value: the number of trials.
type Known = Mapping[str, Floats]
# How a column becomes outcomes: as it is, as 0 and 1, as 0, 1, ..., K - 1.
type OutcomeKind = Literal["number", "two levels", "ordered levels"]


def identity(eta: Floats, *_: object) -> Floats:
    """Return the linear predictor as it is."""
    return eta


def same_scale(mean: float, sd: float) -> tuple[float, float]:
    """Return mean and sd of the outcome: those of a linear predictor on the outcome's scale."""
    return mean, sd


def alike(y: Floats, known: Known) -> tuple[str, ...]:
    """Return a note on outcomes that are all at an end, where likelihoods have no maximum."""
    trials = known.get("trials")
    for what, all_ in (("0", y == 0), ("1", y == 1 if trials is None else y == trials)):
        if y.size and all_.all():
            return (
                f"every outcome is {what}: the likelihood has no maximum, and results follow from "
                "the priors",
            )
    return ()


def no_notes(y: Floats, known: Known) -> tuple[str, ...]:  # noqa: ARG001
    """Accept every finite outcome."""
    return ()


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Family:
    """A distribution of the outcome given its linear predictor eta, as functions on arrays.

    Arrays broadcast: y (n,), eta (n,) or (S, n), and auxiliary parameters of shape (), (S, 1) or
    (S, n). A new family is one file that calls ``FAMILIES.register``; nothing else names it.

    Parameters
    ----------
    name, label : str
        "student_t", and what a sentence calls it: "Student-t".
    link : str
        "identity", "log", "logit", ...
    auxiliary : tuple of Parameter
        Parameters besides the linear predictor, with default priors. The functions get their
        values, and what is known of each outcome (`trials`), by name.
    log_density : callable
        ``(y, eta, aux)`` to log p(y | eta), of each row.
    score : callable
        ``(y, eta, aux)`` to the derivative of the log density in eta, and a positive weight: the
        information in eta, expected or of an EM step. By these the mode of a group's effects is
        found.
    variance : callable
        ``(eta, aux)`` to the variance of y.
    draw : callable
        ``(eta, aux, rng)`` to replicated outcomes.
    observe : callable
        ``(name, eta, aux, observed, dims)``: adds the outcome to the current PyMC model.
    inverse_link : callable
        eta to the expected outcome.
    mean : callable, optional
        ``(eta, aux)`` to the expected outcome, if that is not ``inverse_link(eta)``; of counts
        among trials the inverse link is the mean of one trial.
    smoothed : callable, optional
        ``(eta, variance)`` to the mean of the inverse link over a normal linear predictor, where
        that has a closed form.
    mean_range : (float, float)
        What the inverse link lies between.
    mean_name : str
        What the inverse link is: "probability", "expected count".
    scale : callable
        Mean and sd of the outcome, to centre and scale of the default priors of the intercept and
        the slopes, on the scale of the linear predictor.
    check_response : callable
        ``(y, known)``: raises a DataError for outcomes that it cannot have; returns notes.
    chances : callable, optional
        ``(eta, aux)`` to the probability of each category, shape (..., n, K), of ordered outcomes.
        That of no higher than k is ``inverse_link(threshold_k - eta)``.
    outcome : {"number", "two levels", "ordered levels"}
        How a column becomes outcomes.
    takes_trials : bool
        Whether an outcome is a count among a number of trials.
    latent_variance : float, optional
        Variance of the latent outcome given the linear predictor, of families that have one.
    ratio_name : str
        What exp() of a coefficient is: "odds ratio", "rate ratio"; empty where it has no meaning.
    counts : bool
        Whether outcomes are counts, whose variance is compared with their mean.
    links : mapping of str to callable
        The family with each link that it can have, by the link's name; empty of a family with one.
    normal_scores : callable
        ``(z, aux)``: residuals of sd one to the normal quantiles of their probability, of an
        additive family.
    mixing : callable, optional
        ``(aux, rng, shape)``: factors of the sd that make y normal given them, of an additive
        family that is a scale mixture of normals. Predictions then need no draws of y.
    gaussian_moments : bool
        Whether the likelihood needs only sums of squares and products by group.

    Examples
    --------
    >>> from bayes_mlm.model import FAMILIES
    >>> gaussian = FAMILIES["gaussian"]
    >>> gaussian.variance(np.zeros(2), {"sigma_e": np.array(3.0)})
    array([9., 9.])
    """

    name: str
    label: str
    link: str
    auxiliary: tuple[Parameter, ...]
    log_density: Callable[[Floats, Floats, Auxiliary], Floats]
    score: Callable[[Floats, Floats, Auxiliary], tuple[Floats, Floats]]
    variance: Callable[[Floats, Auxiliary], Floats]
    draw: Callable[[Floats, Auxiliary, np.random.Generator], Floats]
    observe: Callable[..., Any]
    inverse_link: Callable[[Floats], Floats] = identity
    mean: Callable[[Floats, Auxiliary], Floats] | None = None
    smoothed: Callable[[Floats, Floats], Floats] | None = None
    mean_range: tuple[float, float] = (-math.inf, math.inf)
    mean_name: str = "expected outcome"
    scale: Callable[[float, float], tuple[float, float]] = same_scale
    check_response: Callable[[Floats, Known], tuple[str, ...]] = no_notes
    chances: Callable[[Floats, Auxiliary], Floats] | None = None
    outcome: OutcomeKind = "number"
    takes_trials: bool = False
    latent_variance: float | None = None
    ratio_name: str = ""
    counts: bool = False
    links: "Mapping[str, Callable[[], Family]]" = field(default_factory=dict)
    normal_scores: Callable[[Floats, Auxiliary], Floats] = identity
    mixing: Callable[[Auxiliary, np.random.Generator, tuple[int, ...]], Floats] | None = None
    gaussian_moments: bool = False

    def __repr__(self) -> str:
        """Return name and link on one line."""
        return f"<Family {self.name!r}, link {self.link!r}>"

    @property
    def text(self) -> str:
        """Its name, with its link where that is not the usual one: ``bernoulli(probit)``."""
        usual = next(iter(self.links), self.link)
        return self.name if self.link == usual else f"{self.name}({self.link})"

    def with_link(self, link: str | None) -> "Family":
        """Return the family with another of its links; as it is without a name.

        Raises
        ------
        SpecError
            If it has no such link; with those it has.

        Examples
        --------
        >>> FAMILIES["bernoulli"].with_link("probit")
        <Family 'bernoulli', link 'probit'>
        """
        if link is None or link == self.link:
            return self
        if link not in self.links:
            known = list(self.links) or [self.link]
            raise SpecError(f"the {self.name} family has no link {link!r}{suggest(link, known)}")
        return self.links[link]()

    @property
    def predictor_scale(self) -> str:
        """What the linear predictor is, in words; empty where it is the expected outcome."""
        if self.link == "identity":
            return ""
        what = {"logit": "log odds", "log": "log of the mean"}.get(self.link, self.link)
        return f"{what} of a higher category" if self.thresholds is not None else what

    def predictor_name(self, outcome: str) -> str:
        """Return what the linear predictor of an outcome is: log odds of it, or the outcome.

        Examples
        --------
        >>> FAMILIES["bernoulli"].predictor_name("passed")
        'log odds of passed'
        """
        return f"{self.predictor_scale} of {outcome}" if self.predictor_scale else outcome

    @property
    def is_probability(self) -> bool:
        """Return whether what is expected of an outcome is a probability, which has odds."""
        return self.mean_name == "probability"

    @property
    def thresholds(self) -> Parameter | None:
        """The parameter that stands for the intercept, one between any two categories."""
        return next((one for one in self.auxiliary if one.dims), None)

    def expected(self, eta: Floats, aux: Auxiliary) -> Floats:
        """Return the expected outcome at a linear predictor."""
        return self.inverse_link(eta) if self.mean is None else self.mean(eta, aux)

    @property
    def residual_sd(self) -> str | None:
        """Name of the parameter that is the sd of residuals, where the family has one."""
        return next((one.name for one in self.auxiliary if one.role == "residual sd"), None)

    @property
    def is_additive(self) -> bool:
        """Return whether outcomes are the linear predictor plus a residual of a constant sd."""
        return self.residual_sd is not None and self.link == "identity"

    def require_ratio(self) -> None:
        """Raise an error where exp() of a coefficient is no ratio of anything.

        Raises
        ------
        UnsupportedModelError
        """
        if not self.ratio_name:
            raise UnsupportedModelError(
                f"exponentiated coefficients of the {self.label} family (link {self.link}) are no "
                "ratios; use exponentiate with a logit (odds ratios), log (rate ratios) or cloglog "
                "link (hazard ratios), or compare predictions"
            )

    def require_residual_sd(self, what: str) -> None:
        """Raise an error where a quantity needs a residual variance and the family has none.

        Raises
        ------
        UnsupportedModelError
        """
        if not self.is_additive:
            raise UnsupportedModelError(
                f"{what} needs a residual sd on the scale of the linear predictor, and the "
                f"{self.label} family (link {self.link}) has none; use coefficients, "
                "predictions or leave-one-out, or fit a Gaussian or Student-t outcome"
            )


FAMILIES = Registry[Family]("family")

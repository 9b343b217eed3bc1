"""A fitted model with everything needed to trace where its numbers come from."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bayes_mlm.base import (
    DEFAULT_PROB,
    Floats,
    Ints,
    Stream,
    Verdict,
    check_choice,
    check_prob,
    stream,
)
from bayes_mlm.data import DataSource
from bayes_mlm.design import Design
from bayes_mlm.engines import (
    DirectReport,
    Draws,
    EngineName,
    Settings,
    effect_moments,
    effects_covariance,
    effects_of_groups,
    has_random_effects,
    samples,
    with_effects_of,
)
from bayes_mlm.fitting.agreement import EngineComparison
from bayes_mlm.fitting.by_engine import Result, compare_with
from bayes_mlm.fitting.elsewhere import no_attribute
from bayes_mlm.fitting.estimates import Summary, short_summary
from bayes_mlm.fitting.parameter_points import ParameterPoints
from bayes_mlm.fitting.posterior_summary import summarise_posterior
from bayes_mlm.fitting.residuals import residual_draws
from bayes_mlm.fitting.source import (
    INTERVALS,
    FactorValues,
    GroupEffects,
    IntervalKind,
    ParameterValues,
    Value,
)
from bayes_mlm.formula import place_of_factor
from bayes_mlm.likelihood import ModelPriors, group_parameters
from bayes_mlm.model import ModelRequest, ModelSpec

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True, kw_only=True, repr=False)
class Fit:
    """One fitted model: posterior draws, what they were made from, and their diagnostics.

    Parameters
    ----------
    request, design : ModelRequest, Design
        The model with its data; the arrays, laid out for its kind.
    priors : ModelPriors
        The priors in force, defaults included.
    draws : Draws
        Posterior draws of every parameter.
    engine, reason : str
        What made them, a name in `ENGINES`; why this one, in a few words.
    report : DirectReport or None
        Of the direct engine: its accuracy, and the log marginal likelihood.
    settings : Settings
        Seed and sizes.
    versions : mapping of str to str
        Of the packages that matter.
    verdict : Verdict
        Whether the draws can be relied on, and what to do if not.
    seconds : float
        Wall time.
    created_at : str, ISO 8601
    added : mapping of str to xarray.Dataset
        What was added to `data` before the fit was saved, by group.

    Examples
    --------
    >>> from bayes_mlm import fit
    >>> fitted = fit("reaction ~ days + (1 | subject)", "sleepstudy", random_seed=1)
    >>> fitted.posterior["u"].dims
    ('chain', 'draw', 'subject', 'effect')
    """

    request: ModelRequest
    design: Design
    priors: ModelPriors
    draws: Draws
    engine: str
    reason: str
    report: DirectReport | None
    settings: Settings
    versions: Mapping[str, str]
    verdict: Verdict
    seconds: float
    created_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    added: Mapping[str, "xr.Dataset"] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Return what was fitted, by what, and the verdict; `print` shows the numbers."""
        shape = f"{self.draws.n_chains} x {self.draws.n_draws} draws"
        return f"<Fit {self.spec.formula!r} by {self.engine}, {shape}, {self.verdict.line}>"

    def __str__(self) -> str:
        """Return the model, its size and its estimates as a short table; `summary` has them all."""
        return str(short_summary(self.summary(), self.design))

    if not TYPE_CHECKING:  # a checker is to find a name that there is not

        def __getattr__(self, name: str):
            """Refuse a name that there is not, with what other packages mean by it."""
            raise no_attribute("Fit", name)

    def _repr_html_(self) -> str:
        return short_summary(self.summary(), self.design)._repr_html_()

    def summary(
        self,
        *,
        null: "Fit | None" = None,
        prob: float = DEFAULT_PROB,
        interval: IntervalKind = "hdi",
        groups: bool = False,
        exponentiate: bool = False,
    ) -> Summary:
        """Return every quantity that is defined for the model, as `summarise` does.

        Parameters
        ----------
        null : Fit, optional
            The model without predictors, for R² by level.
        prob, interval : float, {"hdi", "eti"}
            Of the intervals, which are highest density ones or have equal tails.
        groups, exponentiate : bool
            Rows of every group effect; odds, rate or hazard ratios in place of coefficients.

        Examples
        --------
        >>> from bayes_mlm import fit
        >>> round(fit("mathach ~ ses", "hsb").summary()["beta[ses]"].estimate, 1)
        3.2
        """
        check_prob(prob)
        check_choice("interval", interval, INTERVALS)
        return summarise_posterior(
            self, null=null, prob=prob, interval=interval, groups=groups, exponentiate=exponentiate
        )

    def compare(
        self,
        *others: "EngineName | Result",
        prob: float = DEFAULT_PROB,
        random_seed: int | None = None,
    ) -> EngineComparison:
        """Return the model by other engines next to this one, a row a quantity.

        Parameters
        ----------
        *others : str or result
            Engines that fit the model anew ("reml", "ml", "nuts"), or results of the same model;
            by default the likelihood estimate (REML, or OLS without group effects).
        prob : float
            Of the intervals.
        random_seed : int, optional
            Of an engine that draws; by default the fit's.

        Raises
        ------
        EngineError
            If a result is of another model: `loo_compare` ranks those; if there is no such
            engine, or it cannot fit the model.

        Examples
        --------
        >>> from bayes_mlm import fit
        >>> fitted = fit("reaction ~ days + (1 | subject)", "sleepstudy", random_seed=1)
        >>> found = fitted.compare("reml")
        >>> found.engines, abs(found["beta[days]"].difference) < 0.1
        (('direct', 'reml'), True)
        """
        return compare_with(self, others, prob=prob, random_seed=random_seed, of=self)

    @property
    def spec(self) -> ModelSpec:
        """The model that was fitted."""
        return self.request.model

    @property
    def source(self) -> DataSource:
        """The data it was fitted to, and how they are read."""
        return self.request.source

    interval_kind = interval_method = "HDI"

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.spec.name

    @property
    def title(self) -> str:
        """Its name, or the formula of a model without one."""
        return self.spec.title

    def combine(self, weights: Floats) -> tuple[Value, ...]:
        """Return the draws of k linear combinations of the coefficients, weights (k, p)."""
        return tuple(Value(draws=values) for values in (self.beta @ weights.T).T)

    def joint_covariance(self, weights: Floats) -> Floats:
        """Return the posterior covariance (k, k) of linear combinations of the coefficients."""
        return np.asarray(weights @ np.cov(self.beta.T, ddof=1) @ weights.T)

    def parameter_points(self) -> ParameterPoints:
        """Return the draws of every parameter."""
        drawn = (one.cov_u for one in self.values.factors)
        return ParameterPoints(
            beta=self.beta,
            cov_u=tuple(one for one in drawn if one.shape[1]),
            auxiliary=residual_draws(self.draws).auxiliary(self.design, {}),
        )

    def group_covariance(self) -> Floats:
        """Return the draws (S, q, q) of the covariance of the group effects."""
        return self.values.cov_u

    def combine_by_group(self, X: Floats, Z: Floats, places: Ints) -> Iterator[tuple[Value, ...]]:
        """Return X beta + Z u of G groups, one by one: X (G, k, p), Z (G, k, q), places (G,).

        Effects whose draws were not kept are drawn anew, the same ones for the same groups.
        """
        rng = stream(self.settings.random_seed, Stream.GROUP_LINES)
        u = effects_of_groups(self.design, self.draws, rng)(places)
        for k in range(len(X)):
            draws = self.beta @ X[k].T + u[:, k] @ Z[k].T
            yield tuple(Value(draws=values) for values in draws.T)

    def group_effects(self, prob: float, factor: str | None = None) -> GroupEffects | None:
        """Return the effects of every group of a factor, from draws or stored means and sds.

        None without any, and where neither was stored.
        """
        draws = self.of_factor(factor).draws
        if "u" not in draws.posterior:
            if "u_mean" not in draws.posterior:
                return None
            return GroupEffects.wald(draws["u_mean"], draws["u_sd"], prob)
        return GroupEffects.of_draws(samples(draws, "u"), prob)

    def effect_moments(self, factor: str | None = None) -> Callable[[Ints], tuple[Floats, Floats]]:
        """Return what computes posterior means and sds (G, q) of the effects of groups.

        Given the variance parameters the effects are normal in closed form; their means and
        variances are averaged over draws of those (laws of total expectation and variance). With
        several factors, other families, a residual structure or imputations they are the draws'.
        """
        design = self.design
        plain = design.family.gaussian_moments and len(design.factors) < 2
        plain = plain and not (design.residual or design.imputations)
        found = None if plain else self.group_effects(DEFAULT_PROB, factor)
        if found is None:
            return effect_moments(self.of_factor(factor).design, self.draws)
        return lambda places: (found.mean[places], found.sd[places])

    @cached_property
    def beta(self) -> Floats:
        """The draws (S, p) of the coefficients, chains joined."""
        return np.asarray(samples(self.draws, "beta"), dtype=np.float64)

    @property
    def random_seed(self) -> int:
        """Seed of the draws."""
        return self.settings.random_seed

    def of_sample(self, design: Design, places: Ints, random_seed: int) -> "Fit":
        """Return the fit with the groups of a sample, whose rows a design has."""
        rng = stream(random_seed, Stream.SAMPLED_EFFECTS)
        draws = with_effects_of(self.design, self.draws, places, rng)
        return replace(self, design=design, draws=draws, added={})

    def of_factor(self, factor: str | None) -> "Fit":
        """Return the fit with the group effects of one factor only, named as with one factor.

        It refuses questions on rows and on the model as a whole, which need those of all factors.

        Raises
        ------
        SeveralFactorsError, DesignError
            If none is named of several, or there is no such factor.
        """
        place = place_of_factor(self.design.factors, factor, "group effects")
        if len(self.design.group_terms) < 2:
            return self
        names, design = group_parameters(self.design)[place], self.design.of_factor(place)
        return replace(
            self,
            design=design,
            priors=self.priors.of_term(place),
            draws=self.draws.of_factor(names, group_parameters(design)[0]),
        )

    @cached_property
    def estimates(self) -> dict[float, Any]:
        """Likelihood estimates of the design that were computed so far, by coverage."""
        return {}

    @cached_property
    def values(self) -> ParameterValues:
        """The draws of every parameter, chains joined."""
        sd = self.design.family.residual_sd
        none = np.full(len(self.beta), np.nan)
        return ParameterValues(
            beta=self.beta,
            residual_variance=none if sd is None else np.square(samples(self.draws, sd)),
            factors=tuple(self._values_of(name) for name in self.design.factors),
            auxiliary=residual_draws(self.draws).others,
        )

    def _values_of(self, factor: str) -> FactorValues:
        one, cov_u = self.of_factor(factor), np.zeros((len(self.beta), 0, 0))
        if has_random_effects(one.design):
            cov_u = effects_covariance(one.draws)
        u = samples(one.draws, "u") if "u" in one.draws.posterior else None
        return FactorValues(factor=factor, cov_u=cov_u, u=u)

    @cached_property
    def data(self) -> "xr.DataTree":
        """The draws and the data as the `xarray.DataTree` that ArviZ and PyMC read.

        Groups ``posterior``, ``sample_stats``, ``log_likelihood`` and ``log_likelihood_group``,
        ``log_prior``, ``prior``, ``prior_predictive``, ``posterior_predictive``, ``observed_data``
        and ``constant_data``, with the attributes of ArviZ's schema; a group that the model does
        not have is missing, and the attribute ``no_`` and its name states why. The costly ones are
        computed when their values are first read. A group that is added to it is saved with the
        fit.

        ``posterior`` has every free variable of the factories' models, those whose names end in an
        underscore included, so that ``pymc.sample_posterior_predictive(fitted.data, model=...)`` is
        of this fit; `posterior` has the reported ones alone. Of a fit whose draws of ``u`` were too
        many to keep, PyMC refuses.

        Examples
        --------
        >>> from bayes_mlm import fit
        >>> fitted = fit("reaction ~ days + (1 | subject)", "sleepstudy", random_seed=1)
        >>> fitted.data["log_likelihood"]["reaction"].dims
        ('chain', 'draw', 'obs')
        """
        from bayes_mlm.fitting.tree.additions import with_added

        return with_added(self.tree(), self.added)

    def tree(self, *, by: Literal["row", "group"] = "row", mu: bool | None = None) -> "xr.DataTree":
        """Return the tree as `data` is, laid out otherwise; each call makes another.

        Parameters
        ----------
        by : {"row", "group"}
            What ``log_likelihood`` has a value of. With "group" that is ``log_likelihood_group``,
            so that `arviz.loo` and `arviz.compare` leave out groups.
        mu : bool, optional
            Whether ``posterior`` and ``prior`` have ``mu``, the expected outcome of each row; by
            default where that is at most two million numbers (500 rows at 4,000 draws).

        Raises
        ------
        EngineError
            If `by` is neither, or what is wanted does not exist for the model.

        Examples
        --------
        >>> from bayes_mlm import fit
        >>> fitted = fit("reaction ~ days + (1 | subject)", "sleepstudy", random_seed=1)
        >>> fitted.tree(by="group")["log_likelihood"]["reaction"].dims
        ('chain', 'draw', 'subject')
        """
        from bayes_mlm.fitting.tree.assemble import lay_out_tree  # a fit does not need it

        check_choice("by", by, ("row", "group"))
        laid_out = lay_out_tree(self, mu=mu)
        return (laid_out.by_group() if by == "group" else laid_out).to_datatree()

    @property
    def posterior(self) -> "xr.Dataset":
        """The posterior draws of the reported quantities, by ``chain`` and ``draw``."""
        from bayes_mlm.fitting.tree.assemble import reported_posterior

        return reported_posterior(self)

    def with_draws(self, draws: Draws) -> "Fit":
        """Return the fit with other draws of its parameters."""
        return replace(self, draws=draws, added={})

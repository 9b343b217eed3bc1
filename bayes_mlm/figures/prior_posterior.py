"""Compute each prior over the range of its posterior."""

import math
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats, number, percent, rounded, shorten
from bayes_mlm.design import INTERCEPT, column_moments, predictor_name
from bayes_mlm.engines import listed_quantities, samples
from bayes_mlm.figures.comparison import COLUMNS
from bayes_mlm.figures.data import Text
from bayes_mlm.figures.density import Density, density_of
from bayes_mlm.figures.entry import Entry
from bayes_mlm.figures.lettering import axis_name
from bayes_mlm.figures.panels import mosaic
from bayes_mlm.figures.parts import legend_key, legend_outside, legend_patch
from bayes_mlm.figures.style import BLACK, BLUE, Figure, styled
from bayes_mlm.fitting import Analysis, Fit, shortest_interval
from bayes_mlm.likelihood import (
    design_transform,
    effect_pairs,
    group_parameters,
    group_views,
    hold_at_means,
    log_density,
    transform_spread,
)
from bayes_mlm.model import Parameter, Prior

_MOST, _POINTS = 12, 161
# Where the prior of a parameter is stated, which is reported where predictors are zero.
AT_MEANS = ", at the means"
# A prior that changes by less than this part over a posterior's interval adds nothing to see.
_FLAT = 0.1
# How far beyond the draws, in their range, a panel goes.
_MARGIN = 0.15


@dataclass(frozen=True, kw_only=True, eq=False)
class PriorPanel:
    """One parameter's prior and posterior.

    Parameters
    ----------
    name, unit, prior : str
        The name as in the tables (for the intercept where its prior is stated), and the prior as
        `bayes_mlm.model.priors.parse_prior` reads it.
    posterior : Density
    x, density : ndarray, shape (m,)
        The prior's density over the panel, in one over the parameter's units.
    lower, upper : float
        The posterior's interval.
    ratio : float
        The prior's largest density inside that interval over its smallest: 1 for a
        prior that is flat there.
    """

    name: str
    unit: str
    prior: str
    posterior: Density
    x: Floats
    density: Floats
    lower: float
    upper: float
    ratio: float


@dataclass(frozen=True, kw_only=True, eq=False)
class PriorPosterior:
    """Priors and posteriors of one model's parameters.

    Parameters
    ----------
    model, outcome : str
    panels : tuple of PriorPanel
        Of every proper prior, those that weigh most first where there is no room for all.
    flat : tuple of str
        Parameters whose prior is flat, which has no density.
    n_omitted : int
        Panels there was no room for.
    prob : float
        Of the intervals.
    """

    model: str
    outcome: str
    panels: tuple[PriorPanel, ...]
    flat: tuple[str, ...]
    n_omitted: int
    prob: float

    @property
    def text(self) -> Text:
        """Title, caption and alternative text."""
        most = max(self.panels, key=lambda panel: panel.ratio)
        weigh = [panel for panel in self.panels if panel.ratio > 1.0 + _FLAT]
        over = f"over the {percent(self.prob)} interval of its posterior"
        if not weigh:
            judged = (
                f"No prior is informative: the one that changes most {over} does so by a factor of "
                f"{number(most.ratio, 0.1 * most.ratio)} ({most.name})."
            )
        else:
            listed = ", ".join(f"{panel.name} {_factor(panel.ratio)}" for panel in weigh[:6])
            judged = (
                f"Priors whose density changes by more than {percent(_FLAT)} {over}: {listed}. "
                "There the prior is informative."
            )
        flat = f" Flat, so not drawn: {', '.join(self.flat)}." if self.flat else ""
        omitted = f" {self.n_omitted} parameters are not shown." if self.n_omitted else ""
        names = ", ".join(panel.name for panel in self.panels)
        return Text(
            title=f"Prior and posterior of each parameter ({self.model})",
            caption=f"{judged}{flat}{omitted}",
            alt=f"Density of prior (dashed) and posterior (filled), a panel each for {names}.",
        )


def _factor(ratio: float) -> str:
    if not math.isfinite(ratio) or ratio > 1000:
        return "(factor over 1,000)"
    return f"(factor {number(ratio, 0.1 * ratio)})"


def prior_and_posterior(analysis: Analysis) -> PriorPosterior | None:
    """Evaluate every proper prior where its posterior is.

    None without a posterior, or where every prior is flat.

    Group-specific intercepts of a no-pooling model, which share one prior, are omitted.
    """
    if not analysis.fits:
        return None
    fit = analysis.fits[0]
    drawn = _parameters(fit)
    panels, flat = [], []
    for name, (prior, one, values) in drawn.items():
        if prior.is_proper:
            panels.append(_panel(fit, name, prior, one, values, analysis.prob))
        else:
            flat.append(name)
    if not panels:
        return None
    kept = sorted(panels, key=lambda panel: -panel.ratio)[:_MOST]
    return PriorPosterior(
        model=analysis.spec.name,
        outcome=fit.design.outcome_title,
        panels=tuple(panel for panel in panels if panel in kept),
        flat=tuple(flat),
        n_omitted=len(panels) - len(kept),
        prob=analysis.prob,
    )


type _Drawn = tuple[Parameter, Floats]


def _parameters(fit: Fit) -> dict[str, tuple[Prior, Parameter, Floats]]:
    """Return every parameter that has a prior, with its draws (S,)."""
    design, found = fit.design, {}
    spread, priors = _spread(fit), fit.priors.by_name(design)
    for name, prior in priors.items():
        if name == INTERCEPT:
            # Its prior is stated where the predictors are at their means.
            beta = samples(fit.draws, "beta") @ column_moments(design).x_mean
            found[f"{INTERCEPT}{AT_MEANS}"] = (prior, fit.draws.parameters["beta"], beta)
            continue
        for shown, (one, values) in spread.items():
            # A prior of a whole matrix of correlations is that of each of them.
            of_all = one.role == "group correlation" and one.text == name
            if of_all or shown in (name, f"{name}{AT_MEANS}"):
                found.setdefault(shown, (prior, one, values))
    return found


def _spread(fit: Fit) -> dict[str, _Drawn]:
    """Return the draws (S,) of reported quantities, of group effects where their priors hold."""
    found: dict[str, _Drawn] = {
        name: (one, np.ravel(values))
        for one, name, values in listed_quantities(fit.draws)
        if one.role != "derived"
    }
    views, table = group_views(fit.design), fit.draws.parameters
    for place, names in enumerate(group_parameters(fit.design)):
        view, priors = views[place], fit.priors.of_term(place)
        if not hold_at_means(view.effects, priors) or names.rho_u.name not in table:
            continue
        back = np.linalg.inv(design_transform(view, priors))
        sds, rho_u = transform_spread(
            back, samples(fit.draws, names.sigma_u.name), samples(fit.draws, names.rho_u.name)
        )
        for effect, name, values in zip(view.effects, names.sd_names, sds.T, strict=True):
            at = AT_MEANS if effect == INTERCEPT else ""
            found[f"{name}{at}"] = (names.sigma_u, values)
            if at:
                del found[name]
        for k, (pair, values) in enumerate(zip(effect_pairs(view), rho_u.T, strict=True)):
            name = names.rho_u.element(pair)
            del found[name]
            between = view.group_term.pairs[k]
            at = AT_MEANS if INTERCEPT in (view.effects[e] for e in between) else ""
            found[f"{name}{at}"] = (names.rho_u, values)
    return found


def _panel(
    fit: Fit, name: str, prior: Prior, one: Parameter, values: Floats, prob: float
) -> PriorPanel:
    low, high = one.support
    posterior = density_of(values, lower=low, upper=high)
    lower, upper = (float(end[0]) for end in shortest_interval(values[:, None], prob))
    margin = _MARGIN * (posterior.x[-1] - posterior.x[0])
    start, stop = posterior.x[0] - margin, posterior.x[-1] + margin
    # To the end of what the parameter can be, where that is near: the prior has its peak there.
    if start - low < 1.5 * (stop - start):
        start = low
    if high - stop < 0.5 * (stop - start):
        stop = high
    x = np.linspace(start, stop, _POINTS)
    views = group_views(fit.design)
    q = max((view.q for view in views if one.factor in (None, view.group)), default=0)
    inside = _density(one, prior, np.linspace(lower, upper, _POINTS), q)
    with np.errstate(divide="ignore"):
        ratio = float(inside.max() / inside.min()) if inside.min() > 0 else math.inf
    return PriorPanel(
        name=name,
        unit=one.unit or predictor_name(fit.design),
        prior=_named(prior),
        posterior=posterior,
        x=x,
        density=_density(one, prior, x, q),
        lower=lower,
        upper=upper,
        ratio=ratio,
    )


def _density(one: Parameter, prior: Prior, x: Floats, q: int) -> Floats:
    """Evaluate a prior where it is cut to what its parameter may be."""
    if one.role not in ("auxiliary", "autocorrelation"):
        return prior_density(prior, x, q)
    return np.exp(log_density(prior, x, one.support))


def _named(prior: Prior) -> str:
    """Write a prior shortly: ``HalfStudentT(3, 6.878)``."""
    return f"{prior.family}({', '.join(rounded(value) for _, value in prior.parameters)})"


def prior_density(prior: Prior, x: Floats, q: int) -> Floats:
    """Evaluate a prior's density.

    Parameters
    ----------
    prior : Prior
        Of any family but `Flat`.
    x : ndarray
        Values of the parameter.
    q : int
        Number of group effects, for a correlation under `LKJ`.

    References
    ----------
    Lewandowski, Kurowicka & Joe (2009), Journal of Multivariate Analysis 100(9): under LKJ(eta)
    each correlation is Beta(a, a) on (-1, 1) with a = eta + q/2 - 1.

    Examples
    --------
    >>> normal = Prior("Normal", (("mu", 0.0), ("sigma", 2.0)))
    >>> prior_density(normal, np.array([0.0]), 1).round(4)
    array([0.1995])
    """
    if prior.family == "LKJ":
        a = prior["eta"] + 0.5 * q - 1.0
        constant = math.lgamma(2 * a) - 2 * math.lgamma(a) - (2 * a - 1) * math.log(2)
        rest = np.clip(1.0 - np.square(x), 1e-300, None)
        return np.asarray(np.exp(constant + (a - 1.0) * np.log(rest)))
    # An InverseGamma has no density at 0, and a Gamma may have none that is finite.
    lower = prior.support[0]
    return np.asarray(np.exp(log_density(prior, np.where(x == lower, lower + 1e-12, x))))


@styled
def plot_prior_posterior(data: PriorPosterior) -> Figure:
    """Draw each prior over the range of its posterior."""
    texts = [_texts(item) for item in data.panels]
    figure, panels = mosaic(
        len(texts), columns=COLUMNS, base=0.7, row=1.75, texts=["\n".join(one) for one in texts]
    )
    for ax, item, (title, name) in zip(panels, data.panels, texts, strict=True):
        ax.fill_between(item.posterior.x, item.posterior.y, color=BLUE, alpha=0.25, lw=0)
        ax.plot(item.posterior.x, item.posterior.y, color=BLUE, lw=1.3)
        ax.plot(item.x, item.density, color=BLACK, lw=1.2, ls=(0, (4.0, 2.0)))
        ax.hlines(-0.05 * item.posterior.y.max(), item.lower, item.upper, color=BLUE, lw=2.2)
        ax.set_xlim(item.x[0], item.x[-1])
        # A prior without bound at 0 must not press the posterior flat.
        top = min(float(np.max(item.density)), 1.5 * float(item.posterior.y.max()))
        ax.set_ylim(-0.1 * item.posterior.y.max(), 1.08 * max(float(item.posterior.y.max()), top))
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
        ax.set_title(title, fontsize=9)
        ax.set_xlabel(name, fontsize=8)
        ax.locator_params(axis="x", nbins=4)
    legend_outside(
        figure,
        [
            legend_patch(facecolor=BLUE, alpha=0.4, label="posterior"),
            legend_key(color=BLUE, lw=2.2, label=f"its {percent(data.prob)} interval"),
            legend_key(color=BLACK, lw=1.2, ls=(0, (4.0, 2.0)), label="prior, stated below"),
        ],
    )
    return figure


def _texts(item: PriorPanel) -> tuple[str, str]:
    """Return the title of a panel, and the name of its axis with the prior."""
    where = AT_MEANS if item.name.endswith(AT_MEANS) else ""
    title = axis_name(item.name.removesuffix(AT_MEANS))
    return title, f"{shorten(item.unit, 40)}{where}\n{axis_name(item.prior)}"


FIGURE = Entry(
    name="prior-posterior",
    title="Prior and posterior",
    shows="every proper prior over the range of its posterior",
    applies="the model has a posterior and a proper prior",
    prepare=prior_and_posterior,
    draw=plot_prior_posterior,
    section="posterior",
)

"""Group effects as they are, as ratios, and as expected outcomes."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from bayes_mlm.base import Floats, UnsupportedModelError, check_choice
from bayes_mlm.design import INTERCEPT, Design, column_moments, mean_name, predictor_name
from bayes_mlm.engines import samples
from bayes_mlm.figures.effects import GroupEffect
from bayes_mlm.figures.style import Axes
from bayes_mlm.fitting import Estimate, Fit

SCALES = ("link", "ratio", "response")
# Means of a log link whose largest is so many times the middle one are far apart.
_FAR = 6.0
ON_LOGS = " The vertical axis is logarithmic, but for a part near zero."


def on_scale(
    effects: tuple[GroupEffect, ...], result: Fit | Estimate, scale: str
) -> tuple[tuple[GroupEffect, ...], str, float]:
    """Return effects on a scale, what they are then called, and where an effect of zero is.

    Parameters
    ----------
    effects : tuple of GroupEffect
    result : Fit or Estimate
        Of these groups.
    scale : {"link", "ratio", "response"}
        As they are; exp() of them, odds or rate ratios to a group with an effect of zero; expected
        outcomes where predictors are at their means, of the intercepts alone. Both transformations
        rise, so that ends of intervals go over.

    Raises
    ------
    UnsupportedModelError
        If the family has no ratios, or an expected outcome is no probability or mean.
    """
    check_choice("scale", scale, SCALES)
    design = result.design
    if scale == "link":
        return effects, f"effect on {predictor_name(design)}", 0.0
    if scale == "ratio":
        design.family.require_ratio()
        return _moved(effects, np.exp), f"{design.family.ratio_name} to an effect of 0", 1.0
    if design.family.thresholds is not None:
        raise UnsupportedModelError(
            "the expected outcome of ordered categories is no probability; use scale='ratio', or "
            "predict"
        )
    centre = float(column_moments(design).x_mean @ _coefficients(result))
    inverse = design.family.inverse_link
    kept = tuple(one for one in effects if one.name == INTERCEPT)
    moved = _moved(kept, lambda u: inverse(np.asarray(centre + u)))
    return moved, mean_name(design), float(inverse(np.asarray(centre)))


def logarithms(effect: GroupEffect) -> GroupEffect:
    """Return an effect whose ends are the logarithms of ratios."""
    return _moved((effect,), np.log)[0]


def _coefficients(result: Fit | Estimate) -> Floats:
    if isinstance(result, Fit):
        found: Floats = samples(result.draws, "beta").mean(axis=0)
        return found
    return np.asarray(result.solution.beta)


def _moved(
    effects: tuple[GroupEffect, ...], move: Callable[[Floats], Floats]
) -> tuple[GroupEffect, ...]:
    return tuple(
        replace(one, mean=move(one.mean), lower=move(one.lower), upper=move(one.upper))
        for one in effects
    )


def is_wide(design: Design, means: Iterable[Floats]) -> bool:
    """Return whether means of a family with a log link are better seen on a logarithmic axis."""
    values = np.concatenate(list(means))
    return design.family.link == "log" and bool(values.max() > _FAR * np.median(values))


def means_on_logs(ax: Axes, means: Floats) -> None:
    """Make the vertical axis logarithmic, but for a part near zero, which means may be."""
    least = float(means[means > 0.0].min())
    ax.set_yscale(
        "function",
        functions=(
            lambda y: np.arcsinh(np.asarray(y) / least),
            lambda z: least * np.sinh(np.asarray(z)),
        ),
    )
    steps = 10.0 ** np.arange(np.floor(np.log10(least)), np.ceil(np.log10(means.max())) + 1.0)
    ticks = np.outer(steps, [1.0, 2.0, 5.0]).ravel()
    shown = [0.0, *ticks[(ticks >= 0.99 * least) & (ticks <= 1.3 * means.max())].tolist()]
    ax.set_yticks(shown, [f"{one:g}" for one in shown])

"""Draw how the posterior moves with the priors."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bayes_mlm.assess import Sensitivity, SensitivityRow, comparable
from bayes_mlm.base import EngineError
from bayes_mlm.figures.parts import legend_key
from bayes_mlm.figures.style import BAND, GREY, Axes, Figure, Style, model_styles, new_figure


def plot_sensitivity(
    sensitivity: Sensitivity, *, quantities: Sequence[str] | None = None
) -> Figure:
    """Draw how quantities move with the prior on sigma_u: a panel each, a row a prior.

    Parameters
    ----------
    sensitivity : Sensitivity
        Of `bayes_mlm.prior_sensitivity`.
    quantities : sequence of str, optional
        Such as ``["icc", "beta[sector]"]``; by default the icc (or the first sd, where no model has
        one icc) and the coefficient that most models share.

    Returns
    -------
    matplotlib.figure.Figure
        Points are posterior means, lines highest density intervals; a filled point is under the
        baseline prior, and a dotted line carries its mean to the other rows. Where a prior
        has no posterior, or one whose verdict is not clean, a note replaces it.

    Raises
    ------
    EngineError
        If no model has a quantity that is named.

    Examples
    --------
    >>> from bayes_mlm import prior_sensitivity
    >>> found = prior_sensitivity("hsb_sector", priors=["HalfNormal(1)"], random_seed=1)
    >>> figure = plot_sensitivity(found)
    >>> [axes.get_xlabel() for axes in figure.axes]
    ['icc (share of variance between groups)', 'beta[sector] (mathach)']
    """
    shown = _choose_quantities(sensitivity) if quantities is None else tuple(quantities)
    known = dict.fromkeys(row.quantity for row in sensitivity)
    for quantity in shown:
        if quantity not in known:
            raise EngineError(f"there is no quantity {quantity!r}; there are {', '.join(known)}")
    drawn = [row for row in sensitivity if row.quantity in shown]
    labels = tuple(dict.fromkeys(row.label for row in sensitivity))
    styles = model_styles(list(dict.fromkeys(row.model for row in drawn)))
    height = 1.8 + len(labels) * max(0.4, 0.13 * len(styles))
    figure = new_figure(height, width=3.0 + 4.0 * len(shown))
    panels = np.atleast_1d(figure.subplots(1, len(shown), sharey=True))
    for axes, quantity in zip(panels, shown, strict=True):
        _draw_panel(axes, sensitivity, quantity, labels, styles)
    panels[0].set_yticks(range(len(labels)), [_tick(sensitivity, label) for label in labels])
    panels[0].set_ylim(len(labels) - 0.5, -0.5)
    panels[0].set_ylabel("prior on sigma_u")
    figure.legend(
        handles=_legend(sensitivity, styles),
        loc="outside lower center",
        frameon=False,
        ncols=3,
        fontsize=9,
    )
    return figure


def _choose_quantities(sensitivity: Sensitivity) -> tuple[str, ...]:
    """Choose the icc, or else the first quantity, and the coefficient that most models share."""
    names = list(dict.fromkeys(row.quantity for row in sensitivity))
    coefficients = [name for name in names if name.startswith("beta[")]
    first = "icc" if "icc" in names else names[0]
    if not coefficients:
        return (first,)
    counts = [sum(bool(sensitivity.of(m, name)) for m in sensitivity.models) for name in names]
    shared = dict(zip(names, counts, strict=True))
    return first, max(coefficients, key=lambda name: shared[name])


def _draw_panel(
    axes: Axes,
    sensitivity: Sensitivity,
    quantity: str,
    labels: Sequence[str],
    styles: Mapping[str, Style],
) -> None:
    for k in range(0, len(labels), 2):
        axes.axhspan(k - 0.5, k + 0.5, color=BAND, zorder=0)
    models = [model for model in styles if sensitivity.of(model, quantity)]
    for k, model in enumerate(models):
        style = styles[model]
        rows = sensitivity.of(model, quantity)
        fair = comparable(rows)
        for row in rows:
            y = labels.index(row.label) + 0.8 * ((k + 0.5) / len(models) - 0.5)
            if row not in fair or row.estimate is None or row.lower is None or row.upper is None:
                why = "no posterior" if row.estimate is None else "verdict not clean"
                axes.text(
                    0.02,
                    y,
                    f"{model}: {why}",
                    transform=axes.get_yaxis_transform(),
                    color=style.colour,
                    fontsize=8,
                    va="center",
                    bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0},
                )
                continue
            if row.baseline:
                axes.axvline(row.estimate, color=style.colour, lw=0.8, ls=":", zorder=1)
            axes.hlines(y, row.lower, row.upper, color=style.colour, lw=1.3, zorder=2)
            axes.plot(
                row.estimate,
                y,
                style.marker,
                ms=5.5,
                mec=style.colour,
                mfc=style.colour if row.baseline else "white",
                zorder=3,
            )
    if quantity.startswith("beta["):
        axes.axvline(0.0, color=GREY, lw=1.0, zorder=1)
    else:
        axes.set_xlim(left=0.0)
    outcomes = {row.outcome for row in sensitivity if row.quantity == quantity}
    unit = "share of variance between groups" if quantity == "icc" else ", ".join(sorted(outcomes))
    axes.set_xlabel(f"{quantity} ({unit})")
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)


def _tick(sensitivity: Sensitivity, label: str) -> str:
    """Return the label of a row, and whether it is every record's stated prior."""
    rows: list[SensitivityRow] = [row for row in sensitivity if row.label == label]
    return f"{label}\n(baseline)" if all(row.baseline for row in rows) else label


def _legend(sensitivity: Sensitivity, styles: Mapping[str, Style]) -> list[Any]:
    models = [
        legend_key(color=style.colour, marker=style.marker, mfc="white", ms=5.5, label=model)
        for model, style in styles.items()
    ]
    estimates = [
        legend_key(color=GREY, lw=1.3, label=f"posterior mean and {sensitivity.interval}"),
        legend_key(
            color=GREY,
            ls=":",
            marker="o",
            ms=5.5,
            label="under the baseline prior (dotted: its mean)",
        ),
    ]
    return [*models, *estimates]

"""Accuracy of the direct engine compared with its limits."""

import math
from dataclasses import dataclass

from bayes_mlm.base import count, percent, scaled, tiny
from bayes_mlm.engines import (
    MAX_COPIES,
    MAX_EFFECTS_ERROR,
    MAX_ERROR,
    MAX_K_HAT,
    MAX_WEIGHT_SD,
)
from bayes_mlm.figures.data import Text
from bayes_mlm.figures.entry import Entry
from bayes_mlm.figures.parts import on_logs
from bayes_mlm.figures.style import BLUE, INK, ORANGE, Figure, figure_of, new_figure, styled
from bayes_mlm.fitting import Analysis

_FLOOR = 1e-3


@dataclass(frozen=True, kw_only=True)
class Check:
    """One measure of accuracy.

    Parameters
    ----------
    name : str
    value, limit : float
        The limit is what it may be at most.
    text, limit_text : str
        The value and the limit as they are written.
    """

    name: str
    value: float
    limit: float
    text: str
    limit_text: str = ""

    @property
    def part(self) -> float:
        """The value as a part of its limit."""
        return self.value / self.limit


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """Accuracy of direct draws.

    Parameters
    ----------
    model, method : str
        Method is "quadrature", "importance" or "interpolation".
    checks : tuple of Check
    n_draws : int
    ess : float
        What the draws are worth.
    n_evaluations : int
        Of the density.
    seconds : float
    """

    model: str
    method: str
    checks: tuple[Check, ...]
    n_draws: int
    ess: float
    n_evaluations: int
    seconds: float

    @property
    def text(self) -> Text:
        """Title, caption and alternative text."""
        over = [check for check in self.checks if not check.value <= check.limit]
        judged = (
            "Every measure is within its limit."
            if not over
            else f"Beyond the limit: {', '.join(check.name for check in over)}; use --engine nuts."
        )
        how = {
            "quadrature": "integrated cell by cell",
            "interpolation": "drawn from an interpolated density",
        }.get(self.method, "drawn by importance sampling")
        listed = ", ".join(f"{check.name} {check.text}" for check in self.checks)
        return Text(
            title=f"Accuracy of the direct draws ({self.model}, {self.method})",
            caption=f"{judged} The variance parameters were {how} ({count(self.n_evaluations)} "
            "evaluations of the density), the rest drawn exactly given them; the "
            f"{count(self.n_draws)} draws are worth {count(self.ess)} independent ones, which "
            f"leaves a Monte Carlo error of {percent(1 / math.sqrt(self.ess))} of a posterior sd "
            "in a mean.",
            alt="Each measure of accuracy as a part of its limit, on a logarithmic axis: "
            f"{listed}.",
        )


def direct_accuracy(analysis: Analysis) -> Accuracy | None:
    """Return the direct engine's measures of its accuracy.

    None where no fit is by the direct engine.
    """
    fit = next((fit for fit in analysis.fits if fit.report is not None), None)
    if fit is None or fit.report is None:
        return None
    report = fit.report
    checks = []
    if report.error is not None:
        checks.append(
            Check(
                name="error of any probability",
                value=report.error,
                limit=MAX_ERROR,
                text=tiny(report.error),
            )
        )
    if report.k_hat is not None:
        # Below 0 the tail is shorter than any of importance.
        k_hat = max(report.k_hat, 0.0)
        checks.append(
            Check(
                name="Pareto k-hat",
                value=k_hat,
                limit=MAX_K_HAT,
                text=scaled(report.k_hat, 2).replace("-", "−"),
            )
        )
    if report.method == "interpolation":
        for name, value, limit in (
            ("sd of the log weights", report.log_weight_sd, MAX_WEIGHT_SD),
            ("error of group effects, in sds", report.effects_error, MAX_EFFECTS_ERROR),
        ):
            if value is not None:
                checks.append(Check(name=name, value=value, limit=limit, text=tiny(value)))
    copies = 1.0 - report.n_unique / report.n_draws
    checks.append(
        Check(
            name="draws that are copies",
            value=copies,
            limit=MAX_COPIES,
            text=percent(copies),
            limit_text=percent(MAX_COPIES),
        )
    )
    return Accuracy(
        model=analysis.spec.name,
        method=report.method,
        checks=tuple(checks),
        n_draws=report.n_draws,
        ess=report.ess,
        n_evaluations=report.n_evaluations,
        seconds=fit.seconds,
    )


@styled
def plot_accuracy(data: Accuracy) -> Figure:
    """Draw each measure of accuracy as a part of its limit."""
    many = len(data.checks)
    ax = new_figure(0.9 + 0.42 * many).add_subplot()
    low = min([_FLOOR, *(0.5 * check.part for check in data.checks if check.part > 0)])
    high = max([10.0, *(3.0 * check.part for check in data.checks)])
    on_logs(ax, "x", subs=(1.0,))
    ax.set_xlim(low / 1.5, high)
    ax.axvspan(1.0, high, color=ORANGE, alpha=0.15, lw=0)
    ax.axvline(1.0, color=INK, lw=1.0, ls="--")
    for k, check in enumerate(data.checks):
        within = check.value <= check.limit
        at = max(check.part, low)
        colour = BLUE if within else ORANGE
        ax.plot([low / 1.5, at], [k, k], color=colour, lw=2.5)
        ax.plot(at, k, "o" if within else "X", color=colour, ms=6.5, clip_on=False)
    limits = [check.limit_text or f"{check.limit:g}" for check in data.checks]
    found = zip(data.checks, limits, strict=True)
    names = [f"{check.name}\n{check.text} (limit {limit})" for check, limit in found]
    ax.set_yticks(range(many), names)
    ax.set_ylim(many - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.set_xlabel("fraction of the limit (shaded: not reliable)")
    return figure_of(ax)


FIGURE = Entry(
    name="accuracy",
    title="Accuracy of the direct draws",
    shows="quadrature error or k-hat of the importance weights, against their limits",
    applies="a fit is by the direct engine",
    prepare=direct_accuracy,
    draw=plot_accuracy,
    section="diagnostics",
)

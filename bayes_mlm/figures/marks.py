"""Hold one quantity as the posterior, REML or OLS, and a publication have it."""

import math
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import estimate, number
from bayes_mlm.engines import listed_quantities
from bayes_mlm.figures.density import Density, density_of
from bayes_mlm.fitting import CLASSICAL, Analysis, Fit

# Published figures that give a quantity in another form: its square, or per cent of it.
_FORMS = (("{}", lambda x: x), ("{}^2", math.sqrt), ("{}_percent", lambda x: x / 100))

_SAME = 1e-3


@dataclass(frozen=True, kw_only=True, eq=False)
class Posterior:
    """Hold the posterior of one quantity by one engine.

    Parameters
    ----------
    engine : str
    mean, sd, lower, upper : float
        With the ends of its interval, in the quantity's units.
    density : Density or None
        None where only the summary is at hand.
    """

    engine: str
    mean: float
    sd: float
    lower: float
    upper: float
    density: Density | None


@dataclass(frozen=True, kw_only=True)
class Classical:
    """Hold the REML or OLS estimate of one quantity.

    Parameters
    ----------
    engine : str
        "reml" or "ols".
    estimate : float
    lower, upper : float or None
        Ends of its interval, if there is one.
    """

    engine: str
    estimate: float
    lower: float | None
    upper: float | None


@dataclass(frozen=True, kw_only=True)
class Printed:
    """Hold a published figure.

    Parameters
    ----------
    value : float
        In the quantity's units.
    printed : str
        As printed, in whatever form.
    stands : bool
        Whether it is right for the quantity, as recomputed.
    """

    value: float
    printed: str
    stands: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Marked:
    """Hold one quantity from every side.

    Parameters
    ----------
    quantity, unit : str
        Such as ``sigma_u``, and what it is measured in.
    posteriors : tuple of Posterior
        One an engine.
    classical : Classical or None
    published : tuple of Printed
    """

    quantity: str
    unit: str
    posteriors: tuple[Posterior, ...]
    classical: Classical | None
    published: tuple[Printed, ...]

    @property
    def text(self) -> str:
        """The first posterior in words: ``sigma_u 2.17 (1.86 to 2.48)``."""
        first = self.posteriors[0]
        return f"{self.quantity} {estimate(first.mean, first.lower, first.upper)}"

    @property
    def gap(self) -> float:
        """How far REML or OLS lies from the first posterior's mean, in its sds; 0 without one."""
        first = self.posteriors[0]
        if self.classical is None or not first.sd > 0:
            return 0.0
        return (self.classical.estimate - first.mean) / first.sd


def mark(analysis: Analysis, quantity: str, unit: str, *, densities: bool = True) -> Marked:
    """Collect what is known of a quantity of a model.

    Parameters
    ----------
    analysis : Analysis
        With a posterior, one of whose quantities it is.
    quantity, unit : str
    densities : bool
        Whether curves are wanted too.
    """
    posteriors, classical = [], None
    for summary in analysis.summaries:
        row = summary.get(quantity)
        if row is None:
            continue
        if row.engine in CLASSICAL:
            classical = Classical(
                engine=row.engine, estimate=row.estimate, lower=row.lower, upper=row.upper
            )
            continue
        fit = next(fit for fit in analysis.fits if fit.engine == row.engine)
        assert row.sd is not None  # for mypy: rows of draws have all three
        assert row.lower is not None
        assert row.upper is not None
        posteriors.append(
            Posterior(
                engine=row.engine,
                mean=row.estimate,
                sd=row.sd,
                lower=row.lower,
                upper=row.upper,
                density=_density(fit, quantity) if densities else None,
            )
        )
    return Marked(
        quantity=quantity,
        unit=unit,
        posteriors=tuple(posteriors),
        classical=classical,
        published=printed_of(analysis, quantity),
    )


def _density(fit: Fit, quantity: str) -> Density | None:
    for one, name, values in listed_quantities(fit.draws):
        if name == quantity:
            lower, upper = one.support
            return density_of(np.ravel(values), lower=lower, upper=upper)
    return None


def printed_of(analysis: Analysis, quantity: str) -> tuple[Printed, ...]:
    """List what was published for a quantity, or in its place, each figure once."""
    found: list[Printed] = []
    for form, convert in _FORMS:
        name = form.format(quantity)
        for row in analysis.printed:
            if name not in (row.quantity, row.corrects):
                continue
            value = _number(row.printed)
            if value is None or (form == "{}^2" and value < 0):
                continue
            value = float(convert(value))
            if any(abs(one.value - value) <= _SAME * abs(value) for one in found):
                continue  # printed at two places, to more digits at one
            stands = row.status == "reproduced" and row.quantity == name
            text = f"{row.printed} %" if form.endswith("percent") else row.printed
            found.append(Printed(value=value, printed=text, stands=stands))
    return tuple(found)


def _number(text: str) -> float | None:
    try:
        return float(text.replace("−", "-").rstrip(" %"))
    except ValueError:
        return None


def told_published(items: tuple[Marked, ...]) -> str:
    """Say which published figures lie outside the first posterior's interval, if any."""
    outside = [
        f"{item.quantity} {printed.printed}"
        for item in items
        for printed in item.published
        if not item.posteriors[0].lower <= printed.value <= item.posteriors[0].upper
    ]
    total = sum(len(item.published) for item in items)
    if not total:
        return ""
    if not outside:
        return "Every published figure lies inside its interval."
    return f"Published figures outside their interval: {', '.join(outside)}."


def told_classical(items: tuple[Marked, ...]) -> str:
    """Say how far REML or OLS lies from the posterior means, at its farthest."""
    known = [item for item in items if item.classical is not None]
    if not known:
        return ""
    far = max(known, key=lambda item: abs(item.gap))
    assert far.classical is not None  # for mypy
    engine = far.classical.engine.upper()
    sds = number(abs(far.gap), 0.5)
    if len(known) == 1:
        return f"{engine} lies {sds} posterior sds from the mean."
    return f"{engine} lies at most {sds} posterior sds from the means ({far.quantity})."

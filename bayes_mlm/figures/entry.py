"""One kind of figure as an entry of the catalogue."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from bayes_mlm.figures.style import Figure
from bayes_mlm.fitting import Analysis

type Section = Literal["data", "posterior", "groups", "diagnostics", "ladder"]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One kind of figure.

    Parameters
    ----------
    name : str
        What the command line calls it.
    title : str
        A few words for a list.
    shows : str
        What it shows, in one line.
    applies : str
        When there is such a figure: what its models or its data must have.
    of : {"model", "ladder"}
        Whether it is prepared from one `Analysis`, or from a sequence of them. A ladder of one
        model is a ladder too.
    prepare : callable
        Computes what the figure shows; returns None where it does not apply.
    draw : callable
        ``draw(data, ax=None)``: draws what `prepare` returned, on axes or a new figure, and
        returns the matplotlib figure.
    section : str
        Where the report puts it.
    by_factor : bool
        Whether it is of the groups of one factor: `prepare` then takes ``factor=`` too, and there
        is a figure for each grouping factor of a model.
    by_scale : bool
        Whether `prepare` takes ``scale=`` too: "link", "ratio" or "response".
    additive : bool
        Whether it shows outcomes and linear predictors on one scale: the linear predictor must
        then be the expected outcome, and residuals have an sd.
    """

    name: str
    title: str
    shows: str
    applies: str
    of: Literal["model", "ladder"] = "model"
    prepare: Callable[..., Any]
    draw: Callable[[Any], Figure]
    section: Section
    by_factor: bool = False
    by_scale: bool = False
    additive: bool = False

    def find(self, source: Analysis | Sequence[Analysis], **options: str) -> Any:
        """Prepare it from a model or, if it is of a ladder, from those of its models that it suits.

        Returns
        -------
        object or None
            What `draw` takes; None where it does not apply.

        Raises
        ------
        UnsupportedModelError
            If it needs additive residuals and no model has them.
        """
        if not self.additive:
            return self.prepare(source, **options)
        models = [source] if isinstance(source, Analysis) else source
        suited = [one for one in models if one.design.family.is_additive]
        if models and not suited:
            models[0].design.family.require_residual_sd(f"the figure {self.name!r}")
        return self.prepare(source if isinstance(source, Analysis) else suited, **options)

    def or_of_outcomes(self, other: "Entry", drawn: type) -> "Entry":
        """Return one entry of two figures: this of additive outcomes, the other of all others.

        Parameters
        ----------
        other : Entry
            The same on the scale of the outcome: probabilities, rates or means.
        drawn : type
            Of the other's data.
        """
        shows = f"{self.shows}; of other families {other.shows}"
        applies = f"{self.applies}; of other families {other.applies}"
        return replace(
            self,
            prepare=_Prepare(own=self.prepare, other=other.prepare),
            draw=_Draw(own=self.draw, other=other.draw, drawn=drawn),
            additive=False,
            shows=shows,
            applies=applies,
        )


# Classes, not functions in a function, since figures are drawn in other processes.
@dataclass(frozen=True, kw_only=True)
class _Prepare:
    own: Callable[..., Any]
    other: Callable[..., Any]

    def __call__(self, source: Analysis, **options: str) -> Any:
        one = self.own if source.design.family.is_additive else self.other
        return one(source, **options)


@dataclass(frozen=True, kw_only=True)
class _Draw:
    own: Callable[[Any], Figure]
    other: Callable[[Any], Figure]
    drawn: type

    def __call__(self, data: Any) -> Figure:
        return (self.other if isinstance(data, self.drawn) else self.own)(data)

"""Figures of a report: each kind once, of the main model if it applies."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bayes_mlm.figures import Entry, FigureData, Section, prepared
from bayes_mlm.fitting import Analysis
from bayes_mlm.report.narrative import main_model
from bayes_mlm.report.sections import PageSection, choose_sections
from bayes_mlm.studies import FIGURES


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """One figure to be drawn.

    Parameters
    ----------
    entry : Entry
        Of the catalogue.
    picture : FigureData
        What it shows.
    model : str or None
        The record that it is of; None of a figure of the whole ladder.
    """

    entry: Entry
    picture: FigureData
    model: str | None

    @property
    def section(self) -> Section:
        """Section of the report."""
        return self.entry.section


def choose_figures(
    analyses: Sequence[Analysis], sections: Sequence[PageSection] | None = None
) -> Iterator[Chosen]:
    """Yield each figure of the catalogue once, of some sections of the page or of all.

    A figure of a ladder is of all models; one of a model is of the main model if it applies to it,
    else of the first to which it does.
    """
    wanted = {one.figures for one in (choose_sections() if sections is None else sections)}
    main = main_model(analyses)
    order = [main, *(analysis for analysis in analyses if analysis is not main)]
    for entry in FIGURES.values():
        if entry.section not in wanted:
            continue
        if entry.of == "ladder":
            for picture in prepared(entry, analyses):
                yield Chosen(entry=entry, picture=picture, model=None)
            continue
        for analysis in order:
            pictures = prepared(entry, analysis)
            for picture in pictures:
                yield Chosen(entry=entry, picture=picture, model=analysis.spec.name)
            if pictures:
                break

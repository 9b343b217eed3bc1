"""Page of a report: its parts in order, for the template."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bayes_mlm.base import count
from bayes_mlm.engines import ENGINES
from bayes_mlm.fitting import Analysis
from bayes_mlm.report import provenance
from bayes_mlm.report.choosing import Chosen
from bayes_mlm.report.data_facts import SurveyPart, data_facts, survey_part
from bayes_mlm.report.equations import Equation, equations
from bayes_mlm.report.group_table import GroupTable, group_table
from bayes_mlm.report.images import Image
from bayes_mlm.report.live import LiveModel
from bayes_mlm.report.methods import MethodsText, methods
from bayes_mlm.report.model_description import describe_model
from bayes_mlm.report.narrative import Answer, answer, main_model
from bayes_mlm.report.publication import publication_table
from bayes_mlm.report.remarks import (
    describe_intervals,
    typeset,
)
from bayes_mlm.report.sections import PageSection, choose_sections
from bayes_mlm.report.tables import (
    PageTable,
    corrections_table,
    estimates_tables,
    explained_checks,
    ratios_table,
    reasons_table,
    variables_table,
    verdict_table,
)

if TYPE_CHECKING:
    from bayes_mlm.studies import PublishedRow


# Models in one table of the comparison, as many as a page of 1,100 points has room for.
_MOST_MODELS = 4


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure of the page.

    Parameters
    ----------
    number : int
        From 1, in the order of the page.
    title, caption, alt : str
        Text of the figure; the title names the model.
    image : Image
    """

    number: int
    title: str
    caption: str
    alt: str
    image: Image


@dataclass(frozen=True, kw_only=True)
class Model:
    """Section of the page on one model.

    Parameters
    ----------
    name, title, description, formula, kind : str
        Of the record.
    anchor : str
        Of the element.
    size : str
        Rows and groups.
    words : str
        The model in words.
    equations : tuple of Equation
    estimates : tuple of PageTable
        Of at most eight columns each.
    ratios : PageTable or None
        Coefficients as odds, rate or hazard ratios, where the family has them.
    verdicts : tuple of (bool, str)
        One for each engine: whether all checks passed, and a line of text.
    notes : tuple of str
        Remarks on the data.
    """

    name: str
    title: str
    description: str
    formula: str
    kind: str
    anchor: str
    size: str
    words: str
    equations: tuple[Equation, ...]
    estimates: tuple[PageTable, ...]
    ratios: PageTable | None
    verdicts: tuple[tuple[bool, str], ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Corrections:
    """Printed figures that are wrong.

    Parameters
    ----------
    tally : str
        Counts of figures by status.
    reasons, figures : PageTable or None
        By reason, and individually; None if nothing is wrong.
    notes : tuple of str
        Statements that are wrong.
    """

    tally: str
    reasons: PageTable | None
    figures: PageTable | None
    notes: tuple[str, ...]

    @property
    def title(self) -> str:
        """Heading of the section."""
        wrong = self.figures is not None or self.notes
        return "Corrections to printed figures" if wrong else "Printed figures"


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Title, time, command and published figures of a report.

    Parameters
    ----------
    title : str
        Of the page.
    subtitle : str
        A line below it.
    published : tuple of PublishedRow
        Published figures, with their status.
    notes : tuple of str
        Published statements that are wrong.
    made : str
        When, in UTC.
    started : float or None
        When the run began, by `time.monotonic`.
    command : str
        Reproduces the numbers.
    """

    title: str
    subtitle: str = ""
    published: "tuple[PublishedRow, ...]" = ()
    notes: tuple[str, ...] = ()
    made: str = ""
    started: float | None = None
    command: str = ""


@dataclass(frozen=True, kw_only=True)
class Page:
    """All parts of the page, in order; see the template.

    Parameters
    ----------
    origin : Origin
    answer : Answer
    main : str
        Name of the main model.
    all_ok : bool
        Whether all checks passed and the engines agree.
    unclean : tuple of str
        Models with failed checks.
    data_facts : tuple of (str, str)
        Description of the data: a term and its definition.
    variables : PageTable
    ladder : str
        The table of models, as HTML.
    intervals : str
        What the symbols and the intervals of the models are.
    models : tuple of Model
    groups : PageTable or None
    n_groups, n_listed : int
        Numbers of groups in all and in the table.
    checks : PageTable
    explained : str
        What the diagnostics in it are.
    corrections : Corrections or None
    runs, priors, versions : PageTable
    seconds : float or None
        Time from the start of the run.
    figures : mapping of str to tuple of Figure
        By section of the catalogue.
    methods : MethodsText
    survey : SurveyPart or None
        Of a main model with survey weights.
    sections : tuple of PageSection
        Those that were chosen, in order.
    live : LiveModel or None
        Sums or draws of the main model, for a page that computes with them.
    """

    origin: Origin
    answer: Answer
    main: str
    all_ok: bool
    unclean: tuple[str, ...]
    data_facts: tuple[tuple[str, str], ...]
    variables: PageTable
    ladder: str
    intervals: str
    models: tuple[Model, ...]
    groups: PageTable | None
    n_groups: int
    n_listed: int
    checks: PageTable
    explained: str
    corrections: Corrections | None
    runs: PageTable
    priors: PageTable
    versions: PageTable
    seconds: float | None
    figures: dict[str, tuple[Figure, ...]]
    methods: MethodsText
    survey: SurveyPart | None
    sections: tuple[PageSection, ...]
    live: LiveModel | None = None

    @property
    def shown(self) -> tuple[PageSection, ...]:
        """The chosen sections that have something to show."""
        return tuple(one for one in self.sections if one.applies(self))


def make_page(
    analyses: Sequence[Analysis],
    origin: Origin,
    chosen: Sequence[Chosen],
    images: Sequence[Image],
    sections: Sequence[str] | None = None,
) -> Page:
    """Return the page of a report.

    Parameters
    ----------
    analyses : sequence of Analysis
        The models, with the null model if there is one.
    origin : Origin
    chosen : sequence of Chosen
    images : sequence of Image
        One for each chosen figure.
    sections : sequence of str, optional
        Names of the sections; all by default.
    """
    main = main_model(analyses)
    found = group_table(main)
    unclean = tuple(one.spec.name for one in analyses if not one.ok)
    return Page(
        origin=origin,
        answer=answer(analyses),
        main=main.spec.name,
        all_ok=not unclean,
        unclean=unclean,
        data_facts=tuple(data_facts(main)),
        variables=variables_table(main),
        ladder=_ladder(analyses),
        intervals=describe_intervals(analyses),
        models=tuple(
            _model(analysis, f"model-{k}") for k, analysis in enumerate(analyses, start=1)
        ),
        groups=None if found is None else _groups(found),
        n_groups=0 if found is None else found.n_groups,
        n_listed=0 if found is None else int(found.labels.size),
        checks=verdict_table(analyses),
        explained=explained_checks(analyses),
        corrections=_corrections(origin),
        runs=provenance.runs_table(analyses),
        priors=provenance.priors_table(analyses),
        versions=provenance.versions_table(),
        seconds=None if origin.started is None else time.monotonic() - origin.started,
        figures=_figures(chosen, images),
        methods=methods(analyses),
        survey=survey_part(main),
        sections=choose_sections(sections),
    )


def _groups(found: GroupTable) -> PageTable:
    view = found.view()
    first = len(view.headings) - 2 * len(found.effects)
    return PageTable(name="groups-table", view=view, tools=True, noun="group", sorted_by=first)


def _figures(chosen: Sequence[Chosen], images: Sequence[Image]) -> dict[str, tuple[Figure, ...]]:
    order = [one.figures for one in choose_sections() if one.figures is not None]
    placed: dict[str, list[Figure]] = {section: [] for section in order}
    number = 0
    for section in order:
        for one, image in zip(chosen, images, strict=True):
            if one.section == section:
                number += 1
                placed[section].append(_figure(one, image, number))
    return {section: tuple(figures) for section, figures in placed.items()}


def _figure(one: Chosen, image: Image, number: int) -> Figure:
    text, title = one.picture.text, one.picture.text.title
    if one.model is not None and one.model not in title:
        title += f" ({one.model})"
    return Figure(number=number, title=title, caption=text.caption, alt=text.alt, image=image)


def _model(analysis: Analysis, anchor: str) -> Model:
    model, design = analysis.spec, analysis.design
    groups = (f"{count(one.J, 'group')} ({one.factor})" for one in design.group_terms)
    size = ", ".join((count(design.n, "row"), *groups))
    if design.n_dropped:
        size += f"; {count(design.n_dropped, 'row')} omitted because values are missing"
    verdicts = [
        (summary.verdict.ok, typeset(f"{ENGINES[summary.engine].label}: {summary.verdict}"))
        for summary in analysis.summaries
    ]
    if analysis.fits:
        verdicts.append((analysis.agreement.ok, analysis.agreement.message))
    return Model(
        name=model.name,
        title=analysis.title,
        description=" ".join(analysis.description.split()),
        formula=f"{model.formula}{design.errors_text}",
        kind=model.kind.replace("_", " "),
        anchor=anchor,
        size=size,
        words=describe_model(design),
        equations=equations(design),
        estimates=estimates_tables(analysis, f"{anchor}-estimates"),
        ratios=ratios_table(analysis, f"{anchor}-ratios"),
        verdicts=tuple(verdicts),
        notes=(*filter(None, [design.encoding.titles_text]), *design.notes),
    )


def _ladder(analyses: Sequence[Analysis]) -> str:
    """Return the comparison of the models, a column each, by the preferred engine."""
    single = [
        replace(one, summaries=tuple(dict.fromkeys((one.summaries[0], one.summaries[-1]))))
        for one in analyses
    ]
    table = publication_table(single, likelihood=False)
    return "\n".join(part.render("html") for part in table.in_parts(_MOST_MODELS))


def _corrections(origin: Origin) -> Corrections | None:
    if not origin.published:
        return None
    from bayes_mlm.studies import tally

    return Corrections(
        tally=str(tally(origin.published)),
        reasons=reasons_table(origin.published),
        figures=corrections_table(origin.published),
        notes=origin.notes,
    )

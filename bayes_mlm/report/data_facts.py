"""What the data of a report are, and what its survey weights are and do."""

from dataclasses import dataclass, replace

from bayes_mlm.base import UnsupportedModelError, count, scaled
from bayes_mlm.data import DATASETS
from bayes_mlm.fitting import Analysis
from bayes_mlm.questions import survey_facts, survey_weighting
from bayes_mlm.report import provenance
from bayes_mlm.report.remarks import coded_outcome, reference_categories, typeset
from bayes_mlm.report.tables import PageTable


def data_facts(main: Analysis) -> list[tuple[str, str]]:
    """Return what the data are: terms with their definitions."""
    source, design = main.source, main.design
    facts = [("Data", provenance.data_name(source))]
    if source.data in DATASETS:
        known = DATASETS[source.data]
        facts = [
            ("Data", f"{known.title} ({known.name})"),
            ("Source", known.source),
            ("Reference", known.reference),
            ("Licence", known.licence),
        ]
    facts += [("Outcome", one) for one in coded_outcome(design)]
    facts.append(("Rows", count(design.n)))
    if design.n_dropped:
        facts.append(("Omitted", f"{count(design.n_dropped, 'row')} with missing values"))
    for term in design.group_terms:
        sizes = term.sizes
        facts.append(("Groups", f"{count(term.J)} ({term.factor})"))
        low, high = int(sizes.min()), int(sizes.max())
        mean = float(sizes.mean())
        spread = (
            f"{count(low)} to {count(high)}, mean {scaled(mean, 1)}"
            if low != high
            else f"{count(low)} in each"
        )
        facts.append(("Rows in a group", spread))
    if reference := reference_categories(design):
        facts.append(("Reference categories", reference))
    if source.data in DATASETS:
        columns = DATASETS[source.data].columns
        used = [name for name in design.formula.columns if name in columns]
        facts += [(name, columns[name]) for name in used]
    facts.append(("SHA-256", provenance.checksum(source)))
    return facts


@dataclass(frozen=True, kw_only=True)
class SurveyPart:
    """Section of the page on survey weights.

    Parameters
    ----------
    facts : tuple of (str, str)
        Weights, scaling, effective numbers and replicates: terms with their definitions.
    table : PageTable or None
        Estimates with weights next to those without; None of sums.
    notes : tuple of str
    """

    facts: tuple[tuple[str, str], ...]
    table: PageTable | None
    notes: tuple[str, ...]


def survey_part(main: Analysis) -> SurveyPart | None:
    """Return the section on survey weights; None without weights."""
    facts = tuple(survey_facts(main.design))
    if not facts:
        return None
    try:
        found = survey_weighting(main.estimate)
    except UnsupportedModelError:
        return SurveyPart(facts=facts, table=None, notes=())
    shown = found.view()
    cells = tuple(tuple(map(typeset, row)) for row in shown.cells)
    view = replace(shown, title="Estimates with weights and without.", cells=cells, legend=())
    return SurveyPart(
        facts=facts,
        table=PageTable(name="weighting-table", view=view),
        notes=tuple(map(typeset, found.notes[1:])),
    )

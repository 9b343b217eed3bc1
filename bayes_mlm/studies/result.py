"""The analysis of a record, with a verdict on every figure published about it."""

from dataclasses import dataclass, replace
from typing import Any

from bayes_mlm.base import RowsNeededError
from bayes_mlm.engines import PooledFit, Settings
from bayes_mlm.fitting import Analysis, analyse
from bayes_mlm.studies.published import PublishedRow, check_published
from bayes_mlm.studies.record import Record


@dataclass(frozen=True, kw_only=True)
class StudyResult:
    """The analysis of one record of a study.

    Parameters
    ----------
    record : Record
    analysis : Analysis
        With the record's title and published figures.
    published : tuple of PublishedRow
        The figures published about it, each with its verdict.
    """

    record: Record
    analysis: Analysis
    published: tuple[PublishedRow, ...]


def analyse_record(
    record: Record, settings: Settings | None, *, null: StudyResult | None = None, **options: Any
) -> StudyResult:
    """Fit a record and check every figure published about it.

    Parameters
    ----------
    record : Record
    settings : Settings or None
        For the engines that draw.
    null : StudyResult, optional
        Of the record's null model, for R² by level.
    **options
        As in `bayes_mlm.fitting.analyse`.

    Raises
    ------
    BayesMLMError
        Whatever stops the record from being fitted, in one line.

    Examples
    --------
    >>> from bayes_mlm import load_record
    >>> found = analyse_record(load_record("hsb_null"), None, engines=["reml"])
    >>> len(found.published), found.analysis.ok
    (23, True)
    """
    against = None if null is None else null.analysis
    analysis = analyse(record.request, settings, null=against, **options)
    published: tuple[PublishedRow, ...] = ()
    try:
        if record.published:
            solution = analysis.estimate.single_solution()
            if not isinstance(solution, PooledFit):  # what was printed is of one data set
                published = check_published(record, analysis.design, solution)
    except RowsNeededError:  # what was printed needs rows, and there are sums only
        pass
    analysis = replace(
        analysis, printed=published, title=record.title, description=record.description
    )
    return StudyResult(record=record, analysis=analysis, published=published)

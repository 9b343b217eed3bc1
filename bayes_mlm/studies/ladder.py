"""Analyse several models in turn, each against its null model."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from bayes_mlm.base import DEFAULT_PROB
from bayes_mlm.engines import Settings, has_chains
from bayes_mlm.studies.record import Record, baseline
from bayes_mlm.studies.result import StudyResult, analyse_record


def analyse_ladder(
    ladder: Iterable[Record],
    settings_of: Callable[[Record], Settings],
    *,
    data: Any = None,
    engines: Sequence[str] = ("auto",),
    prob: float = DEFAULT_PROB,
    check: bool = False,
    progressbar: bool = False,
    on_start: Callable[[Record], None] = lambda _: None,
    on_engine: Callable[[str], None] = lambda _: None,
) -> Iterator[StudyResult]:
    """Analyse records in the order given; a null model is fitted once, for all that name it.

    Parameters
    ----------
    ladder : iterable of Record
    settings_of : callable
        Returns the settings of a record for the engines that draw.
    data, engines, prob, check, progressbar
        As in `analyse`; without `engines` there is REML or OLS alone.
    on_start : callable
        Called with each record before it is fitted, its null model's included.
    on_engine : callable
        Called with each engine before it starts on that record.

    Yields
    ------
    StudyResult
        One a record.

    Raises
    ------
    BayesMLMError
        Whatever stops a record from being fitted, in one line.

    Examples
    --------
    >>> from bayes_mlm import load_record
    >>> from bayes_mlm.fitting import make_settings
    >>> ladder = [load_record("hsb_ses"), load_record("hsb_sector")]
    >>> found = analyse_ladder(ladder, lambda record: make_settings(record.request), engines=[])
    >>> [round(one.analysis.summaries[0]["r2_between"].estimate, 4) for one in found]
    [0.4465, 0.5722]
    """
    done: dict[tuple[str, str], StudyResult] = {}

    def analysed(record: Record, null: StudyResult | None, engines: Sequence[str]) -> StudyResult:
        # Records of formulas have one name and no file: they are never taken for one another.
        key = (record.name, record.path or str(id(record)))
        if key not in done:
            on_start(record)
            done[key] = analyse_record(
                record,
                settings_of(record) if engines else None,
                data=data,
                engines=engines,
                null=null,
                prob=prob,
                check=check,
                progressbar=progressbar,
                on_engine=on_engine,
            )
        return done[key]

    # NUTS takes its time: it fits a null model only where that is in the ladder itself.
    ladder = list(ladder)
    named = {(record.name, record.path) for record in ladder}
    quick = [engine for engine in engines if not has_chains(engine)]
    for record in ladder:
        null = baseline(record)
        against = None
        if null is not None:
            listed = (null.name, null.path) in named
            against = analysed(null, None, engines if listed else quick)
        yield analysed(record, against, engines)

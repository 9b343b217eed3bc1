"""Refuse a record whose fields contradict one another."""

from pathlib import Path

import msgspec

from bayes_mlm.base import ABSENT, FormulaError, SpecError, at_home, suggest, why_not_file
from bayes_mlm.data import DATASETS
from bayes_mlm.formula import Formula, parse_formula
from bayes_mlm.model.families import FAMILIES
from bayes_mlm.model.printed import check_published_fields
from bayes_mlm.model.residual.structure import check_residual, check_structure
from bayes_mlm.model.spec.record import IN_MEMORY, Record

_NEEDS_GROUP = frozenset({"between", "no_pooling", "within", "mundlak"})
_PLAIN_ONLY = frozenset({"between", "no_pooling"})
_TAKES_BAR = frozenset({"mundlak", "partial_pooling"})


def check_record(record: Record) -> None:
    """Refuse a record whose fields contradict one another.

    Raises
    ------
    SpecError
        With the field, what was found, and what to write instead.
    """
    at = record.source or "record"
    _check_data(record, at)
    try:
        formula = parse_formula(record.formula)
    except FormulaError as error:
        raise SpecError(f"{at}: formula: {error}") from error
    _check_grouping(record, formula, at)
    if record.null is not None and record.null == record.name:
        raise SpecError(f"{at}: null = {record.null!r} names the record itself; name its baseline")
    _check_residual(record, at)
    for key, value in msgspec.structs.asdict(record.settings).items():
        least = 0 if key == "random_seed" else 1
        if value is not None and value < least:
            raise SpecError(f"{at}: settings.{key} = {value}; it must be {least} or more")
    check_published_fields(record.published, record.reasons, at, record.imprecise)


def _check_data(record: Record, at: str) -> None:
    data = record.data
    if not data.strip():
        raise SpecError(f"{at}: data is empty; name an embedded data set or a file")
    if data in (*DATASETS, IN_MEMORY) or why_not_file(at_home(record.data_source)) != ABSENT:
        return
    if "://" in data or data.lower().startswith(("http:", "https:", "ftp:", "file:")):
        raise SpecError(f"{at}: data = {data!r} is an address; download the file and give its path")
    if not (Path(data).suffix or "/" in data):
        raise SpecError(
            f"{at}: data = {data!r} is no embedded data set{suggest(data, DATASETS)}; "
            "for a file of your own give its path, ending in .csv or .parquet"
        )


def _check_grouping(record: Record, formula: Formula, at: str) -> None:
    kind, bar = record.kind, formula.group
    if bar is not None and record.group is not None and bar != record.group:
        raise SpecError(
            f"{at}: group = {record.group!r}, but the formula groups by {bar!r}; give one of them"
        )
    if kind == "partial_pooling" and bar is None:
        raise SpecError(
            f"{at}: kind = 'partial_pooling' needs group effects in the formula; "
            f"add a term such as (1 | {record.group or 'group'})"
        )
    if bar is not None and kind not in _TAKES_BAR:
        raise SpecError(
            f"{at}: kind = {kind!r} has no group effects, but the formula has a bar; "
            f"remove it and write group = {bar!r}, or set kind = 'partial_pooling'"
        )
    if kind in _NEEDS_GROUP and bar is None and record.group is None:
        raise SpecError(f'{at}: kind = {kind!r} needs the groups; add group = "<column>"')
    if record.group_level and bar is None and record.group is None:
        raise SpecError(f'{at}: group_level is given but no group; add group = "<column>"')


def _check_residual(record: Record, at: str) -> None:
    try:
        check_residual(record.residual)
    except SpecError as error:
        raise SpecError(f"{at}: {error}") from error
    try:
        family = FAMILIES[record.family]
    except SpecError as error:
        raise SpecError(f"{at}: {error}") from error
    check_structure(record.residual, family, at)
    if record.kind in _PLAIN_ONLY and not family.gaussian_moments:
        raise SpecError(
            f"{at}: kind = {record.kind!r} is for Gaussian outcomes; take family out, or use "
            "partial_pooling"
        )
    if record.kind in _PLAIN_ONLY and not record.residual.is_plain:
        raise SpecError(
            f"{at}: kind = {record.kind!r} has independent residuals of one sd; take [residual] "
            "out, or use partial_pooling"
        )
    if record.residual.ar is not None and record.group_column is None:
        raise SpecError(
            f"{at}: residual.ar = {record.residual.ar!r} needs the groups whose residuals "
            'correlate; add group = "<column>"'
        )

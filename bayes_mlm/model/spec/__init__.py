"""Read a model record: one TOML file that says everything about one model.

A record is data. Its text is matched against the fields below and against the formula language;
nothing in it is evaluated, imported or fetched. What contradicts itself is refused when the
record is read, before any table is opened.
"""

from pathlib import Path
from typing import Any

import msgspec

from bayes_mlm.base import (
    ABSENT,
    SpecError,
    convert,
    expand_home,
    expect_path,
    expect_text,
    read_toml,
    suggest,
    unreadable_reason,
)
from bayes_mlm.model.printed import Published
from bayes_mlm.model.residual.structure import Residual
from bayes_mlm.model.spec.checks import check_record
from bayes_mlm.model.spec.record import IN_MEMORY, KINDS, WORKED_STUDY, Kind, Record, Settings

__all__ = [
    "IN_MEMORY",
    "KINDS",
    "WORKED_STUDY",
    "Kind",
    "Published",
    "Record",
    "Residual",
    "Settings",
    "as_starter",
    "baseline",
    "check_record",
    "dump_record",
    "is_formula",
    "load_record",
    "models_directory",
    "records",
    "related_record",
]

_PACKAGE = Path(__file__).resolve().parents[2]
_NOT_KEYS = frozenset({"name", "source"})


def load_record(record: str | Path) -> Record:
    """Read one record and refuse it if it is malformed or contradicts itself.

    Parameters
    ----------
    record : str or Path
        A path ending in ``.toml``, or the name of a bundled record.

    Returns
    -------
    Record

    Raises
    ------
    SpecError
        If the file cannot be read, is not TOML, has an unknown key or a value of the wrong type,
        or if its fields contradict one another.

    Examples
    --------
    >>> load_record("hsb_sector_ses").formula
    'mathach ~ ses * sector + (1 | schoolid)'
    """
    expect_path("load_record", record, SpecError)
    path = _locate(record)
    fields = convert(read_toml(path), Record, path, hidden=_NOT_KEYS)
    loaded = msgspec.structs.replace(fields, name=path.stem, source=str(path))
    check_record(loaded)
    if loaded.null is not None:
        try:
            _locate_related(loaded, loaded.null)
        except SpecError as error:
            raise SpecError(f"{path}: null = {loaded.null!r}: {error}") from error
    return loaded


def records(study: str | None = None) -> tuple[Record, ...]:
    """Read the bundled records: the ladder of the worked study first, then those of others.

    Parameters
    ----------
    study : str, optional
        Only those of one study, in its order: `WORKED_STUDY` for the ladder.

    Examples
    --------
    >>> [record.name for record in records()][:3]
    ['hsb_pooled', 'hsb_between', 'hsb_no_pooling']
    >>> [record.name for record in records("growth")]
    ['sleepstudy_growth', 'orthodont_growth']
    """
    if study is not None:
        expect_text("records", study, "the name of a study", SpecError)
    loaded = (load_record(path) for path in models_directory().glob("*.toml"))
    wanted = (record for record in loaded if study is None or record.study == study)

    def place(record: Record) -> tuple[bool, str, int, str]:
        return record.study != WORKED_STUDY, record.study or "", record.order, record.name

    return tuple(sorted(wanted, key=place))


def as_starter(record: Record) -> Record:
    """Leave out of a record what belongs to its own study: published figures and baseline."""
    return msgspec.structs.replace(
        record, published=(), reasons={}, imprecise=(), null=None, study=None, order=1000
    )


def dump_record(record: Record) -> str:
    """Write a record as the TOML text that `load_record` reads back to an equal record.

    Parameters
    ----------
    record : Record
        Its `name` and `source` are the file's, so they are not written.

    Examples
    --------
    >>> print(dump_record(load_record("hsb_null")).splitlines()[1])
    data = "hsb"
    """
    import tomli_w

    fields: dict[str, Any] = msgspec.to_builtins(record)
    kept = {key: value for key, value in fields.items() if key not in _NOT_KEYS}
    return tomli_w.dumps(_without_none(kept))


def models_directory() -> Path:
    """Find the bundled records: inside the installed package, or beside it in a checkout."""
    inside = _PACKAGE / "_models"
    return inside if inside.is_dir() else _PACKAGE.parent / "models"


def related_record(record: Record | None, name: str) -> Record:
    """Load the record that another one names: beside its own file first, then bundled.

    Parameters
    ----------
    record : Record or None
        The one that names it.
    name : str
        Such as the record's `null`.

    Raises
    ------
    SpecError
        If there is no such record.

    Examples
    --------
    >>> related_record(load_record("hsb_ses"), "hsb_null").formula
    'mathach ~ 1 + (1 | schoolid)'
    """
    return load_record(_locate_related(record, name))


def baseline(record: Record) -> Record | None:
    """Load the record that `null` names, if any."""
    return None if record.null is None else related_record(record, record.null)


def is_formula(model: str) -> bool:
    """Return whether the name of a model is a formula, and not a record whose own name holds ~.

    Examples
    --------
    >>> is_formula("y ~ x + (1 | g)"), is_formula("hsb_ses")
    (True, False)
    """
    return "~" in model and (
        not model.lower().endswith(".toml") or unreadable_reason(expand_home(model)) == ABSENT
    )


def _locate(record: str | Path) -> Path:
    if not unreadable_reason(expand_home(record)):
        from bayes_mlm.data import DELIMITERS, PARQUET

        if str(record).lower().endswith((*DELIMITERS, *PARQUET)):
            raise SpecError(
                f"{str(record)!r} is a file of data, and the model comes first: give a formula, "
                f"and the file as the data (bayes-mlm fit FORMULA --data {record})"
            )
    if isinstance(record, Path) or record.endswith(".toml") or "/" in record or "\\" in record:
        path = expand_home(record)
        return path if unreadable_reason(path) else path.resolve()
    directory = models_directory()
    path = directory / f"{record}.toml"
    if path.is_file():
        return path
    names = sorted(file.stem for file in directory.glob("*.toml"))
    raise SpecError(
        f"no bundled record is called {record!r}{suggest(record, names)}; "
        "for a file of your own give its path, ending in .toml"
    )


def _locate_related(record: Record | None, name: str) -> Path:
    if record is not None and record.source is not None:
        beside = Path(record.source).with_name(f"{name}.toml")
        if beside.is_file():
            return beside
    return _locate(name)


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [_without_none(item) for item in value]
    return value

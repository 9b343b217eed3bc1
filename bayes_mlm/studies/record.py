"""A record: one TOML file with everything about one model of a study.

A record is data. Its text is matched against the fields below and against the formula language;
nothing in it is evaluated, imported or fetched. What contradicts itself is refused when the
record is read, before any table is opened. The file is flat: the keys of its model, of its data
and of the study stand next to one another.
"""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import msgspec

from bayes_mlm.base import (
    SpecError,
    convert,
    expand_home,
    expect_path,
    expect_text,
    read_toml,
    suggest,
    unreadable_reason,
)
from bayes_mlm.data import DATASETS, READERS, DataSource
from bayes_mlm.formula import meant_by
from bayes_mlm.model import NO_SETTINGS, ModelRequest, ModelSpec, SamplerSettings, check_request
from bayes_mlm.studies.printed import Published, check_published_fields

# The study whose ladder of models `bayes-mlm reproduce` repeats: the 2015 document's.
WORKED_STUDY = "hsb"

_PACKAGE = Path(__file__).resolve().parents[1]
_HIDDEN = frozenset({"name", "folder", "path"})  # of the file itself, and no keys of it
_PARTS = {"model": ModelSpec, "source": DataSource}


@dataclass(frozen=True, kw_only=True, repr=False)
class Record:
    """One model of a study, with its data and what was published about it.

    Parameters
    ----------
    title, description : str
        One line, and a few.
    equation : str
        The model in mathematical notation, for people.
    model : ModelSpec
    source : DataSource
        Its data, relative to the record.
    settings : SamplerSettings
    null : str, optional
        Name of the record that is this one's baseline in R² by level.
    study : str, optional
        The study that a bundled record belongs to.
    order : int
        Place among the records of its study.
    published : tuple of Published
        Figures printed elsewhere for this model.
    reasons : mapping of str to str
        Reasons shared by several published figures, by key.
    imprecise : tuple of str
        Keys of the reasons that are rounding or early stopping, not what was computed.
    path : str, optional
        Of the file.
    """

    title: str
    description: str = ""
    equation: str = ""
    model: ModelSpec
    source: DataSource
    settings: SamplerSettings = NO_SETTINGS
    null: str | None = None
    study: str | None = None
    order: int = 1000
    reasons: Mapping[str, str] = field(default_factory=dict)
    imprecise: tuple[str, ...] = ()
    published: tuple[Published, ...] = ()
    path: str | None = None

    def __repr__(self) -> str:
        """Return its name, model and data, on one line."""
        return f"<Record {self.name!r}: {self.model}, data {self.source.data!r}>"

    @property
    def name(self) -> str:
        """The model's name: the stem of the record's file."""
        return self.model.name

    @property
    def request(self) -> ModelRequest:
        """The model with its data and settings: what is fitted."""
        return ModelRequest(model=self.model, source=self.source, settings=self.settings)

    def requesting(self, request: ModelRequest) -> "Record":
        """Return the record with another model, data and settings in place of its present ones."""
        return replace(self, model=request.model, source=request.source, settings=request.settings)


def _key(one: Any) -> tuple[str, Any] | tuple[str, Any, Any]:
    if one.default_factory is not MISSING:
        return one.name, one.type, msgspec.field(default_factory=one.default_factory)
    return (one.name, one.type) if one.default is MISSING else (one.name, one.type, one.default)


# The keys of a file: those of the record, with those of the model and the data in their place.
_File: type[msgspec.Struct] = msgspec.defstruct(
    "_File",
    [
        _key(key)
        for one in fields(Record)
        for key in (fields(_PARTS[one.name]) if one.name in _PARTS else [one])
        if key.name not in _HIDDEN
    ],
    kw_only=True,
    frozen=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
)


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
    >>> load_record("hsb_sector_ses").model.formula
    'mathach ~ ses * sector + (1 | schoolid)'
    """
    expect_path("load_record", record, SpecError)
    path = _locate(record)
    raw = read_toml(path)
    if "data" not in raw:
        raise SpecError(f"{path}: the required key is missing: data")
    keys = msgspec.structs.asdict(convert(raw, _File, path))
    keys |= {"name": path.stem, "folder": None if keys["data"] in DATASETS else str(path.parent)}
    parts = {
        part: whole(**{one.name: keys.pop(one.name) for one in fields(whole)})
        for part, whole in _PARTS.items()
    }
    loaded = Record(**keys, **parts, path=str(path))
    check_record(loaded)
    if loaded.null is not None:
        try:
            _locate_related(loaded, loaded.null)
        except SpecError as error:
            raise SpecError(f"{path}: null = {loaded.null!r}: {error}") from error
    return loaded


def check_record(record: Record) -> None:
    """Refuse a record whose fields contradict one another.

    Raises
    ------
    SpecError
        With the field, what was found, and what to write instead.
    """
    at = record.path or "record"
    check_request(record.request, at)
    if record.null is not None and record.null == record.name:
        raise SpecError(f"{at}: null = {record.null!r} names the record itself; name its baseline")
    check_published_fields(record.published, record.reasons, at, record.imprecise)


def record_of(request: ModelRequest) -> Record:
    """Return the record of a model that belongs to no study; its formula is its title."""
    return Record(title=request.model.formula, **vars(request))


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
    """Return a record without what belongs to its study: published figures and baseline."""
    return replace(
        record, published=(), reasons={}, imprecise=(), null=None, study=None, order=1000
    )


def dump_record(record: Record) -> str:
    """Return a record as the TOML text that `load_record` reads back to an equal record.

    Parameters
    ----------
    record : Record
        Its name and place are the file's, so they are not written.

    Examples
    --------
    >>> print(dump_record(load_record("hsb_random_slope")).splitlines()[3])
    formula = "mathach ~ ses + (ses | schoolid)"
    """
    import tomli_w

    keys = vars(record) | vars(record.model) | vars(record.source)
    kept = {name: keys[name] for name in _File.__struct_fields__}
    return tomli_w.dumps(_without_none(msgspec.to_builtins(_File(**kept))))


def models_directory() -> Path:
    """Return the folder of the bundled records: in the installed package, or of a checkout."""
    inside = _PACKAGE / "_models"
    return inside if inside.is_dir() else _PACKAGE.parent / "models"


def related_record(record: Record | None, name: str) -> Record:
    """Load the record that another one names: from the same folder first, then bundled.

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
    >>> related_record(load_record("hsb_ses"), "hsb_null").model.formula
    'mathach ~ 1 + (1 | schoolid)'
    """
    return load_record(_locate_related(record, name))


def baseline(record: Record) -> Record | None:
    """Load the record that `null` names, if any."""
    return None if record.null is None else related_record(record, record.null)


def _locate(record: str | Path) -> Path:
    if not unreadable_reason(expand_home(record)) and str(record).lower().endswith(tuple(READERS)):
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
    if any(mark in str(record) for mark in " +*|="):
        usual = "a formula has a ~ after the outcome, as in 'y ~ x + (1 | group)'"
        raise SpecError(
            f"{record!r} is neither a formula nor a record: {meant_by(str(record)) or usual}"
        )
    raise SpecError(
        f"no bundled record is called {record!r}{suggest(record, names)}; "
        "for another file give its path, ending in .toml"
    )


def _locate_related(record: Record | None, name: str) -> Path:
    if record is not None and record.path is not None:
        near = Path(record.path).with_name(f"{name}.toml")
        if near.is_file():
            return near
    return _locate(name)


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [_without_none(item) for item in value]
    return value

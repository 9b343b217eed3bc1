"""Read a model record: one TOML file that says everything about one model.

A record is data. Its text is matched against the fields below and against the formula language;
nothing in it is evaluated, imported or fetched. What contradicts itself is refused when the
record is read, before any table is opened.
"""

from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from bayes_mlm.arguments import expect_path, expect_text
from bayes_mlm.data.reading import Written
from bayes_mlm.datasets import DATASETS
from bayes_mlm.errors import FormulaError, SpecError
from bayes_mlm.formula import Formula, parse_formula
from bayes_mlm.paths import ABSENT, at_home, why_not_file
from bayes_mlm.printed import Published, check_published_fields
from bayes_mlm.residual.asked import PLAIN, Residual, check_residual
from bayes_mlm.toml import convert, read_toml, suggest

__all__ = [
    "IN_MEMORY",
    "KINDS",
    "WORKED_STUDY",
    "Kind",
    "Published",
    "Record",
    "Residual",
    "Settings",
    "baseline",
    "check_record",
    "dump_record",
    "is_formula",
    "load_record",
    "models_directory",
    "records",
    "related_record",
]

type Kind = Literal["pooled", "between", "no_pooling", "within", "mundlak", "partial_pooling"]
KINDS: tuple[str, ...] = get_args(Kind.__value__)
# The study whose ladder of models `bayes-mlm reproduce` redoes: the 2015 document's.
WORKED_STUDY = "hsb"
# What `data` says of a frame that was handed over in Python; `load_record` cannot find it again.
IN_MEMORY = "(a data frame in memory)"
_NEEDS_GROUP = frozenset({"between", "no_pooling", "within", "mundlak"})
_PLAIN_ONLY = frozenset({"between", "no_pooling"})
_TAKES_BAR = frozenset({"mundlak", "partial_pooling"})
_HERE = Path(__file__).resolve().parent


class Settings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Hold the sampler settings a record asks for; what is not given is left to the engine."""

    draws: int | None = None
    tune: int | None = None
    chains: int | None = None
    random_seed: int | None = None


class Record(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Hold one model as its TOML file gives it.

    Parameters
    ----------
    name : str
        The file's stem; not a key of the file.
    title, description : str
        One line, and a few.
    data : str
        An embedded data set ("hsb"), or a file, relative to the record.
    formula : str
        For example ``"mathach ~ ses + (1 | schoolid)"``.
    kind : str
        One of `KINDS`.
    group : str, optional
        The grouping column, where the formula has no bar.
    group_level : tuple of str
        Columns declared to be constant within groups; checked against the data.
    missing : {"error", "drop"}
        What to do with rows that miss a value.
    strip : bool
        Whether to take the spaces off the ends of labels.
    decimal : {".", ","}, optional
        The decimal mark of numbers in text (see `bayes_mlm.read_table`).
    delimiter : str, optional
        What separates the columns of a text file, if not a comma (.tsv: a tab).
    equation : str, optional
        The model in mathematical notation, for people.
    null : str, optional
        Name of the record that is this one's baseline in R² by level.
    priors : mapping of str to str or table
        Raw; `bayes_mlm.priors` reads it.
    residual : Residual, optional
        How the residuals depart from independent normals of one sd.
    settings : Settings, optional
        Sampler settings.
    published : tuple of Published
        Figures printed elsewhere for this model.
    reasons : mapping of str to str
        Reasons shared by several published figures, by key.
    imprecise : tuple of str
        Keys of the reasons that are of rounding or early stopping, not of what was computed.
    study : str, optional
        The study that a bundled record belongs to.
    order : int
        Place among the records of its study.
    source : str, optional
        Path of the file; not a key of it.
    """

    title: str
    data: str
    formula: str
    kind: Kind
    name: str = ""
    description: str = ""
    equation: str = ""
    group: str | None = None
    group_level: tuple[str, ...] = ()
    missing: Literal["error", "drop"] = "error"
    strip: bool = False
    decimal: Literal[".", ","] | None = None
    delimiter: str | None = None
    null: str | None = None
    study: str | None = None
    order: int = 1000
    priors: dict[str, str | dict[str, str | float]] = {}
    residual: Residual = PLAIN
    settings: Settings = Settings()
    reasons: dict[str, str] = {}
    imprecise: tuple[str, ...] = ()
    published: tuple[Published, ...] = ()
    source: str | None = None

    def __repr__(self) -> str:
        """Say which model it is, and of which data."""
        return f"<Record {self.name!r}: {self.formula!r} [{self.kind}], data {self.data!r}>"

    @property
    def data_source(self) -> str | Path:
        """The embedded data set's name, or the path of the data file."""
        if self.data in DATASETS:
            return self.data
        return (Path(self.source).parent if self.source else Path()) / self.data

    @property
    def written(self) -> Written:
        """How the text of the data is written."""
        return Written(decimal=self.decimal, delimiter=self.delimiter)

    @property
    def group_column(self) -> str | None:
        """The grouping column, from the formula's bar or from `group`."""
        return parse_formula(self.formula).group or self.group


def is_formula(model: str) -> bool:
    """Tell whether the name of a model is a formula, and not a record whose own name holds ~.

    Examples
    --------
    >>> is_formula("y ~ x + (1 | g)"), is_formula("hsb_ses")
    (True, False)
    """
    return "~" in model and (
        not model.lower().endswith(".toml") or why_not_file(at_home(model)) == ABSENT
    )


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
    inside = _HERE / "_models"
    return inside if inside.is_dir() else _HERE.parent / "models"


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


def _locate(record: str | Path) -> Path:
    if not why_not_file(at_home(record)):
        from bayes_mlm.data.reading import DELIMITERS, PARQUET

        if str(record).lower().endswith((*DELIMITERS, *PARQUET)):
            raise SpecError(
                f"{str(record)!r} is a file of data, and the model comes first: give a formula, "
                f"and the file as the data (bayes-mlm fit FORMULA --data {record})"
            )
    if isinstance(record, Path) or record.endswith(".toml") or "/" in record or "\\" in record:
        path = at_home(record)
        return path if why_not_file(path) else path.resolve()
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


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [_without_none(item) for item in value]
    return value

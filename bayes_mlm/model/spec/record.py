"""A model record and its fields."""

from pathlib import Path
from typing import Literal, get_args

import msgspec

from bayes_mlm.data import DATASETS, Written
from bayes_mlm.formula import parse_formula
from bayes_mlm.model.printed import Published
from bayes_mlm.model.residual.structure import PLAIN, Residual

type Kind = Literal["pooled", "between", "no_pooling", "within", "mundlak", "partial_pooling"]
KINDS: tuple[str, ...] = get_args(Kind.__value__)
# The study whose ladder of models `bayes-mlm reproduce` redoes: the 2015 document's.
WORKED_STUDY = "hsb"
# What `data` says of a frame that was handed over in Python; `load_record` cannot find it again.
IN_MEMORY = "(a data frame in memory)"


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
        Whether to strip spaces from the ends of labels.
    decimal : {".", ","}, optional
        The decimal mark of numbers in text (see `bayes_mlm.read_table`).
    delimiter : str, optional
        What separates the columns of a text file, if not a comma (.tsv: a tab).
    equation : str, optional
        The model in mathematical notation, for people.
    null : str, optional
        Name of the record that is this one's baseline in R² by level.
    priors : mapping of str to str or table
        Raw; `bayes_mlm.model.priors` reads it.
    residual : Residual, optional
        How the residuals depart from independent ones of one sd.
    family : str
        Distribution of the outcome given the linear predictor: a name in `FAMILIES`.
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
    family: str = "gaussian"
    settings: Settings = Settings()
    reasons: dict[str, str] = {}
    imprecise: tuple[str, ...] = ()
    published: tuple[Published, ...] = ()
    source: str | None = None

    def __repr__(self) -> str:
        """Return its name, model and data, on one line."""
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

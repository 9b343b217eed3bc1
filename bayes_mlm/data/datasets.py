"""Load the embedded studies, each with its provenance and a checksum."""

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.resources import as_file, files
from types import MappingProxyType
from typing import TYPE_CHECKING

from bayes_mlm.base import DataError, expect_text
from bayes_mlm.data.reading import read_table
from bayes_mlm.data.table import Table

if TYPE_CHECKING:
    import pandas as pd

_FOLDER = files("bayes_mlm.data") / "embedded"


@dataclass(frozen=True, kw_only=True)
class Source:
    """Provenance of an embedded data set.

    Parameters
    ----------
    name, title : str
        Short name, as given to `load_dataset`, and one line of description.
    file, sha256 : str
        File in the package, and the SHA-256 of its bytes.
    rows : int
        Number of rows.
    groups : mapping of str to int
        The grouping columns, and the number of distinct labels in each.
    year : int
        Year of the data or, where that is not known, of the publication.
    source, reference, licence : str
        Who collected and who distributes it; the publication; the right to embed it.
    columns : mapping of str to str
        For each column, in order: what it is, its unit and coding.
    """

    name: str
    title: str
    file: str
    sha256: str
    rows: int
    groups: Mapping[str, int]
    year: int
    source: str
    reference: str
    licence: str
    columns: Mapping[str, str]


def _read_sources() -> Mapping[str, Source]:
    entries = tomllib.loads((_FOLDER / "sources.toml").read_text(encoding="utf-8"))
    return MappingProxyType({name: Source(name=name, **entry) for name, entry in entries.items()})


DATASETS: Mapping[str, Source] = _read_sources()
"""The embedded data sets by name."""


def load_dataset(name: str) -> Table:
    """Load an embedded data set as a `Table` (without pandas, which costs seconds to import).

    Parameters
    ----------
    name : str
        A key of `DATASETS`: "hsb", "orthodont", "sleepstudy", "dyestuff2", "pastes",
        "penicillin", "contraception", "epil".

    Returns
    -------
    Table
        With `name` as its source. `DATASETS[name]` describes the columns.

    Raises
    ------
    DataError
        If there is no such data set, or its file is not the one that was embedded.

    Examples
    --------
    >>> table = load_dataset("sleepstudy")
    >>> table.n, table.names
    (180, ('subject', 'days', 'reaction'))
    """
    expect_text("load_dataset", name, "the name of a data set")
    if name not in DATASETS:
        raise DataError(f"there is no data set {name!r}; the embedded ones are {_names()}")
    source = DATASETS[name]
    with as_file(_FOLDER / source.file) as path:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != source.sha256:
            raise DataError(
                f"the embedded file {source.file} was altered (sha256 {found[:12]}…, expected "
                f"{source.sha256[:12]}…); install bayes_mlm again"
            )
        return replace(read_table(path), source=name)


def load_hsb() -> "pd.DataFrame":
    """Load High School and Beyond: 7,185 students in 160 schools, 90 public and 70 Catholic.

    A 1982 subset of the study of the U.S. National Center for Education Statistics, in the public
    domain; it is the data of Raudenbush and Bryk (2002, ch. 4) and of the 2015 document.

    Returns
    -------
    pandas.DataFrame, shape (7185, 11)
        One row a student. Of the student: ``schoolid`` (a label, int), ``minority`` and ``female``
        (1 yes, 0 no), ``ses`` (a standardised scale of the parents' education, occupation and
        income) and ``mathach`` (a test score, -2.8 to 25.0 points). Of the school, the same in all
        its rows: ``size`` (students enrolled), ``sector`` (1 Catholic, 0 public), ``pracad`` (share
        of students on the academic track), ``disclim`` (disciplinary climate, a scale),
        ``himinty`` (1 if over 40 % minority students) and ``meanses``.

    Raises
    ------
    DataError
        If the embedded file was altered.

    Notes
    -----
    There are two versions of a school's mean SES, and they must not be mixed. ``meanses`` is the
    published school-level variable, to three decimals. The mean of these rows' ``ses`` by
    school, which ``between(ses)`` in a formula computes and which the 2015 document uses, is
    another: it lies 0.006 below ``meanses`` in every school, to the rounding of the latter.
    Slopes agree to about four digits; intercepts, and ``ses - meanses`` as a deviation from the
    school's mean, do not.

    Examples
    --------
    >>> hsb = load_hsb()
    >>> hsb.shape, hsb["schoolid"].nunique()
    ((7185, 11), 160)
    """
    return _load_frame("hsb")


def load_orthodont() -> "pd.DataFrame":
    """Load the dental growth of 27 children, measured at four ages.

    Potthoff and Roy (1964), Biometrika 51, 313-326; a growth curve with random slopes.

    Returns
    -------
    pandas.DataFrame, shape (108, 4)
        One row a measurement: ``subject`` (a label, M01 to M16 and F01 to F11), ``sex`` (Male or
        Female), ``age`` (8, 10, 12 or 14 years) and ``distance`` (from the pituitary to the
        pterygomaxillary fissure, in mm).

    Raises
    ------
    DataError
        If the embedded file was altered.

    Examples
    --------
    >>> load_orthodont()["distance"].max()
    np.float64(31.5)
    """
    return _load_frame("orthodont")


def load_sleepstudy() -> "pd.DataFrame":
    """Load the reaction times of 18 subjects over ten days of restricted sleep.

    Belenky et al. (2003), Journal of Sleep Research 12, 1-12, the group with three hours in bed.

    Returns
    -------
    pandas.DataFrame, shape (180, 3)
        One row a subject and day: ``subject`` (a label, int), ``days`` (0 to 9; 0 and 1 are
        adaptation, 2 is the baseline) and ``reaction`` (the day's mean reaction time, in ms).

    Raises
    ------
    DataError
        If the embedded file was altered.

    Examples
    --------
    >>> load_sleepstudy()["days"].max()
    np.int64(9)
    """
    return _load_frame("sleepstudy")


def load_dyestuff2() -> "pd.DataFrame":
    """Load simulated yields of six batches whose between-batch variance is estimated as zero.

    Box and Tiao (1973), Bayesian Inference in Statistical Analysis; a singular fit to test on.

    Returns
    -------
    pandas.DataFrame, shape (30, 2)
        One row a preparation: ``batch`` (a label, A to F) and ``yield`` (simulated, no unit).

    Raises
    ------
    DataError
        If the embedded file was altered.

    Examples
    --------
    >>> load_dyestuff2().groupby("batch").size().unique().tolist()
    [5]
    """
    return _load_frame("dyestuff2")


def load_pastes() -> "pd.DataFrame":
    """Load the strength of a chemical paste, assayed twice from three casks of ten batches.

    Davies and Goldsmith (1972), Statistical Methods in Research and Production, ch. 6; casks are
    nested in batches: ``(1 | batch/cask)``.

    Returns
    -------
    pandas.DataFrame, shape (60, 4)
        One row an assay: ``strength``, ``batch`` (A to J), ``cask`` (a to c, labels that every
        batch uses again) and ``sample`` (both, as in A:a).

    Raises
    ------
    DataError
        If the embedded file was altered.

    Examples
    --------
    >>> load_pastes().nunique().tolist()[1:]
    [10, 3, 30]
    """
    return _load_frame("pastes")


def load_penicillin() -> "pd.DataFrame":
    """Load assays of six samples of penicillin on each of 24 plates.

    Davies and Goldsmith (1972), Statistical Methods in Research and Production, ch. 6; plates and
    samples are crossed: ``(1 | plate) + (1 | sample)``.

    Returns
    -------
    pandas.DataFrame, shape (144, 3)
        One row an assay: ``diameter`` (of the zone without growth, in mm), ``plate`` (a to x) and
        ``sample`` (A to F).

    Raises
    ------
    DataError
        If the embedded file was altered.

    Examples
    --------
    >>> load_penicillin().groupby("sample").size().unique().tolist()
    [24]
    """
    return _load_frame("penicillin")


def load_contraception() -> "pd.DataFrame":
    """Load the use of contraception by 1,934 women in 60 districts of Bangladesh, a 0/1 outcome.

    Bangladesh Fertility Survey of 1988; Steele, Diamond and Amin (1996), Journal of the Royal
    Statistical Society A 159, 289-299.

    Returns
    -------
    pandas.DataFrame, shape (1934, 6)
        One row a woman: ``woman`` and ``district`` (labels; no district is 54), ``use`` (Y if she
        uses contraception, else N), ``livch`` (living children: 0, 1, 2 or 3+), ``age`` (in
        years, centred) and ``urban`` (Y if she lives in an urban region, else N).

    Raises
    ------
    DataError
        If the embedded file was altered.

    Examples
    --------
    >>> load_contraception()["use"].value_counts().to_dict()
    {'N': 1175, 'Y': 759}
    """
    return _load_frame("contraception")


def load_epil() -> "pd.DataFrame":
    """Load the seizures of 59 patients with epilepsy in four periods of a trial, a count.

    Thall and Vail (1990), Biometrics 46, 657-671.

    Returns
    -------
    pandas.DataFrame, shape (236, 9)
        One row a patient and period of two weeks: ``y`` (seizures), ``trt`` (placebo or
        progabide), ``base`` (seizures in the eight weeks before), ``age`` (in years), ``V4`` (1 in
        the fourth period, else 0), ``subject`` (a label, int), ``period`` (1 to 4), ``lbase`` and
        ``lage`` (logarithms of ``base`` and ``age``, centred).

    Raises
    ------
    DataError
        If the embedded file was altered.

    Examples
    --------
    >>> load_epil().groupby("trt")["subject"].nunique().to_dict()
    {'placebo': 28, 'progabide': 31}
    """
    return _load_frame("epil")


def _load_frame(name: str) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(dict(load_dataset(name).columns))


def _names() -> str:
    return ", ".join(DATASETS)

"""Keep the sums of a model in a file, so that further data can be added without the old rows.

The file is Parquet: a row a group, with its label, its count, the mean of each column less the
centre, and the lower triangle of the scatter; what they are of (formula, categories, centre) is
JSON in its metadata. It holds no rows, and sums of many rows tell little of any one; but those of a
group of one row *are* that row, and those of two or three all but tell them. `save_sums` counts
small groups, and can refuse them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bayes_mlm.atomic import atomic_file
from bayes_mlm.data.columns import from_arrow
from bayes_mlm.design import Design, check_estimable
from bayes_mlm.encoding import Encoding
from bayes_mlm.errors import DesignError, StorageError
from bayes_mlm.formula import parse_formula
from bayes_mlm.rows_away import rows_away
from bayes_mlm.scan.designs import SUMMED_NOTE, group_means
from bayes_mlm.sufficient import FloatArray, Sufficient, merge

FORMAT = 1
ENDING = ".sums"
_KEY = b"bayes_mlm_sums"
_LABELS = {
    "O": "text",
    "b": "truth values",
    "i": "whole numbers",
    "u": "whole numbers",
    "f": "decimal numbers",
}
# Groups written at a time.
_BATCH = 50_000
# Sources named in a note.
_MOST_SOURCES = 6


def save_sums(design: Design, path: str | Path, *, least_rows: int = 1) -> Path:
    """Write the sums of a design to one file, which is complete or not there at all.

    Parameters
    ----------
    design : Design
        Of summed data (`sum_rows`), as the formula has it: of kind pooled or partial_pooling.
    path : str or Path
        Conventionally ending in ``.sums``; an existing file is replaced.
    least_rows : int
        Refuse to write if a group has fewer rows: its sums would tell them.

    Returns
    -------
    Path

    Raises
    ------
    StorageError
        If the design holds rows or is laid out for another kind, a group is too small, or the file
        cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from bayes_mlm import fit, load_hsb, load_sums, save_sums, sum_rows
    >>> design = sum_rows("mathach ~ ses + (1 | schoolid)", load_hsb())
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     again = load_sums(save_sums(design, f"{folder}/hsb.sums"))
    >>> fit(again, random_seed=1).design.n
    7185
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    s = design.summed
    if s is None:
        raise StorageError(
            "this design holds rows; reduce them to sums with sum_rows, or keep the fit (save_fit)"
        )
    if design.kind not in ("pooled", "partial_pooling"):
        raise StorageError(
            f"this design is laid out for the kind {design.kind!r}; save the sums as the formula "
            "has them, and choose the kind when fitting"
        )
    small = int(np.count_nonzero(s.counts < least_rows))
    if small:
        raise StorageError(
            f"{small} of {s.J} groups have fewer than {least_rows} rows, whose sums would tell "
            "them; join small groups, leave them out, or lower least_rows"
        )
    path = Path(path)
    metadata = {_KEY: json.dumps(_document(design, s)).encode()}
    columns = _columns(s)
    schema = pa.schema(
        [pa.field(name, pa.array(values[:1]).type) for name, values in columns.items()],
        metadata=metadata,
    )
    try:
        with atomic_file(path) as partial, pq.ParquetWriter(partial, schema) as writer:
            for start in range(0, max(s.J, 1), _BATCH):
                part = {k: pa.array(v[start : start + _BATCH]) for k, v in columns.items()}
                writer.write_table(pa.table(part, schema=schema))
    except OSError as error:
        raise StorageError(f"cannot write {str(path)!r}: {error}") from error
    return path


def load_sums(path: str | Path) -> Design:
    """Read back what `save_sums` wrote.

    Raises
    ------
    StorageError
        If there is no such file, it is damaged, or it was not written by `save_sums`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = Path(path)
    document = _read_document(path)
    try:
        table = pq.read_table(path)
        arrays = {name: from_arrow(table.column(name)) for name in table.column_names}
        return _assemble(document, arrays)
    except (pa.ArrowException, OSError, KeyError, IndexError, ValueError) as error:
        raise StorageError(_damaged(path, error)) from error


def is_sums(source: object) -> bool:
    """Tell whether a source of data is a file of saved sums, by its ending."""
    return isinstance(source, (str, Path)) and str(source).endswith(ENDING)


def model_of_sums(path: str | Path) -> tuple[str, str | None]:
    """Read which formula, and which group beside it, a file of saved sums is of.

    Raises
    ------
    StorageError
        As `load_sums`.
    """
    document = _read_document(Path(path))
    return str(document["formula"]), document["group"]


def _read_document(path: Path) -> dict[str, Any]:
    """Read what the sums are of, without them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        raise StorageError(
            f"there is no file {str(path)!r}; give the path of saved sums (bayes-mlm sum makes "
            "them)"
        )
    try:
        metadata = pq.read_schema(path).metadata or {}
        kept = metadata.get(_KEY)
        document: dict[str, Any] | None = None if kept is None else json.loads(kept)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise StorageError(_damaged(path, error)) from error
    if document is None:
        raise StorageError(f"{str(path)!r} was not written by bayes_mlm.save_sums")
    if document["format"] != FORMAT:
        raise StorageError(
            f"{str(path)!r} has format {document['format']}, this version reads {FORMAT}; sum the "
            "data anew"
        )
    return document


def _damaged(path: Path, error: Exception) -> str:
    return f"{str(path)!r} cannot be read as saved sums ({error}); copy it again"


def merge_sums(one: Design, other: Design) -> Design:
    """Add up the sums of two sets of rows of one model, such as last year's and this year's.

    Parameters
    ----------
    one, other : Design
        Of summed data, the second made by the design of the first (`sum_more_rows`), or both with
        the same categories and without constants learned from the data.

    Returns
    -------
    Design

    Raises
    ------
    DesignError
        If the two are of different models; the message says in what they differ.
    """
    if one.summed is None or other.summed is None:
        raise DesignError("merge_sums takes designs of summed data; make them with sum_rows")
    _check_alike(one, other)
    summed = merge(one.summed, other.summed)
    base = None
    if one.group is not None:
        base = group_means(summed, one.terms)
    merged = replace(
        one,
        labels=summed.labels,
        summed=summed,
        base=base,
        n_dropped=one.n_dropped + other.n_dropped,
        notes=_join(one.notes, other.notes),
    )
    check_estimable(merged)
    return merged


def _join(one: Sequence[str], other: Sequence[str]) -> tuple[str, ...]:
    """Join notes; those that differ only in what was summed become one."""
    notes = list(dict.fromkeys((*one, *other)))
    summed = [note for note in notes if note.endswith(SUMMED_NOTE)]
    if len(summed) < 2:
        return tuple(notes)
    what = [note.removeprefix("rows of ").removesuffix(SUMMED_NOTE) for note in summed]
    sources = list(dict.fromkeys(name for names in what for name in names.split(" + ")))
    if len(sources) > _MOST_SOURCES:
        sources = [*sources[: _MOST_SOURCES - 1], f"{len(sources) - _MOST_SOURCES + 1:,} more"]
    rest = [note for note in notes if note not in summed]
    return (*rest, f"rows of {' + '.join(sources)}{SUMMED_NOTE}")


def small_groups(design: Design, fewer_than: int = 5) -> int:
    """Count the groups of fewer rows than some number, whose sums all but tell their rows.

    Parameters
    ----------
    design : Design
        With groups, of rows or of sums.
    fewer_than : int

    Returns
    -------
    int

    Examples
    --------
    >>> from bayes_mlm import load_hsb, small_groups, sum_rows
    >>> small_groups(sum_rows("mathach ~ ses + (1 | schoolid)", load_hsb()), 20)
    2
    """
    return int(np.count_nonzero(design.group_sizes < fewer_than))


def _check_alike(one: Design, other: Design) -> None:
    """Refuse to add up what is not of one model."""
    if one.formula != other.formula:
        raise DesignError(
            f"cannot merge sums of different formulas: {str(one.formula)!r} and "
            f"{str(other.formula)!r}"
        )
    if (one.group, one.kind) != (other.group, other.kind):
        raise DesignError(
            f"cannot merge sums by different groups or kinds: {one.group!r} [{one.kind}] and "
            f"{other.group!r} [{other.kind}]"
        )
    a, b = one.encoding, other.encoding
    if [item.factor for item in a.levels] != [item.factor for item in b.levels]:
        odd = {item.column for item in a.levels} ^ {item.column for item in b.levels}
        raise DesignError(
            f"cannot merge sums: {', '.join(map(repr, sorted(odd)))} holds categories in one and "
            "numbers in the other; give the column one type everywhere"
        )
    if a.levels != b.levels:
        pairs = zip(a.levels, b.levels, strict=True)
        first = next((x, y) for x, y in pairs if x != y)
        raise DesignError(
            f"cannot merge sums with different categories of {first[0].column!r}: "
            f"{', '.join(map(str, first[0].levels))} and {', '.join(map(str, first[1].levels))}; "
            "sum the further rows by the design of the first (sum_more_rows)"
        )
    if a.centrings != b.centrings:
        raise DesignError(
            "cannot merge sums whose center() or scale() took different means "
            f"({a.centrings[0].mean:.6g} and {b.centrings[0].mean:.6g}); sum the further rows by "
            "the design of the first (sum_more_rows)"
        )
    if a.means or b.means:
        raise DesignError(
            "cannot merge sums of a formula with within() or between(): further rows change the "
            "group means that the old rows were taken from; use the kind 'mundlak' or 'within'"
        )
    kinds = [_LABELS[design.labels.dtype.kind] for design in (one, other)]
    if one.group is not None and kinds[0] != kinds[1]:
        raise DesignError(
            f"the labels of {one.group!r} are {kinds[0]} in one and {kinds[1]} in the other; give "
            "them one type everywhere"
        )


def _columns(s: Sufficient) -> dict[str, Any]:
    """Give the columns of the file; of columns that are equal (ses in X and Z) one is kept."""
    kept, _ = _distinct(s)
    found: dict[str, Any] = {"label": s.labels, "n": s.counts}
    for i in kept:
        found[f"mean_{i}"] = s.means[:, i]
    for a, i in enumerate(kept):
        for j in kept[: a + 1]:
            found[f"scatter_{i}_{j}"] = s.scatter[:, i, j]
    return found


def _distinct(s: Sufficient) -> tuple[list[int], list[int]]:
    """Find columns of X and Z with one name, and columns of ones, which hold nothing."""
    names = [*s.terms, *s.effects, None]  # no column is called as the outcome is
    kept: list[int] = []
    place: list[int] = []
    seen: dict[str | None, int] = {}
    for i, name in enumerate(names):
        constant = not s.means[:, i].any() and not s.scatter[:, i, i].any()
        if constant:
            place.append(-1)
        elif name in seen:
            place.append(seen[name])
        else:
            seen[name] = i
            kept.append(i)
            place.append(i)
    return kept, place


def _document(design: Design, s: Sufficient) -> dict[str, Any]:
    _, place = _distinct(s)
    base = design.base
    return {
        "format": FORMAT,
        "formula": design.formula.text,
        "outcome": design.outcome,
        "group": design.group,
        "kind": design.kind,
        "encoding": design.encoding.to_dict(),
        "n_dropped": design.n_dropped,
        "notes": design.notes,
        "terms": s.terms,
        "effects": s.effects,
        "centre": s.centre.tolist(),
        "place": place,
        "varies": None if base is None else base.varies.tolist(),
    }


def _assemble(document: Mapping[str, Any], arrays: Mapping[str, Any]) -> Design:
    place = document["place"]
    labels, counts = arrays["label"], arrays["n"].astype(np.int64)
    k, n_groups = len(place), len(counts)
    means, scatter = np.zeros((n_groups, k)), np.zeros((n_groups, k, k))
    for a, i in enumerate(place):
        if i < 0:
            continue
        means[:, a] = arrays[f"mean_{i}"]
        for b, j in enumerate(place):
            if j >= 0:
                scatter[:, a, b] = _pair(arrays, i, j)
    summed = Sufficient(
        labels=labels,
        counts=counts,
        centre=np.array(document["centre"]),
        means=means,
        scatter=scatter,
        terms=tuple(document["terms"]),
        effects=tuple(document["effects"]),
        group=document["group"],
    )
    formula = parse_formula(document["formula"])
    return Design(
        **rows_away(),
        labels=labels,
        outcome=document["outcome"],
        terms=summed.terms,
        effects=summed.effects,
        group=document["group"],
        kind=document["kind"],
        formula=formula,
        encoding=Encoding.from_dict(document["encoding"]),
        correlated=formula.correlated,
        base=None if document["group"] is None else group_means(summed, summed.terms),
        n_dropped=document["n_dropped"],
        notes=tuple(document["notes"]),
        summed=summed,
    )


def _pair(arrays: Mapping[str, Any], i: int, j: int) -> FloatArray:
    found: FloatArray = arrays[f"scatter_{max(i, j)}_{min(i, j)}"]
    return found

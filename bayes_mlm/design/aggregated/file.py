"""File of a model's sufficient statistics, to which further data are added without old rows.

The file is Parquet: a row a group (of several factors a combination of their levels), with its
label, its count, the mean of each column less the centre, and the lower triangle of the scatter;
what they are of (formula, categories, centre) is JSON in its metadata, with a SHA-256 of all bytes
of the file (`seal`): a file with one changed bit is refused. It contains no rows, and sums of many
rows disclose little about any one; but those of a group of one row *are* that row, and those of
two or three nearly disclose them. `save_sums` counts small groups, and can refuse them.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import numpy as np

from bayes_mlm.base import (
    ABSENT,
    BLANK,
    Floats,
    StorageError,
    atomic_file,
    check_seal,
    expand_home,
    expect,
    expect_path,
    explain_file,
    sealed,
    system_message,
    unreadable_reason,
)
from bayes_mlm.data import from_arrow, levels_of
from bayes_mlm.design.aggregated.designs import base_of_moments
from bayes_mlm.design.aggregated.lists import TOO_CROSSED
from bayes_mlm.design.aggregated.merge import batches_of
from bayes_mlm.design.aggregated.sizes import small_groups
from bayes_mlm.design.aggregated.weighted import counted, weight_columns, weights_from
from bayes_mlm.design.damage import check_cells, check_names, naming, require
from bayes_mlm.design.design import Design
from bayes_mlm.design.encoding import Encoding
from bayes_mlm.design.terms import FixedColumns, Response, terms_of_moments
from bayes_mlm.formula import parse_formula
from bayes_mlm.model import UNWEIGHTED, Weights
from bayes_mlm.moments import CellFactor, CellMoments, GroupMoments, by_group

FORMAT = 2
_OF_ONE = 1  # had a group and its effects in place of factors
ENDING = ".sums"
_KEY, _SEALED = b"bayes_mlm_sums", b"bayes_mlm_seal"
_PARQUET = b"PAR1"  # at either end
_WHAT, _REMEDY = "saved sums", "copy it again, or sum the data anew"
# Groups written at a time.
_BATCH = 50_000


class _Factor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A grouping factor and the names of its effects."""

    name: str
    effects: tuple[str, ...]


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parts of the sums that are not arrays, in the types that they must have."""

    format: int
    formula: str
    outcome: str
    factors: tuple[_Factor, ...]
    kind: Literal["pooled", "partial_pooling"]
    encoding: dict[str, Any]
    n: int
    n_dropped: Annotated[int, msgspec.Meta(ge=0)]
    notes: tuple[str, ...]
    batches: tuple[str, ...]
    terms: tuple[str, ...]
    centre: tuple[float, ...]
    place: tuple[int, ...]
    weights: Weights = UNWEIGHTED


def save_sums(design: Design, path: str | Path, *, least_rows: int = 1) -> Path:
    """Write the sums of a design to one file, which is complete or not there at all.

    Parameters
    ----------
    design : Design
        Of summed data (`sum_rows`), as the formula has it: of kind pooled or partial_pooling.
    path : str or Path
        Ending in ``.sums``, by which `fit` recognises it; an existing file is replaced.
    least_rows : int
        Refuse to write if a group has fewer rows: its sums would disclose them.

    Returns
    -------
    Path

    Raises
    ------
    StorageError
        If the design has rows or is laid out for another kind, a group is too small, the name
        ends otherwise, or the file cannot be written.

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
    expect("save_sums", design, Design)
    expect_path("save_sums", path, StorageError)
    import pyarrow as pa
    import pyarrow.parquet as pq

    if design.aggregated is None:
        why = "this design has rows; aggregate them with sum_rows"
        if not design.family.gaussian_moments:
            why = f"{design.family.label} outcomes have no sums; keep the data"
        raise StorageError(f"{why}, or keep the fit (save_fit)")
    if design.crossed is not None:
        raise StorageError(f"no sums of {' and '.join(design.factors)} can be saved: {TOO_CROSSED}")
    if design.kind not in ("pooled", "partial_pooling"):
        raise StorageError(
            f"this design is laid out for the kind {design.kind!r}; save the sums before "
            "laying them out, and choose the kind when fitting"
        )
    path = Path(path)
    check_name(path)
    s = design.aggregated.cells
    small = small_groups(design, least_rows)
    if small:
        what = "groups" if len(design.factors) < 2 else "combinations of levels"
        raise StorageError(
            f"{small} of {s.J} {what} have fewer than {least_rows} rows, whose sums would "
            "disclose them; join small groups, omit them, or lower least_rows"
        )
    metadata = {_KEY: json.dumps(_document(design, s)).encode()}
    columns = _columns(design.aggregated) | weight_columns(design.weights)
    schema = pa.schema(
        [pa.field(name, pa.array(values[:1]).type) for name, values in columns.items()],
        metadata=metadata,
    )
    made = pa.BufferOutputStream()
    with pq.ParquetWriter(made, schema) as writer:
        for start in range(0, max(s.J, 1), _BATCH):
            part = {k: pa.array(v[start : start + _BATCH]) for k, v in columns.items()}
            writer.write_table(pa.table(part, schema=schema))
        writer.add_key_value_metadata({_SEALED: BLANK})
    with atomic_file(path) as partial:
        partial.write_bytes(sealed(made.getvalue().to_pybytes()))
    return path


def load_sums(path: str | Path) -> Design:
    """Read back what `save_sums` wrote.

    Raises
    ------
    StorageError
        If there is no such file, it is damaged, or it was not written by `save_sums`.
    """
    expect_path("load_sums", path, StorageError)
    import pyarrow.parquet as pq
    from pyarrow import BufferReader

    path = expand_home(path).absolute()
    content = _content(path)
    with naming(path, _WHAT, _REMEDY):
        document = _read_document(content)
        table = pq.read_table(BufferReader(content))
        arrays = {name: from_arrow(table.column(name)) for name in table.column_names}
        return _assemble(document, arrays)


def check_name(path: Path) -> None:
    """Refuse a name without the ending that distinguishes files of sums."""
    if path.suffix != ENDING:
        raise StorageError(
            f"{str(path)!r} must end in {ENDING}, which distinguishes sums from rows; name "
            f"it {path.with_suffix(ENDING).name}"
        )


def is_sums(source: object) -> bool:
    """Return whether a source of data is a file of saved sums, by its ending."""
    return isinstance(source, (str, Path)) and str(source).endswith(ENDING)


def rows_at_source(design: Design, source: object) -> bool:
    """Return whether a design has moments alone, of data whose rows can still be read."""
    first = design.imputations[0] if design.imputations else design
    return not first.has_rows and not is_sums(source)


def model_of_sums(path: str | Path) -> tuple[str, str | None, bool]:
    """Read the formula and the one group of saved sums, and whether their labels were stripped.

    Raises
    ------
    StorageError
        As `load_sums`.
    """
    path = expand_home(path).absolute()
    content = _content(path)
    with naming(path, _WHAT, _REMEDY):
        document = _read_document(content)
    group = document.factors[0].name if len(document.factors) == 1 else None
    return document.formula, group, bool(document.encoding.get("strip"))


def _content(path: Path) -> bytes:
    """Return the bytes of a file that may contain sums."""
    reason = unreadable_reason(path)
    if reason == ABSENT:
        raise StorageError(
            f"there is no file {str(path)!r}; give the path of saved sums (bayes-mlm sum makes "
            "them)"
        )
    if reason:
        raise StorageError(f"{str(path)!r} {explain_file(path)}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StorageError(f"cannot read {str(path)!r}: {system_message(error)}") from error
    cut_off = content.startswith(_PARQUET) and not content.endswith(_PARQUET)
    if _KEY not in content and not cut_off:
        raise StorageError(
            f"{str(path)!r} contains no sums; compute them from its rows (save_sums, bayes-mlm sum)"
        )
    return content


def _read_document(content: bytes) -> _Document:
    """Read the parts that are not arrays, after the checksum."""
    import pyarrow.parquet as pq
    from pyarrow import BufferReader

    check_seal(content)
    document = json.loads((pq.read_schema(BufferReader(content)).metadata or {})[_KEY])
    if document["format"] == _OF_ONE:
        group, effects = document.pop("group"), document.pop("effects")
        document["factors"] = [] if group is None else [{"name": group, "effects": effects}]
        document["format"] = FORMAT
    require(
        document["format"] == FORMAT,
        f"it has format {document['format']}, this version reads {FORMAT}",
    )
    return msgspec.convert(document, _Document)


def _columns(moments: CellMoments) -> dict[str, Any]:
    """Return the columns of the file; of columns that are equal (ses in X and Z) one is kept."""
    s = moments.cells
    kept, _ = _distinct(s)
    names = _label_columns(len(moments.factors))
    labels = [one.labels[one.codes] for one in moments.factors] or [s.labels]
    found: dict[str, Any] = {**dict(zip(names, labels, strict=True)), "n": s.counts}
    for i in kept:
        found[f"mean_{i}"] = s.means[:, i]
    for a, i in enumerate(kept):
        for j in kept[: a + 1]:
            found[f"scatter_{i}_{j}"] = s.scatter[:, i, j]
    return found


def _label_columns(n_factors: int) -> list[str]:
    """Return the columns of labels: one of a factor, and of none."""
    return ["label"] if n_factors < 2 else [f"label_{k}" for k in range(n_factors)]


def _distinct(s: GroupMoments) -> tuple[list[int], list[int]]:
    """Find columns of X and Z with the same name, and constant columns of ones."""
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


def _document(design: Design, s: GroupMoments) -> dict[str, Any]:
    _, place = _distinct(s)
    return {
        "format": FORMAT,
        "formula": design.formula.text,
        "outcome": design.outcome,
        "factors": [{"name": one.factor, "effects": one.effects} for one in design.group_terms],
        "kind": design.kind,
        "encoding": design.encoding.to_dict(),
        "n": design.n,
        "n_dropped": design.n_dropped,
        "notes": design.notes,
        "batches": batches_of(design),
        "terms": s.terms,
        "centre": s.centre.tolist(),
        "place": place,
    } | ({} if design.weights is None else {"weights": msgspec.to_builtins(design.weights.spec)})


def _assemble(document: _Document, arrays: Mapping[str, Any]) -> Design:
    survey = weights_from(document.weights, arrays)
    place, counts = document.place, arrays["n"]
    k, n_groups = len(place), len(counts)
    means, scatter = np.zeros((n_groups, k)), np.zeros((n_groups, k, k))
    for a, i in enumerate(place):
        if i < 0:
            continue
        means[:, a] = arrays[f"mean_{i}"]
        for b, j in enumerate(place):
            if j >= 0:
                scatter[:, a, b] = _pair(arrays, i, j)
    summed = GroupMoments(
        labels=arrays["label"] if len(document.factors) < 2 else np.arange(n_groups),
        counts=counts,
        centre=np.array(document.centre),
        means=means,
        scatter=scatter,
        terms=document.terms,
        effects=tuple(effect for one in document.factors for effect in one.effects),
        group=document.factors[0].name if len(document.factors) == 1 else None,
        weights=None if survey is None else survey.level2 / survey.level2.mean(),
    )
    moments = _cells_of(document, summed, arrays)
    check_cells(moments)
    n = summed.n if survey is None else survey.n
    require(n == document.n, f"its groups have {n} rows, and {document.n} were summed")
    formula = parse_formula(document.formula)
    design = Design(
        response=Response(name=document.outcome),
        fixed=FixedColumns(terms=summed.terms),
        group_terms=counted(terms_of_moments(moments, formula.correlated), survey),
        kind=document.kind,
        formula=formula,
        encoding=Encoding.from_dict(document.encoding),
        base=base_of_moments(moments),
        n_dropped=document.n_dropped,
        notes=document.notes,
        batches=document.batches,
        aggregated=moments,
        weights=survey,
    )
    check_names(design)
    require(_distinct(summed)[1] == list(place), "columns of one name differ, or are not there")
    return design


def _cells_of(document: _Document, summed: GroupMoments, arrays: Mapping[str, Any]) -> CellMoments:
    """Return the sums with the levels of each factor."""
    if len(document.factors) < 2:
        return by_group(summed)
    factors = []
    for name, one in zip(_label_columns(len(document.factors)), document.factors, strict=True):
        labels, codes = levels_of(arrays[name])
        require(bool((codes >= 0).all()), f"a label of {one.name} is missing")
        factors.append(CellFactor(factor=one.name, labels=labels, codes=codes, effects=one.effects))
    return CellMoments(cells=summed, factors=tuple(factors))


def _pair(arrays: Mapping[str, Any], i: int, j: int) -> Floats:
    found: Floats = arrays[f"scatter_{max(i, j)}_{min(i, j)}"]
    return found

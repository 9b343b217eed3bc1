"""Build the design of a model: from rows in memory, or sums aggregated out of core."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, get_args

from bayes_mlm.base import (
    ABSENT,
    DIRECTORY,
    DataError,
    DesignError,
    check_choice,
    expand_home,
    suggest,
    unreadable_reason,
)
from bayes_mlm.data import (
    COMPRESSED,
    DATASETS,
    IN_MEMORY,
    PARQUET,
    USUAL,
    DataSource,
    ReadOptions,
    Table,
    as_table,
    is_duckdb_file,
    is_pattern,
    load_dataset,
    open_files,
    read_file,
    scan_without_codes,
    split_part,
    strip_labels,
    suffix_of,
    with_decimal,
    without_codes,
)
from bayes_mlm.design.aggregated import (
    Scan,
    as_scan,
    collect_rows,
    count_rows,
    find_files,
    is_distributed,
    is_scannable,
    sum_rows,
)
from bayes_mlm.design.aggregated.file import is_sums, load_sums
from bayes_mlm.design.design import Design
from bayes_mlm.design.from_table import build_design
from bayes_mlm.design.group_structure import check_aggregated
from bayes_mlm.design.imputations import pool_designs, with_outcome
from bayes_mlm.design.imputed_data import ImputedParts, imputed_parts
from bayes_mlm.design.layouts import for_kind
from bayes_mlm.formula import parse_formula
from bayes_mlm.model import HasRequest, ModelSpec, family_of

type Rows = Literal["auto", "keep", "sum"]

# Up to this size rows are read, which every analysis can use; beyond it they are aggregated. Of
# text only the size is known in advance, and gzip reduces it to about a fifth.
KEPT_ROWS = 1_000_000
KEPT_BYTES = 100_000_000
_PACKED = 5


def design_of(
    request: HasRequest,
    data: Any = None,
    *,
    rows: Rows = "auto",
    on_progress: Callable[[float], None] | None = None,
    aliased: bool = False,
) -> Design:
    """Return the design of a model, of its data or of other data, laid out for its kind.

    Parameters
    ----------
    request : ModelRequest, or other with a `request`
    data : data frame, Scan, Design, DataSource, str, Path or list of these, optional
        Instead of the model's source; an aggregated `Design` is laid out as it is.
    rows : {"auto", "keep", "sum"}
        Whether rows are read into memory. "auto" keeps frames in memory, lazy frames and Parquet
        files of up to a million rows, and text files of up to 100 MB (gzipped: 20 MB); a Spark
        table, and the result of `open_data`, is always aggregated.
    on_progress : callable, optional
        Called with the progress of a long query, in per cent.
    aliased : bool
        As of `build_design`, where rows are kept.

    Examples
    --------
    >>> from bayes_mlm.data import DataSource
    >>> from bayes_mlm.model import ModelRequest
    >>> model = ModelSpec(formula="mathach ~ ses", kind="between", group="schoolid")
    >>> design_of(ModelRequest(model=model, source=DataSource(data="hsb"))).n
    160
    """
    model, source = request.request.model, request.request.source
    if isinstance(data, DataSource):
        source, data = data, None
    if isinstance(data, Design):
        if not data.has_rows:  # sums that were added up, or are a part of more
            check_aggregated(data)
        return for_kind(data, model.kind)
    location = source.location if data is None else data
    several = imputed_parts(
        request.request, location, rows, lambda: as_table(_kept(location, model, source))
    )
    if several is not None:
        return _of_imputations(several, rows, aliased=aliased)
    if is_sums(location):
        return for_kind(_saved(model, source, location), model.kind)
    options: dict[str, Any] = {
        "group": model.group_column,
        "missing": source.missing,
        "group_level": model.group_level,
        "strip": source.strip,
    }
    scan = _scan_of(location, rows, source.options)
    if scan is not None:
        if not model.residual.is_plain:
            raise DataError(
                f"residuals that are {model.residual} need the rows, and those of {scan.source} "
                'are summed where they lie; take a sample of groups, or rows="keep" (--rows keep)'
            )
        scan = replace(scan, on_progress=on_progress)
        design = sum_rows(
            model.formula, scan, family=model.family, weights=model.weights, **options
        )
        return for_kind(design, model.kind)
    design = build_design(
        model.formula,
        _kept(location, model, source),
        residual=model.residual,
        family=model.family,
        aliased=aliased,
        weights=model.weights,
        **options,
    )
    return for_kind(design, model.kind)


def _of_imputations(several: ImputedParts, rows: Rows, *, aliased: bool) -> Design:
    """Return the design of several imputations; an error names that it is in."""
    designs: list[Design] = []
    for one in several.parts:
        try:
            same = with_outcome(designs[0], one.data, several.parts[0].data) if designs else None
            designs.append(same or design_of(one.request, one.data, rows=rows, aliased=aliased))
        except (DataError, DesignError) as error:
            raise type(error)(f"{one.name}: {error}") from error
    pooled = pool_designs(designs)
    return replace(pooled, notes=(*several.notes, *pooled.notes))


def _need_rows(model: ModelSpec, path: str | Path) -> None:
    """Refuse saved sums for a model whose likelihood is not one of sums by group."""
    family = family_of(model.family)
    what = "" if family.gaussian_moments else f"{family.label} outcomes"
    if not model.residual.is_plain:
        what = f"residuals that are {model.residual}"
    if what:
        raise DataError(f"{what} need the rows, and {path} contains sums of them")


def _saved(model: ModelSpec, source: DataSource, path: str | Path) -> Design:
    """Load saved sums, after checking that they are of the model."""
    design = load_sums(path)
    formula = parse_formula(model.formula)
    factors = formula.grouping_factors or tuple(filter(None, [model.group_column]))
    if (str(formula), factors) != (str(design.formula), design.factors):
        named = [" and ".join(one) or None for one in (design.factors, factors)]
        raise DataError(
            f"{path} contains the sums of '{design.formula}' by {named[0]}, not of '{formula}' "
            f"by {named[1]}; sum the rows again for another model"
        )
    _need_rows(model, path)
    if source.strip and not design.encoding.strip:
        raise DataError(
            f"{path} contains sums by labels with unstripped spaces; sum the rows again with "
            "strip=True (--strip)"
        )
    check_aggregated(design)
    return design


def _columns(model: ModelSpec, source: DataSource) -> tuple[str, ...]:
    formula = parse_formula(model.formula)
    groups = formula.grouping_factors or ((model.group,) if model.group is not None else ())
    names = [*formula.columns, *groups, *model.group_level, *model.residual.columns]
    names += model.weights.columns
    sets = {one.name: one.columns for one in formula.imputed}
    names = [column for name in names for column in sets.get(name, (name,))]
    if source.imputation is not None:
        names.append(source.imputation)
    return tuple(name for name in dict.fromkeys(names) if name not in formula.interactions)


def _scan_of(source: Any, rows: Rows, options: ReadOptions = USUAL) -> Scan | None:
    """Return the scan to aggregate out of core; None if rows are to be kept."""
    check_choice("rows", rows, get_args(Rows.__value__), DataError)
    if rows == "keep":
        if is_distributed(source) or (isinstance(source, Scan) and source.engine == "pyspark"):
            raise DataError(
                "the rows of a Spark table are not collected; sum them (rows='sum'), or give a "
                "sample: frame.sample(0.01).toPandas()"
            )
        return None
    if isinstance(source, Scan) or is_distributed(source):
        return _with_options(as_scan(source), options)
    if isinstance(source, (str, Path)):
        if str(source) in DATASETS or str(source) == IN_MEMORY:
            return as_scan(read_data(source, options=options)) if rows == "sum" else None
        return open_files(source, options) if rows == "sum" or _is_large(str(source)) else None
    if rows == "sum":
        table = as_table(source) if isinstance(source, (Table, Mapping)) else source
        return _with_options(as_scan(table), options)
    if not is_scannable(source):
        return None
    scan = as_scan(source)
    return _with_options(scan, options) if count_rows(scan) > KEPT_ROWS else None


def _with_options(scan: Scan, options: ReadOptions) -> Scan:
    read = scan if options.decimal is None else with_decimal(scan, options.decimal)
    return scan_without_codes(read, options.na_values)


def _is_large(source: str) -> bool:
    try:
        files = find_files(source)
    except DataError:  # reading it reports what is wrong
        return False
    ending = suffix_of(files[0])
    if not ending and len(files) == 1:  # its reader brings it into memory, unless of DuckDB
        return _is_large_table(files[0], source)
    if ending in PARQUET:
        return _rows_in(files) > KEPT_ROWS
    size = sum(
        file.stat().st_size * (_PACKED if file.suffix.lower() in COMPRESSED else 1)
        for file in files
    )
    return size > KEPT_BYTES


def _is_large_table(file: Path, source: str) -> bool:
    try:
        return is_duckdb_file(file) and count_rows(open_files(source, USUAL)) > KEPT_ROWS
    except DataError:  # whoever reads it says what is wrong
        return False


def _rows_in(files: Sequence[Path]) -> int:
    """Count the rows of Parquet files by their footers, as far as it matters."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    total = 0
    for file in files:
        try:
            total += pq.read_metadata(file).num_rows
        except (pa.ArrowException, OSError):  # reading it reports what is wrong
            continue
        if total > KEPT_ROWS:
            break
    return total


def _kept(location: Any, model: ModelSpec, source: DataSource) -> Any:
    """Return rows in memory; of a lazy frame or of many files only the columns needed."""
    options, columns = source.options, _columns(model, source)
    if isinstance(location, (str, Path)):
        if str(location) in (*DATASETS, IN_MEMORY) or _is_one_file(location):
            return read_data(location, options=options)
        scan = replace(open_files(location, options), complete=source.missing == "drop")
        return collect_rows(scan, columns)
    if is_scannable(location):
        return collect_rows(_with_options(as_scan(location), options), columns)
    return _read(location, options) if options.given else location


def _refuse_slip(source: str) -> None:
    """Refuse what is no file, and nearly the name of an embedded data set."""
    near = get_close_matches(source.casefold(), DATASETS, n=1, cutoff=0.7)
    if near and not Path(source).suffix and unreadable_reason(expand_home(source)) == ABSENT:
        raise DataError(
            f"{source} is neither a file nor an embedded data set{suggest(source, DATASETS)}"
        )


def _is_one_file(source: str | Path) -> bool:
    """Return whether a source is one file, or is to be one; else it is a directory or a pattern."""
    reason = unreadable_reason(expand_home(split_part(str(source))[0]))
    return reason != DIRECTORY and (reason != ABSENT or not is_pattern(str(source)))


def rows_or_source(source: Any, options: ReadOptions = USUAL) -> Any:
    """Read data that fit in memory, so that several models share them; give others back."""
    if is_sums(source) or _scan_of(source, "auto", options) is not None:
        return source
    return read_data(source, options=options)


def table_of(source: DataSource, data: Any = None) -> Table:
    """Return the table of a source, or the one given, read the same way."""
    options = source.options
    if data is not None and str(data) != str(source.location):
        options = options.of_new_rows(data)
    location = source.location if data is None else data
    return read_data(location, strip=source.strip, options=options)


def read_data(source: Any, *, strip: bool = False, options: ReadOptions = USUAL) -> Table:
    """Read a data frame, files, or an embedded data set by name, rows and all.

    Parameters
    ----------
    source : data frame, Scan, DataSource, str or Path
    strip : bool
        Whether to strip spaces from the ends of labels.
    options : ReadOptions
        How a file is read, where it does not say so itself.

    Raises
    ------
    DataError
        If there is no such file or set, or the frame cannot be read.

    Examples
    --------
    >>> read_data("sleepstudy").n
    180
    """
    table = _read(source, options)
    return strip_labels(table) if strip else table


def _read(source: Any, options: ReadOptions) -> Table:
    if isinstance(source, DataSource):
        return _read(source.location, source.options)
    if isinstance(source, str) and source in DATASETS:
        return without_codes(load_dataset(source), options.na_values)
    if is_sums(source):
        raise DataError(f"{source} contains sums of rows, and this needs the rows")
    if isinstance(source, (str, Path)):
        if str(source) == IN_MEMORY:
            raise DataError("this model was made with a data frame in memory; pass the data again")
        if _is_one_file(source):
            _refuse_slip(str(source))
            return read_file(source, options)
        scan = open_files(source, options)
        return collect_rows(scan, tuple(scan.kinds))
    if isinstance(source, Scan):
        return collect_rows(_with_options(source, options), tuple(source.kinds))
    return without_codes(
        as_table(source, decimal=options.decimal), options.na_values, options.decimal
    )

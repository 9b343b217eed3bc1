"""Lazy tables of files that Apache Spark reads."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bayes_mlm.base import DataError, shown
from bayes_mlm.data.formats.arrow import PARQUET
from bayes_mlm.data.formats.layout import TextLayout, layout_of
from bayes_mlm.data.formats.streams import UTF8
from bayes_mlm.data.lazy.finding import suffix_of
from bayes_mlm.data.lazy.schemas import check_schemas
from bayes_mlm.data.lazy.shared import as_text, common_headers, name_of, noted, with_declared
from bayes_mlm.data.lazy.source import Scan, as_scan
from bayes_mlm.data.lazy.texts import with_decimal
from bayes_mlm.data.reader import ReadOptions


def open_spark(files: Sequence[Path], source: str, options: ReadOptions) -> Scan:
    """Open text or Parquet files in the active Spark session, or a new one."""
    try:
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise DataError(
            "Apache Spark is not installed; pip install 'bayes-mlm[spark]' (it needs Java 17)"
        ) from error
    text = suffix_of(files[0]) not in PARQUET
    layout = layout_of(files[0], options) if text else TextLayout(delimiter=",")
    names = common_headers(files, layout)[0].names if text else []
    if not text:
        check_schemas(files)
    packed = [file for file in files if file.name.lower().endswith(".zst")]
    if packed or layout.encoding not in (UTF8, "cp1252", "latin-1", "utf-16"):
        raise DataError(
            f"Spark does not read {shown((packed or list(files))[0])}, which is compressed by "
            "Zstandard or in a rare encoding; write it as Parquet"
        )
    for file in files:
        if file.name.startswith(("_", ".")) or ":" in file.name:
            raise DataError(
                f"Spark cannot read {shown(file)}: it ignores names that begin with _ or . and "
                "reads text before a colon as an address; rename the file"
            )
    session = SparkSession.getActiveSession() or (
        SparkSession.builder.appName("bayes-mlm").config("spark.ui.enabled", "false").getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    paths = [str(file) for file in files]
    reader = session.read.option("__globPaths__", "false")  # names are no patterns
    if not text:
        scan = as_scan(reader.parquet(*paths), source=name_of(files, source))
        return with_decimal(replace(scan, prepare=with_declared(files)), options.decimal)
    places = [f"text{k}_" for k in range(len(names))]
    settings: dict[str, Any] = {
        "sep": layout.delimiter,
        "encoding": "UTF-8" if layout.encoding == UTF8 else layout.encoding,
        "escape": '"',
        "mode": "FAILFAST",
        "multiLine": True,  # a quoted value may hold a line break
        "columnPruning": False,  # so that a row of another length is noticed
        "emptyValue": "",
    }
    reader = reader.schema(", ".join(f"{place} string" for place in places))
    frame = reader.options(**settings).csv(paths, header=True)
    named = name_of(files, source)
    scan = as_scan(frame, source=named, explain=_spark_explainer(named))
    return noted(with_decimal(as_text(scan, names), layout.decimal), layout)


def _spark_explainer(named: str) -> Callable[[Exception], str | None]:
    def explain(error: Exception) -> str | None:
        found = re.search(r"Malformed CSV record: (.*?)(?: SQLSTATE|$)", str(error))
        if found is None:
            return None
        return (
            f"a row of {named} has another number of values than the header: {found[1][:60]!r}; "
            "correct that row, or look for an unclosed quote"
        )

    return explain

from .absent import explain_absent as explain_absent
from .columns import Column as Column, from_arrow as from_arrow
from .datasets import (
    DATASETS as DATASETS,
    load_contraception as load_contraception,
    load_dataset as load_dataset,
    load_dyestuff2 as load_dyestuff2,
    load_epil as load_epil,
    load_hsb as load_hsb,
    load_orthodont as load_orthodont,
    load_pastes as load_pastes,
    load_penicillin as load_penicillin,
    load_sleepstudy as load_sleepstudy,
)
from .description import (
    crosstab as crosstab,
    describe as describe,
    describe_variables as describe_variables,
    group_sizes as group_sizes,
    intraclass as intraclass,
    obstacles as obstacles,
)
from .footers import (
    FOOTER as FOOTER,
    check_footer as check_footer,
    check_footer_label as check_footer_label,
    refuse_footer as refuse_footer,
)
from .formats.arrow import PARQUET as PARQUET
from .formats.databases import is_duckdb_file as is_duckdb_file
from .formats.layout import RECOGNISED as RECOGNISED
from .group_checks import (
    check_group as check_group,
    check_group_level as check_group_level,
    one_level as one_level,
)
from .groups import (
    Groups as Groups,
    as_labels as as_labels,
    find_groups as find_groups,
    group_spread as group_spread,
    is_whole as is_whole,
    label_text as label_text,
    levels_of as levels_of,
    varies_within as varies_within,
)
from .interactions import combined as combined, with_interactions as with_interactions
from .labels import (
    ALIKE as ALIKE,
    label_texts as label_texts,
    notes_on_columns as notes_on_columns,
    notes_on_labels as notes_on_labels,
    relabelled as relabelled,
    strip_labels as strip_labels,
)
from .lazy.batches import Labelled as Labelled, read_batches as read_batches
from .lazy.codes import scan_without_codes as scan_without_codes
from .lazy.expressions import (
    NUMBER as NUMBER,
    count as count,
    is_nan as is_nan,
    stripped as stripped,
)
from .lazy.files import open_data as open_data, open_files as open_files
from .lazy.finding import find_files as find_files, is_pattern as is_pattern, suffix_of as suffix_of
from .lazy.source import (
    FILE as FILE,
    Frame as Frame,
    Scan as Scan,
    as_scan as as_scan,
    collect as collect,
    collect_row as collect_row,
    collect_rows as collect_rows,
    count_rows as count_rows,
    engine_errors as engine_errors,
    is_distributed as is_distributed,
    is_scannable as is_scannable,
    narrowed as narrowed,
)
from .lazy.texts import with_decimal as with_decimal
from .magnitude import refuse_magnitude as refuse_magnitude, refuse_magnitudes as refuse_magnitudes
from .misread import refuse_misread as refuse_misread
from .missing import (
    Complete as Complete,
    check_missing as check_missing,
    count_labels as count_labels,
    count_text as count_text,
    handle_missing as handle_missing,
    is_missing as is_missing,
    note_on_lost_groups as note_on_lost_groups,
)
from .na_values import (
    na_text as na_text,
    notes_on_sentinels as notes_on_sentinels,
    without_codes as without_codes,
)
from .numerals import (
    Decimal as Decimal,
    Notation as Notation,
    check_decimal as check_decimal,
    is_number as is_number,
    mostly_numbers as mostly_numbers,
    notation_of as notation_of,
)
from .reader import (
    COMPRESSED as COMPRESSED,
    READERS as READERS,
    USUAL as USUAL,
    Format as Format,
    ReadOptions as ReadOptions,
    format_of as format_of,
    register_format as register_format,
    split_part as split_part,
)
from .reading import (
    read_file as read_file,
    read_table as read_table,
)
from .source import (
    IN_MEMORY as IN_MEMORY,
    DataSource as DataSource,
    check_source as check_source,
)
from .table import (
    Table as Table,
    as_table as as_table,
    take as take,
)
from .texts import (
    FALSE_TEXTS as FALSE_TEXTS,
    MISSING_TEXTS as MISSING_TEXTS,
    TRUE_TEXTS as TRUE_TEXTS,
)
from .validation import (
    check_outcome as check_outcome,
    check_predictors as check_predictors,
    constant_outcome as constant_outcome,
    constant_predictor as constant_predictor,
    require_columns as require_columns,
    require_finite as require_finite,
    require_numeric as require_numeric,
    two_values as two_values,
)

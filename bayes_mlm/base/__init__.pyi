from .arguments import (
    check_choice as check_choice,
    check_whole as check_whole,
    describe_value as describe_value,
    expect as expect,
    expect_each as expect_each,
    expect_path as expect_path,
    expect_text as expect_text,
)
from .arrays import Array as Array, Flags as Flags, Floats as Floats, Ints as Ints
from .atomic import (
    atomic_file as atomic_file,
    atomic_folder as atomic_folder,
    file_obstacle as file_obstacle,
    folder_obstacle as folder_obstacle,
    system_message as system_message,
)
from .checksum import BLANK as BLANK, SEAL as SEAL, check_seal as check_seal, sealed as sealed
from .elsewhere import knows_words as knows_words
from .errors import (
    BayesMLMError as BayesMLMError,
    DataError as DataError,
    DesignError as DesignError,
    EmptyCellError as EmptyCellError,
    EngineError as EngineError,
    FormulaError as FormulaError,
    OneValueError as OneValueError,
    PriorError as PriorError,
    RowsNeededError as RowsNeededError,
    SeveralFactorsError as SeveralFactorsError,
    SpecError as SpecError,
    StorageError as StorageError,
    UnsupportedModelError as UnsupportedModelError,
)
from .memory import check_memory as check_memory, free_memory as free_memory
from .paths import (
    ABSENT as ABSENT,
    DIRECTORY as DIRECTORY,
    expand_home as expand_home,
    explain_file as explain_file,
    shown as shown,
    unreadable_reason as unreadable_reason,
)
from .prob import (
    DEFAULT_PROB as DEFAULT_PROB,
    check_prob as check_prob,
    wald_reach as wald_reach,
)
from .ranges import numbered_names as numbered_names
from .registry import Registry as Registry
from .rendering import (
    RENDERERS as RENDERERS,
    STYLE as STYLE,
    Emphasised as Emphasised,
    Span as Span,
    View as View,
    escape_markdown as escape_markdown,
    format_rows as format_rows,
    render as render,
    require_word as require_word,
    to_word as to_word,
)
from .rendering.terminal import TerminalTable as TerminalTable
from .result_table import (
    Column as Column,
    ResultTable as ResultTable,
    Tabular as Tabular,
    csv_text as csv_text,
    field_names as field_names,
    tables_csv as tables_csv,
)
from .streams import Stream as Stream, stream as stream
from .text import (
    LOGLIK_ERROR as LOGLIK_ERROR,
    MINUS as MINUS,
    SUPERSCRIPTS as SUPERSCRIPTS,
    TIMES as TIMES,
    Digits as Digits,
    Style as Style,
    Texts as Texts,
    align as align,
    count as count,
    digits as digits,
    estimate as estimate,
    interval as interval,
    level as level,
    number as number,
    p_cell as p_cell,
    p_value as p_value,
    percent as percent,
    probability as probability,
    rounded as rounded,
    scaled as scaled,
    share_digits as share_digits,
    shorten as shorten,
    shorten_all as shorten_all,
    signed as signed,
    split as split,
    texts as texts,
    tiny as tiny,
)
from .text.visible import visible as visible
from .threads import in_threads as in_threads, one_thread as one_thread
from .toml import convert as convert, read_toml as read_toml, suggest as suggest
from .verdict import Finding as Finding, Verdict as Verdict, sign as sign

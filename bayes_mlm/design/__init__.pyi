from .aggregated import (
    Scan as Scan,
    as_scan as as_scan,
    collect_rows as collect_rows,
    open_data as open_data,
    sum_more_rows as sum_more_rows,
    sum_rows as sum_rows,
)
from .aggregated.checking import is_missing as is_missing
from .aggregated.file import (
    check_name as check_name,
    is_sums as is_sums,
    load_sums as load_sums,
    model_of_sums as model_of_sums,
    rows_at_source as rows_at_source,
    save_sums as save_sums,
)
from .aggregated.layouts import (
    new_group_means as new_group_means,
    select_columns as select_columns,
    sums_of_null as sums_of_null,
    sums_of_one_slope as sums_of_one_slope,
    with_group_means as with_group_means,
    without as without,
)
from .aggregated.merge import merge_sums as merge_sums
from .aggregated.patterns import NEED_ROWS as NEED_ROWS, without_rows as without_rows
from .aggregated.sizes import n_cells as n_cells, small_groups as small_groups
from .build import (
    Rows as Rows,
    design_of as design_of,
    read_data as read_data,
    rows_or_source as rows_or_source,
    table_of as table_of,
)
from .damage import (
    check_cells as check_cells,
    check_names as check_names,
    check_sums as check_sums,
    naming as naming,
    require as require,
)
from .design import (
    INTERCEPT as INTERCEPT,
    Design as Design,
)
from .encoding import (
    Encoding as Encoding,
    encode as encode,
    inputs_of as inputs_of,
    notes_beyond as notes_beyond,
)
from .encoding.columns import (
    Column as Column,
    Contrast as Contrast,
    OfBasis as OfBasis,
    Place as Place,
    lay_out as lay_out,
    level_weights as level_weights,
    place_name as place_name,
)
from .encoding.levels import Levels as Levels, notes_on_levels as notes_on_levels
from .from_table import build_design as build_design
from .group_means import group_means as group_means
from .imputations import (
    mean_moments as mean_moments,
    pool_designs as pool_designs,
)
from .layouts import (
    as_learned as as_learned,
    for_kind as for_kind,
    replay as replay,
    without_effects as without_effects,
)
from .moments_of_columns import (
    column_moments as column_moments,
    mean_offset as mean_offset,
    moments_of_rows as moments_of_rows,
    moments_without as moments_without,
    outcome_means as outcome_means,
    same_columns as same_columns,
    same_outcome as same_outcome,
)
from .new_rows import GroupRows as GroupRows, NewRows as NewRows
from .predictor_levels import Pair as Pair, argument_of as argument_of, pairs_of as pairs_of
from .terms import (
    FixedColumns as FixedColumns,
    GroupMeans as GroupMeans,
    GroupTerm as GroupTerm,
    Response as Response,
    RowArray as RowArray,
    changed as changed,
    means_by_group as means_by_group,
    sum_effects as sum_effects,
)
from .time_coding import code_time as code_time
from .weights import (
    WEIGHT_SUMS as WEIGHT_SUMS,
    GroupWeights as GroupWeights,
    group_weights as group_weights,
    weights_of as weights_of,
)
from .wording import (
    event_name as event_name,
    expected_name as expected_name,
    mean_name as mean_name,
    predictor_name as predictor_name,
    with_labels as with_labels,
)

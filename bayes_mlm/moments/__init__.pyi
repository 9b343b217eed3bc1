from .blocks import BLOCK as BLOCK
from .cells import (
    CellFactor as CellFactor,
    CellMoments as CellMoments,
    by_cell as by_cell,
    by_group as by_group,
    by_level as by_level,
    cross_products_of_cells as cross_products_of_cells,
    effects_transform as effects_transform,
    merge_cells as merge_cells,
    without_effects as without_effects,
)
from .cross_products import (
    Cells as Cells,
    CrossProducts as CrossProducts,
    EffectColumns as EffectColumns,
    FactorProducts as FactorProducts,
    cross_products as cross_products,
)
from .crossed_table import (
    CrossedSums as CrossedSums,
    CrossedTable as CrossedTable,
    Margin as Margin,
    crossed_table as crossed_table,
)
from .crossing import (
    MAX_COST as MAX_COST,
    crossing_cost as crossing_cost,
    is_dense as is_dense,
    is_nested as is_nested,
)
from .group_moments import (
    GroupMoments as GroupMoments,
    from_rows as from_rows,
    merge as merge,
    one_group as one_group,
)
from .level_codes import LevelCodes as LevelCodes
from .rank import RANK_TOLERANCE as RANK_TOLERANCE
from .replicated import (
    ReplicatedMoments as ReplicatedMoments,
    replicated_moments as replicated_moments,
)
from .rotated import (
    RotatedMoments as RotatedMoments,
    residual_squares as residual_squares,
    rest_by_group as rest_by_group,
    root_mean_square as root_mean_square,
    root_outside as root_outside,
    rotate_moments as rotate_moments,
)
from .submodel import select_columns as select_columns
from .sums import (
    Columns as Columns,
    GroupSums as GroupSums,
    Keys as Keys,
    lay_out_sums as lay_out_sums,
    sum_by_keys as sum_by_keys,
)
from .unavailable import refuse_rows as refuse_rows

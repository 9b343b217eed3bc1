from .blocks import BLOCK as BLOCK
from .cross_products import (
    Cells as Cells,
    CrossProducts as CrossProducts,
    EffectColumns as EffectColumns,
    FactorProducts as FactorProducts,
    cross_products as cross_products,
)
from .group_moments import (
    GroupMoments as GroupMoments,
    from_rows as from_rows,
    merge as merge,
    one_group as one_group,
)
from .rotated import (
    RANK_TOLERANCE as RANK_TOLERANCE,
    RotatedMoments as RotatedMoments,
    residual_squares as residual_squares,
    rest_by_group as rest_by_group,
    root_mean_square as root_mean_square,
    rotate_moments as rotate_moments,
)
from .sums import (
    Columns as Columns,
    GroupSums as GroupSums,
    lay_out_sums as lay_out_sums,
    sum_by_keys as sum_by_keys,
)
from .unavailable import refuse_rows as refuse_rows

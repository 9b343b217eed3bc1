from .group_moments import (
    GroupMoments as GroupMoments,
    from_rows as from_rows,
    merge as merge,
    one_group as one_group,
)
from .rotated import (
    RANK_TOLERANCE as RANK_TOLERANCE,
    Reduced as Reduced,
    reduce as reduce,
    residual_squares as residual_squares,
    rest_by_group as rest_by_group,
    root_mean_square as root_mean_square,
)
from .sums import (
    Columns as Columns,
    GroupSums as GroupSums,
    lay_out_sums as lay_out_sums,
    sum_by_keys as sum_by_keys,
)
from .unavailable import refuse_rows as refuse_rows

"""Layout of groups' small matrices in blocks, for compiled sums over groups."""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Flags, Floats

# Groups in a block of those that compiled code works on together: a multiple of what a processor
# does at once, and few enough for its first cache.
BLOCK = 128


@dataclass(frozen=True, kw_only=True, eq=False)
class Blocks:
    """R and C of groups in blocks, an entry of a block's groups in a row.

    Attributes
    ----------
    r : (blocks, q*q, BLOCK) array
        Zero where the last block has no groups.
    c : (blocks, q*(p+1), BLOCK) array
    shown : (q*q,) array of bool
        Whether an entry of R differs from zero in any group.
    weights : (blocks, BLOCK) array
        Of the groups; without blocks where each counts once.
    """

    r: Floats
    c: Floats
    shown: Flags
    weights: Floats


def in_blocks(matrices: Floats) -> Floats:
    """Lay matrices (J, ...) out in blocks (blocks, entries, BLOCK)."""
    groups, entries = len(matrices), matrices[0].size
    count = -(-groups // BLOCK)
    padded = np.zeros((count * BLOCK, entries))
    padded[:groups] = matrices.reshape(groups, entries)
    return np.ascontiguousarray(padded.reshape(count, BLOCK, entries).swapaxes(1, 2))

"""Types of arrays."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

type Array = NDArray[Any]
type Flags = NDArray[np.bool_]
type Floats = NDArray[np.float64]
type Ints = NDArray[np.int64]

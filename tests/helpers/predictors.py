"""A table of random rows, and its design from rows or sums."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bayes_mlm.design.build import design_of
from bayes_mlm.fitting.request import as_request

N = 240
RNG = np.random.default_rng(5)
G, Y, X = RNG.integers(0, 12, N), RNG.normal(size=N), RNG.normal(size=N)
BOTH = pytest.mark.parametrize("rows", ["keep", "sum"])


def frame(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"y": Y, "x": X, "g": G, **columns})


def design(formula: str, data: Any, rows: Any, **options: Any) -> Any:
    return design_of(as_request(formula, data, **options), data, rows=rows)


def written(write: Callable[..., Any], path: Path) -> str:
    write(path, index=False)
    return str(path)

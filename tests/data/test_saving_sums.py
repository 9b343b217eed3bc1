"""Files of sums are written whole or not at all."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bayes_mlm import sum_rows
from bayes_mlm.base.errors import (
    BayesMLMError,
)
from tests.helpers.lazy import FORMULA, HSB

SUMMING = """
import sys
from bayes_mlm import open_data, save_sums, sum_rows
from bayes_mlm.base.atomic import atomic_file
print("ready", flush=True)
save_sums(sum_rows("y ~ x + (1 | g)", open_data(sys.argv[1])), sys.argv[2])
"""


def test_killed_at_any_time_it_leaves_a_whole_file_or_none(tmp_path):
    n = 300_000
    rng = np.random.default_rng(1)
    table = pa.table({"g": np.arange(n) % 90_000, "x": rng.normal(size=n), "y": rng.normal(size=n)})
    data, out = tmp_path / "d.parquet", tmp_path / "d.sums"
    pq.write_table(table, data)
    script = [sys.executable, "-c", SUMMING, str(data), str(out)]
    subprocess.run(script, check=True, capture_output=True)
    whole = out.read_bytes()
    for wait in (0.05, 0.2, 0.35, 0.5, 0.65):
        out.unlink(missing_ok=True)
        process = subprocess.Popen(script, stdout=subprocess.PIPE)
        process.stdout.readline()  # imported; from here on it works
        time.sleep(wait)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        if out.exists():
            assert pq.read_table(out).num_rows == 90_000
        assert not any(path.suffix == ".sums" for path in tmp_path.iterdir() if path != out)
    subprocess.run(script, check=True, capture_output=True)
    again = pq.read_table(out).to_pandas().sort_values("label").set_index("label")
    first = (
        pq.read_table(pa.BufferReader(whole)).to_pandas().sort_values("label").set_index("label")
    )
    pd.testing.assert_frame_equal(again, first, rtol=1e-10)


def test_what_cannot_be_written_whole_is_not_there(tmp_path, monkeypatch):
    from bayes_mlm import save_sums

    design = sum_rows(FORMULA, HSB)
    path = tmp_path / "hsb.sums"
    before = save_sums(design, path).read_bytes()

    def full(*_args, **_kwargs):
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(BayesMLMError, match="No space left"):
        save_sums(design, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [Path(path)]

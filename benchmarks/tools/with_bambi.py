"""Fit with bambi and nutpie: ``python with_bambi.py whole|inner FORMULA CSV [FAMILY]``.

``whole`` prints the table a user would read; ``inner`` prints times and effective draws as JSON,
libraries and data loaded beforehand.
"""

import json
import sys
import time

import arviz as az
import bambi as bmb
import pandas as pd

mode, formula, path = sys.argv[1:4]
family = sys.argv[4] if len(sys.argv) > 4 else "gaussian"
frame = pd.read_csv(path)
began = time.perf_counter()
model = bmb.Model(formula, frame, family=family)
model.build()
built = time.perf_counter()
fitted = model.fit(
    draws=1000, tune=1000, chains=4, inference_method="nutpie", random_seed=1, progressbar=False
)
ended = time.perf_counter()
if mode == "whole":
    print(az.summary(fitted, var_names=["~1|schoolid"]))
else:
    ess = az.ess(fitted["posterior"].to_dataset(), method="bulk")
    print(
        json.dumps(
            {
                "seconds": ended - began,
                "build": built - began,
                "process": time.process_time(),
                "min_ess": float(min(ess[name].min() for name in ess.data_vars)),
            }
        )
    )

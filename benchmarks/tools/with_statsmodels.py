"""Fit by statsmodels' MixedLM, in process: ``python with_statsmodels.py CSV REPEATS``."""

import json
import sys
import time
import warnings

import pandas as pd
import statsmodels.formula.api as smf

path, repeats = sys.argv[1], int(sys.argv[2])
frame = pd.read_csv(path)
seconds = []
for _ in range(repeats + 1):
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = smf.mixedlm("mathach ~ ses * sector", frame, groups="schoolid").fit(reml=True)
    seconds.append(time.perf_counter() - began)
print(json.dumps({"reml": min(seconds[1:]), "loglik": float(fitted.llf)}))

"""REML by either package, in process: ``python with_mixedlm.py WHICH FORMULA CSV REPEATS``."""

import json
import sys
import time
from importlib.metadata import version

import pandas as pd

which, formula, path, repeats = *sys.argv[1:4], int(sys.argv[4])
frame = pd.read_csv(path)


def fit_mixedlm() -> float:
    import mixedlm

    return float(mixedlm.lmer(formula, frame).logLik().value)


def fit_bayes_mlm() -> float:
    from bayes_mlm import fit

    return float(fit(formula, frame, engine="reml").solution.loglik)


one = fit_mixedlm if which == "mixedlm" else fit_bayes_mlm
seconds = []
for _ in range(repeats + 1):
    began = time.process_time()
    loglik = one()
    seconds.append(time.process_time() - began)
print(json.dumps({"processor": min(seconds[1:]), "loglik": loglik, "version": version(which)}))

"""Fit a hand-written PyMC model of sector by SES: ``python with_pymc.py whole|inner CSV FORM``.

FORM is "usual", group effects around zero beside the coefficients, as textbooks and examples write
it; or "centred", school intercepts around their regression on sector, which an expert would choose
for groups as large as these since it mixes better. Sampled with nutpie, PyMC's default.
"""

import json
import sys
import time

import arviz as az
import pandas as pd
import pymc as pm

mode, path, form = sys.argv[1:4]
frame = pd.read_csv(path)
began = time.perf_counter()
school, labels = pd.factorize(frame["schoolid"])
sector = frame.groupby("schoolid", sort=False)["sector"].first().to_numpy()
ses, own_sector = frame["ses"].to_numpy(), frame["sector"].to_numpy()
with pm.Model(coords={"school": labels}):
    intercept = pm.Normal("intercept", 12.7, 17.0)
    slope = pm.Normal("ses", 0.0, 22.0)
    by_sector = pm.Normal("sector", 0.0, 34.0)
    cross = pm.Normal("ses:sector", 0.0, 33.0)
    sigma_u = pm.HalfStudentT("sigma_u", 3, 6.9)
    sigma_e = pm.HalfStudentT("sigma_e", 3, 6.9)
    level = intercept + by_sector * sector
    if form == "centred":
        mean = pm.Normal("u", level, sigma_u, dims="school")
    else:
        mean = level + pm.Normal("u", 0.0, sigma_u, dims="school")
    pm.Normal(
        "mathach",
        mean[school] + (slope + cross * own_sector) * ses,
        sigma_e,
        observed=frame["mathach"].to_numpy(),
    )
    fitted = pm.sample(1000, tune=1000, chains=4, random_seed=1, progressbar=False)
ended = time.perf_counter()
if mode == "whole":
    print(az.summary(fitted, var_names=["~u"]))
else:
    ess = az.ess(fitted["posterior"].to_dataset(), method="bulk")
    least = float(min(ess[name].min() for name in ess.data_vars))
    print(json.dumps({"seconds": ended - began, "min_ess": least}))

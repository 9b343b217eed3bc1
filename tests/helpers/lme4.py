"""The models of reference/lme4.json as designs, and their fits by REML and ML."""

import json
from functools import cache
from pathlib import Path

import numpy as np

from bayes_mlm.data.datasets import load_dataset
from bayes_mlm.data.table import as_table
from bayes_mlm.design import build_design
from bayes_mlm.engines.reml import fit_reml
from tests.helpers import REFERENCE

# lmer(formula, data, REML = TRUE or FALSE) of lme4 1.1-31 with tight tolerances, 15 models.
LME4 = {c["id"]: c for c in json.loads((REFERENCE / "lme4.json").read_text())["cases"]}


@cache
def table(name):
    """Return a data set with the columns that lme4.json derives from it (its note says how)."""
    columns = dict(load_dataset(name).columns)
    if name == "hsb":
        _, codes = np.unique(columns["schoolid"], return_inverse=True)
        mean = (np.bincount(codes, columns["ses"]) / np.bincount(codes))[codes]
        columns |= {"ses_gm": mean, "cses": columns["ses"] - mean}
        columns["cses_m"] = columns["ses"] - columns["meanses"]
    if name == "orthodont":
        columns["sexMale"] = (columns["sex"] == "Male").astype(float)
    return as_table(columns)


@cache
def design(name):
    case = LME4[name]
    # R's sex is its dummy here.
    return build_design(case["formula"].replace("sex", "sexMale"), table(Path(case["data"]).stem))


@cache
def fit(name, method="REML", check=False):
    return fit_reml(design(name), method=method, check=check)

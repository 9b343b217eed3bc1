"""What bambi prints, for the page: python make_bambi.py > bambi.txt, where bambi is installed."""

# ruff: noqa: T201, TID253

import warnings

import arviz
import bambi
import pandas as pd

warnings.simplefilter("ignore")
data = pd.read_csv("../../../bayes_mlm/data/embedded/sleepstudy.csv", dtype={"subject": str})
model = bambi.Model("reaction ~ days + (days | subject)", data)
tree = model.fit(random_seed=1, progressbar=False)
names = ["Intercept", "days", "sigma", "1|subject_sigma", "days|subject_sigma"]
print(arviz.summary(tree, var_names=names))
print("bambi", bambi.__version__, "ArviZ", arviz.__version__)

"""The covariance of residuals that differ in variance or are AR(1), written out; nlme's fits."""

import json

import numpy as np

from tests.helpers import REFERENCE

# lme() of nlme 3.1; the calls are in residual.R.
NLME = {c["id"]: c for c in json.loads((REFERENCE / "residual.json").read_text())["cases"]}
GROWTH = "distance ~ I(age - 11) * sex + (1 | subject)"


def covariance(rows, sds, rho, codes):
    """Write the covariance of the residuals out: a correlation for each pair of one group."""
    n = rows.stratum.size
    sd = np.asarray(sds)[rows.stratum]
    same = codes[:, None] == codes[None]
    if rows.spec.ar is None:
        return np.diag(sd**2)
    steps = np.abs(rows.time[:, None] - rows.time[None]) / rows.step
    steps = np.round(steps) if rows.whole else steps
    power = np.where(same, np.where(steps == 0, 1.0, float(rho) ** np.where(same, steps, 1.0)), 0)
    power[range(n), range(n)] = 1.0
    return sd[:, None] * power * sd

"""Analyses of which the tests of figures draw."""

from dataclasses import replace

import numpy as np

from bayes_mlm.fitting.request import as_request, make_settings
from bayes_mlm.fitting.side_by_side import analyse
from bayes_mlm.studies.record import load_record
from bayes_mlm.studies.result import analyse_record

# Two sums of the same numbers in another order.
EXACT = 1e-9


def run(formula, data, *, kind=None, group=None, name="model", draws=250, **given):
    record = as_request(formula, data if isinstance(data, str) else {}, kind=kind, group=group)
    record = replace(record, model=replace(record.model, name=name, **given))
    settings = make_settings(record, draws=draws, random_seed=7)
    return analyse(record, settings, data=data, engines=["direct"])


def simulate(n_groups, size, *, seed=5, sigma_u=1.0, noise=1.0):
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(n_groups), size)
    x = rng.normal(size=n_groups)[g] + rng.normal(size=g.size)
    w = (np.arange(n_groups) % 2)[g]
    u = sigma_u * rng.normal(size=n_groups)
    y = 1.0 + x * (1.0 - 0.5 * w) + 0.5 * w + u[g] + noise * rng.normal(size=g.size)
    return {"y": y, "x": x, "w": w, "g": g}


def study(name, null=None, draws=1000):
    record = load_record(name)
    settings = make_settings(record.request, draws=draws, random_seed=7)
    return analyse_record(record, settings, engines=["direct"], null=null)

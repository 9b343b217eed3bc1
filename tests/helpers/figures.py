"""Analyses that the tests of figures draw: the study's models, simulated and awkward ones."""

from dataclasses import replace

import numpy as np

from bayes_mlm.fitting.request import as_request, make_settings
from bayes_mlm.fitting.side_by_side import analyse
from bayes_mlm.studies.record import load_record
from bayes_mlm.studies.result import analyse_record

# Two sums of the same numbers in another order.
EXACT = 1e-9
ODD_LABELS = [
    "<script>alert(1)</script>",
    "St. Mary's $x_1$ & Sons: a school whose name goes on and on",
    "Größe 7 100%_",
    "a" * 80,
    *(f"School number {k} of the {'north' if k % 2 else 'south'} district" for k in range(26)),
]


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


def awkward_rows(n_groups, size, labels=None, x="x", w="w", g="g", y="y"):
    """Simulate rows whose columns may have odd names; return them and the names as quoted."""
    rng = np.random.default_rng(8)
    codes = np.repeat(np.arange(n_groups), size)
    predictor = rng.normal(size=n_groups)[codes] + rng.normal(size=codes.size)
    side = (np.arange(n_groups) % 2)[codes]
    outcome = predictor + side + rng.standard_t(3, size=n_groups)[codes]
    outcome = outcome + rng.normal(size=codes.size)
    group = np.array(labels, dtype=object)[codes] if labels else codes
    quoted = [f"`{name}`" for name in (y, x, w, g)]
    return {y: outcome, x: predictor, w: side, g: group}, quoted


def awkward_ladders(simulated, n_odd):
    """Return ladders that are hard to draw; `simulated` fits the rows to models."""
    return {
        "three groups": simulated(3, 8),
        "2,000 groups": simulated(2000, 4),
        "odd names": simulated(
            n_odd,
            9,
            ODD_LABELS[:n_odd],
            x="socio-economic status of the household, standardised ($)",
            w="is the school $private$",
            g="the school's full name",
            y="score in the test of spring $2015$, out of 25",
        ),
        "singular": [run("yield ~ 1 + (1 | batch)", "dyestuff2", name="dyes", draws=100)],
        "two sexes": [
            run("distance ~ age * sex + (1 | subject)", "orthodont", name="jaws", draws=100)
        ],
    }


def joined(analysis, name):
    """Return the draws of a quantity by the first fit, chains joined."""
    values = analysis.fits[0].draws[name]
    return values.reshape(-1, *values.shape[2:])


def tails(values, prob=0.95):
    return np.quantile(values, [(1 - prob) / 2, (1 + prob) / 2], axis=0)

"""Dump the numbers of a tree, and compare the dumps of two: did a change move any estimate?

    python benchmarks/same_numbers.py dump now.json            # of the bayes_mlm that is imported
    PYTHONPATH=OTHER_TREE python benchmarks/same_numbers.py dump then.json
    python benchmarks/same_numbers.py compare then.json now.json

Three parts. `likelihood`: every estimate by REML, ML and OLS of the bundled models and of the
reference sets of `tests/reference`, which must agree to 1e-9. `draws`: seeded posterior draws,
direct and NUTS, which must agree draw by draw. `questions`: what is computed from those draws with
random streams of their own (predictions, checks); their numbers are compared as a set, so that
columns may be renamed, and a stream that moved is listed. `--quick` leaves NUTS away.
"""

import argparse
import importlib
import json
import sys
import tomllib
import warnings
from functools import cache
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "tests" / "reference"
TOLERANCE = 1e-9
SEED = 20260
MAX_KEPT = 4000  # of more numbers, projections are kept: one a draw
# A quantity, and the attributes it has been called by, "errors.sigma_u" being one of a part.
ESTIMATES = {
    "loglik": ("loglik",),
    "aic": ("aic",),
    "bic": ("bic",),
    "beta": ("beta",),
    "beta_se": ("beta_se",),
    "beta_cov": ("beta_cov",),
    "beta_cov_joint": ("beta_cov_joint",),
    "sigma_u": ("sigma_u",),
    "cov_u": ("cov_u",),
    "rho_u": ("rho_u",),
    "sigma_e": ("sigma_e",),
    "icc": ("icc",),
    "se_sigma_u": ("errors.sigma_u",),
    "se_sigma_e": ("errors.sigma_e",),
    "se_icc": ("errors.icc",),
    "u": ("u",),
    "u_sd": ("u_sd",),
    "residual_sigma": ("residual.sigma_e", "residual.sds"),
    "residual_rho": ("residual.rho_e", "residual.rho"),
    "r2": ("r2",),
    "group_intercepts": ("group_intercepts",),
    "group_intercepts_se": ("group_intercepts_se",),
    "rss": ("rss",),
}


# --- the models -----------------------------------------------------------------------------------


def models():
    """Yield (name, formula, data, kind, options) of the bundled models and the reference sets."""
    for path in sorted((ROOT / "models").glob("*.toml")):
        record = tomllib.loads(path.read_text(encoding="utf-8"))
        record = record | record.get("model", {})
        keys = ("group", "group_level", "residual")
        options = {key: record[key] for key in keys if key in record}
        yield path.stem, record["formula"], record["data"], record["kind"], options
    for case in _cases("lme4.json"):
        formula = case["formula"].replace("sex", "sexMale")
        data = Path(case["data"]).stem
        yield f"lme4_{case['id']}", formula, data, "partial_pooling", {}
    for case in _cases("growth.json"):
        yield f"growth_{case['id']}", case["ours"], case["data"], "partial_pooling", {}
    for case in _cases("residual.json"):
        kind = "partial_pooling" if "|" in case["formula"] else "pooled"
        options = {"residual": case["residual"]}
        options |= {"group": case["group"]} if case.get("group") else {}
        yield f"residual_{case['id']}", case["formula"], case["data"], kind, options


def _cases(name):
    return json.loads((REFERENCE / name).read_text(encoding="utf-8"))["cases"]


@cache
def table(name):
    """Return a data set with the columns that the references derive from it."""
    import pandas as pd

    import bayes_mlm

    gaps = name == "gaps"
    known = "sleepstudy" if name in ("sleep", "gaps") else name
    frame = pd.DataFrame(dict(bayes_mlm.load_dataset(known).columns))
    if gaps:
        seen = ~((frame.subject == 308) & (frame.days == 4))
        frame = frame[seen & ~((frame.subject == 309) & frame.days.isin([2, 3]))]
    if name == "hsb":
        mean = frame.groupby("schoolid").ses.transform("mean")
        frame = frame.assign(ses_gm=mean, cses=frame.ses - mean, cses_m=frame.ses - frame.meanses)
    if name == "orthodont":
        frame = frame.assign(sexMale=(frame.sex == "Male").astype(float))
    return frame


# --- the adapter: the only part that knows how a tree is called -----------------------------------


def function(name, *homes):
    """Return a function by its name, from the top of the package or from where it has lived."""
    for home in ("bayes_mlm", *homes):
        try:
            found = getattr(importlib.import_module(home), name, None)
        except ImportError:
            continue
        if callable(found):
            return found
    return None


def design_of(formula, data, kind, options):
    """Build the design of one kind of model."""
    design = function("build_design", "bayes_mlm.design")(formula, table(data), **options)
    return function("for_kind", "bayes_mlm.design")(design, kind)


def likelihood(design, method):
    """Fit by "REML", "ML" or "OLS"; None where the tree has no such fit for the model."""
    if method == "OLS":
        direct, options = function("fit_ols", "bayes_mlm.engines"), {}
    else:
        direct, options = function("fit_reml", "bayes_mlm.engines"), {"method": method}
        if method == "REML":
            options["profile"] = False
    if len(getattr(design, "factors", ())) > 1:  # by a function of its own
        direct, options = function("fit_several", "bayes_mlm.engines"), {"method": method}
    if direct is not None:
        return direct(design, **options)
    return function("fit")(design, engine=method.lower())


def estimate(found, names):
    """Return one quantity of a likelihood fit, or of the fit that an estimate wraps."""
    for holder in (found, getattr(found, "found", None), getattr(found, "fit", None)):
        for name in names:
            value = holder
            for part in name.split("."):
                value = getattr(value, part, None)
            if value is not None and not callable(value):
                return np.asarray(value, dtype=np.float64)
    return None


def posterior(formula, data, kind, options, engine):
    """Draw from the posterior, seeded; return the fit."""
    size = {"draws": 50, "chains": 2, "tune": 200} if engine == "nuts" else {"draws": 100}
    return function("fit")(
        formula,
        table(data),
        kind=kind,
        engine=engine,
        random_seed=SEED,
        progressbar=False,
        **size,
        **options,
    )


def questions(fit):
    """Yield (name, function of no arguments) for what draws from streams of its own."""
    rows = table("sleepstudy").head(4).assign(subject=[308, 309, 310, 330])
    predict, check = function("predict"), function("check")
    yield "predict_mean", lambda: predict(fit, rows)
    yield "predict_rows", lambda: predict(fit, rows, kind="observation", random_seed=SEED)
    yield "predict_new", lambda: predict(fit, rows, question="new_group", random_seed=SEED)
    yield "check", lambda: check(fit)
    for name in ("leave_one_group_out", "leave_one_row_out", "group_lines", "summarise"):
        yield name, lambda name=name: function(name)(fit)
    yield "variance_by_level", lambda: function("variance_by_level")(fit)
    yield "slopes", lambda: function("slopes")(fit, "days")


def numbers(result):
    """Return every number of a result: of its frame where it has one, else of its text."""
    frame = getattr(result, "to_frame", None)
    if frame is None:
        frame = getattr(getattr(result, "table", None), "to_frame", None)
    if frame is not None:
        return frame().select_dtypes("number").to_numpy(dtype=np.float64).ravel()
    import re

    found = re.findall(r"[-−]?\d+(?:\.\d+)?", f"{result} {result!r}")
    return np.array([float(one.replace("−", "-")) for one in found])


# --- dumping --------------------------------------------------------------------------------------


def dump(quick):
    """Return all three parts, as lists of numbers by name."""
    out = {"likelihood": {}, "draws": {}, "questions": {}, "failed": {}}
    for name, formula, data, kind, options in models():
        tell(name)
        design = attempt(out, name, design_of, formula, data, kind, options)
        if design is None:
            continue
        grouped = kind in ("partial_pooling", "mundlak") or "residual" in options
        for method in ("REML", "ML") if grouped else ("OLS",):
            if method == "ML" and "residual" in options:
                continue
            found = attempt(out, f"{name} {method}", likelihood, design, method)
            for quantity, names in ESTIMATES.items():
                value = None if found is None else estimate(found, names)
                if value is not None:
                    out["likelihood"][f"{name} {method} {quantity}"] = value.ravel().tolist()
        if "residual" not in options and not name.startswith("lme4_"):
            fit = attempt(out, f"{name} direct", posterior, formula, data, kind, options, "direct")
            keep(out, f"{name} direct", fit)
    if not quick:
        small = {
            "nuts_sleep": ("reaction ~ days + (days | subject)", "sleepstudy"),
            "nuts_orthodont_ar": ("distance ~ age + (1 | subject)", "orthodont"),
        }
        for name, (formula, data) in small.items():
            tell(name)
            options = {"residual": {"ar": "age"}} if name.endswith("_ar") else {}
            fit = attempt(out, name, posterior, formula, data, "partial_pooling", options, "nuts")
            keep(out, name, fit)
    formula = "reaction ~ days + (days | subject)"
    fit = posterior(formula, "sleepstudy", "partial_pooling", {}, "direct")
    for name, ask in questions(fit):
        tell(name)
        found = attempt(out, name, ask)
        if found is not None:
            out["questions"][name] = numbers(found).tolist()
    return out


def attempt(out, name, function_, *arguments):
    """Call, and note in one line what was refused or could not be called."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return function_(*arguments)
    except Exception as error:  # noqa: BLE001
        out["failed"][name] = f"{type(error).__name__}: {error}".splitlines()[0]
        return None


def keep(out, name, fit):
    """Keep the draws of every reported parameter, projected where there are many."""
    if fit is None:
        return
    for parameter, variable in sorted(fit.draws.posterior.items()):
        values = np.asarray(variable.values, dtype=np.float64)
        if values.size > MAX_KEPT:
            flat = values.reshape(*values.shape[:2], -1)
            values = flat @ np.cos(np.arange(flat.shape[2]))
        out["draws"][f"{name} {parameter}"] = values.ravel().tolist()


def tell(name):
    """Return how far it is."""
    print(name, file=sys.stderr, flush=True)


# --- comparing ------------------------------------------------------------------------------------


def difference(old, new):
    """Return the largest difference relative to the largest size in the array; inf if unlike."""
    a, b = np.asarray(old, dtype=np.float64), np.asarray(new, dtype=np.float64)
    if a.shape != b.shape or not np.array_equal(np.isnan(a), np.isnan(b)):
        return np.inf
    known = ~np.isnan(a)
    size = float(np.abs(a[known]).max(initial=0.0))
    return float(np.abs(a - b)[known].max(initial=0.0)) / (size or 1.0)


def unmatched(old, new):
    """Return how many of the old numbers no new one equals to 1e-9."""
    a = np.asarray([x for x in old if np.isfinite(x)])
    b = np.sort(np.asarray([x for x in new if np.isfinite(x)]))
    if not b.size:
        return a.size
    place = np.clip(np.searchsorted(b, a), 1, b.size - 1) if b.size > 1 else np.zeros(a.size, int)
    gap = np.minimum(np.abs(a - b[place]), np.abs(a - b[place - 1]))
    return int((gap > TOLERANCE * np.maximum(1.0, np.abs(a))).sum())


def compare(old, new):
    """Print what moved; return whether nothing did."""
    clean = True
    worst = {}
    for part in ("likelihood", "draws"):
        absent = sorted(set(old[part]) - set(new[part]))
        moved = {}
        for name in old[part].keys() & new[part].keys():
            found = difference(old[part][name], new[part][name])
            model, _, quantity = name.rpartition(" ")
            worst[part, quantity] = max(worst.get((part, quantity), (0.0, "")), (found, model))
            if found > TOLERANCE:
                moved[name] = found
        print(f"{part}: {len(old[part])} arrays, {len(moved)} moved, {len(absent)} not in the new")
        for name in absent:
            print(f"  not there: {name}")
        for name, found in sorted(moved.items(), key=lambda item: -item[1]):
            print(f"  moved: {name}: {found:.1e}")
        clean = clean and not moved and not absent
    print("largest relative difference by quantity")
    for (part, quantity), (found, model) in sorted(worst.items()):
        print(f"  {part:10} {quantity:20} {found:.1e}  {model if found else ''}")
    print("questions: numbers of the old tree that the new one has not")
    for name, values in old["questions"].items():
        gone = unmatched(values, new["questions"].get(name, []))
        print(f"  {name:22} {gone} of {len(values)}{'  MOVED' if gone else ''}")
        clean = clean and not gone
    for name, message in new["failed"].items():
        if old["failed"].get(name) != message:
            print(f"  failed: {name}: {message}")
    return clean


def main():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    dumping = commands.add_parser("dump")
    dumping.add_argument("file", type=Path)
    dumping.add_argument("--quick", action="store_true", help="no NUTS")
    comparing = commands.add_parser("compare")
    comparing.add_argument("old", type=Path)
    comparing.add_argument("new", type=Path)
    options = parser.parse_args()
    if options.command == "dump":
        options.file.write_text(json.dumps(dump(options.quick)), encoding="utf-8")
        return 0
    old, new = (json.loads(path.read_text()) for path in (options.old, options.new))
    return 0 if compare(old, new) else 1


if __name__ == "__main__":
    sys.exit(main())

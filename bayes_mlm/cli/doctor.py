"""Run `bayes-mlm doctor`."""

import importlib
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from bayes_mlm.cli.machine import Output
from bayes_mlm.cli.options import grouped

_LIBRARIES = {
    "pyreadstat": "files of Stata, SPSS and SAS",
    "python-calamine": "workbooks",
    "rdata": "files of R",
    "python-docx": "tables in documents of Word",
    "pyspark": "tables on a cluster",
    "polars": "frames of polars",
    "ibis-framework": "tables of Ibis",
}
_ENVIRONMENT = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"),
    *("PYTENSOR_FLAGS", "NUMBA_CACHE_DIR", "MPLCONFIGDIR"),
)
_FORMULAS = {
    "hsb": "mathach ~ ses + (1 | schoolid)",
    "sleepstudy": "reaction ~ days + (1 | subject)",
}
# REML of `reaction ~ days + (days | subject)`, as lme4 prints it (Bates et al. 2015, section 1.1).
_SLEEPSTUDY = {"criterion": 1743.628, "Intercept": 251.405, "days": 10.467}


@grouped
def doctor(
    test: Annotated[
        bool, typer.Option("--test/--no-test", help="Run the self-test, of a few seconds.")
    ] = True,
    nuts: Annotated[
        bool, typer.Option("--nuts", help="Sample by NUTS too, which compiles for a while first.")
    ] = False,
    output: Output = Output(),
) -> None:
    """Show versions, threads and caches, and test that fits are right.

    The self-test fits known data by REML and by direct draws, from rows and from sums by DuckDB,
    and reads a saved fit back; exit code 3 if a result is wrong.
    """
    parts: dict[str, Any] = {"versions": _versions(), "extras": _extras(), "threads": _threads()}
    parts["caches"] = _caches()
    show = partial(output.console.print, soft_wrap=True)
    for title, lines in parts.items():
        show(title)
        for name, value in lines.items():
            show(f"  {name:24} {value}")
    results = {}
    failed = False
    if test:
        show("self-test")
    for name, run in _tests(nuts=nuts) if test else ():
        started = time.perf_counter()
        try:
            wrong = run()
        except Exception as error:  # noqa: BLE001  (a broken library raises any class, and is shown)
            wrong = f"{type(error).__name__}: {error}"
        seconds = time.perf_counter() - started
        failed = failed or bool(wrong)
        results[name] = wrong or "ok"
        show(f"  {name:44} {'NOT OK: ' + wrong if wrong else 'ok':8} {seconds:.1f} s")
    output.finish(ok=not failed, **parts, self_test=results)


def _versions() -> dict[str, str]:
    from bayes_mlm.fitting import installed_versions

    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    return {"python": sys.version.split()[0], "system": system, **installed_versions()}


def _extras() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for package, what in _LIBRARIES.items():
        try:
            found[package] = f"{version(package)} ({what})"
        except PackageNotFoundError:
            found[package] = f"not installed ({what})"
    return found


def _threads() -> dict[str, str]:
    import numpy as np

    np.ones((2, 2)) @ np.ones((2, 2))  # loads the library that is looked for
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found = {"processors": f"{usable} usable of {os.cpu_count()}"}
    for one in importlib.import_module("threadpoolctl").threadpool_info():
        found[str(one["internal_api"])] = f"{one['num_threads']} threads ({one['version']})"
    found |= {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    return found


def _caches() -> dict[str, str]:
    """Return where compiled code lies, and how much of it, without importing what compiles."""
    home = Path.home()
    places = {
        "pytensor": home / ".pytensor",
        "matplotlib": Path(os.environ.get("MPLCONFIGDIR", home / ".cache" / "matplotlib")),
    }
    if "NUMBA_CACHE_DIR" in os.environ:
        places["numba"] = Path(os.environ["NUMBA_CACHE_DIR"])
    found = {}
    for name, place in places.items():
        size = sum(one.stat().st_size for one in place.rglob("*") if one.is_file())
        amount = f"{size / 1e6:.1f} MB" if place.is_dir() else "not there"
        found[name] = f"{place} ({amount})"
    return found


def _tests(*, nuts: bool) -> Iterator[tuple[str, Callable[[], str]]]:
    yield "REML of sleepstudy is lme4's", _reml
    yield "direct draws of hsb agree with REML", _direct
    yield "sums by DuckDB give the fit of the rows", _sums
    yield "a saved fit is read back", _saved
    yield "a figure is drawn", _figure
    if nuts:
        yield "NUTS agrees with REML", _nuts


def _fit(formula: str, data: str | Path, **options: Any) -> Any:
    from bayes_mlm.fitting import fit

    return fit(formula, data, **options)


def _reml() -> str:
    found = _fit("reaction ~ days + (days | subject)", "sleepstudy", engine="reml").solution
    values = {"criterion": -2 * found.loglik, **dict(zip(found.terms, found.beta, strict=True))}
    wrong = [name for name, value in _SLEEPSTUDY.items() if abs(values[name] - value) > 5.1e-4]
    return f"{wrong[0]} is {values[wrong[0]]:.6g}, not {_SLEEPSTUDY[wrong[0]]}" if wrong else ""


def _agree(engine: str, data: str) -> str:
    formula = _FORMULAS[data]
    draws = _fit(formula, data, engine=engine, random_seed=1, draws=500, progressbar=False)
    beta = _fit(formula, data, engine="reml").solution.beta
    values = draws.draws["beta"].reshape(-1, beta.size)
    apart = float((abs(values.mean(axis=0) - beta) / values.std(axis=0)).max())
    if not draws.verdict.ok:
        return str(draws.verdict)
    return f"means are {apart:.2f} posterior sds from REML" if apart > 0.25 else ""


def _direct() -> str:
    return _agree("direct", "hsb")


def _nuts() -> str:
    return _agree("nuts", "sleepstudy")


def _sums() -> str:
    import tempfile

    import pyarrow.parquet as pq

    from bayes_mlm.data import load_dataset

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "hsb.parquet")
        pq.write_table(load_dataset("hsb").columns_frame(), path)
        one, other = (
            _fit(_FORMULAS["hsb"], path, engine="reml", rows=rows).solution.beta
            for rows in ("keep", "sum")
        )
    apart = float(abs(one - other).max())
    return f"coefficients differ by {apart:.2g}" if apart > 1e-9 else ""


def _saved() -> str:
    import tempfile

    from bayes_mlm.fitting import load_fit, save_fit

    fitted = _fit("reaction ~ days + (1 | subject)", "sleepstudy", random_seed=1, draws=50)
    with tempfile.TemporaryDirectory() as folder:
        again = load_fit(save_fit(fitted, Path(folder, "fit.nc")))
    same = (again.draws["beta"] == fitted.draws["beta"]).all()
    return "" if same else "its draws are not those that were saved"


def _figure() -> str:
    import io

    from matplotlib.figure import Figure

    target = io.BytesIO()
    Figure().savefig(target, format="png")
    return "" if target.getvalue().startswith(b"\x89PNG") else "no PNG was written"

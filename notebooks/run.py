"""Run the notebooks afresh, each in a kernel of its own, and refuse what is not fit to be read.

    python notebooks/run.py                      all of them, in place (make notebooks)
    python notebooks/run.py 03 --draws 100       one, with few draws
    python notebooks/run.py --draws 100 --out T  into the folder T; the originals are left alone

A cell tagged ``parameters`` sets what may be changed, a cell tagged ``figure`` must draw one.
The notebooks are their own source: there is no script that they are made from.
"""

import argparse
import asyncio
import base64
import hashlib
import io
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from PIL import Image
from traitlets.config import Config

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
MOST_BYTES = 1_000_000
SECONDS = 1200  # a cell; NUTS compiles in some, for minutes on a slow machine
COLOURS = 128  # of a figure; as many as the eye tells apart in one, at a third of the bytes
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


class NotebookError(Exception):
    """Say in which cell of which notebook something is not as it should be."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="beginnings of names, such as 03; none: all")
    parser.add_argument("--draws", type=int, help="draws a chain, instead of the notebook's own")
    parser.add_argument("--out", type=Path, default=HERE, help="folder for what was run")
    asked = parser.parse_args(arguments)
    try:
        for path in find_notebooks(asked.names):
            began = time.perf_counter()
            notebook = run_notebook(path, draws=asked.draws)
            size = write_notebook(notebook, asked.out / path.name)
            seconds = time.perf_counter() - began
            print(f"{path.name}: {seconds:.1f} s, {size / 1000:.0f} kB", flush=True)
    except NotebookError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def find_notebooks(names: Sequence[str] = ()) -> list[Path]:
    """Find the notebooks whose names begin so; all of them if no name is given."""
    paths = sorted(HERE.glob("*.ipynb"))
    for name in names:
        if not any(path.name.startswith(name) for path in paths):
            there = ", ".join(path.stem for path in paths)
            raise NotebookError(f"no notebook begins with {name!r}; there are {there}")
    return [path for path in paths if not names or path.name.startswith(tuple(names))]


def run_notebook(path: Path, *, draws: int | None = None) -> Any:
    """Execute one notebook in an empty folder, and check what came out.

    Raises
    ------
    NotebookError
        If a cell fails, warns, names this machine, or draws no figure where there should be one.
    """
    # On a new machine matplotlib lists the fonts, and says so if that takes seconds: not in a cell.
    from matplotlib.font_manager import findfont

    findfont("DejaVu Sans")
    notebook = nbformat.read(path, as_version=4)
    own = _set_parameters(notebook, draws)
    with tempfile.TemporaryDirectory() as folder, _environment(folder):
        client = NotebookClient(
            notebook,
            timeout=SECONDS,
            kernel_name="python3",
            resources={"metadata": {"path": folder}},
            record_timing=False,
            config=Config({"KernelManager": {"transport_encryption": "auto"}}),
        )
        try:
            asyncio.run(client.async_execute())  # closes its event loop, which execute() does not
        except CellExecutionError as error:
            raise NotebookError(f"{path.name}: {_COLOUR.sub('', str(error))}") from error
        for problem in problems(notebook, private=(folder, str(ROOT), str(Path.home()))):
            raise NotebookError(f"{path.name}: {problem}")
    for cell, source in own:
        cell.source = source
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            _shrink_figure(output)
    notebook.metadata = nbformat.from_dict(METADATA | {"made_from": fingerprint(notebook)})
    return notebook


def fingerprint(notebook: Any) -> str:
    """Sum up the code of a notebook, so that outputs of other code are noticed."""
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return hashlib.sha256("\0".join(code).encode()).hexdigest()


def problems(notebook: Any, *, private: Sequence[str] = ()) -> Iterator[str]:
    """Go through what makes an executed notebook unfit to be read, cell by cell."""
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        outputs = cell.get("outputs", [])
        drawn = any("image/png" in output.get("data", {}) for output in outputs)
        if cell.source.strip() and cell.execution_count is None:
            yield f"cell {cell.id!r} was not run"
        if drawn != ("figure" in cell.metadata.get("tags", [])):
            yield f"cell {cell.id!r} {'draws' if drawn else 'does not draw'} a figure"
        for output in outputs:
            if output.output_type == "error":
                yield f"cell {cell.id!r} failed: {output.ename}: {output.evalue}"
            if output.output_type == "stream" and output.name == "stderr":
                yield f"cell {cell.id!r} warns: {output.text.strip()[:300]}"
            text = _text_of(output)
            for name in private:
                if name in text:
                    yield f"cell {cell.id!r} shows a path of this machine: {name}"


def write_notebook(notebook: Any, path: Path) -> int:
    """Write a notebook and give its size in bytes, which has a limit."""
    nbformat.validate(notebook)
    text = nbformat.writes(notebook) + "\n"
    size = len(text.encode())
    if size > MOST_BYTES:
        raise NotebookError(f"{path.name} has {size:,} bytes; {MOST_BYTES:,} are the most")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return size


def _set_parameters(notebook: Any, draws: int | None) -> list[tuple[Any, str]]:
    """Put the draws asked for in place of the notebook's; give the cells as they were."""
    if draws is None:
        return []
    changed = []
    for cell in notebook.cells:
        if "parameters" in cell.metadata.get("tags", []):
            changed.append((cell, cell.source))
            cell.source = re.sub(r"(?m)^DRAWS = .*$", f"DRAWS = {draws}", cell.source)
    if not changed:
        raise NotebookError("no cell is tagged 'parameters', so --draws has nothing to change")
    return changed


@contextmanager
def _environment(folder: str) -> Iterator[None]:
    """Let kernels find this checkout, write nothing of the user's, and show one width."""
    new = {
        "PYTHONPATH": str(ROOT),
        "IPYTHONDIR": str(Path(folder) / ".ipython"),
        "MPLBACKEND": "Agg",
        "COLUMNS": "100",
        "NO_COLOR": "1",
    }
    old = {name: os.environ.get(name) for name in new}
    os.environ.update(new)
    try:
        yield
    finally:
        for name, value in old.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


def _text_of(output: Any) -> str:
    data = output.get("data", {})
    return output.get("text", "") + "".join(
        str(value) for kind, value in data.items() if not kind.startswith("image/")
    )


def _shrink_figure(output: Any) -> None:
    """Store a figure with a palette, which draws the same in a fraction of the bytes."""
    data = output.get("data", {})
    if "image/png" not in data:
        return
    picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).convert("RGB")
    small = io.BytesIO()
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    data["image/png"] = base64.b64encode(small.getvalue()).decode() + "\n"


if __name__ == "__main__":
    sys.exit(main())

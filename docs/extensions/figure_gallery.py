"""The gallery: every figure of the catalogue, drawn anew on embedded data by its command."""

import json
import os
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util import logging
from typer.testing import CliRunner, Result

from bayes_mlm.cli import app as commands
from bayes_mlm.studies import FIGURES

_log = logging.getLogger(__name__)
# Models tried in turn, until a figure applies to one; a ladder's figure is of the whole study.
_MODELS = ("hsb_sector_ses", "hsb_mundlak_random", "hsb_within", "hsb_no_pooling", "hsb_pooled")
# Figures that show more with other models or options than those.
_ARGUMENTS: dict[str, tuple[str, ...]] = {
    "trajectories": ("sleepstudy_growth",),
    "crossed-cells": ("penicillin_crossed",),
    "calibration": ("contraception",),
    **dict.fromkeys(
        ("traces", "ranks", "energy", "convergence"), ("sleepstudy_growth", "--engine", "nuts")
    ),
}
# It needs draws that went wrong.
_NOT_DRAWN = ("divergences",)
_SECTIONS = {
    "posterior": "Posteriors",
    "groups": "Groups",
    "data": "Data",
    "ladder": "Several models",
    "diagnostics": "Diagnostics and checks",
}
_HEAD = """# Gallery

Every figure, drawn when this page was built, by the command below it. `--out` takes `.png`, `.svg`
and `.pdf`, and `.csv` for the numbers of the figure; `--size 3.3` (inches) makes it as wide as a
column, `--theme grey` prints without colour and `--theme talk` has larger text. The report of a
model (`bayes-mlm fit ... --out results`) has all that apply to it.

`--label "ses=socioeconomic status (sd)"` says what axes and titles call a column, its unit
included; files of Stata and SPSS bring the labels of their variables with them. In Python that is
`found.with_labels({"ses": "socioeconomic status (sd)"})`.

In Python a figure is prepared and drawn in two steps, and `tidy` has its numbers:

```python
from matplotlib.figure import Figure

from bayes_mlm.figures import tidy
from bayes_mlm.fitting import analyse, as_request, make_settings
from bayes_mlm.studies import FIGURES

request = as_request("mathach ~ ses + (1 | schoolid)", "hsb")
found = analyse(request, make_settings(request, random_seed=1))
groups = FIGURES["caterpillar"].find(found)
FIGURES["caterpillar"].draw(groups, theme="grey", figsize=3.3).savefig("groups.pdf")
page = Figure(figsize=(8, 4), layout="constrained")
left, right = page.subplots(1, 2)
FIGURES["caterpillar"].draw(groups, ax=left)
print(tidy(groups).to_frame())
```

`draw` returns the matplotlib figure, or what is given as `ax=`: axes take a figure of one axes, a
subfigure (`page.subfigures(1, 2)[0]`) any.

"""


def setup(app: Sphinx) -> dict[str, bool]:
    """Draw the figures before pages are read."""
    app.connect("builder-inited", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _write(app: Sphinx) -> None:
    folder = Path(app.srcdir) / "gallery"
    folder.mkdir(exist_ok=True)
    text = [_HEAD]
    for section, title in _SECTIONS.items():
        entries = [one for one in FIGURES.values() if one.section == section]
        text.append(f"## {title}\n\n")
        drawn = (one for one in entries if one.name not in _NOT_DRAWN)
        part = _undrawn if os.environ.get("DOCS_RUN") == "off" else _drawn
        text += [part(one.name, one.of, folder) for one in drawn]
    (folder / "index.md").write_text("".join(text), "utf-8")


def _drawn(name: str, of: str, folder: Path) -> str:
    """Return a figure's part of the page, drawn if its file is not there."""
    for arguments in _arguments(name, of):
        result = _run("plot", name, *arguments, "--out", str(folder / f"{name}.svg"), "--json")
        if result.exit_code in (0, 3):
            return _part(name, arguments, json.loads(result.stdout))
    raise ExtensionError(f"the gallery has no {name!r}: {result.output}")


def _undrawn(name: str, of: str, _: Path) -> str:
    """Return a figure's part of the page without the figure, of a build that runs nothing."""
    tried = _arguments(name, of)[0]
    return f"### {name}\n\n```sh\n{' '.join(('bayes-mlm plot', name, *tried))}\n```\n\n"


def _arguments(name: str, of: str) -> list[tuple[str, ...]]:
    """List what a figure's command may be given, in the order in which it is tried."""
    if name in _ARGUMENTS:
        return [_ARGUMENTS[name]]
    return [()] if of == "ladder" else [(one,) for one in _MODELS]


def _run(*arguments: str) -> Result:
    _log.info("bayes-mlm %s", " ".join(arguments[:-3]))
    return CliRunner().invoke(commands, list(arguments), prog_name="bayes-mlm")


def _part(name: str, arguments: tuple[str, ...], found: dict[str, str]) -> str:
    command = " ".join(("bayes-mlm plot", name, *arguments))
    alt = found.get("alt", found["title"]).replace("\n", " ")
    return (
        f"### {name}\n\n{found['caption']}\n\n"
        f"```{{image}} {name}.svg\n:alt: {alt}\n:width: 100%\n```\n\n"
        f"```sh\n{command}\n```\n\n"
    )

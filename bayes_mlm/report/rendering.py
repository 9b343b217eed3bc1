"""Render a report's page from its templates."""

import base64
import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

from bayes_mlm.base import EngineError, visible
from bayes_mlm.fitting import Analysis
from bayes_mlm.report.choosing import Chosen, choose_figures
from bayes_mlm.report.images import Drawing, draw_all
from bayes_mlm.report.live import LiveModel
from bayes_mlm.report.page import Origin, Page, make_page
from bayes_mlm.report.sections import choose_sections

_TEMPLATES = Path(__file__).resolve().parent / "templates"
_LIVE = Path(__file__).resolve().parent / "live"


def render_report(
    analyses: Sequence[Analysis],
    origin: Origin,
    *,
    live: LiveModel | None = None,
    sections: Sequence[str] | None = None,
    pool: ProcessPoolExecutor | None = None,
    on_figure: Callable[[int, int], None] = lambda *_: None,
) -> str:
    """Return the report of one or more models.

    Parameters
    ----------
    analyses : sequence of Analysis
        One or more; a null model among them if there is one.
    origin : Origin
        Title, printed figures, date and command.
    live : LiveModel, optional
        Sums or draws of the main model (`live_model`), for a page that computes with them.
    sections : sequence of str, optional
        Names of the sections of the page (`bayes_mlm.report.sections.SECTIONS`); all by default.
    pool : ProcessPoolExecutor, optional
        Of `drawing_pool`: the processes that draw.
    on_figure : callable
        Called after each figure with the numbers of figures done and in total.

    Returns
    -------
    str
        A complete HTML page.

    Raises
    ------
    EngineError
        If there is nothing to report on.
    StorageError
        If there is no section of a name.
    """
    if not analyses:
        raise EngineError("a report needs a model; give one or more")
    of_page = choose_sections(sections)
    chosen: list[Chosen] = []

    def prepared() -> Iterator[Drawing]:
        for one in choose_figures(analyses, of_page):
            chosen.append(one)
            yield Drawing(draw=one.entry.draw, picture=one.picture)

    images = draw_all(prepared(), pool, on_done=on_figure)
    page = make_page(analyses, origin, chosen, images, sections)
    return render_page(replace(page, live=live))


def render_page(page: Page) -> str:
    """Fill the template with a page."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["finite"] = lambda value: value is not None and math.isfinite(value)
    style, script = (_read(name) for name in ("style.css", "script.js"))
    if page.live and "refit" in [one.name for one in page.shown]:
        script += "".join((_LIVE / name).read_text("utf-8") for name in page.live.scripts)
    made = environment.get_template("report.html.j2").render(
        page=page,
        sections=page.shown,
        style=style,
        script=script,
        policy=content_policy(style, script),
    )
    return visible(made, keep="\n\t")


def content_policy(style: str, script: str) -> str:
    """Return the policy that allows only the style, script and images of the page.

    Examples
    --------
    >>> content_policy("", "")[:36]
    "default-src 'none'; img-src data:; s"
    """
    return "; ".join(
        (
            "default-src 'none'",
            "img-src data:",
            f"style-src '{_digest(style)}'",
            f"script-src '{_digest(script)}'",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _digest(text: str) -> str:
    content = hashlib.sha256(text.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(content).decode('ascii')}"


def _read(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")

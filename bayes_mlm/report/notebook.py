"""Show figures, tables and sentences with computed numbers in a Jupyter notebook."""

import io
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from bayes_mlm.base import MINUS, EngineError, View, escape_markdown, render, rounded
from bayes_mlm.fitting import Analysis
from bayes_mlm.report.publication import publication_table
from bayes_mlm.studies import FIGURES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# A page of a notebook is about 700 pixels wide, a figure half a page of paper: 6.3 inches.
DPI = 100
_HYPHEN = re.compile(r"(?<![\w-])-(?=\d)")


def show(name: str, of: Analysis | Sequence[Analysis], **options: str) -> None:
    """Show one figure with its caption.

    Parameters
    ----------
    name : str
        As listed by ``bayes-mlm plot --list``.
    of : Analysis or sequence of Analysis
        One model, or several for a figure that compares models.
    **options : str
        Of the figure: ``factor=``, ``scale=``.

    Raises
    ------
    SpecError
        If there is no such figure; the nearest is named.
    EngineError
        If it does not apply to the models.

    Examples
    --------
    >>> from bayes_mlm import load_record
    >>> from bayes_mlm.fitting import analyse
    >>> from bayes_mlm.fitting import make_settings
    >>> record = load_record("hsb_within").request
    >>> show("within-line", analyse(record, make_settings(record, draws=100, random_seed=1)))
    <IPython.core.display.Image object>
    <IPython.core.display.Markdown object>
    """
    entry = FIGURES[name]
    if entry.of == "model" and not isinstance(of, Analysis):
        raise EngineError(f"{name!r} is a figure of one model; give one of the analyses")
    picture = entry.find(
        [of] if isinstance(of, Analysis) and entry.of == "ladder" else of, **options
    )
    if picture is None:
        raise EngineError(f"the figure {name!r} does not apply: it requires that {entry.applies}")
    show_figure(entry.draw(picture), alt=picture.text.alt, caption=picture.text.caption)


def show_figure(figure: "Figure", *, alt: str, caption: str = "") -> None:
    """Show a matplotlib figure as a PNG, with alternative text.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    alt : str
        Alternative text.
    caption : str
        Plain text.
    """
    from IPython.display import Image, Markdown, display

    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=DPI)
    display(Image(png.getvalue(), alt=alt))
    if caption:
        display(Markdown(f"*{escape_markdown(caption)}*"))


def show_rows(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Show a small table; numbers to four significant digits, text as it is."""
    from IPython.display import Markdown, display

    cells = tuple(tuple(_cell(value) for value in row) for row in rows)
    display(Markdown(render(View(headings=tuple(head), cells=cells), "markdown")))


def show_table(
    analyses: Sequence[Analysis],
    *,
    likelihood: bool = True,
    interval: bool = False,
    exponentiate: bool = False,
    style: str = "plain",
) -> None:
    """Show a table of models for a paper; options as of `publication_table`."""
    from IPython.display import display

    display(
        publication_table(
            analyses,
            likelihood=likelihood,
            interval=interval,
            exponentiate=exponentiate,
            style=style,
        )
    )


def show_text(text: str) -> None:
    """Show a sentence in Markdown, with true minus signs in its numbers."""
    from IPython.display import Markdown, display

    display(Markdown(_HYPHEN.sub(MINUS, text)))


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return rounded(value, style="table")
    return str(value)

"""What is being done, shown where someone is watching, once it has lasted two seconds."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from threading import Timer
from typing import TYPE_CHECKING

from bayes_mlm.base import visible

if TYPE_CHECKING:
    from rich.status import Status

# Seconds; what is over sooner needs no sign of life.
PATIENCE = 2.0


def in_notebook() -> bool:
    """Return whether a Jupyter kernel runs this process; IPython is not imported for it."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell"


def is_watched() -> bool:
    """Return whether someone sees what is shown: on a terminal or in Jupyter, not in a pipe."""
    return in_notebook() or (sys.stderr is not None and sys.stderr.isatty())


@contextmanager
def waiting(text: str, *, shown: bool = True) -> Iterator[None]:
    """Show a text with a spinner while a block runs, from its third second on.

    Parameters
    ----------
    text : str
    shown : bool
        Whether to show it at all; nothing is shown in a pipe in any case.

    Examples
    --------
    >>> with waiting("fitting"):
    ...     pass
    """
    if not shown or not is_watched() or (in_notebook() and find_spec("ipywidgets") is None):
        yield  # rich draws in Jupyter by ipywidgets, and warns in the page where there are none
        return
    status: list[Status] = []

    def start() -> None:
        from rich.console import Console
        from rich.markup import escape

        # rich itself finds out that it runs in Jupyter.
        console = Console() if in_notebook() else Console(stderr=True)
        status.append(console.status(escape(visible(text))))
        status[0].start()

    timer = Timer(PATIENCE, start)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        if status:
            status[0].stop()

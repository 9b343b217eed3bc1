"""Progress of a run: on a terminal, once it has lasted a second."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer
from time import monotonic
from typing import TYPE_CHECKING

from bayes_mlm.base import visible

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.progress import Progress

    from bayes_mlm.design import Scan

# What is over sooner needs no progress, and a bar that flashes up is only in the way.
PATIENCE = 1.0


class Steps:
    """Progress bar of the steps of a run, or nothing where there is no terminal.

    Parameters
    ----------
    bar : rich.progress.Progress or None
        None in a pipe, or with ``--quiet``.
    """

    def __init__(self, bar: "Progress | None") -> None:
        self._bar = bar
        self._started = monotonic()
        self._timer: Timer | None = None
        self._task = None if bar is None else bar.add_task("", total=None)

    def update(self, text: str, *, done: int | None = None, of: int | None = None) -> None:
        """Show what is being done, and how many of how many steps are done."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=visible(text), completed=done, total=of)

    def progress_of(self, text: str) -> "Callable[[float], None] | None":
        """Return a function that shows a query's progress in per cent; None without a bar."""
        if self._bar is None:
            return None
        return lambda share: self.update(text, done=int(share), of=100)

    def watching(self, scan: "Scan") -> "Scan":
        """Return a scan whose queries report their progress."""
        from dataclasses import replace

        return replace(scan, on_progress=self.progress_of(f"summing {scan.source}"))

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Hide the bar while something is printed."""
        self.hide()
        try:
            yield
        finally:
            self.show()

    def show(self) -> None:
        """Show the bar, from the run's second second on."""
        if self._bar is None:
            return
        wait = PATIENCE - (monotonic() - self._started)
        if wait <= 0.0:
            self._bar.start()
            return
        self._timer = Timer(wait, self._bar.start)
        self._timer.daemon = True
        self._timer.start()

    def hide(self) -> None:
        """Remove the bar from the terminal."""
        if self._bar is None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()
            self._timer = None
        self._bar.stop()


@contextmanager
def steps(text: str = "", *, quiet: bool) -> Iterator[Steps]:
    """Show on standard error what a run does, if that is a terminal and not to be quiet.

    Parameters
    ----------
    text : str
        What is being done first.
    quiet : bool

    Yields
    ------
    Steps
    """
    from bayes_mlm.report import console as show

    console = show.make_console(stderr=True)
    bar = None
    if console.is_interactive and not quiet:
        from rich.progress import (
            BarColumn,
            Progress,
            SpinnerColumn,
            TaskProgressColumn,
            TextColumn,
            TimeElapsedColumn,
        )

        bar = Progress(
            SpinnerColumn(),
            # A model's name is text, whatever brackets it has.
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            # Results go to standard output, which may be a file.
            redirect_stdout=False,
            redirect_stderr=False,
        )
    found = Steps(bar)
    found.update(text)
    found.show()
    try:
        yield found
    finally:
        found.hide()

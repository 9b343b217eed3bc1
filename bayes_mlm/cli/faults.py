"""Say in a line what the machine refused a command: memory, a disk, an output that is closed."""

import errno
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from bayes_mlm.errors import BayesMLMError, FormulaError
from bayes_mlm.visible import visible

EXIT_INPUT, EXIT_SIGNAL = 1, 128
_MEMORY = (
    "out of memory; ask for fewer --draws, sum the rows where they lie (--rows sum, --memory 2GB), "
    "or give the process more"
)
# What libraries say, each with an exception of its own, when the system gives no memory.
_OUT_OF_MEMORY = (
    *("out of memory", "cannot allocate", "unable to allocate", "failed to allocate"),
    *(
        "can't start new thread",
        "launch worker thread",
        "failed to map segment",
        "memory allocation",
        "bad_alloc",
    ),
)


@contextmanager
def in_one_line() -> Iterator[None]:
    """End a command whose input is wrong, or that the machine fails, with one line and its code.

    What is left (a bug) keeps its traceback. Signals that end a process are turned into exits, so
    that nothing is left half-written.
    """
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _stop)
    if sys.stdout is None:  # closed by who started the command
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115  (until Python ends)
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError):  # not a stream of the system's
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        try:
            yield
        finally:
            sys.stdout.flush()  # what cannot be written is said here, and not when Python ends
    except SystemExit as stop:
        if isinstance(stop.code, int) and stop.code >= EXIT_SIGNAL:  # typer's own say nothing
            _say("interrupted; nothing is half-written")
        raise
    except Exception as error:
        said = what_failed(error)
        if said is None:
            raise
        _leave_stdout()
        if said:
            _say(f"error: {said}")
        sys.exit(EXIT_INPUT)


def what_failed(error: BaseException) -> str | None:
    """Say what is wrong; "" where nobody reads any more, None of what only a traceback tells.

    Examples
    --------
    >>> what_failed(OSError(28, "No space left on device"))
    'No space left on device'
    >>> what_failed(KeyError("x"))
    """
    if isinstance(error, BayesMLMError):
        # The formula is shown with a mark below the place that is meant.
        of_formula = isinstance(error, FormulaError) or isinstance(error.__cause__, FormulaError)
        return visible(error, keep="\n" if of_formula else "")
    text = str(error)
    if isinstance(error, MemoryError) or any(one in text.lower() for one in _OUT_OF_MEMORY):
        return _MEMORY
    if isinstance(error, BrokenPipeError) or getattr(error, "errno", None) == errno.EPIPE:
        return ""
    if isinstance(error, OSError):
        where = f": {visible(error.filename)!r}" if error.filename is not None else ""
        return f"{error.strerror or visible(error)}{where}"
    if type(error).__name__ == "BrokenProcessPool":
        return f"a process that drew figures was ended, as the system does when {_MEMORY}"
    return None


def _say(text: str) -> None:
    with suppress(OSError, ValueError):  # standard error may be full or closed too
        print(text, file=sys.stderr, flush=True)


def _leave_stdout() -> None:
    """Have nothing more written to an output that takes nothing, when Python ends."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _stop(number: int, _: FrameType | None) -> None:
    raise SystemExit(EXIT_SIGNAL + number)

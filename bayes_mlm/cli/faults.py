"""Report in one line what a command failed at: input, memory, a full disk, a closed output."""

import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from bayes_mlm.base import BayesMLMError, FormulaError, visible

EXIT_INPUT, EXIT_SIGNAL = 1, 128
_MEMORY = (
    "out of memory; use fewer --draws, sum the rows where they lie (--rows sum, --memory 2GB), "
    "or give the process more"
)
# Messages of libraries, each in another type of exception, when an allocation fails.
_OUT_OF_MEMORY = (
    "out of memory",
    "cannot allocate",
    "unable to allocate",
    "failed to allocate",
    "can't start new thread",
    "launch worker thread",
    "failed to map segment",
    "memory allocation",
    "bad_alloc",
)


@contextmanager
def in_one_line() -> Iterator[None]:
    """End a command whose input is wrong, or that runs out of resources, with one line and a code.

    Any other exception (a bug) keeps its traceback. Signals that end a process become exits, so
    that nothing is left half-written.
    """
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _stop)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the caller; its descriptor is taken too
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115  (until Python ends)
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            yield
        finally:
            sys.stdout.flush()  # a failed write is reported here, and not when Python ends
    except SystemExit as stop:
        if isinstance(stop.code, int) and stop.code >= EXIT_SIGNAL:  # typer is silent
            _print("interrupted; nothing is half-written")
        raise
    except Exception as error:  # every type: memory runs out in a type of each library's
        message = what_failed(error)
        if message is None:
            raise
        _discard_stdout()
        if message:
            _print(f"error: {message}")
        sys.exit(EXIT_INPUT)


def what_failed(error: BaseException) -> str | None:
    """Return the message of an error; "" if the reader has closed the output, None for a bug.

    Examples
    --------
    >>> what_failed(OSError(28, "No space left on device"))
    'No space left on device'
    >>> what_failed(KeyError("x"))
    """
    if isinstance(error, BayesMLMError):
        # A formula is shown with a mark below the place of the error.
        of_formula = isinstance(error, FormulaError) or isinstance(error.__cause__, FormulaError)
        return visible(error, keep="\n" if of_formula else "")
    text = str(error)
    if isinstance(error, MemoryError) or any(one in text.lower() for one in _OUT_OF_MEMORY):
        return _MEMORY
    if isinstance(error, BrokenPipeError):
        return ""
    if isinstance(error, OSError):
        where = f": {visible(error.filename)!r}" if error.filename is not None else ""
        return f"{error.strerror or visible(error)}{where}"
    if type(error).__name__ == "BrokenProcessPool":
        return f"a process that drew figures was ended, as the system does when {_MEMORY}"
    return None


def _print(text: str) -> None:
    with suppress(OSError, ValueError):  # standard error may be full or closed too
        print(text, file=sys.stderr, flush=True)


def _discard_stdout() -> None:
    """Discard pending output that cannot be written, before Python exits."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _stop(number: int, _: FrameType | None) -> None:
    raise SystemExit(EXIT_SIGNAL + number)

"""Start the command line: what must be settled before anything heavy is imported."""

import os
import sys

_INTERRUPTED = 130
# With less memory than this, in bytes, BLAS has no room for a working space a thread, and ends
# the process itself where it finds none.
_ROOMY = 4 * 1024**3


def main() -> None:
    """Run `bayes_mlm.cli`; an interrupt while it is imported ends in one line too."""
    if _is_cramped():
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        from bayes_mlm.cli import main as run
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; nothing is half-written\n")
        sys.exit(_INTERRUPTED)
    run()


def _is_cramped() -> bool:
    """Tell whether the process may have little memory (``ulimit -v``)."""
    try:
        import resource
    except ImportError:  # not a POSIX system
        return False
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return soft != resource.RLIM_INFINITY and soft < _ROOMY


if __name__ == "__main__":
    main()

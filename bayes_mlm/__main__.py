"""Start the command line: settings that must precede any heavy import."""

import os
import sys

_INTERRUPTED = 130
# With less memory than this, in bytes, OpenBLAS may not find room for a buffer per thread, and then
# ends the process.
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
    """Return whether the memory of the process is limited to little (``ulimit -v``)."""
    try:
        import resource
    except ImportError:  # not a POSIX system
        return False
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return soft != resource.RLIM_INFINITY and soft < _ROOMY


if __name__ == "__main__":
    main()

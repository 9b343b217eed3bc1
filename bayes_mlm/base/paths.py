"""Resolve the paths that users give: literal names first, and only files that can be read.

Every reader (tables, records, group moments, fits) uses it, so that a name means the same to each,
and a device or a pipe, which may never end, is refused by all before it is opened.
"""

import stat
from pathlib import Path

from bayes_mlm.base.text.visible import visible

ABSENT, DIRECTORY = "does not exist", "is a directory"
_KINDS = (
    (stat.S_ISDIR, DIRECTORY),
    (stat.S_ISCHR, "is a device, which may never end"),
    (stat.S_ISBLK, "is a device"),
    (stat.S_ISFIFO, "is a pipe, which may never end"),
    (stat.S_ISSOCK, "is a socket"),
)


def expand_home(source: str | Path) -> Path:
    """Return a path by its literal name, or, where there is none, with ~ for the home folder.

    Examples
    --------
    >>> expand_home("data/~backup.csv")
    PosixPath('data/~backup.csv')
    """
    path = Path(source)
    if not str(source).startswith("~") or unreadable_reason(path) != ABSENT:
        return path
    try:
        return path.expanduser()
    except RuntimeError:  # there is no such user
        return path


def unreadable_reason(path: Path) -> str:
    """Return the reason why a path is no readable file, as the end of a sentence; "" if it is one.

    Examples
    --------
    >>> [unreadable_reason(Path(path)) for path in ("/dev/zero", "/", "/nowhere")]
    ['is a device, which may never end', 'is a directory', 'does not exist']
    """
    try:
        str(path).encode()
        mode = path.stat().st_mode
    except UnicodeEncodeError:
        return "has a name that is not UTF-8; rename it"
    except ValueError:
        return "has a null character in its name"
    except (FileNotFoundError, NotADirectoryError):
        return "is a link to a file that is not there" if path.is_symlink() else ABSENT
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if stat.S_ISREG(mode):
        return ""
    return next((text for test, text in _KINDS if test(mode)), "is no regular file")


def explain_file(path: Path) -> str:
    """Return the reason why a path is no readable file, and the remedy; "" if it is one."""
    reason = unreadable_reason(path)
    if reason.startswith(("is a device", "is a pipe", "is a socket")):
        return f"{reason}; save what it gives to a file, and give that"
    if reason == DIRECTORY:
        return f"{reason}; give the path of one file"
    return f"{reason}; check the name" if reason == ABSENT else reason


def shown(path: Path) -> str:
    """Return the name of a file, without its folder, on one line."""
    return visible(path.name)

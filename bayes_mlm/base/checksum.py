"""Write and check the SHA-256 of all bytes of a file, in a field of the file reserved for it."""

import hashlib
import re

from bayes_mlm.base.errors import StorageError

SEAL = b"bayes_mlm_sha256:"
"""What precedes the 64 digits, which are zeros while the file is made and hashed."""
BLANK = SEAL + b"0" * 64
_DIGITS = re.compile(rb"[0-9a-f]{64}")


def sealed(content: bytes) -> bytes:
    """Return the content of a file with its checksum in the field reserved for it.

    Examples
    --------
    >>> check_seal(sealed(b"some sums" + BLANK + b"."))
    """
    start = _place(content)
    view = memoryview(content)  # large files are copied once
    return b"".join((view[:start], _checksum(content, start), view[start + 64 :]))


def check_seal(content: bytes) -> None:
    """Raise a `StorageError` if a file has no checksum, or not that of its bytes.

    Raises
    ------
    StorageError
    """
    start = _place(content)
    if content[start : start + 64] != _checksum(content, start):
        raise StorageError("its bytes are not those that were written (the checksum differs)")


def _place(content: bytes) -> int:
    start = content.rfind(SEAL) + len(SEAL)
    if start < len(SEAL) or not _DIGITS.fullmatch(content[start : start + 64]):
        raise StorageError("it has no checksum: it is cut off, damaged, or of an earlier version")
    return start


def _checksum(content: bytes, start: int) -> bytes:
    view = memoryview(content)
    digest = hashlib.sha256(view[:start])
    digest.update(b"0" * 64)
    digest.update(view[start + 64 :])
    return digest.hexdigest().encode()

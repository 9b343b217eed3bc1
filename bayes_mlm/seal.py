"""Seal a file that only we write: a SHA-256 of all its bytes, in a place that is left for it."""

import hashlib
import re

from bayes_mlm.errors import StorageError

SEAL = b"bayes_mlm_sha256:"
"""What stands before the 64 digits; they are noughts while the file is made."""
BLANK = SEAL + b"0" * 64
_DIGITS = re.compile(rb"[0-9a-f]{64}")


def sealed(content: bytes) -> bytes:
    """Write the checksum of a file into the place that it has for it.

    Examples
    --------
    >>> check_seal(sealed(b"some sums" + BLANK + b"."))
    """
    start = _place(content)
    return content[:start] + _checksum(content, start) + content[start + 64 :]


def check_seal(content: bytes) -> None:
    """Refuse a file that has no seal, or another than its bytes have.

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

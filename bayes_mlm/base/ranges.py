"""Ranges of numbered names: ``PV1MATH..PV10MATH``."""

import re

# Names in a range, at most.
_MOST = 1000


def numbered_names(first: str, last: str) -> list[str]:
    """Return the names from one to another that differs from it in a higher number.

    Empty where they differ in more, or the number is not higher. Numbers of the same width, as 01,
    keep it.

    Examples
    --------
    >>> numbered_names("PV1MATH", "PV3MATH"), numbered_names("SRWT09", "SRWT11")
    (['PV1MATH', 'PV2MATH', 'PV3MATH'], ['SRWT09', 'SRWT10', 'SRWT11'])
    """
    parts, others = (re.split(r"(\d+)", one) for one in (first, last))
    if len(parts) != len(others):
        return []
    differ = [k for k, (a, b) in enumerate(zip(parts, others, strict=True)) if a != b]
    if len(differ) != 1 or differ[0] % 2 == 0:
        return []
    (k,) = differ
    low, high = int(parts[k]), int(others[k])
    if not low < high < low + _MOST:
        return []
    width = len(parts[k]) if parts[k].startswith("0") else 0
    return [
        "".join([*parts[:k], str(number).zfill(width), *parts[k + 1 :]])
        for number in range(low, high + 1)
    ]

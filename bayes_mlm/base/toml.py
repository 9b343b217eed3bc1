"""Read TOML strictly: every key known, every value of its type, every message with a place.

The files are data. They are matched against the fields of msgspec structs, and nothing in them is
evaluated.
"""

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAliasType, get_args, get_origin

import msgspec

from bayes_mlm.base.errors import SpecError
from bayes_mlm.base.paths import explain_file
from bayes_mlm.base.text.visible import visible

# The longest bundled record has 8,000.
_MOST_BYTES = 1_000_000
_WORDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
}


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file into a table.

    Raises
    ------
    SpecError
        If the file is missing, unreadable or not TOML; the message gives the line.
    """
    reason = explain_file(path)
    if reason:
        raise SpecError(f"{visible(path)} {reason}")
    try:
        size = path.stat().st_size
        if size > _MOST_BYTES:
            raise SpecError(f"{path}: {size:,} bytes; a record has at most {_MOST_BYTES:,}")
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SpecError(
            f"{path}: not text in UTF-8 (byte {error.start}); save it as UTF-8"
        ) from error
    except OSError as error:
        raise SpecError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        lines = text.count("\n") + 1
        message = str(error).replace("at end of document", f"at the end, line {lines}")
        raise SpecError(f"{path}: not valid TOML: {message}") from error
    except RecursionError as error:
        raise SpecError(f"{path}: lists or tables are nested too deeply") from error
    except ValueError as error:  # whole numbers of thousands of digits, days that do not exist
        raise SpecError(f"{path}: not valid TOML: {error}") from error


def convert[T: msgspec.Struct](
    raw: Mapping[str, Any], to: type[T], path: Path, *, hidden: frozenset[str] = frozenset()
) -> T:
    """Match a table read from TOML against the fields of a struct, strictly.

    Parameters
    ----------
    raw : mapping
        As read.
    to : type
        A msgspec struct; structs within lists and tables are checked the same way.
    path : Path
        The file, for the messages.
    hidden : frozenset of str
        Fields that are not keys of the file.

    Raises
    ------
    SpecError
        For an unknown key (with the nearest and the allowed ones) or a value of the wrong type.
    """
    _check_keys(raw, to, "", path, hidden)
    try:
        return msgspec.convert(dict(raw), to)
    except msgspec.ValidationError as error:
        raise SpecError(f"{path}: {_in_words(str(error))}") from error


def suggest(found: str, allowed: Iterable[str]) -> str:
    """Return the nearest allowed word, and all of them, as the end of an error message."""
    words = list(allowed)
    by_fold = {word.casefold(): word for word in words}  # REML, Auto: case is a slip of its own
    near = difflib.get_close_matches(found.casefold(), by_fold, n=1, cutoff=0.5)
    hint = f"; did you mean {by_fold[near[0]]!r}?" if near else ";"
    # A word of signs alone, such as a comma, is quoted: it would be read as one of the list's.
    listed = (word if any(map(str.isalnum, word)) else repr(word) for word in words)
    return f"{hint} allowed: {', '.join(listed) or 'none'}"


def _check_keys(
    raw: Mapping[str, Any],
    to: type[msgspec.Struct],
    prefix: str,
    path: Path,
    hidden: frozenset[str] = frozenset(),
) -> None:
    fields = {f.name: _unalias(f.type) for f in msgspec.structs.fields(to) if f.name not in hidden}
    for key, value in raw.items():
        if key not in fields:
            raise SpecError(f"{path}: unknown key {prefix + key!r}{suggest(key, fields)}")
        words = get_args(fields[key]) if get_origin(fields[key]) is Literal else ()
        if words and isinstance(value, str) and value not in words:
            raise SpecError(f"{path}: {prefix}{key} = {value!r} is unknown{suggest(value, words)}")
        inner = [t for t in (fields[key], *get_args(fields[key])) if _is_struct(t)]
        items = value if isinstance(value, list) else [value]
        for struct in inner:
            for k, item in enumerate(items):
                if isinstance(item, dict):
                    index = f"[{k}]" if isinstance(value, list) else ""
                    _check_keys(item, struct, f"{prefix}{key}{index}.", path)


def _is_struct(candidate: object) -> bool:
    return isinstance(candidate, type) and issubclass(candidate, msgspec.Struct)


def _unalias(annotation: Any) -> Any:
    return annotation.__value__ if isinstance(annotation, TypeAliasType) else annotation


def _in_words(message: str) -> str:
    """Return msgspec's message in the words of the documentation."""
    message, _, key = message.partition(" - at `$")
    message = re.sub(
        "`([^`]+)`",
        lambda found: " or ".join(_WORDS.get(word, word) for word in found[1].split(" | ")),
        message,
    )
    message = message.replace("Object missing required field", "the required key is missing:")
    message = message.replace("Expected", "expected").replace(", got", ", found")
    place = key.strip("`").lstrip(".").replace("[...]", "")
    hint = ' (in quotes, "12.657")' if place.endswith("value") else ""
    return f"{place}: {message}{hint}" if place else f"{message}{hint}"

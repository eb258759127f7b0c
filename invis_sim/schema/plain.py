"""Plain data: what TOML, JSON and Python's own types for them have in common."""

import datetime
import math
from collections.abc import Mapping
from typing import Any

import msgspec

from invis_sim.schema.fields import Path

__all__ = [
    "MAX_DEPTH",
    "NOT_UNICODE",
    "NotPlain",
    "given_fields",
    "given_keys",
    "is_unicode",
    "to_json",
    "to_plain",
]

NOT_UNICODE = "expected Unicode text, found a lone surrogate"
"""What is wrong with text that `is_unicode` refuses."""


MAX_DEPTH = 128
"""How deep a value may be nested: as deep as a packet may be (`protocol/json_structure.py`)."""

# TOML has dates and times, JSON has none. As plain data they stay what they are: as text they would
# pass where text is expected.
_DATES = (datetime.date, datetime.time)


class NotPlain(ValueError):
    """A value that is not plain data, or not JSON.

    path: where it is. message: what was expected and what was found.
    """

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(message)
        self.path = path
        self.message = message

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions are pickled by their `args`, which are not what `__init__` takes.
        return type(self), (self.path, self.message), self.__dict__


def is_unicode(text: str) -> bool:
    """Return whether the text can be encoded: JSON's escapes can express half of a surrogate pair,
    which Unicode does not have as a character.
    """
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def to_plain(value: Any, path: Path = ()) -> Any:
    """Return the plain data of a value: mappings, lists, text, numbers, true, false, None, dates.

    value: plain data, with tuples in place of lists and structs in place of tables. Of a struct,
    the fields that are as by default are omitted.
    path: of the value, for the error.

    Raises NotPlain for what is none of these (bytes, sets), is not Unicode, or is nested deeper
    than `MAX_DEPTH`.
    """
    return _convert(value, path, "plain data")


def to_json(value: Any, path: Path = ()) -> Any:
    """Return a value as JSON has it, with lists for tuples.

    path: of the value, for the error.

    Raises NotPlain for what JSON cannot express (infinity, dates, bytes, sets), or what is not
    Unicode, or nested deeper than `MAX_DEPTH`.
    """
    return _convert(value, path, "a JSON value")


def _convert(value: Any, path: Path, expected: str, depth: int = 0) -> Any:
    if isinstance(value, str) and not is_unicode(value):
        raise NotPlain(path, NOT_UNICODE)
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        if expected == "a JSON value" and not math.isfinite(value):
            raise NotPlain(path, f"expected {expected}, found {value}")
        return value
    if depth >= MAX_DEPTH:
        raise NotPlain(path[:1], f"nested deeper than the {MAX_DEPTH} levels expected at most")
    if isinstance(value, list | tuple):
        return [
            _convert(item, (*path, index), expected, depth + 1) for index, item in enumerate(value)
        ]
    if isinstance(value, Mapping):
        table = {}
        for key, item in value.items():
            if not isinstance(key, str):
                raise NotPlain(path, f"expected text as a key, found {key!r}")
            if not is_unicode(key):
                raise NotPlain(path, NOT_UNICODE)
            table[key] = _convert(item, (*path, key), expected, depth + 1)
        return table
    if expected == "plain data":
        if isinstance(value, _DATES):
            return value
        if isinstance(value, msgspec.Struct):
            return _fields(value, path, depth)
    found = f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
    raise NotPlain(path, f"expected {expected}, found {found}")


def _fields(struct: msgspec.Struct, path: Path, depth: int) -> Any:
    """Return the plain data of a struct; a list where its type is written as one."""
    if struct.__struct_config__.array_like:
        values = [getattr(struct, name) for name in struct.__struct_fields__]
        return _convert(values, path, "plain data", depth)
    return {
        key: _convert(value, (*path, key), "plain data", depth + 1)
        for key, value in given_keys(struct).items()
    }


def given_keys(struct: msgspec.Struct) -> dict[str, Any]:
    """Return what `given_fields` returns, by the keys of plain data."""
    keys = dict(zip(struct.__struct_fields__, struct.__struct_encode_fields__, strict=True))
    return {keys[name]: value for name, value in given_fields(struct).items()}


def given_fields(struct: msgspec.Struct) -> dict[str, Any]:
    """Return the fields of a struct whose values are not the very defaults of its type."""
    names, defaults = struct.__struct_fields__, struct.__struct_defaults__
    required = len(names) - len(defaults)
    given = {name: getattr(struct, name) for name in names}
    for name, default in zip(names[required:], defaults, strict=True):
        if given[name] is default or given[name] is msgspec.UNSET:
            del given[name]
    return given

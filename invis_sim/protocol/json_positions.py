"""The byte offsets of the values in a JSON document.

A parser gives the values, but the author of a wrong request wants to know at which byte it is
wrong. This module finds the offsets in a document that a parser has accepted. `iter_values` is
slow, and is only called when there is something to report.
"""

import json
import re
from collections.abc import Iterator

import msgspec

from invis_sim.protocol.json_text import TOKEN

__all__ = ["JsonValue", "Key", "iter_values", "offset_of"]

Key = str | int
"""One step of a path: the key in an object, or the index in an array."""


class JsonValue(msgspec.Struct, frozen=True):
    """One value of a document.

    path: the keys and indices that lead to it from the top.
    offset: the byte, from 0, where the value starts.
    token: its first token: a whole scalar, or an opening bracket.
    """

    path: tuple[Key, ...]
    offset: int
    token: bytes


def iter_values(document: bytes) -> Iterator[JsonValue]:
    """Iterate over every value of the document, in its order, values of repeated keys included.

    document: UTF-8 JSON that a parser accepted (`NaN` and `Infinity` are reported as scalars).
    """
    path: list[Key] = []
    containers: list[bytes] = []
    key_expected = False
    for match in TOKEN.finditer(document):
        token = match[0]
        if token == b":":
            continue
        if token == b",":
            if containers[-1] == b"[":
                index = path[-1]
                assert isinstance(index, int)
                path[-1] = index + 1
            else:
                key_expected = True
        elif token in (b"}", b"]"):
            containers.pop()
            path.pop()
            key_expected = False
        elif key_expected:
            path[-1] = json.loads(token)
            key_expected = False
        else:
            yield JsonValue(tuple(path), match.start(), token)
            if token in (b"{", b"["):
                containers.append(token)
                path.append("" if token == b"{" else 0)
                key_expected = token == b"{"


def offset_of(document: bytes, *path: Key) -> int:
    """Return the byte, from 0, at which the value at `path` starts. If a key is repeated, that of
    the last value, which is the one that parsers return.

    document: as for `iter_values`, and not nested deeper than a parser can follow.

    Raises LookupError if there is no such value.
    """
    text = document.decode()
    found, _ = _find(text, _after_space(text, 0), path)
    if found is None:
        raise LookupError(path)
    return len(text[:found].encode())


def _find(text: str, at: int, path: tuple[Key, ...]) -> tuple[int | None, int]:
    """Return where the value at `path` starts, None if there is no such value; and where the value
    that starts at `at` ends.
    """
    opening = text[at]
    if not path or opening not in "{[":
        # The parser skips the value, however much is in it, at its own speed.
        _, end = _SKIPPING.raw_decode(text, at)
        return (None if path else at), end
    wanted, rest = path[0], path[1:]
    found, index = None, 0
    at = _after_space(text, at + 1)
    while text[at] not in "}]":
        key: Key = index
        if opening == "{":
            key, at = _SKIPPING.raw_decode(text, at)
            at = _after_space(text, _after_space(text, at) + 1)  # the colon
        if key == wanted and type(key) is type(wanted):
            found, at = _find(text, at, rest)
        else:
            _, at = _SKIPPING.raw_decode(text, at)
        at = _after_space(text, at)
        if text[at] == ",":
            at = _after_space(text, at + 1)
            index += 1
    return found, at + 1


def _after_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    assert match is not None
    return match.end()


_SPACE = re.compile(r"[ \t\r\n]*")
_SKIPPING = json.JSONDecoder(parse_int=len, parse_float=len)  # what a number is does not matter

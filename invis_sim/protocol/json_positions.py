"""Where things stand inside a JSON document.

Parsers say what a document means; whoever wrote a wrong one wants to know at which byte. This
module answers that for documents that a parser has accepted, and is only asked when there is
something to complain about.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from invis_sim.protocol.json_text import TOKEN

__all__ = ["JsonValue", "Key", "iter_values", "offset_of"]

Key = str | int
"""One step of a path: the key in an object, or the index in an array."""


@dataclass(frozen=True, slots=True)
class JsonValue:
    """One value of a document.

    path: how to get there from the top.
    offset: the byte, from 0, where the value starts.
    token: its first token: a whole scalar, or an opening bracket.
    """

    path: tuple[Key, ...]
    offset: int
    token: bytes


def iter_values(document: bytes) -> Iterator[JsonValue]:
    """Every value of the document, in the order in which they stand there; duplicates of a key
    included.

    document: UTF-8 JSON that a parser accepted (`NaN` and its like are passed through as scalars).
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
    """The byte at which the value at `path` starts; of several, the last, which is the one that
    counts.

    Raises LookupError where there is no such value.
    """
    offsets = [place.offset for place in iter_values(document) if place.path == path]
    if not offsets:
        raise LookupError(path)
    return offsets[-1]

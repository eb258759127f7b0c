"""Strict reading of one JSON object, with notes about what is unusual in it."""

import json
import re
import reprlib
from collections.abc import Iterator
from itertools import accumulate, chain, islice
from typing import Any, NoReturn, Self

import msgspec

from invis_sim.protocol.json_positions import Key, iter_values, offset_of
from invis_sim.protocol.json_structure import MAX_DEPTH
from invis_sim.protocol.json_text import MAX_DIGITS, TooManyDigits, has_long_integer, parse_int

__all__ = ["MAX_NOTES", "MalformedPacket", "Note", "kind_of", "parse_object"]

MAX_NOTES = 8
"""How many notes a document gets at most; a client that repeats a key may do so very often."""


MAX_EXAMINED_VALUES = 2000
"""How many values of a document are examined for notes: far more than a request has, and few enough
that no client holds up another."""


class MalformedPacket(ValueError):
    """Input that is not a JSON object; or a request without a usable packetID, which cannot be
    answered.

    reason: what is wrong, for the author of the peer.
    offset: the byte of the input, from 0, where it is wrong.
    """

    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(f"{reason} (at byte {offset})")
        self.reason = reason
        self.offset = offset

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions are pickled by their `args`, which are not what `__init__` takes.
        return type(self), (self.reason, self.offset), self.__dict__


class Note(msgspec.Struct, frozen=True):
    """Something that the author of the client should know about a request.

    reason: what is unusual or wrong.
    offset: the byte of the request, from 0, at which it is.
    path: instead of the offset, where the request is known and its bytes are not: the path of the
    value.
    """

    reason: str
    offset: int | None = None
    path: tuple[Key, ...] = ()

    def with_offset(self, document: bytes) -> Self:
        """Return the note with the offset of its path in the document that the request is from."""
        if self.offset is not None or not self.path:
            return self
        return type(self)(self.reason, offset_of(document, *self.path))

    def __str__(self) -> str:
        return self.reason if self.offset is None else f"{self.reason} (at byte {self.offset})"


class _NotJsonConstant(Exception):
    """NaN, Infinity or -Infinity, which Python's parser accepts and RFC 8259 does not."""


def parse_object(document: bytes, noun: str) -> tuple[dict[str, Any], list[Note]]:
    """Parse a document whose top level is an object, strictly by RFC 8259.

    noun: what the document should be, for the message: "a request".

    Returns the object, in which the last value of a repeated key counts, and notes about repeated
    keys and lone surrogates, at most MAX_NOTES. Raises MalformedPacket.
    """
    duplicates = False

    def pairs_to_dict(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal duplicates
        fields = dict(pairs)
        duplicates = duplicates or len(fields) != len(pairs)
        return fields

    decoder = json.JSONDecoder(
        object_pairs_hook=pairs_to_dict,
        # A function of ours for each of thousands of integers takes longer than all the rest.
        parse_int=parse_int if has_long_integer(document) else int,
        parse_constant=_reject_constant,
    )
    try:
        text = document.decode()
    except UnicodeDecodeError as error:
        raise MalformedPacket(f"not UTF-8: {error.reason}", error.start) from None
    try:
        tree = decoder.decode(text)
    except json.JSONDecodeError as error:
        offset = len(text[: error.pos].encode())
        raise MalformedPacket(f"not JSON: {error.msg}", offset) from None
    except _NotJsonConstant as error:
        name = error.args[0]
        offset = _offset_of(document, name.encode())
        raise MalformedPacket(f"not JSON: {name}", offset) from None
    except TooManyDigits as error:
        offset = _offset_of(document, _TOO_MANY_DIGITS)
        raise MalformedPacket(str(error), offset) from None
    except RecursionError:
        _check_depth(document)
        raise
    # Brackets are counted first, those in strings included: nearly always there are few.
    if document.count(b"{") + document.count(b"[") > MAX_DEPTH:
        _check_depth(document)
    if not isinstance(tree, dict):
        offset = next(iter_values(document)).offset
        raise MalformedPacket(f"{noun} is a JSON object, this is {kind_of(tree)}", offset)
    notes = chain(
        _duplicate_keys(document) if duplicates else (),
        _lone_surrogates(document) if b"\\u" in document else (),
    )
    return tree, list(islice(notes, MAX_NOTES))


def _reject_constant(name: str) -> NoReturn:
    raise _NotJsonConstant(name)


# The decoder stops at these digits, whatever follows them: the document may be broken there too.
# Digits of a fraction or an exponent are not meant.
_TOO_MANY_DIGITS = rb"(?<![-+.0-9eE])-?[0-9]{%d}" % (MAX_DIGITS + 1)


def _offset_of(document: bytes, token: bytes) -> int:
    """Return where the first value that begins like this is.

    token: a pattern that a parser has found outside strings.
    """
    pattern = re.compile(_STRING + rb"|(" + token + rb")")
    return next(match.start() for match in pattern.finditer(document) if match[1] is not None)


def _check_depth(document: bytes) -> None:
    # All in C, without a step of ours for each byte: a good document may be as long as a packet.
    brackets = _STRINGS.sub(b"", document).translate(_NESTING, _NO_BRACKETS)
    if max(_depths(brackets), default=0) <= MAX_DEPTH:
        return
    outside = _STRINGS.sub(lambda match: bytes(len(match[0])), document).translate(_NESTING)
    offset = [*_depths(outside)].index(MAX_DEPTH + 1)
    raise MalformedPacket(f"nested deeper than {MAX_DEPTH} levels", offset)


def _depths(nesting: bytes) -> Iterator[int]:
    return accumulate(memoryview(nesting).cast("b"))


_STRING = rb'"(?:[^"\\]|\\.)*+"'
_STRINGS = re.compile(_STRING, re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"{}[]"))
# 1 for a bracket that opens, -1 as a signed byte for one that closes, 0 for everything else.
_NESTING = bytes(
    {**dict.fromkeys(b"{[", 1), **dict.fromkeys(b"}]", 0xFF)}.get(byte, 0) for byte in range(256)
)


def _duplicate_keys(document: bytes) -> Iterator[Note]:
    newest: dict[tuple[Key, ...], int] = {}  # where the last value at each path starts
    seen: set[tuple[int, Key]] = set()  # an object, by where it starts, and a key in it
    for place in islice(iter_values(document), MAX_EXAMINED_VALUES):
        newest[place.path] = place.offset
        if not place.path:
            continue
        key = place.path[-1]
        member = (newest[place.path[:-1]], key)
        if member in seen:
            yield Note(f"key {reprlib.repr(key)} appears again; the last one counts", place.offset)
        seen.add(member)


def _lone_surrogates(document: bytes) -> Iterator[Note]:
    for place in islice(iter_values(document), MAX_EXAMINED_VALUES):
        if place.token.startswith(b'"'):
            try:
                json.loads(place.token).encode()
            except UnicodeEncodeError:
                yield Note("lone surrogate in string", place.offset)


_KINDS = {
    str: "a string",
    float: "a fraction",
    int: "an integer",
    bool: "a boolean",
    type(None): "null",
    list: "an array",
    dict: "an object",
}


def kind_of(value: object) -> str:
    """Return what JSON calls a parsed value, with its article: "an array"."""
    return _KINDS[type(value)]

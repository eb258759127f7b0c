"""Packets: what a client asks (Request), what the outlet answers (Reply) and says unasked (Push).

Reading is strict about JSON and patient about everything else: whatever has a usable packetID
becomes a `Request`, with its problems noted at their byte, because the outlet answers it; only what
cannot be answered is a `MalformedPacket`. Writing keeps the wire's key order: sn, packetID, PUBACK,
payload.
"""

import json
import re
import reprlib
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any, NoReturn, Self

import msgspec

from invis_sim.protocol.json_positions import Key, iter_values, offset_of
from invis_sim.protocol.json_stream import MAX_DEPTH
from invis_sim.protocol.json_text import encode_int, parse_int

__all__ = [
    "MAX_NOTES",
    "MalformedPacket",
    "Note",
    "Packet",
    "Push",
    "Reply",
    "Request",
    "encode_json",
    "parse_common_request",
    "parse_request",
]

MAX_NOTES = 8
"""How many oddities of one document are noted; a client that repeats a key does so often."""


class MalformedPacket(ValueError):
    """Input that cannot be answered: no JSON object, or one without a usable packetID.

    reason: what is wrong, for the author of the client.
    offset: the byte of the input, from 0, where it is wrong.
    """

    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(f"{reason} (at byte {offset})")
        self.reason = reason
        self.offset = offset


class Note(msgspec.Struct, frozen=True):
    """Something about a request that its author should know.

    reason: what is odd or wrong.
    offset: the byte of the request, from 0, where it stands.
    path: instead of the offset, from those who see the request and not its bytes: the value
    concerned.
    """

    reason: str
    offset: int | None = None
    path: tuple[Key, ...] = ()

    def with_offset(self, document: bytes) -> Self:
        """The note with its offset, looked up in the document that the request was read from."""
        if self.offset is not None or not self.path:
            return self
        return type(self)(self.reason, offset_of(document, *self.path))

    def __str__(self) -> str:
        return self.reason if self.offset is None else f"{self.reason} (at byte {self.offset})"


class Request(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a client asks.

    packet_id: any integer (the documentation says six digits; real devices echo others).
    callback: the `callbackName`, or None where it is missing or no integer; `problem` then says so.
    args: the `callbackArgs` as parsed JSON, or `msgspec.UNSET` where there are none.
    problem: why the request can only be answered with `PUBACK` 0, if that shows from the envelope
    alone.
    notes: oddities that do not keep it from being answered.
    """

    packet_id: int
    callback: int | None
    args: Any = msgspec.UNSET
    problem: Note | None = None
    notes: tuple[Note, ...] = ()


# The request as nearly every client writes it: no arguments, keys in the documented order.
_PLAIN = re.compile(
    rb'W\{W"packetID"W:W(-?(?:0|[1-9][0-9]{0,17}))W,'
    rb'W"payload"W:W\{W"callbackName"W:W(0|[1-9][0-9]{0,8})W\}W\}W'.replace(b"W", rb"[ \t\r\n]*")
)


def parse_common_request(document: bytes) -> Request | None:
    """The request in a document of the form that nearly all have; None where it has another."""
    plain = _PLAIN.fullmatch(document)
    if plain is None:
        return None
    return Request(packet_id=int(plain[1]), callback=int(plain[2]))


def parse_request(document: bytes) -> Request:
    """The request in a document.

    document: the bytes of one TCP document or one WebSocket message.

    Raises MalformedPacket where it cannot be answered. [reference, "The envelope"]
    """
    plain = parse_common_request(document)
    if plain is not None:
        return plain
    fields, notes = _parse_object(document)
    packet_id = fields.get("packetID", msgspec.UNSET)
    if packet_id is msgspec.UNSET:
        raise MalformedPacket("no packetID, so nothing can be answered", 0)
    if type(packet_id) is not int:
        raise MalformedPacket(
            f"packetID is {_kind(packet_id)}, not an integer, so nothing can be answered",
            offset_of(document, "packetID"),
        )
    payload = fields.get("payload", msgspec.UNSET)
    callback: int | None = None
    args: Any = msgspec.UNSET
    problem: Note | None = None
    if payload is msgspec.UNSET:
        problem = Note("no payload", 0)
    elif not isinstance(payload, dict):
        problem = Note(
            f"payload is {_kind(payload)}, not an object", offset_of(document, "payload")
        )
    else:
        args = payload.get("callbackArgs", msgspec.UNSET)
        name = payload.get("callbackName", msgspec.UNSET)
        if type(name) is int:
            callback = name
        elif name is msgspec.UNSET:
            problem = Note("no callbackName in the payload", offset_of(document, "payload"))
        else:
            problem = Note(
                f"callbackName is {_kind(name)}, not an integer",
                offset_of(document, "payload", "callbackName"),
            )
    return Request(
        packet_id=packet_id, callback=callback, args=args, problem=problem, notes=tuple(notes)
    )


class _NotJsonConstant(Exception):
    """NaN, Infinity or -Infinity, which Python's parser would take."""


def _parse_object(document: bytes) -> tuple[dict[str, Any], list[Note]]:
    """The document's top-level object, strictly by RFC 8259, and what is odd about it."""
    duplicates = False

    def pairs_to_dict(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal duplicates
        fields = dict(pairs)
        duplicates = duplicates or len(fields) != len(pairs)
        return fields

    decoder = json.JSONDecoder(
        object_pairs_hook=pairs_to_dict, parse_int=parse_int, parse_constant=_reject_constant
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
        offset = next(p.offset for p in iter_values(document) if p.token.startswith(name.encode()))
        raise MalformedPacket(f"not JSON: {name}", offset) from None
    except RecursionError:
        _check_depth(document)
        raise
    if document.count(b"{") + document.count(b"[") > MAX_DEPTH:
        _check_depth(document)
    if not isinstance(tree, dict):
        offset = next(iter_values(document)).offset
        raise MalformedPacket(f"a request is a JSON object, this is {_kind(tree)}", offset)
    oddities = chain(
        _duplicate_keys(document) if duplicates else (),
        _lone_surrogates(document) if b"\\u" in document else (),
    )
    return tree, list(islice(oddities, MAX_NOTES))


def _reject_constant(name: str) -> NoReturn:
    raise _NotJsonConstant(name)


def _check_depth(document: bytes) -> None:
    for place in iter_values(document):
        if len(place.path) >= MAX_DEPTH and place.token in (b"{", b"["):
            raise MalformedPacket(f"nested deeper than {MAX_DEPTH} levels", place.offset)


def _duplicate_keys(document: bytes) -> Iterator[Note]:
    newest: dict[tuple[Key, ...], int] = {}  # where the last value at each path starts
    seen: set[tuple[int, Key]] = set()  # an object, by where it starts, and a key in it
    for place in iter_values(document):
        newest[place.path] = place.offset
        if not place.path:
            continue
        key = place.path[-1]
        member = (newest[place.path[:-1]], key)
        if member in seen:
            yield Note(f"key {reprlib.repr(key)} appears again; the last one counts", place.offset)
        seen.add(member)


def _lone_surrogates(document: bytes) -> Iterator[Note]:
    for place in iter_values(document):
        if place.token.startswith(b'"'):
            try:
                json.loads(place.token).encode()
            except UnicodeEncodeError:
                yield Note("this string has half of a surrogate pair, no character", place.offset)


_KINDS = {
    str: "a string",
    float: "a fraction",
    int: "an integer",
    bool: "a boolean",
    type(None): "null",
    list: "an array",
    dict: "an object",
}


def _kind(value: object) -> str:
    return _KINDS[type(value)]


_encode = msgspec.json.Encoder().encode


def encode_json(tree: Any) -> bytes:
    """Plain data as UTF-8 JSON without spaces; integers of any size, also what JSON says of strings
    that are no Unicode text.
    """
    try:
        return _encode(tree)
    except ValueError:
        return _spelled(tree)


class Packet(msgspec.Struct, frozen=True, gc=False):
    """A packet of the outlet's own, as the JSON object that it is.

    fields: the members in the order of the wire. Never changed in place: the methods return changed
    copies.
    """

    fields: dict[str, Any]

    def with_field(self, path: tuple[Key, ...], value: Any) -> Self:
        """The packet with `value` at `path`; objects on the way are made where they are missing."""
        return type(self)(_replaced(self.fields, path, value))

    def without_field(self, path: tuple[Key, ...]) -> Self:
        """The packet without what stands at `path`; itself where nothing does."""
        return type(self)(_replaced(self.fields, path, msgspec.UNSET))

    @property
    def callback(self) -> int | None:
        """The payload's `callbackName`; None where there is no payload."""
        payload = self.fields.get("payload")
        name = payload.get("callbackName") if isinstance(payload, dict) else None
        return name if type(name) is int else None

    def encode(self) -> bytes:
        """The packet as UTF-8 JSON without spaces."""
        return encode_json(self.fields)


def _replaced(tree: Any, path: tuple[Key, ...], value: Any) -> Any:
    """A copy of the tree with `value` at `path`, or with nothing there if it is UNSET."""
    if not path:
        return value
    key, rest = path[0], path[1:]
    if isinstance(tree, list):
        if not isinstance(key, int) or not 0 <= key < len(tree):
            return tree
        changed = _replaced(tree[key], rest, value)
        tail = [] if changed is msgspec.UNSET else [changed]
        return [*tree[:key], *tail, *tree[key + 1 :]]
    key = str(key)
    members = tree if isinstance(tree, dict) else {}
    if value is msgspec.UNSET and key not in members:
        return tree
    changed = _replaced(members.get(key), rest, value)
    if changed is msgspec.UNSET:
        return {name: member for name, member in members.items() if name != key}
    return {**members, key: changed}


def _spelled(tree: Any) -> bytes:
    """The tree as JSON, with what the encoder refuses: huge integers and lone surrogates."""
    if isinstance(tree, dict):
        members = (b"%b:%b" % (_spelled(str(key)), _spelled(one)) for key, one in tree.items())
        return b"{%b}" % b",".join(members)
    if isinstance(tree, list | tuple):
        return b"[%b]" % b",".join(map(_spelled, tree))
    if isinstance(tree, int) and not isinstance(tree, bool):
        return encode_int(tree).encode()
    if isinstance(tree, str):
        return json.dumps(tree).encode()
    return _encode(tree)


class Reply(Packet, frozen=True, gc=False):
    """An answer: sn, packetID (the request's), PUBACK, and the payload where there is data."""

    @classmethod
    def success(cls, sn: str, packet_id: int, callback: int, args: Any = msgspec.UNSET) -> Self:
        """PUBACK 1, with a payload where the callback returns data."""
        fields: dict[str, Any] = {"sn": sn, "packetID": packet_id, "PUBACK": 1}
        if args is not msgspec.UNSET:
            fields["payload"] = {"callbackName": callback, "callbackArgs": args}
        return cls(fields)

    @classmethod
    def failure(cls, sn: str, packet_id: int) -> Self:
        """PUBACK 0 and no payload."""
        return cls({"sn": sn, "packetID": packet_id, "PUBACK": 0})


class Push(Packet, frozen=True, gc=False):
    """A synchronous update: sn, the device's own packetID, payload; no PUBACK."""

    @classmethod
    def of(cls, sn: str, packet_id: int, callback: int, args: Any) -> Self:
        payload = {"callbackName": callback, "callbackArgs": args}
        return cls({"sn": sn, "packetID": packet_id, "payload": payload})

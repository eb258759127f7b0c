"""Packets: what a client asks (Request), what the outlet answers (Reply) and sends unasked (Push).

Reading is strict about JSON and lenient about everything else. For a client's bytes: a document
with a usable packetID becomes a `Request`, with its problems noted at their bytes, because the
outlet answers it; only what cannot be answered is a `MalformedPacket`. For an outlet's bytes: any
JSON object is a `Reply` or a `Push`, because a client has to deal with whatever the outlet sends.
Writing keeps the wire's key order: sn, packetID, PUBACK, payload.
"""

import json
from typing import Any, Self

import msgspec

from invis_sim.protocol.json_object import MalformedPacket, Note, kind_of, parse_object
from invis_sim.protocol.json_positions import Key, offset_of
from invis_sim.protocol.json_text import encode_int

__all__ = [
    "MalformedPacket",
    "Note",
    "Packet",
    "Push",
    "Reply",
    "Request",
    "encode_json",
    "parse_common_request",
    "parse_packet",
    "parse_request",
    "read_fields",
]


class Request(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a client asks.

    packet_id: any integer (the documentation says six digits; real devices echo others).
    callback: the `callbackName`; None if it is missing or not an integer; `problem` then says so.
    args: the `callbackArgs` as parsed JSON; `msgspec.UNSET` if there are none.
    problem: why the request can only be answered with `PUBACK` 0, if its envelope shows that.
    notes: what is unusual about it, although it can be answered.
    """

    packet_id: int
    callback: int | None
    args: Any = msgspec.UNSET
    problem: Note | None = None
    notes: tuple[Note, ...] = ()


class _CommonPayload(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    callback: int | float = msgspec.field(name="callbackName")


class _CommonRequest(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """The request as nearly every client writes it: no arguments, nothing else. Fractions are taken
    as well, to be told from integers: where it expects an integer, msgspec makes 20 of 20.0.
    """

    packet_id: int | float = msgspec.field(name="packetID")
    payload: _CommonPayload


_decode_common = msgspec.json.Decoder(_CommonRequest).decode

_QUOTES = 2 * len(("packetID", "payload", "callbackName"))
"""How many quotes the request of the most common form has; with more, a key appears again."""


def parse_common_request(document: bytes) -> Request | None:
    """Parse a request of the most common form; return None if the document has another form."""
    if document.count(b'"') != _QUOTES:  # before anything else, as it is the fastest test
        return None
    try:
        found = _decode_common(document)
    except ValueError:
        return None
    packet_id, callback = found.packet_id, found.payload.callback
    if type(packet_id) is not int or type(callback) is not int:
        return None
    return Request(packet_id=packet_id, callback=callback)


def parse_request(document: bytes) -> Request:
    """Parse a request: packetID, and a payload with callbackName and perhaps callbackArgs.

    document: the bytes of one TCP document or one WebSocket message.

    Raises MalformedPacket if it cannot be answered. Source of the envelope: the vendor's public API
    documentation, and the published client `invisoutlet` 1.1.5.
    """
    plain = parse_common_request(document)
    if plain is not None:
        return plain
    fields, notes = parse_object(document, "a request")
    packet_id = fields.get("packetID", msgspec.UNSET)
    if packet_id is msgspec.UNSET:
        raise MalformedPacket("no packetID, so nothing can be answered", 0)
    if type(packet_id) is not int:
        raise MalformedPacket(
            f"packetID is {kind_of(packet_id)}, not an integer, so nothing can be answered",
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
            f"payload is {kind_of(payload)}, not an object", offset_of(document, "payload")
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
                f"callbackName is {kind_of(name)}, not an integer",
                offset_of(document, "payload", "callbackName"),
            )
    return Request(
        packet_id=packet_id, callback=callback, args=args, problem=problem, notes=tuple(notes)
    )


_encode = msgspec.json.Encoder().encode


def encode_json(tree: Any) -> bytes:
    """Encode plain data as UTF-8 JSON without spaces, integers of any size and strings with lone
    surrogates included.
    """
    try:
        return _encode(tree)
    except ValueError:
        return _encode_slow(tree)


class Packet(msgspec.Struct, frozen=True, gc=False):
    """A packet that an outlet sends, as its JSON object.

    fields: the members in the order of the wire, unknown ones included. Never changed in place: the
    methods return changed copies.
    """

    fields: dict[str, Any]

    def with_field(self, path: tuple[Key, ...], value: Any) -> Self:
        """Return a copy with `value` at `path`; missing objects on the way are created."""
        return type(self)(_replaced(self.fields, path, value))

    def without_field(self, path: tuple[Key, ...]) -> Self:
        """Return a copy without the value at `path`; an equal packet if there is none."""
        return type(self)(_replaced(self.fields, path, msgspec.UNSET))

    @property
    def sn(self) -> str | None:
        """The outlet's serial number; None if it is missing or not a string."""
        sn = self.fields.get("sn")
        return sn if isinstance(sn, str) else None

    @property
    def packet_id(self) -> int | None:
        """A reply has that of its request; None if it is missing or not an integer."""
        return _integer_or_none(self.fields.get("packetID"))

    @property
    def callback(self) -> int | None:
        """The payload's `callbackName`; None if it is missing or not an integer."""
        payload = self.fields.get("payload")
        name = payload.get("callbackName") if isinstance(payload, dict) else None
        return name if type(name) is int else None

    @property
    def args(self) -> Any:
        """The payload's `callbackArgs` as plain data; `msgspec.UNSET` if there are none."""
        payload = self.fields.get("payload")
        if not isinstance(payload, dict):
            return msgspec.UNSET
        return payload.get("callbackArgs", msgspec.UNSET)

    def encode(self) -> bytes:
        """Encode the packet as UTF-8 JSON without spaces."""
        return encode_json(self.fields)


def _replaced(tree: Any, path: tuple[Key, ...], value: Any) -> Any:
    """Return a copy of the tree with `value` at `path`, or without a value there if it is UNSET."""
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


def _encode_slow(tree: Any) -> bytes:
    """Encode what msgspec refuses: integers beyond 64 bits and lone surrogates."""
    if isinstance(tree, dict):
        members = (
            b"%b:%b" % (_encode_slow(str(key)), _encode_slow(one)) for key, one in tree.items()
        )
        return b"{%b}" % b",".join(members)
    if isinstance(tree, list | tuple):
        return b"[%b]" % b",".join(map(_encode_slow, tree))
    if isinstance(tree, int) and not isinstance(tree, bool):
        return encode_int(tree).encode()
    if isinstance(tree, str):
        return json.dumps(tree).encode()
    return _encode(tree)


class Reply(Packet, frozen=True, gc=False):
    """A reply: sn, packetID (the request's), PUBACK, and the payload if there is data."""

    @property
    def puback(self) -> int | None:
        """`PUBACK`: 1 for success, 0 for failure; None if it is missing or not an integer."""
        return _integer_or_none(self.fields.get("PUBACK"))

    @property
    def ok(self) -> bool:
        """Whether the outlet reports success."""
        return self.puback == 1

    @classmethod
    def success(cls, sn: str, packet_id: int, callback: int, args: Any = msgspec.UNSET) -> Self:
        """Make a reply with PUBACK 1, and a payload if the callback returns data."""
        if args is msgspec.UNSET:
            return cls({"sn": sn, "packetID": packet_id, "PUBACK": 1})
        payload = {"callbackName": callback, "callbackArgs": args}
        return cls({"sn": sn, "packetID": packet_id, "PUBACK": 1, "payload": payload})

    @classmethod
    def failure(cls, sn: str, packet_id: int) -> Self:
        """Make a reply with PUBACK 0, which has no payload."""
        return cls({"sn": sn, "packetID": packet_id, "PUBACK": 0})


class Push(Packet, frozen=True, gc=False):
    """A synchronous update: sn, a packetID that the outlet chose, payload; no PUBACK."""

    @classmethod
    def of(cls, sn: str, packet_id: int, callback: int, args: Any) -> Self:
        payload = {"callbackName": callback, "callbackArgs": args}
        return cls({"sn": sn, "packetID": packet_id, "payload": payload})


def parse_packet(document: bytes) -> Reply | Push:
    """Parse what an outlet sends: a Reply if it has a PUBACK, a Push if it has none.

    document: the bytes of one TCP document or one WebSocket message.

    Every member is kept; of a repeated key the last value counts. A push that has a PUBACK, as the
    documentation's example for callback 18 does, becomes a Reply: only the packetID distinguishes
    them.

    Raises MalformedPacket if it is not a JSON object; with the same strictness as `parse_request`.
    """
    fields, _ = parse_object(document, "a packet")
    return Reply(fields) if "PUBACK" in fields else Push(fields)


def _integer_or_none(value: object) -> int | None:
    return value if type(value) is int else None


_decode_fields = msgspec.json.Decoder(dict[str, Any]).decode


def read_fields(document: bytes) -> dict[str, Any] | None:
    """Read a packet quickly, without the checks of `parse_packet`; None: it is no JSON object, or
    the quick reader cannot read it.
    """
    try:
        return _decode_fields(document)
    except (ValueError, RecursionError):
        return None

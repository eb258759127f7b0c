"""Entries as JSON Lines, written and read."""

import base64
import binascii
import json
from typing import Any

import msgspec

from invis_sim.faults.pipeline import AppliedFault
from invis_sim.journal.entries import Entry, Event, Exchange, Outcome
from invis_sim.protocol.frames import text_frame, unframe_text
from invis_sim.protocol.json_text import parse_int
from invis_sim.protocol.packets import MalformedPacket, Note, encode_json, parse_request
from invis_sim.protocol.transport import Transport

__all__ = ["HeaderLine", "encode_entry", "encode_head", "read_line"]


def encode_head(started: float) -> bytes:
    """The first line of a journal: when it started, in seconds since the epoch."""
    return encode_json({"entry": "journal", "started": started})


def encode_entry(entry: Entry) -> bytes:
    """The entry as one JSON object, for a file of JSON Lines.

    Bytes are text where they are UTF-8, else `{"base64": …}`; on WebSocket `sent` shows the text of
    whole text frames in UTF-8, and in base64 whatever else was written, as it was. An exchange of
    which more may be sent has `"done": false`.
    """
    return encode_json(_plain(entry))


def _plain(entry: Entry) -> dict[str, Any]:
    head: dict[str, Any] = {
        "entry": "exchange" if isinstance(entry, Exchange) else "event",
        "number": entry.number,
        "seconds": round(entry.seconds, 6),
        "transport": entry.transport,
        "connection": entry.connection,
    }
    if isinstance(entry, Event):
        return {**head, "what": entry.what, "detail": entry.detail}
    return {
        **head,
        "callback": entry.callback,
        "packetID": entry.packet_id,
        "outcome": entry.outcome,
        "received": None if entry.received is None else _text(entry.received),
        "sent": [_sent(data, entry.transport) for data in entry.sent],
        "faults": [{"fault": touch.fault, "detail": touch.detail} for touch in entry.faults],
        "notes": [{"reason": note.reason, "offset": note.offset} for note in entry.notes],
        **({} if entry.done else {"done": False}),
    }


def _sent(data: bytes, transport: Transport) -> Any:
    if transport == "tcp":
        return _text(data)
    text = unframe_text(data)
    shown = None if text is None else _text(text)
    return shown if isinstance(shown, str) else _base64(data)


def _text(data: bytes) -> Any:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return _base64(data)


def _base64(data: bytes) -> dict[str, str]:
    return {"base64": base64.b64encode(data).decode()}


class _Base64(msgspec.Struct, frozen=True):
    base64: str


class HeaderLine(msgspec.Struct, tag_field="entry", tag="journal"):
    """The first line of a journal, read."""

    started: float


class _EventLine(msgspec.Struct, tag_field="entry", tag="event"):
    number: int
    seconds: float
    transport: Transport | None
    connection: int | None
    what: str
    detail: str = ""


class _ExchangeLine(msgspec.Struct, tag_field="entry", tag="exchange"):
    number: int
    seconds: float
    transport: Transport
    connection: int
    outcome: Outcome
    received: str | _Base64 | None
    sent: tuple[str | _Base64, ...]
    faults: tuple[AppliedFault, ...]
    notes: tuple[Note, ...]
    done: bool = True
    callback: int | None = None


def read_line(line: str | bytes) -> HeaderLine | Entry:
    """What a line says. Raises ValueError."""
    try:
        plain = json.loads(line, parse_int=parse_int)
    except RecursionError:
        raise ValueError("nested too deep") from None
    read = msgspec.convert(plain, HeaderLine | _EventLine | _ExchangeLine)
    if isinstance(read, HeaderLine):
        return read
    if isinstance(read, _EventLine):
        return Event(**msgspec.structs.asdict(read))
    received = None if read.received is None else _bytes(read.received)
    request = None
    if received is not None and read.outcome != "malformed":
        try:
            request = parse_request(received)
        except MalformedPacket as error:
            raise ValueError(f"what was received is no request: {error}") from None
    return Exchange(
        number=read.number,
        seconds=read.seconds,
        transport=read.transport,
        connection=read.connection,
        received=received,
        request=request,
        outcome=read.outcome,
        sent=tuple(_written(data, read.transport) for data in read.sent),
        faults=read.faults,
        notes=read.notes,
        done=read.done,
        pushed=read.callback if request is None else None,
    )


def _written(shown: str | _Base64, transport: Transport) -> bytes:
    if transport == "ws" and isinstance(shown, str):
        return text_frame(_bytes(shown))
    return _bytes(shown)


def _bytes(shown: str | _Base64) -> bytes:
    if isinstance(shown, str):
        return shown.encode()
    try:
        return base64.b64decode(shown.base64, validate=True)
    except binascii.Error as error:
        raise ValueError(f"not base64: {error}") from None

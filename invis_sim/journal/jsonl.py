"""Entries as JSON Lines, written and read."""

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from operator import or_
from typing import Any

import msgspec

from invis_sim.faults.pipeline import AppliedFault
from invis_sim.journal.entries import EVENT_TYPES, Entry, Event, Exchange, Outcome, text_of_write
from invis_sim.protocol.frames import text_frame
from invis_sim.protocol.json_text import parse_int
from invis_sim.protocol.packets import MalformedPacket, Note, encode_json, parse_request
from invis_sim.protocol.transport import Transport

__all__ = [
    "JournalHeader",
    "decode_line",
    "encode_entries",
    "encode_entry",
    "encode_header",
    "plain_entry",
]


MAX_SECONDS = 1e11
"""The latest time that a line may have, some 3000 years from now: of later ones the system does not
know the date."""


class JournalHeader(msgspec.Struct, frozen=True, kw_only=True, tag_field="entry", tag="journal"):
    """The first line of a journal: what is needed to see the same again.

    sn: the serial number of the outlet. started: when it started, in seconds since the epoch.
    version: of the simulator; "": not known. seed: of all that was random; None: not known.
    scenario: the name or the path of what was run; "": not known.
    options: the words of the command line, that of the scenario included; empty: from Python.
    """

    sn: str = ""
    started: float = 0.0
    version: str = ""
    seed: int | None = None
    scenario: str = ""
    options: tuple[str, ...] = ()


def encode_header(header: JournalHeader) -> bytes:
    """The first line of a journal; what is not known is omitted."""
    plain = {"entry": "journal", **msgspec.to_builtins(header)}
    return encode_json({key: value for key, value in plain.items() if value not in ("", None, ())})


class _WrittenExchange(msgspec.Struct, gc=False, tag_field="entry", tag="exchange"):
    """An exchange as its line has it; a struct is made and encoded faster than a dict."""

    sn: str
    number: int
    seconds: float
    transport: Transport
    connection: int
    callback: int | None
    packet_id: int | None = msgspec.field(name="packetID")
    outcome: Outcome
    received: Any
    sent: Sequence[Any]
    faults: tuple[AppliedFault, ...]
    notes: Sequence[Any]
    done: bool | msgspec.UnsetType
    recipients: int | msgspec.UnsetType
    latency: float | msgspec.UnsetType


_encoder = msgspec.json.Encoder()


def encode_entry(entry: Entry) -> bytes:
    """The entry as one JSON object, for a file of JSON Lines.

    Bytes are text where they are UTF-8, else `{"base64": …}`; on WebSocket `sent` shows the text of
    whole text frames in UTF-8, and in base64 whatever else was written, as it was. An exchange of
    which more may be sent has `"done": false`, a push that was sent to several connections at once
    the number of these `recipients`, and what was not answered at once its `latency`. An event has
    its `kind` and the fields of that kind.
    """
    (written,) = _as_written((entry,), _text)
    try:
        return _encoder.encode(written)
    except ValueError:  # such as for a packetID beyond 64 bits
        return encode_json(msgspec.to_builtins(written))


def encode_entries(entries: Iterable[Entry]) -> bytes:
    """The entries as `encode_entry` makes them, each with the end of its line. Many at once cost
    half as much as one by one.
    """
    try:
        return _encoder.encode_lines(_as_written(entries, bytes.decode))
    except ValueError:  # one of them has bytes that are not UTF-8, or as in `encode_entry`
        return b"".join([encode_entry(entry) + b"\n" for entry in entries])


def plain_entry(entry: Entry) -> dict[str, Any]:
    """The entry as plain data, as `encode_entry` encodes it."""
    plain: dict[str, Any] = msgspec.to_builtins(_as_written((entry,), _text)[0])
    return plain


def _as_written(
    entries: Iterable[Entry], text: Callable[[bytes], Any]
) -> list[_WrittenExchange | dict[str, Any]]:
    """The entries as their lines have them.

    text: makes text of bytes, or what is shown in its place.
    """
    written: list[_WrittenExchange | dict[str, Any]] = []
    # Where a journal is written, every request comes through here, so this calls as little as
    # possible.
    for entry in entries:
        if not isinstance(entry, Exchange):
            written.append(_event(entry))
            continue
        transport, received, request = entry.transport, entry.received, entry.request
        sent, notes, latency = entry.sent, entry.notes, entry.latency
        recipients = entry.recipients
        written.append(
            _WrittenExchange(
                entry.sn,
                entry.number,
                _rounded(entry.seconds),
                transport,
                entry.connection,
                entry.push_callback if request is None else request.callback,
                None if request is None else request.packet_id,
                entry.outcome,
                None if received is None else text(received),
                (
                    (text(sent[0]),)
                    if transport == "tcp" and len(sent) == 1
                    else [_sent(data, transport) for data in sent]
                ),
                entry.faults,
                notes and [{"reason": note.reason, "offset": note.offset} for note in notes],
                msgspec.UNSET if entry.done else False,
                msgspec.UNSET if recipients == 1 else recipients,
                _rounded(latency) if latency else msgspec.UNSET,
            )
        )
    return written


def _event(event: Event) -> dict[str, Any]:
    # The struct's tag makes the key "kind".
    plain = {"entry": "event", **msgspec.to_builtins(event)}
    plain["seconds"] = _rounded(event.seconds)
    return plain


def _rounded(seconds: float) -> float:
    # Finer than any clock that a test compares it with; `round(seconds, 6)` takes three times as
    # long, as it makes text of the number and reads it.
    return round(seconds * 1e6) / 1e6


def _sent(data: bytes, transport: Transport) -> Any:
    text = text_of_write(data, transport)
    if text is None:
        return _base64(data)
    shown = _text(text)
    # A text frame that is not UTF-8 is shown with its frame, so that it can be read back.
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


class _EventLine(msgspec.Struct, tag_field="entry", tag="event"):
    """What an event's line is recognised by; the rest depends on its kind."""


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
    sn: str = ""
    recipients: int = 1
    latency: float = 0.0


_ANY_EVENT: Any = reduce(or_, EVENT_TYPES)


def decode_line(line: str | bytes) -> JournalHeader | Entry:
    """Decode one line. Raises ValueError."""
    try:
        plain = json.loads(line, parse_int=parse_int)
    except RecursionError:
        raise ValueError("nested too deep") from None
    decoded = msgspec.convert(plain, JournalHeader | _EventLine | _ExchangeLine)
    if isinstance(decoded, JournalHeader):
        _check_time("started", decoded.started)
        return decoded
    if isinstance(decoded, _EventLine):
        event: Event = msgspec.convert(plain, _ANY_EVENT)
        _check_time("seconds", event.seconds)
        return event
    _check_time("seconds", decoded.seconds)
    received = None if decoded.received is None else _bytes(decoded.received)
    request = None
    if received is not None and decoded.outcome != "malformed":
        try:
            request = parse_request(received)
        except MalformedPacket as error:
            raise ValueError(f"what was received is not a request: {error}") from None
    return Exchange(
        number=decoded.number,
        seconds=decoded.seconds,
        transport=decoded.transport,
        connection=decoded.connection,
        received=received,
        request=request,
        outcome=decoded.outcome,
        sent=tuple(_written(data, decoded.transport) for data in decoded.sent),
        faults=decoded.faults,
        notes=decoded.notes,
        done=decoded.done,
        push_callback=decoded.callback if request is None else None,
        sn=decoded.sn,
        recipients=decoded.recipients,
        latency=decoded.latency,
    )


def _check_time(key: str, seconds: float) -> None:
    if not abs(seconds) <= MAX_SECONDS:  # nor is NaN
        raise ValueError(f"{key}: expected at most {MAX_SECONDS:g} seconds, found {seconds:g}")


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

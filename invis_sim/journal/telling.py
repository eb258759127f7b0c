"""Entries in words, for humans."""

from collections.abc import Iterable

import msgspec

from invis_sim.faults.pipeline import Touch
from invis_sim.faults.when import Transport
from invis_sim.journal.entries import Entry, Event, Exchange
from invis_sim.protocol.callbacks import Callback
from invis_sim.protocol.frames import text_of
from invis_sim.protocol.packets import encode_json

__all__ = [
    "MOST_LINES_TOLD",
    "describe",
    "in_words",
    "named_callback",
    "place",
    "shown_integer",
    "tell",
    "where",
]

MOST_LINES_TOLD = 50
"""How many entries a text for humans shows; of more, the newest."""


MOST_CHARACTERS_OF_ARGS = 20


def describe(entry: Entry) -> str:
    """The entry for a human, in one line: seconds since the start, where, and what."""
    return f"{entry.seconds:8.3f} s  {where(entry):7}  {in_words(entry)}"


def where(entry: Entry) -> str:
    """Transport and connection, in short; "" where there is no connection."""
    return "" if entry.connection is None else f"{entry.transport} #{entry.connection}"


def in_words(entry: Entry) -> str:
    """What happened, for a human, in one line."""
    return f"{entry.what} {entry.detail}".rstrip() if isinstance(entry, Event) else _exchange(entry)


def tell(entries: Iterable[Entry], most: int = MOST_LINES_TOLD) -> str:
    """The entries for a human, a line each, oldest first.

    most: how many lines, ≥ 1; of more entries, the newest.
    """
    every = tuple(entries)
    left_out = len(every) - most
    first = [f"  … {left_out} earlier ones left out"] if left_out > 0 else []
    return "\n".join([*first, *(f"  {describe(entry)}" for entry in every[-most:])])


def _exchange(exchange: Exchange) -> str:
    parts = []
    if exchange.request is not None:
        callback = exchange.callback
        parts.append(f"callback {'?' if callback is None else named_callback(callback)}")
        parts.append(f"packetID {shown_integer(exchange.packet_id)}")
    outcome = _OUTCOMES.get(exchange.outcome, exchange.outcome)
    pushed = exchange.pushed
    parts.append(
        outcome if pushed is None else f"{outcome} {named_callback(pushed)}{_args(exchange)}"
    )
    parts += [f"fault {_did(touch)}" for touch in exchange.faults]
    parts += [f"note: {note}" for note in exchange.notes]
    if exchange.outcome == "malformed" and exchange.received:
        parts.append(_shortened(repr(exchange.received[:100])[1:]))
    return "  ".join(parts)


def _args(exchange: Exchange) -> str:
    """What has been pushed, where that is short; "" where it is long, or not as it should be."""
    data = b"".join(exchange.sent)
    text = text_of(data) if exchange.transport == "ws" else data
    try:
        args = msgspec.json.decode(text or b"")["payload"]["callbackArgs"]
    except (msgspec.DecodeError, UnicodeDecodeError, LookupError, TypeError):
        return ""
    shown = encode_json(args).decode()
    return f" {shown}" if len(shown) <= MOST_CHARACTERS_OF_ARGS else ""


_OUTCOMES = {"success": "PUBACK 1", "failure": "PUBACK 0"}


def _did(touch: Touch) -> str:
    return f"{touch.fault} ({touch.did})" if touch.did else touch.fault


def named_callback(number: int) -> str:
    """The number of a callback, and its name where it has one."""
    try:
        return f"{number} {Callback(number).name.lower().replace('_', ' ')}"
    except ValueError:
        return shown_integer(number)


def place(transport: Transport | None, connection: int | None) -> str:
    """Transport and connection, in words; "" for neither."""
    on = "" if transport is None else f"{transport} "
    return on.rstrip() if connection is None else f"{on}connection #{connection}"


def shown_integer(number: int | None) -> str:
    """The integer's digits, shortened where a client made it absurdly long."""
    return _shortened(encode_json(number).decode())  # also of integers that str() refuses


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"

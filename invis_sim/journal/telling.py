"""Entries in words, for humans."""

import json
from collections.abc import Iterable
from typing import Any

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
    "printable",
    "shown_integer",
    "tell",
    "where",
]

MOST_LINES_TOLD = 50
"""How many entries a text for humans shows; of more, the newest."""

MOST_CHARACTERS = 60
"""How much is shown of each thing that comes from a client or goes to one."""


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
        name = "?" if callback is None else named_callback(callback)
        parts.append(f"callback {name}{_args(exchange.request.args)}")
        parts.append(f"packetID {shown_integer(exchange.packet_id)}")
    outcome = _OUTCOMES.get(exchange.outcome, exchange.outcome)
    pushed = exchange.pushed
    parts.append(
        outcome
        if pushed is None
        else f"{outcome} {named_callback(pushed)}{_args(_pushed_args(exchange))}"
    )
    parts += [f"fault {_did(touch)}" for touch in exchange.faults]
    parts += [f"note: {note}" for note in exchange.notes]
    if exchange.outcome == "malformed" and exchange.received:
        parts.append(_shortened(repr(exchange.received[:100])[1:]))
    return "  ".join(parts)


def _args(args: Any) -> str:
    """The arguments, to be put behind the callback; "" for UNSET."""
    return "" if args is msgspec.UNSET else f" {_shortened(encode_json(args).decode())}"


def _pushed_args(exchange: Exchange) -> Any:
    """What has been pushed; UNSET where that is not as it should be, or not known yet."""
    data = b"".join(exchange.sent)
    text = text_of(data) if exchange.transport == "ws" else data
    try:
        return msgspec.json.decode(text or b"")["payload"]["callbackArgs"]
    except (msgspec.DecodeError, UnicodeDecodeError, LookupError, TypeError, RecursionError):
        return msgspec.UNSET


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
    shown = printable(text[: MOST_CHARACTERS + 1])
    return shown if len(shown) <= MOST_CHARACTERS else shown[: MOST_CHARACTERS - 1] + "…"


def printable(text: str) -> str:
    """The text in one line that does nothing to a terminal: what is not printable in it is written
    as JSON writes it in strings. So JSON without line breaks stays the same JSON.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in text)

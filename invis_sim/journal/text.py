"""Entries in words, for humans."""

from collections.abc import Iterable
from typing import Any

import msgspec

from invis_sim.faults.pipeline import AppliedFault
from invis_sim.journal.entries import Entry, Event, Exchange
from invis_sim.protocol.callbacks import Callback
from invis_sim.protocol.frames import unframe_text
from invis_sim.protocol.packets import encode_json
from invis_sim.protocol.printable import printable
from invis_sim.protocol.transport import Transport

__all__ = [
    "MAX_LINES",
    "describe",
    "format_callback",
    "format_int",
    "location",
    "short_location",
    "summary",
    "tell",
]

MAX_LINES = 50
"""How many entries a text for humans shows; of more, the newest."""

MAX_CHARACTERS = 60
"""How much is shown of each thing that comes from a client or goes to one."""


def describe(entry: Entry) -> str:
    """The entry for a human, in one line: seconds since the start, where, and what."""
    return f"{entry.seconds:8.3f} s  {short_location(entry):7}  {summary(entry)}"


def short_location(entry: Entry) -> str:
    """Transport and connection, in short; "" where there is no connection."""
    return "" if entry.connection is None else f"{entry.transport} #{entry.connection}"


def summary(entry: Entry) -> str:
    """What happened, for a human, in one line."""
    return f"{entry.what} {entry.detail}".rstrip() if isinstance(entry, Event) else _exchange(entry)


def tell(entries: Iterable[Entry], most: int = MAX_LINES) -> str:
    """The entries for a human, a line each, oldest first.

    most: how many lines, ≥ 1; of more entries, the newest.
    """
    every = tuple(entries)
    omit = len(every) - most
    first = [f"  … {omit} earlier ones left out"] if omit > 0 else []
    return "\n".join([*first, *(f"  {describe(entry)}" for entry in every[-most:])])


def _exchange(exchange: Exchange) -> str:
    parts = []
    if exchange.request is not None:
        callback = exchange.callback
        name = "?" if callback is None else format_callback(callback)
        parts.append(f"callback {name}{_args(exchange.request.args)}")
        parts.append(f"packetID {format_int(exchange.packet_id)}")
    outcome = _OUTCOMES.get(exchange.outcome, exchange.outcome)
    pushed = exchange.pushed
    parts.append(
        outcome
        if pushed is None
        else f"{outcome} {format_callback(pushed)}{_args(_pushed_args(exchange))}"
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
    text = unframe_text(data) if exchange.transport == "ws" else data
    try:
        return msgspec.json.decode(text or b"")["payload"]["callbackArgs"]
    except (msgspec.DecodeError, UnicodeDecodeError, LookupError, TypeError, RecursionError):
        return msgspec.UNSET


_OUTCOMES = {"success": "PUBACK 1", "failure": "PUBACK 0"}


def _did(touch: AppliedFault) -> str:
    return f"{touch.fault} ({touch.detail})" if touch.detail else touch.fault


def format_callback(number: int) -> str:
    """The number of a callback, and its name where it has one."""
    try:
        return f"{number} {Callback(number).name.lower().replace('_', ' ')}"
    except ValueError:
        return format_int(number)


def location(transport: Transport | None, connection: int | None) -> str:
    """Transport and connection, in words; "" for neither."""
    on = "" if transport is None else f"{transport} "
    return on.rstrip() if connection is None else f"{on}connection #{connection}"


def format_int(number: int | None) -> str:
    """The integer's digits, shortened where a client made it absurdly long."""
    return _shortened(encode_json(number).decode())  # also of integers that str() refuses


def _shortened(text: str) -> str:
    shown = printable(text[: MAX_CHARACTERS + 1])
    return shown if len(shown) <= MAX_CHARACTERS else shown[: MAX_CHARACTERS - 1] + "…"

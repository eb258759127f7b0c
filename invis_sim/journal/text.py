"""Entries in words, for humans: the only place where an entry becomes a sentence."""

from collections.abc import Iterable
from typing import Any

import msgspec

from invis_sim.journal.entries import (
    Closed,
    CommandGiven,
    Connected,
    DeviceLog,
    Entry,
    Event,
    Exchange,
    FaultApplied,
    FaultNote,
    OutageEnded,
    OutageStarted,
    ServerError,
)
from invis_sim.protocol.callbacks import Callback
from invis_sim.protocol.packets import encode_json
from invis_sim.protocol.printable import printable
from invis_sim.protocol.transport import Transport
from invis_sim.schema.describe import shorten

__all__ = [
    "MAX_LINES",
    "format_callback",
    "format_entries",
    "format_entry",
    "format_int",
    "location",
    "short_location",
    "summary",
]

MAX_LINES = 50
"""How many entries a text for humans shows, of more the newest: about a screen."""

MAX_CHARACTERS = 60
"""How much is shown of each thing that a client sent or was sent, so that an entry fits a line."""


def format_entry(entry: Entry) -> str:
    """The entry for a human, in one line: seconds since the start, where, and what."""
    return f"{entry.seconds:8.3f} s  {short_location(entry):7}  {summary(entry)}"


def format_entries(entries: Iterable[Entry], max_lines: int = MAX_LINES) -> str:
    """The entries for a human, a line each, oldest first.

    max_lines: how many lines, ≥ 1; of more entries, the newest.
    """
    every = tuple(entries)
    omitted = len(every) - max_lines
    first = [f"  … {omitted} earlier entries omitted"] if omitted > 0 else []
    return "\n".join([*first, *(f"  {format_entry(entry)}" for entry in every[-max_lines:])])


def short_location(entry: Entry) -> str:
    """Transport and connection, in short; "" where there is no connection."""
    return "" if entry.connection is None else f"{entry.transport} #{entry.connection}"


def summary(entry: Entry) -> str:
    """What happened, for a human, in one line.

    What scenarios, clients and the network say is in it, harmless for a terminal.
    """
    return printable(_event(entry) if isinstance(entry, Event) else _exchange(entry))


def _event(event: Event) -> str:
    match event:
        case Connected(peer=peer):
            return f"connected {peer}"
        case Closed(reason=reason):
            return f"closed {reason}"
        case FaultApplied(fault=fault, detail=detail):
            return f"fault {_with_detail(fault, detail)}"
        case FaultNote(fault=fault, text=text):
            return f"fault {fault}: {text}"
        case OutageStarted(source="fault", name=name, duration=duration):
            return f"fault {name}: in effect {_lasting(duration, 'switched off')}"
        case OutageStarted(name=name, duration=duration):
            return f"{name}: offline {_lasting(duration, 'it joins the network')}"
        case OutageEnded(source="fault", name=name):
            return f"fault {name}: ended"
        case OutageEnded(name=name):
            return f"{name}: back online"
        case CommandGiven(by=by, command=command, error=error):
            return f"{by}: {command}" + ("" if error is None else f" failed: {error}")
        case DeviceLog(text=text):
            return f"outlet: {text}"
        case ServerError(text=text):
            return f"error: {text}"
    raise NotImplementedError(f"no text for {type(event).__name__}")


def _lasting(duration: float | None, end: str) -> str:
    return f"until {end}" if duration is None else f"for {duration:g} s"


def _exchange(exchange: Exchange) -> str:
    parts = []
    if exchange.request is not None:
        callback = exchange.callback
        name = "?" if callback is None else format_callback(callback)
        parts.append(f"callback {name}{_args(exchange.request.args)}")
        parts.append(f"packetID {format_int(exchange.packet_id)}")
    outcome = _OUTCOMES.get(exchange.outcome, exchange.outcome)
    pushed = exchange.push_callback
    parts.append(
        outcome
        if pushed is None
        else f"{outcome} {format_callback(pushed)}{_args(_pushed_args(exchange))}"
    )
    parts += [f"fault {_with_detail(one.fault, one.detail)}" for one in exchange.faults]
    parts += [f"note: {note}" for note in exchange.notes]
    if exchange.outcome == "malformed" and exchange.received:
        parts.append(_shortened(repr(exchange.received[:100])[1:]))
    return "  ".join(parts)


def _args(args: Any) -> str:
    """The arguments, to be put after the callback; "" for UNSET."""
    return "" if args is msgspec.UNSET else f" {_shortened(encode_json(args).decode())}"


def _pushed_args(exchange: Exchange) -> Any:
    """What was pushed; UNSET where nothing is sent yet, or where a fault has changed its form."""
    try:
        return msgspec.json.decode(exchange.sent_text)["payload"]["callbackArgs"]
    except (msgspec.DecodeError, UnicodeDecodeError, LookupError, TypeError, RecursionError):
        return msgspec.UNSET


_OUTCOMES = {"success": "PUBACK 1", "failure": "PUBACK 0"}


def _with_detail(fault: str, detail: str) -> str:
    return f"{fault} ({detail})" if detail else fault


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
    # Cut before as well: a text may be as long as a packet, and escaping makes it no shorter.
    return shorten(printable(text[: MAX_CHARACTERS + 1]), MAX_CHARACTERS)

"""Entries in words, for humans: the only place where an entry becomes a sentence."""

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from invis_sim.journal.entries import (
    AddressChanged,
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
    "Part",
    "Role",
    "format_callback",
    "format_entries",
    "format_entry",
    "format_int",
    "location",
    "parts",
    "short_location",
    "summary",
]

MAX_LINES = 50
"""How many entries a text for humans shows, of more the newest: about a screen."""

MAX_CHARACTERS = 60
"""How much is shown of each thing that a client sent or was sent, so that an entry fits a line."""

MIN_CHARACTERS = 16
"""How much is shown of each at least: less says nothing."""

WIDTH_WITH_PACKET_IDS = 86
"""A terminal with fewer columns has no room for numbers that are seldom asked for."""

Role: TypeAlias = Literal[
    "plain", "success", "failure", "fault", "note", "outage", "error", "faint"
]
"""What a part of a summary is."""


def format_entry(entry: Entry) -> str:
    """The entry for a human, in one line: seconds since the start, where, and what."""
    return f"{entry.seconds:8.3f} s  {short_location(entry):7}  {summary(entry)}"


def format_entries(
    entries: Iterable[Entry], max_lines: int = MAX_LINES, *, with_sn: bool = False
) -> str:
    """The entries for a human, a line each, oldest first.

    max_lines: how many lines, ≥ 1; of more entries, the newest. with_sn: whether each line begins
    with the serial number of its outlet.
    """
    every = tuple(entries)
    omitted = len(every) - max_lines
    first = [f"  … {omitted} earlier entries omitted"] if omitted > 0 else []
    sns = (f"{entry.sn}  " if with_sn else "" for entry in every[-max_lines:])
    lines = map(format_entry, every[-max_lines:])
    return "\n".join([*first, *(f"  {sn}{line}" for sn, line in zip(sns, lines, strict=True))])


def short_location(entry: Entry) -> str:
    """Transport and connection, in short; "" where there is no connection."""
    return "" if entry.connection is None else f"{entry.transport} #{entry.connection}"


class Part(NamedTuple):
    """A part of a summary. role: what it is, for a log in colour."""

    text: str
    role: Role = "plain"


def summary(entry: Entry, width: int | None = None) -> str:
    """What happened, for a human, in one line. The arguments are those of `parts`."""
    return "".join(part.text for part in parts(entry, width))


def parts(entry: Entry, width: int | None = None) -> list[Part]:
    """What happened, for a human, in one line: its parts, to be put behind one another.

    What scenarios, clients and the network say is in them, harmless for a terminal.

    width: how many columns there are; arguments and contents are shortened so that the line fits
    them, if it can. None: a line in a file, with all that there is.
    """
    found = [_event(entry)] if isinstance(entry, Event) else _exchange(entry, width)
    return [Part(printable(text), role) for text, role in found]


def _event(event: Event) -> Part:
    match event:
        case Connected(peer=peer):
            return Part(f"connected from {peer}", "faint")
        case Closed(reason=reason):
            return Part(f"closed{'' if reason.startswith('by ') else ':'} {reason}", "faint")
        case FaultApplied(fault=fault, detail=detail):
            return Part(f"fault {_with_detail(fault, detail)}", "fault")
        case FaultNote(fault=fault, text=text):
            return Part(f"fault {fault}: {text}", "fault")
        case OutageStarted(source="fault", name=name, duration=duration):
            return Part(f"fault {name}: in effect {_lasting(duration, 'switched off')}", "fault")
        case OutageStarted(name=name, duration=duration):
            return Part(f"{name}: offline {_lasting(duration, 'it joins the network')}", "outage")
        case OutageEnded(source="fault", name=name):
            return Part(f"fault {name}: ended", "fault")
        case OutageEnded(name=name):
            return Part(f"{name}: back online", "outage")
        case AddressChanged(tcp=tcp, ws=ws):
            where = " and ".join(one for one in (tcp, ws) if one is not None)
            return Part(f"now at {where}", "outage")
        case CommandGiven(by=by, command=command, error=None):
            return Part(f"{by}: {command}")
        case CommandGiven(by=by, command=command, error=error):
            return Part(f"{by}: {command} failed: {error}", "error")
        case DeviceLog(text=text):
            return Part(f"outlet: {text}")
        case ServerError(text=text):
            return Part(f"error: {text}", "error")
    raise NotImplementedError(f"no text for {type(event).__name__}")


def _lasting(duration: float | None, end: str) -> str:
    return f"until {end}" if duration is None else f"for {duration:g} s"


def _exchange(exchange: Exchange, width: int | None) -> list[Part]:
    """What was asked, what was answered, and which faults were applied, in this order."""
    asked, args = _asked(exchange)
    notes = "; ".join(map(str, exchange.notes))
    outcome = _outcome(exchange, notes)
    faults = ", ".join(_with_detail(one.fault, one.detail) for one in exchange.faults)
    faults = f"  fault {faults}" if faults else ""
    packet_id = ""
    if exchange.request is not None and (width is None or width >= WIDTH_WITH_PACKET_IDS):
        packet_id = f"  packetID {format_int(exchange.packet_id)}"
    fixed = len(asked) + len(outcome.text) + len(faults) + len(packet_id)
    left = None if width is None else width - fixed
    shown_args = _args(args, left)
    # What a fault has changed is no answer of the outlet, and may not be sent before long.
    content = ""
    if exchange.outcome in ("success", "failure") and not faults:
        content = _args(_sent_args(exchange), left and left - len(shown_args), least=0)
    found = [Part(asked), Part(shown_args), outcome, Part(content, "faint"), Part(faults, "fault")]
    if exchange.outcome == "malformed" and exchange.received:
        found.append(Part(f"  {_shortened(repr(exchange.received[:100])[1:])}", "faint"))
    elif notes and exchange.outcome in ("success", "push"):
        found.append(Part(f"  note: {notes}", "note"))
    found.append(Part(packet_id, "faint"))
    return [part for part in found if part.text]


def _asked(exchange: Exchange) -> tuple[str, Any]:
    """What the exchange is about, and its arguments; UNSET where it has none."""
    if exchange.push_callback is not None:
        return f"push {format_callback(exchange.push_callback)}", _sent_args(exchange)
    if exchange.request is None:
        return "", msgspec.UNSET
    callback = exchange.callback
    name = "callback ?" if callback is None else format_callback(callback)
    return name if " " in name else f"callback {name}", exchange.request.args


def _outcome(exchange: Exchange, why: str) -> Part:
    """What the outlet answered, before faults, and why not what was asked for."""
    if exchange.outcome == "push":
        return Part("")
    if exchange.outcome == "success":
        return Part(" -> PUBACK 1", "success")
    words = {"failure": " -> PUBACK 0", "no reply": " -> no reply"}.get(exchange.outcome)
    return Part(f"{words or exchange.outcome}{f': {why}' if why else ''}", "failure")


def _args(args: Any, width: int | None, least: int = MIN_CHARACTERS) -> str:
    """The arguments, to be put after the callback; "" for UNSET.

    width: how many columns are left. least: how many are taken in any case.
    """
    if args is msgspec.UNSET:
        return ""
    limit = MAX_CHARACTERS if width is None else max(least, min(MAX_CHARACTERS, width - 1))
    return f" {_shortened(encode_json(args).decode(), limit)}" if limit >= MIN_CHARACTERS else ""


def _sent_args(exchange: Exchange) -> Any:
    """What was sent; UNSET where nothing is sent yet, or where a fault has changed its form."""
    try:
        return msgspec.json.decode(exchange.sent_text)["payload"]["callbackArgs"]
    except (msgspec.DecodeError, UnicodeDecodeError, LookupError, TypeError, RecursionError):
        return msgspec.UNSET


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


def _shortened(text: str, limit: int = MAX_CHARACTERS) -> str:
    # Cut before as well: a text may be as long as a packet, and escaping makes it no shorter.
    return shorten(printable(text[: limit + 1]), limit)

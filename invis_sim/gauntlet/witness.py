"""What the outlet saw of a client: the journal, read for the verdict and for the report."""

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from invis_sim.gauntlet.planned import PlannedCase, Target
from invis_sim.journal import (
    CommandGiven,
    Connected,
    Entry,
    Exchange,
    FaultApplied,
    OutageStarted,
)
from invis_sim.journal.text import format_callback, format_entry
from invis_sim.protocol.printable import printable_packet
from invis_sim.protocol.transport import Transport
from invis_sim.schema.describe import shorten

__all__ = ["Bytes", "Observed", "callbacks_met", "find_target", "observe"]

MAX_JOURNAL_LINES = 40
"""How much of the journal a report has for a case, from its beginning: what matters is early."""

MAX_BYTES_SHOWN = 1000
"""How much of each packet a report has."""

MAX_PACKETS_SHOWN = 20


class Bytes(msgspec.Struct, frozen=True):
    """Bytes on the wire, in a form that can be read.

    sent_by: who sent them. text: as UTF-8, with escapes; shortened. size: how many there were.
    """

    sent_by: str
    text: str
    size: int


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """What the outlet saw of one run of the client.

    requests: how many it received, malformed ones included. answered: how many got a reply.
    connections: how many it had. reached: whether the fault was met.
    done: what the outlet did, in the words of the faults; each once, with how often.
    nearest: what the client did instead, where it was not met.
    journal: in words. packets: their bytes.
    """

    requests: int
    answered: int
    connections: int
    reached: bool
    done: tuple[str, ...] = ()
    nearest: str = ""
    journal: tuple[str, ...] = ()
    packets: tuple[Bytes, ...] = ()


def observe(journal: Iterable[Entry], case: PlannedCase) -> Observed:
    """Return what a journal says about the client of a case."""
    # The first connections are those of the other clients.
    entries = [e for e in journal if e.connection is None or e.connection > case.others]
    exchanges = [entry for entry in entries if isinstance(entry, Exchange)]
    requests = [one for one in exchanges if one.received is not None]
    done = _done(entries, case)
    reached = _is_reached(done, requests, case)
    return Observed(
        requests=len(requests),
        answered=sum(_is_answered(one) for one in requests),
        connections=sum(isinstance(entry, Connected) for entry in entries),
        reached=reached,
        done=tuple(done),
        nearest="" if reached else _nearest(requests, entries, case),
        journal=_lines(entries),
        packets=tuple(_packets(exchanges)),
    )


def is_reached(journal: Iterable[Entry], case: PlannedCase) -> bool:
    """Return whether the client has met by now what the case is about."""
    entries = [e for e in journal if e.connection is None or e.connection > case.others]
    requests = [e for e in entries if isinstance(e, Exchange) and e.received is not None]
    return _is_reached(_done(entries, case), requests, case)


def nearest(journal: Iterable[Entry], case: PlannedCase) -> str:
    """Return in words what the client did in place of meeting what the case is about."""
    entries = [e for e in journal if e.connection is None or e.connection > case.others]
    requests = [e for e in entries if isinstance(e, Exchange) and e.received is not None]
    return _nearest(requests, entries, case)


def _is_reached(done: Sequence[str], requests: Sequence[Exchange], case: PlannedCase) -> bool:
    if case.fault is None and case.step is None:
        return any(one.request is not None for one in requests)
    if case.kind == "faceplate_offline":
        # It is away from the start: what counts is whether the client has asked meanwhile.
        return bool(done) and bool(requests)
    return bool(done)


def _done(entries: Sequence[Entry], case: PlannedCase) -> list[str]:
    name = None if case.fault is None else case.fault.display_name
    counts: Counter[str] = Counter()
    for entry in entries:
        match entry:
            case Exchange(faults=faults):
                for applied in faults:
                    # The journal names what a fault could not do as well.
                    if applied.fault == name and not applied.detail.startswith("skipped:"):
                        counts[_words(applied.fault, applied.detail)] += 1
            case FaultApplied(fault=fault, detail=detail) if fault == name:
                counts[_words(fault, detail)] += 1
            case OutageStarted(source="fault", name=fault) if fault == name:
                counts[fault] += 1
            case CommandGiven(by=by, command=command, error=None) if case.fault is None:
                if case.step is not None and by.startswith("step"):
                    counts[command] += 1
    return [text if number == 1 else f"{text}, {number} times" for text, number in counts.items()]


def _words(fault: str, detail: str) -> str:
    return f"{fault} ({detail})" if detail else fault


def _nearest(requests: Sequence[Exchange], entries: Sequence[Entry], case: PlannedCase) -> str:
    if not requests:
        connected = sum(isinstance(entry, Connected) for entry in entries)
        return "the client never connected" if not connected else "the client asked nothing"
    asked = Counter(
        "malformed input" if one.request is None else format_callback(one.callback or 0)
        for one in requests
    )
    listed = ", ".join(
        text if number == 1 else f"{text} ({number} times)" for text, number in asked.items()
    )
    aim = "" if case.callback is None else f"; the fault is for {format_callback(case.callback)}"
    return f"the client asked {shorten(listed, 200)}{aim}"


def _lines(entries: Sequence[Entry]) -> tuple[str, ...]:
    lines = [format_entry(entry) for entry in entries[:MAX_JOURNAL_LINES]]
    omitted = len(entries) - len(lines)
    return tuple(lines + ([f"… {omitted} later entries omitted"] if omitted else []))


def _packets(exchanges: Sequence[Exchange]) -> Iterable[Bytes]:
    for exchange in exchanges[:MAX_PACKETS_SHOWN]:
        if exchange.received:
            yield _bytes("client", exchange.received)
        if any(exchange.sent):
            yield _bytes("outlet", exchange.sent_text)


def _bytes(sent_by: str, data: bytes) -> Bytes:
    text = printable_packet(data[:MAX_BYTES_SHOWN])
    return Bytes(sent_by, text + ("…" if len(data) > MAX_BYTES_SHOWN else ""), len(data))


def _is_answered(exchange: Exchange) -> bool:
    return exchange.request is not None and any(exchange.sent)


def find_target(journal: Iterable[Entry], transport: Transport) -> Target | None:
    """Return at what cases are aimed, as an undisturbed run shows it: the callback of the first
    request that is answered; None: no request was.
    """
    answered = [
        entry
        for entry in journal
        if isinstance(entry, Exchange) and entry.transport == transport and _is_answered(entry)
    ]
    first = next((one for one in answered if one.outcome == "success"), None)
    if first is None:
        return None
    callback = first.callback
    per_connection = Counter(one.connection for one in answered if one.callback == callback)
    return Target(callback, max(per_connection.values()))


def requests_about(journal: Iterable[Entry], callback: int) -> int:
    """Return the greatest number of requests about a callback on one connection."""
    counts = Counter(
        entry.connection
        for entry in journal
        if isinstance(entry, Exchange) and entry.request is not None and entry.callback == callback
    )
    return max(counts.values(), default=0)


def callbacks_met(journal: Iterable[Entry]) -> tuple[frozenset[int], frozenset[int]]:
    """Return the callbacks that were asked for and answered, and those that were pushed."""
    asked: set[int] = set()
    pushed: set[int] = set()
    for entry in journal:
        if isinstance(entry, Exchange) and entry.callback is not None and any(entry.sent):
            (asked if entry.request is not None else pushed).add(entry.callback)
    return frozenset(asked), frozenset(pushed)

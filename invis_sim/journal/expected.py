"""What a caller expects in a journal, and of entries that are not it, which condition they fail."""

from collections.abc import Callable, Container, Iterable
from typing import Any, Literal, TypeAlias

import msgspec

from invis_sim.journal.entries import Closed, Connected, Entry, Exchange
from invis_sim.journal.filter import ExchangeFilter, equal_json, has_fault
from invis_sim.journal.text import format_callback, format_entry, format_int
from invis_sim.protocol.packets import encode_json
from invis_sim.schema.describe import shorten

__all__ = ["Expected", "NearMiss", "What", "format_near_misses", "near_misses"]

What: TypeAlias = Literal["request", "reply", "push", "connection", "disconnect"]
"""The sort of entry that is expected."""

MAX_NEAR_MISSES = 3
"""How many near misses a message for humans shows: those further away say little."""

MAX_ARGS_CHARACTERS = 60


class NearMiss(msgspec.Struct, frozen=True):
    """An entry that is not what was expected. failed: the conditions that it fails, in words."""

    entry: Entry
    failed: tuple[str, ...]

    def __str__(self) -> str:
        return f"{format_entry(self.entry)}  ({'; '.join(self.failed)})"


class Expected(msgspec.Struct, frozen=True):
    """An entry that is expected.

    what: its sort. filter: its conditions; of a connection only `transport` and `connection`.
    """

    what: What
    filter: ExchangeFilter

    def failed(self, entry: Entry) -> tuple[str, ...] | None:
        """Return the conditions that an entry fails, in words; empty: it is expected. None: it is
        of another sort altogether.
        """
        sort = _SORTS[self.what](entry)
        if sort is None:
            return None
        return sort + _failed(self.filter, entry)

    def matches(self, entry: Entry) -> bool:
        """Return whether the entry is what is expected."""
        return self.failed(entry) == ()

    def __str__(self) -> str:
        description = self.filter.description
        if self.what in ("connection", "disconnect"):
            on = description.removeprefix("request")
            return (
                f"a connection{on}" if self.what == "connection" else f"the end of a connection{on}"
            )
        words = {"request": "a ", "reply": "a reply to a ", "push": "a push like a "}[self.what]
        return f"{words}{description}"


def _request(entry: Entry) -> tuple[str, ...] | None:
    if not isinstance(entry, Exchange) or entry.outcome == "push":
        return None
    return () if entry.request is not None else ("expected a request, found malformed input",)


def _reply(entry: Entry) -> tuple[str, ...] | None:
    sort = _request(entry)
    if sort != () or not isinstance(entry, Exchange):
        return sort
    if not entry.done:
        return ("the reply is not sent yet",)
    return () if any(entry.sent) else ("no reply was sent",)


_SORTS: dict[What, Callable[[Entry], tuple[str, ...] | None]] = {
    "request": _request,
    "reply": _reply,
    "push": lambda entry: () if isinstance(entry, Exchange) and entry.outcome == "push" else None,
    "connection": lambda entry: () if isinstance(entry, Connected) else None,
    "disconnect": lambda entry: () if isinstance(entry, Closed) else None,
}
"""Sort → whether an entry is of it: nothing, why not quite, or None."""


def _failed(wanted: ExchangeFilter, entry: Entry) -> tuple[str, ...]:
    failed = []
    for name in ("transport", "connection"):
        expected, found = getattr(wanted, name), getattr(entry, name)
        if expected not in (None, found):
            failed.append(f"{name}: expected {expected}, found {found}")
    if not isinstance(entry, Exchange):
        return tuple(failed)
    if wanted.callback not in (None, entry.callback):
        found = "none" if entry.callback is None else format_callback(entry.callback)
        failed.append(f"callback: expected {format_int(wanted.callback)}, found {found}")
    if wanted.packet_id not in (None, entry.packet_id):
        numbers = f"expected {format_int(wanted.packet_id)}, found {format_int(entry.packet_id)}"
        failed.append(f"packetID: {numbers}")
    if wanted.args is not msgspec.UNSET:
        args = msgspec.UNSET if entry.request is None else entry.request.args
        if not equal_json(args, wanted.args):
            failed.append(f"callbackArgs: expected {_json(wanted.args)}, found {_json(args)}")
    if wanted.fault is not None and not has_fault(entry, wanted.fault):
        applied = ", ".join(one.fault for one in entry.faults) or "none"
        failed.append(f"fault: expected {wanted.fault}, found {applied}")
    return tuple(failed)


def _json(args: Any) -> str:
    if args is msgspec.UNSET:
        return "none"
    return shorten(encode_json(args).decode(), MAX_ARGS_CHARACTERS)


def near_misses(
    expected: Expected,
    entries: Iterable[Entry],
    most: int = MAX_NEAR_MISSES,
    consumed: Container[int] = (),
) -> list[NearMiss]:
    """Return the entries of the expected sort that are not what was expected, the nearest first: of
    those that fail as many conditions, the newest.

    consumed: the numbers of entries that count no more.
    """
    found = []
    for entry in entries:
        failed = expected.failed(entry)
        if failed is None:
            continue
        if entry.number in consumed:
            failed += ("an earlier call has returned it",)
        if failed:
            found.append(NearMiss(entry, failed))
    found.sort(key=lambda one: (len(one.failed), -one.entry.number))
    return found[:most]


def format_near_misses(
    expected: Expected, entries: Iterable[Entry], consumed: Container[int] = ()
) -> str:
    """Return the near misses for a human, a line each, with a heading; "" where there is none."""
    found = near_misses(expected, entries, consumed=consumed)
    return "".join(["nearest:\n", *(f"  {one}\n" for one in found)]) if found else ""

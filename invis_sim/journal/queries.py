"""Questions to a journal, and assertions about it."""

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec

from invis_sim.journal.entries import Entry, Event, EventKind, Exchange
from invis_sim.journal.expected import Expected, format_near_misses
from invis_sim.journal.filter import EntryFilter, ExchangeFilter
from invis_sim.journal.text import format_entries
from invis_sim.protocol.hidden_frames import hide_frames
from invis_sim.protocol.packets import Request
from invis_sim.protocol.transport import Transport
from invis_sim.schema.build import check

__all__ = ["JournalQueries"]

__tracebackhide__ = hide_frames


class JournalQueries:
    """What can be asked of entries: the reading half of `Journal`."""

    def __iter__(self) -> Iterator[Entry]:
        raise NotImplementedError

    def __str__(self) -> str:
        """The newest entries in words, as `format_entries` has them."""
        return format_entries(self)

    def exchanges(
        self,
        *,
        callback: int | None = None,
        connection: int | None = None,
        transport: Transport | None = None,
        packet_id: int | None = None,
        fault: str | None = None,
        args: Any = msgspec.UNSET,
    ) -> list[Exchange]:
        """Return the exchanges that are kept and match, oldest first; None: any.

        callback, packet_id: of the request. Malformed input has neither. A push has a callback.
        connection: its number, from 1, over both transports. transport: "tcp" or "ws".
        fault: the name of one that was applied to the packet.
        args: the `callbackArgs` of the request, equal as JSON.

        Raises ValueError for a value that no exchange can have.
        """
        return self._matching(
            ExchangeFilter(callback, connection, transport, packet_id, fault, args)
        )

    def events(
        self,
        *,
        kind: EventKind | None = None,
        connection: int | None = None,
        transport: Transport | None = None,
    ) -> list[Event]:
        """Return the events that are kept and match, oldest first; None: any.

        kind: "connected", "closed", "fault", "outage_started", "outage_ended",
        "address_changed", "command", "log", "error". connection, transport: as in `exchanges`.

        Raises ValueError for a value that no event can have.
        """
        check(EventKind | None, kind, "kind")
        wanted = EntryFilter(connection=connection, transport=transport)
        return [
            entry
            for entry in self
            if isinstance(entry, Event) and kind in (None, entry.kind) and wanted.matches(entry)
        ]

    def requests(
        self,
        *,
        callback: int | None = None,
        connection: int | None = None,
        transport: Transport | None = None,
        packet_id: int | None = None,
        fault: str | None = None,
        args: Any = msgspec.UNSET,
    ) -> list[Request]:
        """Return the requests of clients, oldest first. Malformed input is not a request; see
        `exchanges`.

        The arguments are those of `exchanges`.
        """
        wanted = ExchangeFilter(callback, connection, transport, packet_id, fault, args)
        return [one.request for one in self._matching(wanted) if one.request is not None]

    def pushes(
        self,
        *,
        callback: int | None = None,
        connection: int | None = None,
        transport: Transport | None = None,
        fault: str | None = None,
    ) -> list[bytes]:
        """Return the pushes as they were sent, oldest first: one item for each push and each
        connection that it was sent to. For its form, see `replies`.

        callback: the `callbackName`. The other arguments are those of `exchanges`.
        """
        wanted = ExchangeFilter(callback, connection, transport, None, fault)
        return [
            one.sent_text for one in self._matching(wanted) if one.outcome == "push" and one.sent
        ]

    def replies(
        self,
        *,
        callback: int | None = None,
        connection: int | None = None,
        transport: Transport | None = None,
        packet_id: int | None = None,
        fault: str | None = None,
        args: Any = msgspec.UNSET,
    ) -> list[bytes]:
        """Return what was sent in reply to requests, in the order of the requests.

        One item for each request to which something was sent: all of it, with whatever faults did
        to it. On WebSocket it is the text of the message where whole text frames were sent, and
        else the raw bytes. The arguments are those of `exchanges`.
        """
        wanted = ExchangeFilter(callback, connection, transport, packet_id, fault, args)
        return [
            one.sent_text
            for one in self._matching(wanted)
            if one.request is not None and any(one.sent)
        ]

    def assert_received(
        self,
        *,
        times: int | None = None,
        callback: int | None = None,
        connection: int | None = None,
        transport: Transport | None = None,
        packet_id: int | None = None,
        fault: str | None = None,
        args: Any = msgspec.UNSET,
    ) -> None:
        """Fail with an AssertionError, which says what was received instead, unless there has
        been such a request.

        times: how often exactly, ≥ 0; None: once or more. The other arguments are those of
        `exchanges`.
        """
        check(Annotated[int, msgspec.Meta(ge=0)] | None, times, "times")
        wanted = ExchangeFilter(callback, connection, transport, packet_id, fault, args)
        found = self._count_requests(wanted)
        if found != times and (times is not None or not found):
            expected = f"{wanted}" if times is None else f"{wanted}, {_times(times)}"
            came = "received none" if not found else f"received {_times(found)}"
            nearest = ""
            if found < (1 if times is None else times):
                nearest = format_near_misses(Expected("request", wanted), self)
            raise AssertionError(f"expected {expected}; {came}\n{nearest}{self._received()}")

    def assert_not_received(
        self,
        *,
        callback: int | None = None,
        connection: int | None = None,
        transport: Transport | None = None,
        packet_id: int | None = None,
        fault: str | None = None,
        args: Any = msgspec.UNSET,
    ) -> None:
        """Fail with an AssertionError, which says what was received, if there has been such a
        request. The arguments are those of `exchanges`.
        """
        wanted = ExchangeFilter(callback, connection, transport, packet_id, fault, args)
        found = self._count_requests(wanted)
        if found:
            raise AssertionError(
                f"expected no {wanted.description}; received {_times(found)}\n{self._received()}"
            )

    def _matching(self, wanted: ExchangeFilter) -> list[Exchange]:
        return [entry for entry in self if isinstance(entry, Exchange) and wanted.matches(entry)]

    def _count_requests(self, wanted: ExchangeFilter) -> int:
        return sum(one.request is not None for one in self._matching(wanted))

    def _received(self) -> str:
        received = [
            entry for entry in self if isinstance(entry, Exchange) and entry.received is not None
        ]
        return f"received:\n{format_entries(received)}" if received else "nothing was received"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"

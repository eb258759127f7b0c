"""What has happened: the journal, read and deleted over HTTP."""

from typing import Annotated, Any

import msgspec
from starlette.responses import Response

from invis_sim.commands.reset import Reset
from invis_sim.journal import Entry, EntryFilter, encode_entries
from invis_sim.journal.entries import EntryKind
from invis_sim.protocol.transport import Transport
from invis_sim.web.api.commands import carry_out
from invis_sim.web.operation import Operation
from invis_sim.web.request import Call

__all__ = ["OPERATIONS", "EntryQuery"]

MAX_LIMIT = 10_000
"""How many entries one answer has: as many as a journal keeps."""


class EntryQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which entries; what is omitted may be anything.

    kind: "exchange", "connected", "closed", "fault", "outage_started", "outage_ended",
    "address_changed", "command", "log" or "error", or several of them with commas.
    callback, packet_id: of the request, or the callback of a push.
    transport, connection: of the connection.
    fault: the name of one that was applied, or that an outage comes from.
    """

    kind: EntryKind | tuple[EntryKind, ...] | None = None
    callback: int | None = None
    packet_id: int | None = None
    transport: Transport | None = None
    connection: int | None = None
    fault: str | None = None

    @property
    def filter(self) -> EntryFilter:
        """The filter that selects them."""
        kinds = (self.kind,) if isinstance(self.kind, str) else self.kind
        return EntryFilter(
            kinds, self.callback, self.packet_id, self.transport, self.connection, self.fault
        )


class JournalQuery(EntryQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """after: only entries with a higher number. limit: how many at most; of more, the oldest."""

    after: Annotated[int, msgspec.Meta(ge=0)] = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_LIMIT)] = 1000


def _moment(outlet_started: float, entry: Entry) -> float:
    return outlet_started + entry.seconds


def get_journal(call: Call) -> Response:
    """Return entries, the oldest first, each as a line of `invis-sim run --journal` has it. Of all
    outlets together: `after` counts in the journal of each.
    """
    query = call.query(JournalQuery)
    wanted = query.filter
    found = [
        (_moment(outlet.journal.started, entry), entry)
        for outlet in call.outlets
        for entry in outlet.journal
        if entry.number > query.after and wanted.matches(entry)
    ]
    if len(call.outlets) > 1:
        found.sort(key=lambda pair: pair[0])
    lines = encode_entries([entry for _, entry in found[: query.limit]]).splitlines()
    return Response(b"[" + b",\n".join(lines) + b"]", media_type="application/json")


def delete_journal(call: Call) -> None:
    """Forget all entries. Numbers go on."""
    for outlet in call.outlets:
        carry_out(outlet, Reset("journal"))


OPERATIONS = tuple(
    operation
    for path in ("/api/outlets/{sn}/journal", "/api/journal")
    for operation in (
        Operation(
            method="GET",
            path=path,
            handler=get_journal,
            query=JournalQuery,
            answer=list[dict[str, Any]],
        ),
        Operation(method="DELETE", path=path, handler=delete_journal, status=204),
    )
)

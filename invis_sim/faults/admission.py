"""One connection's way through the faults of connections: how it begins, and how it is treated as
long as it is open.

A new connection goes through `ConnectionFault.admit`: `ConnectionPlan` → `ConnectionPlan`. Faults
that last also act on a connection that is open when they are armed, and only as long as they are in
force. So the plan can be made again (`follow`): from the same faults and keys comes the same plan.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import msgspec

from invis_sim.faults.armed import ArmedFault
from invis_sim.faults.connection_plan import ConnectionPlan
from invis_sim.faults.fault import ConnectionFault, Context
from invis_sim.protocol.transport import Transport

if TYPE_CHECKING:  # a pipeline makes sessions, which import this module
    from invis_sim.faults.pipeline import Pipeline

__all__ = ["Admission", "AppliedFault", "PlannedConnection"]


class AppliedFault(msgspec.Struct, frozen=True):
    """That a fault applied.

    fault: its name.
    detail: what it did, in a few words; "" where the name says it all.
    """

    fault: str
    detail: str = ""


class PlannedConnection(msgspec.Struct, frozen=True):
    """How a connection is treated that faults were applied to.

    applied: those that did not apply before, and what each did. faults: the names of all.
    """

    plan: ConnectionPlan
    applied: tuple[AppliedFault, ...]
    faults: tuple[str, ...]


class Admission:
    """One connection's way through the faults of connections.

    pipeline: the faults. transport, number: of the connection.
    count: counts a fault that matches. Returns the key of its random generator if it applies.
    undo_count: takes back that a fault has applied.
    """

    def __init__(
        self,
        pipeline: "Pipeline",
        transport: Transport,
        number: int,
        count: Callable[[ArmedFault, float], str | None],
        undo_count: Callable[[ArmedFault], None],
    ) -> None:
        self._pipeline = pipeline
        self._transport: Transport = transport
        self._number = number
        self._count = count
        self._undo_count = undo_count
        # Which apply, with the keys of their generators; which of those that last were considered.
        self._admitted: list[tuple[ArmedFault, str]] = []
        self._lasting: set[ArmedFault] = set()
        self._plan = ConnectionPlan()
        self._connections = 1

    def admit(self, now: float, connections: int) -> PlannedConnection | None:
        """Plan how the connection begins. Call it once.

        now: simulated seconds since the start of the outlet.
        connections: how many are open, this one included.

        Returns None if no fault applies: the connection is served at once.
        """
        self._connections = connections
        selection = self._select(now)
        self._lasting = {armed for armed in selection if _lasts(armed)}
        applied = self._make_plan(selection, now)
        return self._planned(applied) if applied else None

    def follow(self, now: float) -> PlannedConnection | None:
        """Plan anew how the connection is treated, after faults were changed, or the time has come
        at which they begin or end. Call `admit` before. Only faults that last come and go.

        now: simulated seconds since the start of the outlet.

        Returns None if nothing changes; `applied` has the faults that did not apply before.
        """
        selection = [armed for armed in self._select(now) if _lasts(armed)]
        before, self._lasting = self._lasting, set(selection)
        if before == self._lasting:
            return None
        gone = before - self._lasting
        self._admitted = [pair for pair in self._admitted if pair[0] not in gone]
        new = [armed for armed in selection if armed not in before]
        return self._planned(self._make_plan(new, now))

    def _select(self, now: float) -> list[ArmedFault]:
        """Find the faults that may apply to the connection, in the order in which they do."""
        return [
            armed
            for armed in self._pipeline
            if armed.enabled
            and isinstance(armed.fault, ConnectionFault)
            and self._transport in armed.fault.transports
            and armed.fault.when.matches_connection(self._transport, self._number)
            and armed.fault.when.matches_time(now)
        ]

    def _make_plan(self, selection: Iterable[ArmedFault], now: float) -> list[AppliedFault]:
        """Plan the connection with these faults too. Returns what those that apply have done."""
        keys = ((armed, self._count(armed, now)) for armed in selection)
        applying = [(armed, key) for armed, key in keys if key is not None]
        new = {armed for armed, _ in applying}
        pairs = sorted((*self._admitted, *applying), key=lambda pair: pair[0].order)
        ctx = Context(None, None, self._transport, self._number, now, connections=self._connections)
        applied: list[AppliedFault] = []
        self._admitted, self._plan = [], ConnectionPlan()
        for armed, key in pairs:
            fault = armed.fault
            assert isinstance(fault, ConnectionFault)
            ctx.start_fault(key, armed.identity)
            plan = fault.admit(self._plan, ctx)
            if ctx.skipped:
                self._undo_count(armed)
                continue
            self._plan = plan
            self._admitted.append((armed, key))
            if armed in new:
                applied.append(AppliedFault(armed.name, ctx.details))
        return applied

    def _planned(self, applied: list[AppliedFault]) -> PlannedConnection:
        names = tuple(armed.name for armed, _ in self._admitted)
        return PlannedConnection(self._plan, tuple(applied), names)


def _lasts(armed: ArmedFault) -> bool:
    return isinstance(armed.fault, ConnectionFault) and armed.fault.lasts

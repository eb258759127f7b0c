"""What of the outlet is away at the moment, and until when.

An outage is a fault's, or the outlet's own (a restart, a network reset). Those of a fault are held
by the armed fault that they come from: a second fault of the same name does not keep them going,
and disabling or removing the fault ends its own outages only.

    packet with StartOutage ──┐
    fault with from_seconds ──┼─▶ start ──▶ active ──(its time, its fault, join_network)──▶ end
    GoOffline of the outlet ──┘

This is also where each time in the `when` of a fault becomes a timer, so that time can jump to it.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from invis_sim.device.effects import Effect, GoOffline
from invis_sim.device.outlet import Outlet
from invis_sim.device.schedule import Timer
from invis_sim.faults.armed import ArmedFault, outage_of
from invis_sim.faults.fault import ConnectionFault
from invis_sim.faults.kinds.device import Readdress
from invis_sim.faults.outage import Outage
from invis_sim.faults.pipeline import Pipeline
from invis_sim.journal import FaultNote, OutageEnded, OutageStarted
from invis_sim.server.acceptor import Acceptor, Reach
from invis_sim.server.net.listeners import has_address
from invis_sim.server.timeline import Timeline

if TYPE_CHECKING:
    from invis_sim.server.session.connection import Connection

__all__ = ["Outages"]


class _ActiveOutage(msgspec.Struct, eq=False):
    """An outage that has started and not ended.

    armed: the fault that it comes from; None: it is the outlet's own.
    timer: ends it; None: it has no time of its own.
    blackholed: connections that get a RST when it ends.
    """

    outage: Outage
    armed: ArmedFault | None
    timer: Timer | None = None
    blackholed: tuple["Connection", ...] = ()

    @property
    def source(self) -> Literal["fault", "outlet"]:
        return "outlet" if self.armed is None else "fault"

    @property
    def reason(self) -> str:
        """Why connections end with it, for the journal."""
        if self.armed is not None:
            return f"by fault {self.outage.name}"
        ways = {
            "reset": ", with a reset",
            "close_frame": ", with a close frame",
            "blackhole": ", silently",
        }
        return f"by {self.outage.name}{ways.get(self.outage.connections or '', '')}"


class Outages:
    """The outages of one outlet.

    timeline, outlet, faults, acceptor, connections: what they act on.
    record: adds an event to the journal: (its type, its fields).
    move: gives the outlet another address: the address, or None for the next one.
    online_changed: called when the outlet leaves the network or is back on it.
    """

    def __init__(
        self,
        timeline: Timeline,
        outlet: Outlet,
        faults: Pipeline,
        acceptor: Acceptor,
        connections: Mapping[int, "Connection"],
        record: Callable[..., object],
        move: Callable[[str | None], None],
        online_changed: Callable[[bool], None],
    ) -> None:
        self._timeline = timeline
        self._outlet = outlet
        self._faults = faults
        self._acceptor = acceptor
        self._connections = connections
        self._record = record
        self._move = move
        self._online_changed = online_changed
        self._active: list[_ActiveOutage] = []
        # Enabled faults → the timers at the times in their `when`.
        self._windows: dict[ArmedFault, list[Timer]] = {}
        self._lasting: set[ArmedFault] = set()  # faults that act on open connections at present

    def go_offline(self, cause: GoOffline) -> tuple[Effect, ...]:
        """Start an outage of the outlet's own, and return what comes of it."""
        return self.start(
            Outage(cause.name, cause.seconds, refuses=True, connections=cause.disconnect)
        )

    def start(self, outage: Outage) -> tuple[Effect, ...]:
        """Start an outage now, and return what comes of it. It ends by itself."""
        armed = None
        if outage.identity is not None:
            armed = self._faults.find_enabled(outage.identity)
            # A packet may start an outage some time after its fault was removed or disabled. It
            # must not become one of the outlet's own, which no command on faults would end.
            if armed is None:
                return ()
        active = _ActiveOutage(outage, armed)
        self._note(OutageStarted, active, duration=outage.seconds)
        effects: list[Effect] = []
        if outage.restarts:
            effects += self._outlet.go_offline(self._timeline.now())
            self._online_changed(False)
        if outage.connections is not None:
            open_now = tuple(self._connections.values())
            for connection in open_now:
                connection.disconnect(outage.connections, active.reason)
            if outage.connections == "blackhole":
                active.blackholed = open_now
        self._active.append(active)
        effects += self._apply()
        if outage.moves:
            # At its start, so that no other program gets the new address meanwhile.
            self._move(outage.address)
        if outage.seconds is not None:
            active.timer = self._timeline.after(outage.seconds, partial(self._end, active))
        return tuple(effects)

    def join_network(self, *, from_reboot: bool = False) -> tuple[Effect, ...]:
        """End the outlet's own outages that have no end, and return what comes of it.

        from_reboot: whether those end too that would end by themselves.
        """
        return self._end_those(
            active
            for active in self._active
            if active.armed is None and (from_reboot or active.outage.seconds is None)
        )

    def sync(self) -> tuple[Effect, ...]:
        """Follow the faults: start the outages that are due, set timers for those that will be, and
        end those whose fault is disabled or gone. Returns what comes of it.
        """
        enabled = [armed for armed in self._faults if armed.enabled]
        # Most outlets have no faults, and each start of one comes here.
        if not (enabled or self._windows or self._active or self._lasting):
            return ()
        for armed in self._windows.keys() - set(enabled):
            for timer in self._windows.pop(armed):
                timer.cancel()
        effects = list(
            self._end_those(
                active
                for active in self._active
                if active.armed is not None and active.armed not in enabled
            )
        )
        for armed in enabled:  # in the order in which they apply
            if armed not in self._windows:
                self._windows[armed] = []
                self._note_waiting(armed)
                effects += self._set_timers(armed)
        self._follow_lasting_faults()
        return tuple(effects)

    def _note_waiting(self, armed: ArmedFault) -> None:
        """Record that a fault that is new, or enabled now, waits for something or never applies."""
        fault = armed.fault
        possible = {one for one in fault.transports if fault.when.transport in (None, one)}
        if not self._acceptor.addresses.keys() & possible:
            text = "never applies: its transport is switched off"
        elif isinstance(fault, ConnectionFault) and not fault.lasts and self._connections:
            text = "waits for new connections; those that are open stay as they are"
        elif isinstance(fault, Readdress) and fault.address and not has_address(fault.address):
            text = f"cannot change the address: this machine has no {fault.address}"
        else:
            return
        self._record(FaultNote, fault=armed.name, text=text)

    def _follow_lasting_faults(self, since: float = 0.0) -> tuple[()]:
        """Make open connections follow the faults that begin or cease to act on them.

        since: the time that has come. The clock may be behind it by a rounding error.
        """
        now = max(self._timeline.now(), since)
        in_force = {
            armed
            for armed in self._faults
            if armed.enabled
            and isinstance(armed.fault, ConnectionFault)
            and armed.fault.lasts
            and armed.fault.when.matches_time(now)
        }
        if in_force != self._lasting:
            self._lasting = in_force
            for connection in tuple(self._connections.values()):
                connection.follow_faults(now)
        return ()

    def _set_timers(self, armed: ArmedFault) -> tuple[Effect, ...]:
        """Set a timer at each time in the `when` of a fault, and start its outage if it is due.

        Most of these timers do nothing but be there for time to jump to.
        """
        when, now = armed.fault.when, self._timeline.now()
        starts = armed.fault.starts_at_a_time
        timers = self._windows[armed]
        for moment in (when.from_seconds, when.until_seconds):
            if moment is None or moment <= now:
                continue
            begins = starts and moment == when.from_seconds
            follow = partial(self._follow_lasting_faults, moment)
            action = partial(self._start_if_due, armed) if begins else follow
            timers.append(self._timeline.at(moment, action))
        return self._start_if_due(armed) if starts and when.from_seconds <= now else ()

    def _start_if_due(self, armed: ArmedFault) -> tuple[Effect, ...]:
        until = armed.fault.when.until_seconds
        if until is not None and self._timeline.now() >= until:
            return ()
        armed.count_timed_start()
        return self.start(outage_of(armed))

    def _end_those(self, outages: Iterable[_ActiveOutage]) -> tuple[Effect, ...]:
        return tuple(effect for active in tuple(outages) for effect in self._end(active))

    def _end(self, active: _ActiveOutage) -> tuple[Effect, ...]:
        """End an outage, and return what comes of it. Ending it twice is no error."""
        if active not in self._active:
            return ()
        self._active.remove(active)
        if active.timer is not None:
            active.timer.cancel()
        effects = list(self._apply())
        for connection in active.blackholed:
            connection.disconnect("reset", active.reason)
        self._note(OutageEnded, active)
        restarting = any(one.outage.restarts for one in self._active)
        if self._outlet.offline and not restarting:
            effects += self._outlet.come_online(self._timeline.now())
            self._online_changed(True)
        return tuple(effects)

    def _apply(self) -> tuple[Effect, ...]:
        """Make the outlet what all active outages, taken together, want it to be."""
        outages = [active.outage for active in self._active]
        reach: Reach = "accept"
        if any(outage.swallows for outage in outages):
            reach = "swallow"
        elif any(outage.refuses for outage in outages):
            reach = "refuse"
        self._acceptor.set_reach(reach)
        return self._outlet.force_faceplate_offline(
            any(outage.faceplate for outage in outages), self._timeline.now()
        )

    def _note(self, event: type[Any], active: _ActiveOutage, **fields: Any) -> None:
        self._record(
            event,
            name=active.outage.name,
            source=active.source,
            identity=active.outage.identity,
            **fields,
        )

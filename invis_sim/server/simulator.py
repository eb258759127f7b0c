"""One simulated outlet: composed, started, steered.

This is the only place where the parts know each other: the pure outlet and its faults, the clock,
the connections, the outages, the steps and the journal. Everything that comes of anything passes
through `apply_effects`; everything that is done to the outlet passes through `do`.
"""

import random
import socket
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import trio

from invis_sim import __version__
from invis_sim.commands.command import (
    ClearJournal,
    ClockChanged,
    ComeOnline,
    Command,
    CommandEffect,
    CommandError,
    DisconnectClients,
    ReloadSteps,
    ResetSteps,
    Target,
)
from invis_sim.commands.inject import InjectFault
from invis_sim.commands.registry import CommandMethods
from invis_sim.commands.run import apply_all, rehearse
from invis_sim.device.effects import Effect, GoOffline, Log
from invis_sim.device.outlet import Outlet
from invis_sim.device.schedule import Schedule
from invis_sim.faults.armed import ArmedFault
from invis_sim.faults.fault import Fault
from invis_sim.faults.outage import Outage
from invis_sim.faults.pipeline import Pipeline
from invis_sim.journal import CommandGiven, DeviceLog, Event, Journal, JournalHeader, ServerError
from invis_sim.protocol.hidden_frames import hide_frames
from invis_sim.protocol.packets import Push
from invis_sim.protocol.transport import Transport
from invis_sim.scenario import Scenario
from invis_sim.scenario.from_keys import build_step, checked, parse_commands
from invis_sim.scenario.steps import Step
from invis_sim.schema.build import check
from invis_sim.server.acceptor import Acceptor
from invis_sim.server.addresses import AddressMethods
from invis_sim.server.beginning import Beginning, Opening
from invis_sim.server.clock import Clock
from invis_sim.server.fault_handle import FaultHandle, FaultHandles, FaultMethods, call_here
from invis_sim.server.mdns import Announcement
from invis_sim.server.moves import Moves, Opened
from invis_sim.server.net.listeners import ListenerGroup, StartError
from invis_sim.server.outages import Outages
from invis_sim.server.reload import SimulatorReload
from invis_sim.server.runtime import Runtime
from invis_sim.server.session.connection import Connection
from invis_sim.server.session.context import ServerContext
from invis_sim.server.session.outgoing_push import OutgoingPush
from invis_sim.server.session.serve import serve_client
from invis_sim.server.session.silence import Silence
from invis_sim.server.status import StatusMethods
from invis_sim.server.step_runner import StepHandle, StepRunner
from invis_sim.server.waits import WaitMethods

__all__ = ["Simulator", "StartError"]

__tracebackhide__ = hide_frames


class Simulator(
    StatusMethods, CommandMethods, WaitMethods, AddressMethods, FaultMethods, SimulatorReload
):
    """A running outlet. `open_simulator` (`opening.py`) makes one.

    scenario: what it was made from.
    seed: of all that is random in this run.
    journal: what happened. waiters: what of it is waited for.
    requests: how many were answered so far.
    runtime: what it shares with others.
    clock: its time, which can be sped up, paused and advanced.
    moves: the changes of its address.
    """

    def __init__(
        self,
        scenario: Scenario,
        runtime: Runtime,
        nursery: trio.Nursery,
        listeners: Sequence[ListenerGroup],
        opening: Opening,
        beginning: Beginning,
    ) -> None:
        self.scenario = scenario
        # Not of the global random numbers: those are the caller's, who may have seeded them.
        drawn = random.SystemRandom().randrange(2**32)
        self.seed = drawn if scenario.seed is None else scenario.seed
        self.runtime = runtime
        self.clock: Clock = runtime.clock
        schedule = Schedule(beginning.phase)
        self._outlet = Outlet(
            scenario.state,
            packet_ids=scenario.protocol.packet_id,
            seed=self.seed,
            schedule=schedule,
        )
        header = JournalHeader(version=__version__, seed=self.seed)
        self.journal = Journal(
            beginning.wall, self._outlet.sn, budget=runtime.budget, header=header
        )
        WaitMethods.__init__(self, self.journal)
        self._faults = Pipeline(scenario.faults, self.seed)
        self._nursery = nursery
        self._opening = opening
        self._last_number = 0  # of a connection
        self.requests = 0
        self._had_faceplate = self._outlet.faceplate_online  # so that its return is noticed
        self._announcement: Announcement | None = None
        self._timeline = self.clock.timeline(schedule, self.apply_effects, beginning.sim)
        make_backend = opening.make_backend
        self._context = ServerContext(
            outlet=self._outlet,
            silence=Silence(self._outlet),
            backend=make_backend(self._outlet) if make_backend else self._outlet,
            servers=opening.servers,
            faults=self._faults,
            journal=self.journal,
            timeline=self._timeline,
            protocol=scenario.protocol,
            websocket_path=scenario.listen.ws_path,
            started=beginning.real,
            owner=self,
            poller=runtime.poller,
        )
        self._acceptor = Acceptor(nursery, listeners, self._serve, self._log_error)
        self.moves = Moves(
            self._acceptor,
            self._context.connections,
            self._record,
            lambda: self.ws_url,
            runtime,
        )
        self._outages = Outages(
            self._timeline,
            self._outlet,
            self._faults,
            self._acceptor,
            self._context.connections,
            self._record,
            self.moves.carry_out_for_fault,
            self._online_changed,
        )
        self._steps = StepRunner(
            scenario.steps, self._timeline, schedule, self._perform_step, self._record_command
        )

    # Who and where it is

    @property
    def addresses(self) -> dict[Transport, tuple[str, int]]:
        """Host and port of each transport that it has."""
        return self._acceptor.addresses

    @property
    def last_connection(self) -> int:
        """The number of the newest connection so far; 0: none has come."""
        return self._last_number

    @property
    def connections(self) -> Mapping[int, Connection]:
        """The open connections by their numbers, the oldest first: to be read only."""
        return self._context.connections

    @property
    def steps(self) -> tuple[StepHandle, ...]:
        """The steps that are left, by their numbers."""
        return tuple(self._steps)

    @property
    def pipeline(self) -> Pipeline:
        """The armed faults, for handles: to be read only."""
        return self._faults

    @property
    def faults(self) -> FaultHandles:
        """What goes wrong; by name or one after the other, each with its switch `enabled`."""
        return FaultHandles(self, self._faults, self.journal, call_here)

    # What is done to it

    def do(self, *commands: Command, by: str = "python", **keys: Any) -> None:
        """Carry out commands: all of them in order, or none.

        commands: structs. keys: further ones as a step has them: `do(push=9, set={…})`; these are
        carried out in the order of the manual of steps.
        by: who gives them, for the journal.

        Raises CommandError with the path of the key, what was expected and what was found.
        """
        check(str, by, "by")
        self.carry_out((*map(checked, commands), *parse_commands(keys)), by)

    def inject(self, fault: Fault) -> FaultHandle:
        """Add a fault, from now on: in `with` until the end of the block, else until it is removed.

        Raises CommandError for a fault with a value out of range.
        """
        return self.faults.handle(self.arm(InjectFault(fault)))

    def arm(self, command: InjectFault) -> ArmedFault:
        """Carry out the command, and return the armed fault that came of it."""
        before = set(self._faults)
        self.do(command)
        (armed,) = set(self._faults) - before
        return armed

    def at(self, **keys: Any) -> StepHandle:
        """Add a step: conditions and commands as in a scenario file, times from now.

        `at(after_seconds=10, push=9)`, `at(after_request={"callback": 20}, reboot=True)`

        Raises CommandError.
        """
        return self.add_step(build_step(keys), "python")

    def add_step(self, step: Step, by: str) -> StepHandle:
        """Add a checked step. by: who asks for it, for the journal."""
        return self._steps.add(step, by)

    def _perform_step(self, commands: Sequence[Command], by: str) -> None:
        # One by one: a step has no author waiting for an error, so what can be done is done.
        for command in commands:
            try:
                self.carry_out((command,), by)
            except CommandError as error:
                why = str(error).removeprefix(f"{command.key}: ")
                self._record_command(by, command.summary(), why)

    def rehearse(self, commands: Sequence[Command]) -> None:
        """Change nothing. Raises CommandError where the commands cannot be carried out now."""
        rehearse(commands, self._target())

    def _target(self) -> Target:
        return Target(
            self._outlet,
            self._faults,
            self._timeline.now(),
            self._context.connections.keys(),
            self._last_number,
        )

    def carry_out(self, commands: Sequence[Command], by: str, opened: Opened | None = None) -> None:
        """Carry out checked commands: all of them in order, or none. Raises CommandError.

        opened: what `moves.open_for` has returned for them; None: that is to be done.
        """
        opened = opened or self.moves.open_for(commands, self.rehearse)
        for command, effects in apply_all(commands, self._target()):
            if ClearJournal() in effects:
                self.journal.clear()  # before the command is recorded, which would be lost
            self._record_command(by, command.summary())
            self.journal.sn = self._outlet.sn  # which the command may have changed
            self.apply_effects(effects)
            self.apply_effects(self._outages.sync())
        if self.moves.carry_out(opened):
            self.apply_effects(())  # which announces the new address

    # What comes of it

    def apply_effects(
        self, effects: Iterable[CommandEffect], spared: Connection | None = None
    ) -> None:
        """Carry out what comes of a request, a command or a timer, in order.

        spared: the connection that gets none of the pushes.
        """
        waiting = deque(effects)
        while waiting:
            # What an effect causes in turn comes at once, before the effects after it.
            waiting.extendleft(reversed(self._apply(waiting.popleft(), spared)))
        if self._outlet.faceplate_online is not self._had_faceplate:
            self._had_faceplate = not self._had_faceplate
            for push in self._readings_without_rhythm():
                self._apply(push, None)
        self._timeline.changed()
        self._context.silence.changed()
        if self._announcement is not None:
            self._announcement.refresh()

    def _apply(self, effect: CommandEffect, spared: Connection | None) -> Sequence[CommandEffect]:
        match effect:
            case Push():
                self._push(effect, spared)
            case Log(text):
                self._record(DeviceLog, text=text)
            case GoOffline():
                return self._outages.go_offline(effect)
            case ComeOnline(from_reboot):
                return self._outages.join_network(from_reboot=from_reboot)
            case DisconnectClients(how, number):
                for connection in tuple(self._context.connections.values()):
                    if number in (None, connection.number):
                        connection.disconnect(how, "by command disconnect")
            case ClearJournal():
                pass  # the journal was cleared before the command was recorded
            case ResetSteps(restart):
                self._steps.restart() if restart else self._steps.reset_counts()
            case ReloadSteps(steps):
                self._steps.reload(steps)
            case ClockChanged(by, text):
                self._record_command(by, text)
        return ()

    def _push(self, push: Push, spared: Connection | None) -> None:
        recipients = [
            one
            for one in self._context.connections.values()
            if one.lifecycle.accepts_pushes and one is not spared
        ]
        if not recipients:  # as mostly in a fleet, whose outlets push their readings all the time
            return
        awaited = [one.awaited for one in recipients if one.awaited]
        while any(push.packet_id in ids for ids in awaited):
            # The same push with the next packetID: this one would be taken for a reply.
            assert push.callback is not None
            (again,) = self._outlet.push(push.callback, push.args, self._timeline.now())
            assert isinstance(again, Push)
            push = again
        outgoing = OutgoingPush(self._context, push, len(recipients))
        for connection in recipients:
            connection.push(outgoing)

    def _readings_without_rhythm(self) -> tuple[Effect, ...]:
        """Return the push of the readings where time jumps, and never to the next sample: a client
        that waits for the first one would take the faceplate for offline.
        """
        return self._outlet.readings(self._timeline.now()) if self.clock.jumps else ()

    def start_outage(self, outage: Outage) -> None:
        """Start an outage that begins with a packet."""
        self.apply_effects(self._outages.start(outage))

    def connection_opened(self, connection: Connection) -> None:
        """Send a client that has just connected what it gets after a restart."""
        effects = self._outlet.connect_pushes(self._timeline.now())
        for effect in (*effects, *self._readings_without_rhythm()):
            if isinstance(effect, Push):
                connection.push(OutgoingPush(self._context, effect))
            else:
                self.apply_effects((effect,))
        self._timeline.changed()

    def request_answered(self, callback: int | None) -> None:
        """Count the request, and carry out the steps that wait for it."""
        self.requests += 1
        if self._steps.after_requests:
            self._steps.on_request(callback)

    def report_internal_error(self, error: Exception) -> None:
        """Pass on an error of our own that has cost a connection, and that is logged by now."""
        self._opening.on_internal_error(error)

    def _online_changed(self, online: bool) -> None:
        if self._announcement is not None:
            self._announcement.set_visible(online)
        if online:
            self._call_those_that_wait()

    # Its life

    @property
    def has_pending_connection(self) -> bool:
        """Whether a client has connected that is not served yet."""
        return self._acceptor.has_pending

    async def wait_for_pending_connections(self) -> None:
        """Return when the clients that have connected by now are served."""
        await self._acceptor.wait_for_pending()

    def begin(self) -> None:
        """Begin, still without clients.

        Raises StartError where mDNS is asked for and not installed; CommandError.
        """
        check(str, self._opening.by, "by")
        if self._opening.commands:
            self.do(*self._opening.commands, by=self._opening.by)
        if self.scenario.listen.mdns:
            listen, responder = self.scenario.listen, self.runtime.responder
            self._announcement = Announcement(
                self._outlet, listen, lambda: self.addresses, responder, self._log_error
            )
            self._nursery.start_soon(self._announcement.run)
        self.apply_effects(self._outages.sync())

    def accept(self) -> None:
        """Accept clients from now on."""
        self._acceptor.start()

    def close(self) -> None:
        """Stop listening and stop time for good; connections stay."""
        self._acceptor.close()
        self._timeline.close()

    async def _serve(self, sock: socket.socket, transport: Transport) -> None:
        self._last_number += 1
        await serve_client(self._context, sock, transport, self._last_number)

    def _record(self, event: type[Event], **fields: Any) -> None:
        self.journal.add(event, self._context.seconds(), **fields)

    def _record_command(self, by: str, command: str, error: str | None = None) -> None:
        self._record(CommandGiven, by=by, command=command, error=error)

    def _log_error(self, text: str) -> None:
        self._record(ServerError, text=text)

"""Open a simulated outlet for the time of a block, and close it without a trace."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import trio

from invis_sim.commands.command import Command
from invis_sim.device.outlet import Outlet
from invis_sim.faults.fault import Fault
from invis_sim.scenario.loading import ScenarioSource, resolve
from invis_sim.server.net.listeners import ListenerGroup, open_listeners
from invis_sim.server.nursery import open_cancelled_nursery
from invis_sim.server.runtime import Runtime, open_runtime_and_nursery
from invis_sim.server.session.backend import Backend
from invis_sim.server.simulator import Simulator

__all__ = ["open_simulator"]


@asynccontextmanager
async def open_simulator(
    scenario: ScenarioSource = None,
    *,
    speed: float = 1.0,
    runtime: Runtime | None = None,
    owns_loop: bool = False,
    make_backend: Callable[[Outlet], Backend] | None = None,
    on_internal_error: Callable[[Exception], None] = lambda error: None,
    commands: Sequence[Command] = (),
    by: str = "python",
    faults: Sequence[Fault] = (),
    **overrides: object,
) -> AsyncIterator[Simulator]:
    """Run an outlet for the time of the block (trio). Real time is that of the event loop's clock.

    scenario: a `Scenario`, a path, the name of a bundled scenario, TOML text, or None for the
    default outlet.
    speed: how many simulated seconds pass in a real one, above 0; infinite: time jumps from timer
    to timer.
    runtime: what it shares with other outlets, its clock included (`speed` is not used then); None:
    it has a clock of its own.
    owns_loop: whether nothing but simulators runs in this event loop; see `open_runtime`.
    make_backend: makes what answers requests in place of the simulated outlet, from that outlet;
    None: the outlet does.
    on_internal_error: called with an error of the simulator's own that has cost a connection.
    commands: carried out before the first client is served. by: who gives them, for the journal.
    faults: further ones, after those of the scenario.
    overrides: sn, seed, host, tcp, tcp_port, ws, ws_port, ws_path, mdns, in place of the
    scenario's.

    Raises ScenarioError for a scenario that cannot be used, StartError where it cannot listen,
    ValueError for a speed that is not above 0, CommandError.
    """
    resolved = resolve(scenario, faults, **overrides)
    async with _runtime_and_nursery(runtime, speed, owns_loop) as (used, nursery):
        listen = resolved.listen
        ports = {"tcp": listen.tcp_port, "ws": listen.ws_port}
        groups: list[ListenerGroup] = []
        simulator: Simulator | None = None
        try:
            for transport in resolved.transports:
                port = ports[transport] or 0
                groups.append(await open_listeners(transport, listen.host, port))
            simulator = Simulator(
                resolved,
                used,
                nursery,
                groups,
                make_backend=make_backend,
                on_internal_error=on_internal_error,
            )
            await simulator.start(commands, by)
            yield simulator
        finally:
            for group in groups:
                group.close()
            if simulator is not None:
                simulator.close()


@asynccontextmanager
async def _runtime_and_nursery(
    runtime: Runtime | None, speed: float, owns_loop: bool
) -> AsyncIterator[tuple[Runtime, trio.Nursery]]:
    """Provide the runtime that was given, or one of its own, and a nursery for the outlet."""
    if runtime is None:
        async with open_runtime_and_nursery(speed, owns_loop=owns_loop) as both:
            yield both
    else:
        async with open_cancelled_nursery() as nursery:
            yield runtime, nursery

"""Open one outlet in a runtime for the time of a block, and close it without a trace."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import trio

from invis_sim.commands.command import Command
from invis_sim.device.outlet import Outlet
from invis_sim.protocol.hidden_frames import hide_frames
from invis_sim.scenario import Scenario
from invis_sim.server.net.listeners import ListenerGroup, open_listeners
from invis_sim.server.runtime import Runtime
from invis_sim.server.session.backend import Backend
from invis_sim.server.session.context import Servers
from invis_sim.server.session.serve import OUTLET_SERVERS
from invis_sim.server.simulator import Simulator

__all__ = ["open_outlet"]

__tracebackhide__ = hide_frames


@asynccontextmanager
async def open_outlet(
    scenario: Scenario,
    runtime: Runtime,
    nursery: trio.Nursery,
    *,
    make_backend: Callable[[Outlet], Backend] | None = None,
    servers: Servers = OUTLET_SERVERS,
    on_internal_error: Callable[[Exception], None] = lambda error: None,
    commands: Sequence[Command] = (),
    by: str = "python",
) -> AsyncIterator[Simulator]:
    """Run an outlet for the time of the block; `runtime.outlets` has it meanwhile.

    nursery: for its tasks; the caller cancels it after the block. The other arguments are those of
    `open_simulator` (`web/opening.py`).

    Raises StartError where it cannot listen, CommandError.
    """
    listen = scenario.listen
    ports = {"tcp": listen.tcp_port, "ws": listen.ws_port}
    groups: list[ListenerGroup] = []
    simulator: Simulator | None = None
    try:
        for transport in scenario.transports:
            port = ports[transport] or 0
            groups.append(await open_listeners(transport, listen.host, port))
        simulator = Simulator(
            scenario,
            runtime,
            nursery,
            groups,
            make_backend=make_backend,
            servers=servers,
            on_internal_error=on_internal_error,
        )
        with runtime.containing(simulator):
            await simulator.start(commands, by)
            yield simulator
    finally:
        for group in groups:
            group.close()
        if simulator is not None:
            simulator.close()

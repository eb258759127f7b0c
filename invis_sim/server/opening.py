"""Open outlets in a runtime for the time of a block, and close them without a trace."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import trio

from invis_sim.protocol.hidden_frames import hide_frames
from invis_sim.scenario import Scenario
from invis_sim.server.beginning import Beginning, Opening
from invis_sim.server.net.listeners import ListenerGroup, open_listeners
from invis_sim.server.runtime import Runtime
from invis_sim.server.simulator import Simulator

__all__ = ["open_outlets"]

__tracebackhide__ = hide_frames

OUTLETS_PER_TURN = 16
"""How many outlets are made before other tasks have their turn: in a caller's own event loop a
client may wait meanwhile."""


@asynccontextmanager
async def open_outlets(
    wanted: Sequence[tuple[Scenario, float]],
    runtime: Runtime,
    nursery: trio.Nursery,
    opening: Opening,
) -> AsyncIterator[list[Simulator]]:
    """Run outlets for the time of the block; `runtime.outlets` has them meanwhile. They listen all,
    or none of them does.

    wanted: the scenario of each, and the phase of its rhythms; see `Schedule`.
    nursery: for their tasks; the caller cancels it after the block.

    Raises StartError where one cannot listen, CommandError.
    """
    listening: list[list[ListenerGroup]] = []
    simulators: list[Simulator] = []
    try:
        for number, (scenario, _) in enumerate(wanted):
            await _give_way(number)
            groups: list[ListenerGroup] = []
            listening.append(groups)
            listen = scenario.listen
            ports = {"tcp": listen.tcp_port, "ws": listen.ws_port}
            for transport in scenario.transports:
                port = ports[transport] or 0
                groups.append(await open_listeners(transport, listen.host, port))
        # One moment for all: entries of several journals may come to one file, and rhythms of the
        # same phase run in the same turn of the event loop.
        clock = runtime.clock
        moment = (time.time(), clock.real(), clock.sim())
        for number, ((scenario, phase), groups) in enumerate(zip(wanted, listening, strict=True)):
            await _give_way(number)
            beginning = Beginning(*moment, phase)
            simulators.append(Simulator(scenario, runtime, nursery, groups, opening, beginning))
        with runtime.containing(*simulators):
            for simulator in simulators:
                simulator.begin()
            # So that no client can see what an outlet was like before.
            await runtime.clock.settle_at_infinite_speed()
            for simulator in simulators:
                simulator.accept()
            yield simulators
    finally:
        for groups in listening:
            for group in groups:
                group.close()
        for simulator in simulators:
            simulator.close()


async def _give_way(number: int) -> None:
    """Give other tasks their turn, once in a number of outlets."""
    if number % OUTLETS_PER_TURN == OUTLETS_PER_TURN - 1:
        await trio.lowlevel.checkpoint()

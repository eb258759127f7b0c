"""Open simulated outlets for the time of a block, with or without their control server."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext

import trio

from invis_sim.commands.command import Command
from invis_sim.device.outlet import Outlet
from invis_sim.faults.fault import Fault
from invis_sim.scenario.listen import Listen
from invis_sim.scenario.loading import ScenarioSource, resolve
from invis_sim.server.beginning import Opening
from invis_sim.server.net.listeners import StartError
from invis_sim.server.nursery import open_cancelled_nursery
from invis_sim.server.opening import open_outlets
from invis_sim.server.runtime import Runtime, open_runtime
from invis_sim.server.session.backend import Backend
from invis_sim.server.session.context import Servers
from invis_sim.server.session.serve import OUTLET_SERVERS
from invis_sim.server.simulator import Simulator

__all__ = ["open_controlled_runtime", "open_simulator"]


@asynccontextmanager
async def open_simulator(
    scenario: ScenarioSource = None,
    *,
    speed: float = 1.0,
    runtime: Runtime | None = None,
    owns_loop: bool = False,
    make_backend: Callable[[Outlet], Backend] | None = None,
    servers: Servers = OUTLET_SERVERS,
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
    runtime: what it shares with other outlets, its clock and its control server included (`speed`
    is not used then); None: it has a clock of its own.
    owns_loop: whether nothing but simulators runs in this event loop; see `open_runtime`.
    make_backend: makes what answers requests in place of the simulated outlet, from that outlet;
    None: the outlet does.
    servers: what serves the connections of each transport.
    on_internal_error: called with an error of the simulator's own that has cost a connection.
    commands: carried out before the first client is served. by: who gives them, for the journal.
    faults: further ones, after those of the scenario.
    overrides: sn, seed, host, tcp, tcp_port, ws, ws_port, ws_path, mdns, control, control_host,
    control_port, in place of the scenario's.

    Raises ScenarioError for a scenario that cannot be used, StartError where it cannot listen,
    ValueError for a speed that is not above 0, CommandError.
    """
    resolved = resolve(scenario, faults, **overrides)
    opening = Opening(
        make_backend=make_backend,
        servers=servers,
        on_internal_error=on_internal_error,
        commands=commands,
        by=by,
    )
    async with (
        open_controlled_runtime(runtime, speed, resolved.listen, opening, owns_loop=owns_loop) as (
            used,
            nursery,
        ),
        open_outlets([(resolved, 1.0)], used, nursery, opening) as (simulator,),
    ):
        yield simulator


@asynccontextmanager
async def open_controlled_runtime(
    runtime: Runtime | None, speed: float, listen: Listen, opening: Opening, *, owns_loop: bool
) -> AsyncIterator[tuple[Runtime, trio.Nursery]]:
    """Provide a runtime, the given one or another, and a nursery for outlets in it. It has a
    control server where `listen` has one: from before they accept clients, so that each of them can
    be steered from the beginning.

    The other arguments are those of `open_simulator`. Raises StartError.
    """
    # An outlet that is alone in its runtime needs no nursery of its own, and starts faster so.
    if runtime is None:
        async with (
            open_runtime(speed=speed, owns_loop=owns_loop) as alone,
            _controlled(alone, listen, opening.on_internal_error),
        ):
            yield alone, alone.nursery
    else:
        async with (
            open_cancelled_nursery() as nursery,
            _controlled(runtime, listen, opening.on_internal_error),
        ):
            yield runtime, nursery


def _controlled(
    runtime: Runtime, listen: Listen, on_internal_error: Callable[[Exception], None]
) -> AbstractAsyncContextManager[object]:
    """Return an async block in which the outlets of the runtime are steered over HTTP, where
    `listen` says so and they are not yet. Raises StartError.
    """
    if not listen.control or runtime.control is not None:
        return nullcontext()
    try:
        # Imported here: only those who ask for it have it installed, and wait for it.
        from importlib.metadata import version

        from invis_sim.web.server import open_control
    except ImportError as error:
        package, _, part = (error.name or "").partition(".")
        if package == "invis_sim":
            raise
        if package == "hypercorn" and part:
            raise StartError(
                f"to be steered over HTTP takes another version of Hypercorn: Hypercorn "
                f"{version(package)} has no {error.name}; pip install 'invis-sim[control]'"
            ) from None
        raise StartError(
            "to be steered over HTTP takes Starlette and Hypercorn: "
            "pip install 'invis-sim[control]' (from a clone: pip install '.[control]')"
        ) from None
    return open_control(
        runtime,
        listen.control_host,
        listen.control_port or 0,
        allow_hosts=listen.control_allow_hosts,
        on_internal_error=on_internal_error,
    )

"""Open a fleet for the time of a block, with or without its control server."""

import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from invis_sim.commands.command import Command
from invis_sim.faults.fault import Fault
from invis_sim.scenario.fleet_loading import resolve_fleet
from invis_sim.scenario.fleet_outlets import FleetMember, members_of
from invis_sim.scenario.loading import ScenarioError, ScenarioSource
from invis_sim.scenario.model import Scenario
from invis_sim.server.beginning import Opening
from invis_sim.server.fleet import Fleet
from invis_sim.server.net.listeners import StartError
from invis_sim.server.net.room import check_addresses, check_open_files
from invis_sim.server.opening import open_outlets
from invis_sim.server.runtime import Runtime
from invis_sim.web.opening import open_controlled_runtime

__all__ = ["open_fleet"]


@asynccontextmanager
async def open_fleet(
    count: int | None = None,
    scenario: ScenarioSource = None,
    *,
    speed: float = 1.0,
    runtime: Runtime | None = None,
    owns_loop: bool = False,
    on_internal_error: Callable[[Exception], None] = lambda error: None,
    commands: Sequence[Command] = (),
    by: str = "python",
    faults: Sequence[Fault] = (),
    **overrides: object,
) -> AsyncIterator[Fleet]:
    """Run many outlets for the time of the block (trio): a mapping by serial number.

    count: how many; None: as the `[fleet]` of the scenario says.
    scenario: as for `open_simulator`.
    overrides: first, sn (a pattern), address and ports of `[fleet]`, in place of the scenario's,
    and those of `open_simulator`. Ports are free ones, and all outlets share an address, unless the
    scenario or the caller names them.

    The other arguments are those of `open_simulator`.

    Raises ScenarioError for a scenario that cannot be used, StartError where the outlets cannot
    listen, ValueError for a speed that is not above 0, CommandError.
    """
    resolved = resolve_fleet(scenario, faults, count=count, **overrides)
    # Not of the global random numbers: those are the caller's, who may have seeded them.
    drawn = random.SystemRandom().randrange(2**32)
    seed = drawn if resolved.seed is None else resolved.seed
    members = _members(resolved, seed)
    hosts = [member.scenario.listen.host for member in members]
    check_open_files(len(members), sum(len(member.scenario.transports) for member in members))
    opening = Opening(on_internal_error=on_internal_error, commands=commands, by=by)
    wanted = [(member.scenario, member.phase) for member in members]
    async with open_controlled_runtime(
        runtime, speed, resolved.listen, opening, owns_loop=owns_loop
    ) as (used, nursery):
        try:
            async with open_outlets(wanted, used, nursery, opening) as simulators:
                # By what they begin with: a command may have changed it.
                outlets = zip((one.scenario.device.sn for one in members), simulators, strict=True)
                yield Fleet(dict(outlets), resolved, seed, used)
        except StartError as error:
            check_addresses(hosts, error)
            raise


def _members(scenario: Scenario, seed: int) -> list[FleetMember]:
    try:
        return members_of(scenario, seed)
    except ValueError as error:
        raise ScenarioError([str(error)]) from None

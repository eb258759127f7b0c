"""A recording that is replayed in the caller's own event loop, under trio."""

import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from invis_sim.device.outlet import Outlet
from invis_sim.faults.fault import Fault
from invis_sim.recording.replay import Recording, ReplayBackend
from invis_sim.scenario.loading import resolve
from invis_sim.scenario.model import Scenario
from invis_sim.schema.build import check
from invis_sim.schema.numbers import check_speed
from invis_sim.server.simulator import Simulator
from invis_sim.web.opening import open_simulator

__all__ = ["load_replay", "open_replay"]


@asynccontextmanager
async def open_replay(
    path: str | os.PathLike[str],
    *,
    strict: bool = False,
    latency: bool = False,
    speed: float = 1.0,
    faults: Sequence[Fault] = (),
    **overrides: Any,
) -> AsyncIterator[Simulator]:
    """Answer as recorded for the time of the block (trio); all else is as with `open_simulator`.

    path: a journal file, of a simulator, a proxy or `invis-sim capture --raw`.
    strict: requests that were not recorded are answered `PUBACK` 0, and not by a simulated outlet.
    latency: replies come as late as they were recorded, and not at once.
    speed: how many recorded seconds pass in a real one, above 0.
    faults: what goes wrong on top. overrides: as for `open_simulator`.

    Raises OSError, ValueError that names the line of a file that is not a journal, ScenarioError.
    """
    scenario, make_backend = load_replay(path, strict, latency, faults, overrides)
    async with open_simulator(
        scenario, speed=check_speed(speed), make_backend=make_backend
    ) as simulator:
        yield simulator


def load_replay(
    path: str | os.PathLike[str],
    strict: bool,
    latency: bool,
    faults: Sequence[Fault],
    overrides: dict[str, Any],
) -> tuple[Scenario, Callable[[Outlet], Any]]:
    """Return the scenario of a recording, and what makes the back end that answers as recorded. The
    arguments, and what is raised, are those of `open_replay`.
    """
    check(bool, strict, "strict")
    check(bool, latency, "latency")
    recording = Recording.load(path)
    scenario = resolve(recording.scenario, faults, **overrides)
    return scenario, ReplayBackend.maker(recording, strict=strict, latency=latency)

"""A recording that is replayed in a thread: `with start_replay("journal.jsonl") as sim:`."""

import os
from collections.abc import Sequence

from invis_sim.faults.fault import Fault
from invis_sim.recording.replay import Recording, ReplayBackend
from invis_sim.scenario.loading import resolve
from invis_sim.schema.build import check
from invis_sim.schema.numbers import check_speed
from invis_sim.testing.block import SimulatorContext

__all__ = ["start_replay"]


def start_replay(
    path: str | os.PathLike[str],
    *,
    strict: bool = False,
    latency: bool = False,
    speed: float = 1.0,
    faults: Sequence[Fault] = (),
    **overrides: object,
) -> SimulatorContext:
    """Answer as recorded, in a thread for the time of a block; all else is as with
    `start_simulator`.

    path: a journal file, of a simulator, a proxy or `invis-sim capture --raw`.
    strict: requests that were not recorded are answered `PUBACK` 0, and not by a simulated outlet.
    latency: replies come as late as they were recorded, and not at once.
    speed: how many recorded seconds pass in a real one, above 0.
    faults: what goes wrong on top. overrides: as for `start_simulator`.

    Raises OSError, ValueError that names the line of a file that is not a journal, ScenarioError.
    """
    check(bool, strict, "strict")
    check(bool, latency, "latency")
    recording = Recording.load(path)
    scenario = resolve(recording.scenario, faults, **overrides)
    make_backend = ReplayBackend.maker(recording, strict=strict, latency=latency)
    return SimulatorContext(scenario, check_speed(speed), make_backend)

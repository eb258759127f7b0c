"""A recording that is replayed in a thread: `with start_replay("journal.jsonl") as sim:`."""

import os
from collections.abc import Sequence

from invis_sim.faults.fault import Fault
from invis_sim.recording.open_replay import load_replay
from invis_sim.schema.numbers import check_speed
from invis_sim.testing.block import SimulatorContext

__all__ = ["start_replay"]


class _ReplayContext(SimulatorContext):
    """The time during which a recording is replayed."""

    start_again = "start_replay"


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

    The arguments are those of `open_replay`; overrides: as for `start_simulator`. Raises as that,
    at the call.
    """
    scenario, make_backend = load_replay(path, strict, latency, faults, overrides)
    return _ReplayContext(scenario, check_speed(speed), make_backend)

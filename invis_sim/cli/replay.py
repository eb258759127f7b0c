"""`invis-sim replay`: a recording in place of an outlet."""

import argparse

from invis_sim.cli import CliError
from invis_sim.cli.run import run_outlet
from invis_sim.recording.replay import Recording, ReplayBackend

__all__ = ["replay"]


def replay(args: argparse.Namespace) -> int:
    """Answer as recorded until a signal. Raises CliError as `run`, and for a file that cannot be
    read.
    """
    path = args.recording
    try:
        recording = Recording.load(path)
    except OSError as error:
        raise CliError(f"{path}: {error.strerror}", status=2) from None
    except ValueError as error:
        raise CliError(str(error), status=2) from None
    return run_outlet(
        args,
        recording.scenario,
        {"the recording": path},
        about=f"InvisOutlet {args.sn or recording.scenario.device.sn} as recorded in {path}",
        make_backend=ReplayBackend.maker(recording, strict=args.strict, latency=args.latency),
    )

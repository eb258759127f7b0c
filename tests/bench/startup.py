"""Section: from the start of the process to the ready file."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from tests.bench.report import Goal, Ratios, heading, table
from tests.bench.servers import ROOT, outlet_command, stop, wait_until_ready

__all__ = ["startup"]

GOAL = Goal(at_most=1.6)
IMPORT = "import trio_websocket"


def startup(rounds: int) -> None:
    """The simulator, and an interpreter that only imports what it is built on."""
    heading("startup: from process start to ready, and an import")
    _seconds_until_ready()  # so that the compiled modules are there
    _seconds_of_import()
    ours: list[float] = []
    theirs: list[float] = []
    for number in range(rounds):
        if number % 2:
            theirs.append(_seconds_of_import())
            ours.append(_seconds_until_ready())
        else:
            ours.append(_seconds_until_ready())
            theirs.append(_seconds_of_import())
    ratios = Ratios([mine / other for mine, other in zip(ours, theirs, strict=True)])
    table(
        ("", "ms", "ratio", "", "goal"),
        ("invis-sim run", f"{median(ours) * 1000:.0f}", "", "", ""),
        (
            f'python -c "{IMPORT}"',
            f"{median(theirs) * 1000:.0f}",
            ratios.shown,
            ratios.range,
            GOAL.verdict(ratios.middle),
        ),
    )


def _seconds_until_ready() -> float:
    with tempfile.TemporaryDirectory(prefix="invis-sim-bench-") as folder:
        ready_file = Path(folder, "ready.json")
        started = time.perf_counter()
        process = subprocess.Popen(outlet_command(ready_file), cwd=ROOT)
        try:
            wait_until_ready(process, ready_file)
            return time.perf_counter() - started
        finally:
            stop(process)


def _seconds_of_import() -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", IMPORT], cwd=ROOT, check=True)
    return time.perf_counter() - started

"""Section: from the start of the process to the ready file."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from tests.bench.report import Goal, Ratios, heading, table
from tests.bench.servers import ROOT, outlet_command, stop, wait_until_ready

__all__ = ["startup"]

GOALS = {"run": Goal(at_most=1.6), "run --control": Goal(at_most=3.0)}
"""Command → the ratio to the import."""

OPTIONS = {"run": (), "run --control": ("--control", "0")}
"""Command → its options."""

IMPORT = "import trio_websocket"


def startup(rounds: int) -> None:
    """The simulator, without control and with it, and an interpreter that imports what it is built
    on, and nothing else.
    """
    heading("startup: from process start to ready, and an import")
    measured: dict[str, Callable[[], float]] = {
        **{name: partial(_seconds_until_ready, *options) for name, options in OPTIONS.items()},
        IMPORT: _seconds_of_import,
    }
    taken: dict[str, list[float]] = {name: [] for name in measured}
    for number in range(-1, rounds):  # the first one, so that the compiled modules are there
        for name in list(measured)[:: 1 if number % 2 else -1]:
            seconds = measured[name]()
            if number >= 0:
                taken[name].append(seconds)
    rows = [("", "ms", "ratio", "", "goal")]
    for name, goal in GOALS.items():
        pairs = zip(taken[name], taken[IMPORT], strict=True)
        ratios = Ratios([ours / theirs for ours, theirs in pairs])
        verdict = goal.verdict(ratios.middle)
        rows.append((f"invis-sim {name}", _shown(taken[name]), ratios.shown, ratios.range, verdict))
    table(*rows, (f'python -c "{IMPORT}"', _shown(taken[IMPORT]), "", "", ""))


def _shown(seconds: list[float]) -> str:
    return f"{median(seconds) * 1000:.0f}"


def _seconds_until_ready(*options: str) -> float:
    with tempfile.TemporaryDirectory(prefix="invis-sim-bench-") as folder:
        ready_file = Path(folder, "ready.json")
        started = time.perf_counter()
        process = subprocess.Popen(outlet_command(ready_file, *options), cwd=ROOT)
        try:
            wait_until_ready(process, ready_file)
            return time.perf_counter() - started
        finally:
            stop(process)


def _seconds_of_import() -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", IMPORT], cwd=ROOT, check=True)
    return time.perf_counter() - started

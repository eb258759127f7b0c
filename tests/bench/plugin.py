"""Section: what the pytest plugin costs a run that does not use it."""

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from tests.bench.report import Goal, heading, table

__all__ = ["plugin", "run_pytest"]

PLUGIN = "invis_sim.testing.pytest_plugin"

RUNS = 3
"""How many runs of each kind a round has: their processor times differ by more than the plugin."""

GOAL = Goal(at_most=10.0)
"""Milliseconds of processor time."""


def plugin(rounds: int) -> None:
    """Runs of a test that asks for no outlet, with the plugin and without, one after the other."""
    heading("plugin: pytest with one test that does not use it, and without the plugin")
    with tempfile.TemporaryDirectory(prefix="invis-sim-bench-") as folder:
        Path(folder, "test_nothing.py").write_text("def test_nothing():\n    pass\n", "utf-8")
        loading = ("-p", PLUGIN)
        pairs = []
        for number in range(rounds * RUNS + 1):
            options = [(), loading] if number % 2 else [loading, ()]
            used = {one: run_pytest(folder, one) * 1000 for one in options}
            if number:  # the first one has written the byte code
                pairs.append((used[loading], used[()]))
    loaded, free = zip(*pairs, strict=True)
    more = median(one - other for one, other in pairs)
    table(
        ("", "cpu ms", "goal"),
        ("with the plugin", f"{median(loaded):.1f}", ""),
        ("without", f"{median(free):.1f}", ""),
        ("the difference", f"{more:.1f}", GOAL.verdict(more)),
    )


def run_pytest(folder: str, options: Sequence[str]) -> float:
    """The processor seconds of a run of the tests in the folder, without any installed plugin."""
    command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options)
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

"""What the tests of the gauntlet share."""

import sys
from pathlib import Path
from typing import Any

import trio

from invis_sim.faults.case import Expectation
from invis_sim.gauntlet.options import Options
from invis_sim.gauntlet.planned import PlannedCase
from invis_sim.gauntlet.result import CaseResult, Report
from invis_sim.gauntlet.run import run_gauntlet
from invis_sim.gauntlet.verdict import Verdict
from invis_sim.scenario import Scenario
from invis_sim.scenario.loading import resolve
from tests.support import TIMEOUT

CLIENT = Path(__file__).parent / "clients" / "client.py"

PYTHON = (sys.executable, "-S", "-E")
"""Starts in a third of the time: neither site-packages nor the environment."""


def client(flaw: str = "none", timeout: float = TIMEOUT) -> tuple[str, ...]:
    """The command of the client of the tests with this flaw.

    timeout: how long it waits for each of two attempts; short where it is to wait in vain.
    """
    return (*PYTHON, str(CLIENT), flaw, "{transport}", "{host}", "{port}", str(timeout))


def script(code: str, *arguments: str) -> tuple[str, ...]:
    """The command of a client that is a few lines of Python."""
    return (*PYTHON, "-c", code, *arguments)


def options(command: tuple[str, ...], *only: str, scenario: Any = None, **more: Any) -> Options:
    """Options for a run of the cases that match: over TCP, unless it is said otherwise; several at
    a time, since they mostly wait.
    """
    given: dict[str, Any] = {"jobs": 4, "seed": 1, "transports": ("tcp",), **more}
    return Options(command=command, scenario=resolve(scenario), only=only, **given)


def run(command: tuple[str, ...], *only: str, **more: Any) -> Report:
    """Run these cases."""
    return trio.run(run_gauntlet, options(command, *only, **more))


def verdicts(report: Report) -> dict[str, Verdict]:
    """The verdict of each case."""
    return {case.id: case.verdict for case in report.cases}


def planned(expectation: Expectation = "survive", **more: Any) -> PlannedCase:
    """A case of no special kind."""
    given = {"id": "drop/always/tcp", "kind": "drop", "transport": "tcp", "reason": "So it is."}
    return PlannedCase(expectation=expectation, **{**given, **more})


def result(verdict: Verdict = "survived", as_expected: bool = True, **more: Any) -> CaseResult:
    """What came of a case."""
    given = {
        "id": "drop/always/tcp",
        "fault": "drop",
        "parameters": {},
        "transport": "tcp",
        "expectation": "survive",
        "reason": "So it is.",
        "why": "status 0",
    }
    return CaseResult(verdict=verdict, as_expected=as_expected, **{**given, **more})


DEFAULT: Scenario = resolve(None)

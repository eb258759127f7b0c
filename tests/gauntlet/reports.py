"""Reports for tests, without a run."""

from typing import Any

from invis_sim.gauntlet.result import Baseline, BaselineRun, Report, status_of, summarize
from invis_sim.gauntlet.witness import Bytes
from tests.gauntlet.support import result

NASTY = "</pre><script>x()</script> | `` ``` & \x00\x1b[31m"
"""What a client may print that means something in one of the forms of the report."""


def undisturbed(**more: Any) -> BaselineRun:
    given: dict[str, Any] = {"transport": "tcp", "when": "first", "succeeded": True, "why": ""}
    given |= {"seconds": 0.1, "exit": 0, "signal": None, "requests": 1, "connections": 1}
    return BaselineRun(**{**given, **more})


FAILED = result(
    "wrong",
    False,
    id="fail/always/ws",
    fault="fail",
    transport="ws",
    expectation="notice",
    why="status 0, though the goal cannot be reached",
    exit=0,
    seconds=1.25,
    requests=2,
    answered=1,
    connections=1,
    did=("fail, 2 times",),
    stderr=f"first\n{NASTY}\n",
    journal=("0.001 s  ws #1  connected", NASTY),
    packets=(Bytes("client", NASTY, 99), Bytes("outlet", "{}", 2)),
    repeat="invis-sim gauntlet --only fail/always/ws --seed 7 -- client",
    at_the_desk="invis-sim run --seed 7 --fault fail",
)
CASES = (
    result("survived", id="split/bytes/tcp", fault="split"),
    FAILED,
    result("skipped", id="stale/1-ago/tcp", fault="stale", why="it asks once"),
    result(
        "hung", False, id="drop/always/tcp", expectation="notice", signal=15, why="still running"
    ),
)


def report(*cases: Any, **more: Any) -> Report:
    """A report about these cases, or about `CASES`."""
    every = cases or CASES
    baseline = more.pop(
        "baseline", Baseline(seconds=0.1, first=True, last=True, runs=(undisturbed(),))
    )
    status = status_of(baseline, every, interrupted=False, problems=False)
    return Report(
        version=1,
        seed=7,
        command=("client", "{port}"),
        scenario="",
        plan="faults",
        baseline=baseline,
        cases=every,
        summary=summarize(every),
        as_expected=status == "as expected",
        status=status,
        seconds=12.5,
        **more,
    )


BROKEN = report(
    baseline=Baseline(
        seconds=0.1,
        first=False,
        last=None,
        runs=(undisturbed(succeeded=False, why="ended with status 4", stderr=NASTY),),
    )
)

"""The verdict on a run of a client, by its exit status and by the outlet's journal. Pure."""

import re
from typing import Literal, TypeAlias

import msgspec

from invis_sim.faults.case import Expectation
from invis_sim.gauntlet.process import Ended
from invis_sim.gauntlet.witness import Observed

__all__ = ["VERDICTS", "Judged", "Verdict", "has_crash_report", "is_as_expected", "judge"]

Verdict: TypeAlias = Literal[
    "survived",
    "noticed",
    "wrong",
    "crashed",
    "hung",
    "did not recover",
    "flooded",
    "not reached",
    "skipped",
]

VERDICTS: dict[Verdict, str] = {
    "survived": "it reached its goal",
    "noticed": "it said that it could not reach its goal",
    "wrong": "it claimed success though there was none",
    "crashed": "a signal or an unhandled error ended it",
    "hung": "it was still running at the deadline",
    "did not recover": "it failed again when the fault was gone",
    "flooded": "it asked the outlet too often",
    "not reached": "it never met the fault",
    "skipped": "the case was not run, or is not for this client",
}
"""Each with what it says about the client."""

SKIPPED_EXIT = 77
"""The exit status by which a client says that a case is not for it; as in automake and CTest."""

_CRASH_REPORTS = re.compile(
    rb"^[^\w\n]*Traceback \(most recent call last\)"  # Python, also in a box that rich has drawn
    rb"|^panic: |^fatal error: "  # Go
    rb"|^thread '.*' panicked at |^Exception in thread "  # Rust, Java
    rb"|^Unhandled exception|^Uncaught |^Node\.js v\d|^terminate called ",  # .NET, Dart, Node, C++
    re.MULTILINE,
)


class Judged(msgspec.Struct, frozen=True):
    """A verdict, and why in a few words."""

    verdict: Verdict
    why: str


def has_crash_report(stderr: bytes) -> bool:
    """Return whether a run-time of the usual languages has reported an unhandled error."""
    return _CRASH_REPORTS.search(stderr) is not None


def is_as_expected(verdict: Verdict, expectation: Expectation) -> bool:
    """Return whether a good client may end so."""
    if verdict == "skipped":
        return True
    return (
        verdict
        in {
            "survive": ("survived",),
            "notice": ("noticed",),
            "either": ("survived", "noticed"),
        }[expectation]
    )


def judge(
    expectation: Expectation,
    ended: Ended,
    observed: Observed,
    *,
    max_asked: int,
    crash_reports: bool = True,
) -> Judged:
    """Return the verdict on a run.

    max_asked: how many requests and connections together are too many, minus one.
    crash_reports: whether a report on stderr means a crash: not where the undisturbed client has
    one as well.
    """
    asked = observed.requests + observed.connections
    if ended.ended_by_itself and ended.exit == SKIPPED_EXIT:
        return Judged("skipped", f"the client says that it is not for it (status {SKIPPED_EXIT})")
    if asked > max_asked:
        return Judged(
            "flooded",
            f"{observed.requests} requests on {observed.connections} connections, "
            f"where {max_asked} together would do",
        )
    if ended.killed:
        return Judged("hung", f"still running after {ended.seconds:.1f} s")
    if ended.signal is not None:
        return Judged("crashed", f"ended by signal {ended.signal}")
    if crash_reports and has_crash_report(ended.stderr):
        return Judged("crashed", f"an unhandled error on stderr, status {ended.exit}")
    if not observed.reached:
        return Judged("not reached", observed.nearest)
    if ended.exit != 0:
        return Judged("noticed", f"status {ended.exit}")
    if expectation == "notice":
        return Judged("wrong", "status 0, though the goal cannot be reached")
    return Judged("survived", "status 0")

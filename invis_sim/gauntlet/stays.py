"""Clients that run on: judged by the journal alone, by whether they recover.

The goal of such a client is that it goes on asking and being answered. It meets a fault, the fault
ends, and then its requests must be answered again within a time.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Literal, TypeAlias

import msgspec
import trio

from invis_sim.gauntlet.outlets import CaseOutlet
from invis_sim.gauntlet.planned import PlannedCase
from invis_sim.gauntlet.process import Ended
from invis_sim.gauntlet.verdict import Judged, has_crash_report
from invis_sim.gauntlet.watch import Watch
from invis_sim.gauntlet.witness import find_target, is_reached, nearest
from invis_sim.journal import Entry, Exchange

__all__ = [
    "MIN_FAULT_SECONDS",
    "Timing",
    "baseline_problem",
    "end_case",
    "judge_end",
    "judge_staying",
    "must_recover",
    "wait_for_period",
]

RECOVERY_REASON = "When it is over, the client must ask and be answered again."

POLL_SECONDS = 0.02
"""How often the journal is looked at: an exchange gets its bytes after it was recorded, without an
entry of its own."""

MIN_FAULT_SECONDS = 0.5
"""How long a fault goes on after it was met, so that a client has time to make things worse."""


class Timing(msgspec.Struct, frozen=True):
    """How long the parts of a case may take, in real seconds.

    reach: until the fault is met. fault: how long it goes on then. recover: until the client is
    answered again, after its end.
    """

    reach: float
    fault: float
    recover: float


End: TypeAlias = Literal["yes", "late", "ended", "flooded"]
"""What ended a wait."""


def must_recover(case: PlannedCase) -> PlannedCase:
    """Return the case for a client that runs on: whatever goes wrong, it must recover."""
    return msgspec.structs.replace(case, expectation="survive", reason=RECOVERY_REASON)


async def wait_for_period(
    seen: Watch, case: PlannedCase, ended: trio.Event, limit: float
) -> float | None:
    """Return the seconds from one answered request of an undisturbed client to the next about the
    same; None: it has not made two.
    """

    def answers() -> list[Exchange]:
        target = find_target(seen.entries, case.transport)
        return [] if target is None else _answers(seen.entries, target.callback)

    await _until(lambda: len(answers()) >= 2, seen, ended, limit)
    match answers():
        case [first, second, *_]:
            return second.seconds - first.seconds
    return None


def baseline_problem(ended: Ended, period: float | None) -> str:
    """Return why an undisturbed client does not stay; "": it does."""
    if not ended.killed:
        how = f"signal {ended.signal}" if ended.exit is None else f"status {ended.exit}"
        return f"ended with {how}, and --stays is for clients that run on"
    if period is None:
        return f"it was not answered twice about the same within {ended.seconds:.1f} s"
    return ""


async def end_case(outlet: CaseOutlet, case: PlannedCase, limit: float) -> None:
    """End what is wrong with an outlet, and wait until it is back."""
    if case.fault is not None:
        outlet.simulator.faults[case.fault.display_name].remove()
    with suppress(AssertionError):  # it is not back by then: then the client cannot recover either
        await outlet.simulator.wait_until_up(limit)


async def judge_staying(
    outlet: CaseOutlet,
    case: PlannedCase,
    seen: Watch,
    ended: trio.Event,
    timing: Timing,
) -> Judged | None:
    """Take a client that runs through a fault, and say whether it recovers; None: it has ended.

    ended: set when it has.
    """
    end = await _until(lambda: is_reached(seen.entries, case), seen, ended, timing.reach)
    if end == "late":
        return Judged("not reached", nearest(seen.entries, case))
    if end == "yes":
        end = await _until(lambda: False, seen, ended, timing.fault)
    if end in ("yes", "late"):
        await end_case(outlet, case, timing.recover)
        number = max((entry.number for entry in seen.entries), default=0)
        start = trio.current_time()
        end = await _until(
            lambda: bool(_answers(seen.entries, case.callback, after=number)),
            seen,
            ended,
            timing.recover,
        )
        if end == "yes":
            seconds = trio.current_time() - start
            return Judged("survived", f"answered again {seconds:.1f} s after the end of it")
        if end == "late":
            return Judged(
                "did not recover",
                f"no request was answered within {timing.recover:g} s after the end of it",
            )
    if end == "flooded":
        return Judged("flooded", "far more requests and connections than undisturbed")
    return None


def judge_end(ended: Ended, *, crash_reports: bool) -> Judged:
    """Return the verdict on a client that should run on and has ended by itself."""
    if ended.signal is not None:
        return Judged("crashed", f"ended by signal {ended.signal}")
    if crash_reports and has_crash_report(ended.stderr):
        return Judged("crashed", f"an unhandled error on stderr, status {ended.exit}")
    return Judged("did not recover", f"it ended with status {ended.exit}, though it should run on")


def _answers(entries: list[Entry], callback: int | None, after: int = 0) -> list[Exchange]:
    """Return the requests about a callback that have got a good answer; None: about any."""
    return [
        entry
        for entry in entries
        if isinstance(entry, Exchange)
        and entry.number > after
        and entry.request is not None
        and callback in (None, entry.callback)
        and entry.outcome == "success"
        and any(entry.sent)
        and not entry.faults
    ]


async def _until(is_so: Callable[[], bool], seen: Watch, ended: trio.Event, seconds: float) -> End:
    """Wait until something is so, or the client has ended, floods, or takes too long."""
    end = trio.current_time() + seconds
    while not is_so():
        if ended.is_set():
            return "ended"
        if seen.flooded.is_set():
            return "flooded"
        if trio.current_time() >= end:
            return "late"
        await trio.sleep(POLL_SECONDS)
    return "yes"

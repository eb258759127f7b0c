"""A single run of a client: undisturbed, through a case, once more, or as long as it stays."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import msgspec
import trio

from invis_sim.gauntlet import stays
from invis_sim.gauntlet.command import environment, fill
from invis_sim.gauntlet.coverage import Coverer
from invis_sim.gauntlet.options import Options
from invis_sim.gauntlet.outlets import CaseOutlet, ClosedPort, open_outlet
from invis_sim.gauntlet.planned import PlannedCase, Target
from invis_sim.gauntlet.process import RUN_VARIABLE, Ended, Limits, run_command
from invis_sim.gauntlet.result import BaselineRun
from invis_sim.gauntlet.verdict import SKIPPED_EXIT, Judged, has_crash_report, judge
from invis_sim.gauntlet.watch import Watch, watch
from invis_sim.gauntlet.witness import Observed, find_target, observe, requests_about
from invis_sim.protocol.transport import Transport
from invis_sim.scenario import Scenario
from invis_sim.server.runtime import Runtime

__all__ = ["Client", "Trial", "Trials", "shown_output"]

MIN_DEADLINE_SECONDS = 20.0
"""The usual time-outs of clients are 10 seconds to connect and 5 for a reply, perhaps one after the
other: a client that says so after that is not hung."""

BASELINES_PER_DEADLINE = 10
"""How many times as long as undisturbed a client may take."""

MAX_BASELINE_SECONDS = 60.0
"""When a client that is not disturbed is taken for one that never ends."""

MAX_BASELINE_ASKED = 2000
"""How many requests and connections a client that is not disturbed may make."""

MIN_ASKED_TO_FLOOD, BASELINES_PER_FLOOD = 30, 10
"""How many requests and connections are too many: more than this, and than so many times those of
the undisturbed run."""

PERIODS_OF_FAULT = 2
"""How many of its requests a client that stays makes while a fault is in force."""

MAX_TEXT_CHARACTERS = 4000
"""How much of a client's output the report has, from its end."""


class Client(msgspec.Struct, frozen=True):
    """A client as its undisturbed run shows it.

    target: at what cases are aimed. seconds: how long it takes; if it stays, from one of its
    requests to the next. max_asked: how much it may ask; if it stays, in that time.
    crash_reports: whether a report of an unhandled error means anything.
    skip: why no case on this transport is for it; "": they are.
    """

    target: Target = Target()
    seconds: float = 0.0
    max_asked: int = MIN_ASKED_TO_FLOOD
    crash_reports: bool = True
    skip: str = ""


class Trial(msgspec.Struct, frozen=True):
    """What came of a case. ended, observed: None where the client was not run."""

    judged: Judged
    ended: Ended | None = None
    observed: Observed | None = None


class _Running(msgspec.Struct):
    """A client that runs. done: set when it has ended, and then `ended` says how."""

    stop: trio.Event
    done: trio.Event
    ended: Ended | None = None


class Trials:
    """Runs a client against outlets.

    token: marks its processes. coverer: collects what the client met.
    """

    def __init__(
        self,
        options: Options,
        scenario: Scenario,
        runtime: Runtime,
        closed: ClosedPort,
        token: str,
        coverer: Coverer,
    ) -> None:
        self._options = options
        self._scenario = scenario
        self._runtime = runtime
        self._closed = closed
        self._token = token
        self._coverer = coverer

    # Undisturbed

    async def undisturbed(
        self, transport: Transport, when: Literal["first", "last"]
    ) -> tuple[BaselineRun, Client]:
        """Run the client against an outlet with which nothing is wrong."""
        case = PlannedCase(
            id=f"baseline/{transport}",
            kind="baseline",
            transport=transport,
            expectation="survive",
            reason="Nothing is wrong with the outlet.",
        )
        limit = self._options.timeout or MAX_BASELINE_SECONDS
        async with self._open(case, MAX_BASELINE_ASKED) as (outlet, seen):
            if self._options.stays:
                ended, period = await self._stay_undisturbed(outlet, case, seen, limit)
            else:
                ended = await self._run(outlet, Limits(limit, seen.flooded))
                period = None
        observed = observe(seen.entries, case)
        target = find_target(seen.entries, transport)
        if target is not None and self._options.callback is not None:
            callback = self._options.callback
            target = Target(callback, requests_about(seen.entries, callback))
        if self._options.stays:
            why, skip = stays.baseline_problem(ended, period), ""
            # In the middle of its life, so it is not known how many requests it will make.
            target = None if target is None else Target(target.callback)
        else:
            why, skip = _baseline_problem(ended, observed, target)
        run = BaselineRun(
            transport=transport,
            when=when,
            succeeded=not why,
            why=why or skip,
            seconds=round(ended.seconds, 3),
            exit=ended.exit,
            signal=ended.signal,
            requests=observed.requests,
            connections=observed.connections,
            stderr=shown_output(ended.stderr or ended.stdout),
        )
        asked = observed.requests + observed.connections
        return run, Client(
            target=target or Target(),
            seconds=ended.seconds if period is None else period,
            max_asked=max(MIN_ASKED_TO_FLOOD, BASELINES_PER_FLOOD * asked),
            crash_reports=not has_crash_report(ended.stderr),
            skip=skip,
        )

    async def _stay_undisturbed(
        self, outlet: CaseOutlet, case: PlannedCase, seen: Watch, limit: float
    ) -> tuple[Ended, float | None]:
        """Run a client that stays until it shows how often it asks; None: it does not."""
        async with self._running(outlet) as running:
            period = await stays.wait_for_period(seen, case, running.done, limit)
        assert running.ended is not None
        return running.ended, period

    # A case

    async def case(self, case: PlannedCase, client: Client) -> Trial:
        """Run the client through a case, and judge it."""
        if skip := client.skip or case.skip:
            return Trial(Judged("skipped", skip))
        limit = self._options.timeout or max(
            MIN_DEADLINE_SECONDS, BASELINES_PER_DEADLINE * client.seconds
        )
        if self._options.stays:
            return await self._stay(case, client, limit)
        async with self._open(case, client.max_asked) as (outlet, seen):
            ended = await self._run(outlet, Limits(limit, seen.flooded))
            seen.close()
            observed = observe(seen.entries, case)
            judged = judge(
                case.expectation,
                ended,
                observed,
                max_asked=client.max_asked,
                crash_reports=client.crash_reports,
            )
            if self._options.probe and judged.verdict in ("survived", "noticed"):
                judged = await self._probe(case, outlet, judged, limit)
        return Trial(judged, ended, observed)

    async def _probe(
        self, case: PlannedCase, outlet: CaseOutlet, judged: Judged, limit: float
    ) -> Judged:
        """Run the client again, on the same outlet, when the fault is gone."""
        await stays.end_case(outlet, case, limit)
        again = await self._run(outlet, Limits(limit))
        if again.killed:
            return Judged("did not recover", f"with the fault gone, it ran for {limit:g} s")
        if again.exit not in (0, SKIPPED_EXIT):
            how = f"signal {again.signal}" if again.exit is None else f"status {again.exit}"
            return Judged("did not recover", f"with the fault gone, it ended with {how}")
        return judged

    async def _stay(self, case: PlannedCase, client: Client, limit: float) -> Trial:
        fault = max(stays.MIN_FAULT_SECONDS, PERIODS_OF_FAULT * client.seconds)
        timing = stays.Timing(reach=limit, fault=fault, recover=limit)
        # A request each period, and a connection for it.
        per_second = 2 * BASELINES_PER_FLOOD / max(client.seconds, 0.001)
        async with self._open(case, MIN_ASKED_TO_FLOOD, per_second) as (outlet, seen):
            async with self._running(outlet) as running:
                judged = await stays.judge_staying(outlet, case, seen, running.done, timing)
            assert running.ended is not None
            if judged is None:
                judged = stays.judge_end(running.ended, crash_reports=client.crash_reports)
        return Trial(judged, running.ended, observe(seen.entries, case))

    # The parts

    @asynccontextmanager
    async def _open(
        self, case: PlannedCase, max_asked: int, per_second: float = 0.0
    ) -> AsyncIterator[tuple[CaseOutlet, Watch]]:
        async with (
            open_outlet(
                self._scenario,
                case,
                self._runtime,
                self._closed,
                self._options.ports,
                self._options.device,
            ) as outlet,
            watch(outlet.simulator.journal, max_asked, per_second) as seen,
        ):
            yield outlet, seen
            seen.close()
            self._coverer.add(seen.entries, outlet.simulator.scenario.product)

    async def _run(self, outlet: CaseOutlet, limits: Limits) -> Ended:
        """Run the command against an outlet."""
        command = fill(self._options.command, outlet.values)
        variables = {**environment(outlet.values), RUN_VARIABLE: self._token}
        return await run_command(command, variables, limits)

    @asynccontextmanager
    async def _running(self, outlet: CaseOutlet) -> AsyncIterator[_Running]:
        """Run the command for the time of the block; afterwards it has ended."""
        running = _Running(trio.Event(), trio.Event())

        async def run() -> None:
            running.ended = await self._run(outlet, Limits(float("inf"), running.stop))
            running.done.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            yield running
            running.stop.set()


def _baseline_problem(ended: Ended, observed: Observed, target: Target | None) -> tuple[str, str]:
    """Return why an undisturbed run has not reached its goal ("": it has), and why the transport is
    not for this client ("": it is).
    """
    if ended.killed:
        if observed.requests + observed.connections > MAX_BASELINE_ASKED:
            return f"more than {MAX_BASELINE_ASKED} requests and connections", ""
        return f"still running after {ended.seconds:.1f} s; --stays is for clients that run on", ""
    if ended.exit == SKIPPED_EXIT:
        return "", f"the client says that the transport is not for it (status {SKIPPED_EXIT})"
    if ended.signal is not None:
        return f"ended by signal {ended.signal}", ""
    if ended.exit != 0:
        return f"ended with status {ended.exit}", ""
    if not observed.connections:
        return "ended with status 0 without a connection to the outlet", ""
    if target is None:
        return "ended with status 0 without a request that the outlet could answer", ""
    return "", ""


def shown_output(output: bytes) -> str:
    """Return the end of a client's output for the report."""
    return output.decode(errors="replace")[-MAX_TEXT_CHARACTERS:]

"""Run a client through a plan: undisturbed, once per case, and undisturbed again."""

import shlex
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Literal

import msgspec
import trio

from invis_sim.gauntlet.command import environment, fill
from invis_sim.gauntlet.coverage import Coverer
from invis_sim.gauntlet.options import Options
from invis_sim.gauntlet.outlets import CaseOutlet, ClosedPort, open_outlet
from invis_sim.gauntlet.plan import PlannedCase, Target, make_plan
from invis_sim.gauntlet.process import (
    RUN_VARIABLE,
    Ended,
    Limits,
    end_escaped,
    new_token,
    run_command,
)
from invis_sim.gauntlet.result import (
    FORMAT_VERSION,
    Baseline,
    BaselineRun,
    CaseResult,
    Report,
    status_of,
    summarize,
)
from invis_sim.gauntlet.selection import select
from invis_sim.gauntlet.verdict import (
    SKIPPED_EXIT,
    Judged,
    has_crash_report,
    is_as_expected,
    judge,
)
from invis_sim.gauntlet.watch import watch
from invis_sim.gauntlet.witness import Observed, find_target, observe, requests_about
from invis_sim.protocol.transport import Transport
from invis_sim.scenario.loading import override
from invis_sim.server.runtime import Runtime, open_runtime

__all__ = ["Progress", "run_gauntlet"]

MIN_DEADLINE_SECONDS = 15.0
"""The usual time-outs of clients are 5 and 10 seconds: one that says so after that is not hung."""

BASELINES_PER_DEADLINE = 10
"""How many times as long as undisturbed a client may take."""

MAX_BASELINE_SECONDS = 60.0
"""When a client that is not disturbed is taken for one that never ends."""

MAX_BASELINE_ASKED = 2000
"""How many requests and connections a client that is not disturbed may make."""

MIN_ASKED_TO_FLOOD, BASELINES_PER_FLOOD = 30, 10
"""How many requests and connections are too many: more than this, and than so many times those of
the undisturbed run."""

MAX_TEXT_CHARACTERS = 4000
"""How much of a client's output the report has, from its end."""


class Progress(msgspec.Struct, frozen=True):
    """How far a run is. done, total: cases. result: the newest."""

    done: int
    total: int
    result: CaseResult


class _Client(msgspec.Struct, frozen=True):
    """A client as its undisturbed run shows it.

    target: at what cases are aimed. seconds: how long it takes. max_asked: how much it may ask.
    crash_reports: whether a report of an unhandled error means anything.
    skip: why no case on this transport is for it; "": they are.
    """

    target: Target = Target()
    seconds: float = 0.0
    max_asked: int = MIN_ASKED_TO_FLOOD
    crash_reports: bool = True
    skip: str = ""


async def run_gauntlet(
    options: Options,
    *,
    on_result: Callable[[Progress], None] = lambda progress: None,
    stop: trio.Event | None = None,
) -> Report:
    """Run a client through everything, and report what came of it.

    on_result: called after each case. stop: when it is set, clients are killed, and the report is
    about the cases that were run by then.

    Raises CannotStart for a command that cannot be started, SelectionError, StartError.
    """
    async with open_runtime(speed=options.speed) as runtime:
        with ClosedPort(options.scenario.listen.host) as closed:
            gauntlet = _Gauntlet(options, runtime, closed, on_result)
            try:
                return await gauntlet.run(trio.Event() if stop is None else stop)
            finally:
                end_escaped(gauntlet.token)


class _Gauntlet:
    """One run of the gauntlet."""

    def __init__(
        self,
        options: Options,
        runtime: Runtime,
        closed: ClosedPort,
        on_result: Callable[[Progress], None],
    ) -> None:
        self.token = new_token()
        self._options = options
        self._scenario = override(
            options.scenario, seed=options.seed, tcp_port=0, ws_port=0, mdns=False
        )
        self._runtime = runtime
        self._closed = closed
        self._on_result = on_result
        self._coverer = Coverer()
        self._clients: dict[Transport, _Client] = {}
        self._baseline_runs: list[BaselineRun] = []
        self._results: dict[int, CaseResult] = {}

    async def run(self, stop: trio.Event) -> Report:
        start = perf_counter()
        interrupted = True
        async with trio.open_nursery() as nursery:

            async def cancel_when_stopped() -> None:
                await stop.wait()
                nursery.cancel_scope.cancel()

            nursery.start_soon(cancel_when_stopped)
            await self._run_all()
            interrupted = False
            nursery.cancel_scope.cancel()
        return self._report(perf_counter() - start, interrupted=interrupted)

    async def _run_all(self) -> None:
        for transport in self._options.transports:
            await self._undisturbed(transport, "first")
        if not all(run.succeeded for run in self._baseline_runs):
            return
        targets = {transport: client.target for transport, client in self._clients.items()}
        plan = make_plan(self._options.plan, self._scenario, targets)
        cases = select(plan, self._options.only, self._options.skip)
        waiting = enumerate(cases)
        async with trio.open_nursery() as nursery:
            for _ in range(min(self._options.jobs, len(cases))):
                nursery.start_soon(self._work, waiting, len(cases))
        for transport, client in self._clients.items():
            if not client.skip:
                await self._undisturbed(transport, "last")

    async def _work(self, waiting: Iterator[tuple[int, PlannedCase]], total: int) -> None:
        """Run cases until none is left; several workers share them."""
        for number, case in waiting:
            result = await self._case(case)
            self._results[number] = result
            self._on_result(Progress(len(self._results), total, result))

    # Undisturbed

    async def _undisturbed(self, transport: Transport, when: Literal["first", "last"]) -> None:
        case = PlannedCase(
            id=f"baseline/{transport}",
            kind="baseline",
            transport=transport,
            expectation="survive",
            reason="Nothing is wrong with the outlet.",
        )
        seconds = self._options.timeout or MAX_BASELINE_SECONDS
        async with (
            open_outlet(self._scenario, case, self._runtime, self._closed) as outlet,
            watch(outlet.simulator.journal, MAX_BASELINE_ASKED) as seen,
        ):
            ended = await self._client(outlet, Limits(seconds, seen.flooded))
        observed = observe(seen.entries, case)
        self._coverer.add(seen.entries, self._scenario.product)
        target = find_target(seen.entries, transport)
        if target is not None and self._options.callback is not None:
            callback = self._options.callback
            target = Target(callback, requests_about(seen.entries, callback))
        why, skip = _baseline_problem(ended, observed, target)
        self._baseline_runs.append(
            BaselineRun(
                transport=transport,
                when=when,
                succeeded=not why,
                why=why or skip,
                seconds=round(ended.seconds, 3),
                exit=ended.exit,
                signal=ended.signal,
                requests=observed.requests,
                connections=observed.connections,
                stderr=_text(ended.stderr or ended.stdout),
            )
        )
        if when == "first":
            asked = observed.requests + observed.connections
            self._clients[transport] = _Client(
                target=target or Target(),
                seconds=ended.seconds,
                max_asked=max(MIN_ASKED_TO_FLOOD, BASELINES_PER_FLOOD * asked),
                crash_reports=not has_crash_report(ended.stderr),
                skip=skip,
            )

    # A case

    async def _case(self, case: PlannedCase) -> CaseResult:
        client = self._clients[case.transport]
        if skip := client.skip or case.skip:
            return self._result(case, Judged("skipped", skip), None, None)
        limit = self._options.timeout or max(
            MIN_DEADLINE_SECONDS, BASELINES_PER_DEADLINE * client.seconds
        )
        async with open_outlet(self._scenario, case, self._runtime, self._closed) as outlet:
            async with watch(outlet.simulator.journal, client.max_asked) as seen:
                ended = await self._client(outlet, Limits(limit, seen.flooded))
            observed = observe(seen.entries, case)
            self._coverer.add(seen.entries, outlet.simulator.scenario.product)
            judged = judge(
                case.expectation,
                ended,
                observed,
                max_asked=client.max_asked,
                crash_reports=client.crash_reports,
            )
            if self._options.probe and judged.verdict in ("survived", "noticed"):
                judged = await self._probe(case, outlet, judged, limit)
        return self._result(case, judged, ended, observed)

    async def _probe(
        self, case: PlannedCase, outlet: CaseOutlet, judged: Judged, limit: float
    ) -> Judged:
        """Run the client again, on the same outlet, when the fault is gone."""
        if case.fault is not None:
            outlet.simulator.faults[case.fault.display_name].remove()
        await outlet.simulator.wait_until_up(limit)
        again = await self._client(outlet, Limits(limit))
        if again.killed:
            return Judged("did not recover", f"with the fault gone, it ran for {limit:g} s")
        if again.exit not in (0, SKIPPED_EXIT):
            how = f"signal {again.signal}" if again.exit is None else f"status {again.exit}"
            return Judged("did not recover", f"with the fault gone, it ended with {how}")
        return judged

    async def _client(self, outlet: CaseOutlet, limits: Limits) -> Ended:
        """Run the command against an outlet."""
        command = fill(self._options.command, outlet.values)
        variables = {**environment(outlet.values), RUN_VARIABLE: self.token}
        return await run_command(command, variables, limits)

    # The report

    def _result(
        self, case: PlannedCase, judged: Judged, ended: Ended | None, observed: Observed | None
    ) -> CaseResult:
        as_expected = is_as_expected(judged.verdict, case.expectation)
        result = CaseResult(
            id=case.id,
            fault=case.kind,
            parameters=case.parameters,
            transport=case.transport,
            expectation=case.expectation,
            verdict=judged.verdict,
            as_expected=as_expected,
            reason=case.reason,
            why=judged.why,
            repeat=self._repeat(case),
            at_the_desk=self._at_the_desk(case),
        )
        if ended is not None:
            result = msgspec.structs.replace(
                result,
                seconds=round(ended.seconds, 3),
                exit=ended.exit,
                signal=ended.signal,
                stderr=_text(ended.stderr),
                stdout=_text(ended.stdout),
            )
        if observed is not None:
            result = msgspec.structs.replace(
                result,
                requests=observed.requests,
                answered=observed.answered,
                connections=observed.connections,
                did=observed.done,
                journal=observed.journal,
                packets=observed.packets,
            )
        return result

    def _repeat(self, case: PlannedCase) -> str:
        options = self._options
        given = ["gauntlet", *options.scenario_arguments, "--only", case.id]
        given += ["--seed", str(options.seed), *options.repeat_arguments, "--", *options.command]
        return _encodable(shlex.join(["invis-sim", *given]))

    def _at_the_desk(self, case: PlannedCase) -> str:
        if not case.inline:
            return ""
        given = [*self._options.scenario_arguments, "--seed", str(self._options.seed)]
        return _encodable(shlex.join(["invis-sim", "run", *given, "--fault", case.inline]))

    def _report(self, seconds: float, *, interrupted: bool) -> Report:
        cases = tuple(self._results[number] for number in sorted(self._results))
        baseline = self._baseline()
        status = status_of(baseline, cases, interrupted=interrupted, problems=False)
        return Report(
            version=FORMAT_VERSION,
            seed=self._options.seed,
            command=tuple(map(_encodable, self._options.command)),
            scenario=self._options.scenario_name,
            plan=self._options.plan,
            baseline=baseline,
            cases=cases,
            summary=summarize(cases),
            as_expected=status == "as expected",
            status=status,
            seconds=round(seconds, 3),
            coverage=self._coverer.coverage,
        )

    def _baseline(self) -> Baseline:
        first = [run for run in self._baseline_runs if run.when == "first"]
        last = [run for run in self._baseline_runs if run.when == "last"]
        return Baseline(
            seconds=max((run.seconds for run in first), default=0.0),
            first=all(run.succeeded for run in first) if first else None,
            last=all(run.succeeded for run in last) if last else None,
            callbacks={name: client.target.callback for name, client in self._clients.items()},
            runs=tuple(self._baseline_runs),
        )


def _baseline_problem(ended: Ended, observed: Observed, target: Target | None) -> tuple[str, str]:
    """Return why an undisturbed run has not reached its goal ("": it has), and why the transport is
    not for this client ("": it is).
    """
    if ended.killed:
        if observed.requests + observed.connections > MAX_BASELINE_ASKED:
            return f"more than {MAX_BASELINE_ASKED} requests and connections", ""
        return f"still running after {ended.seconds:.1f} s", ""
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


def _encodable(argument: str) -> str:
    """Return an argument for a report: those that are not UTF-8 have surrogates in Python."""
    return argument.encode(errors="replace").decode()


def _text(output: bytes) -> str:
    """The end of a client's output for the report."""
    return output.decode(errors="replace")[-MAX_TEXT_CHARACTERS:]

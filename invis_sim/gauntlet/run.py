"""Run a client through a plan: undisturbed, once per case, and undisturbed again."""

import shlex
from collections.abc import Callable, Iterator
from time import perf_counter

import msgspec
import trio

from invis_sim.gauntlet.coverage import Coverer
from invis_sim.gauntlet.options import Options
from invis_sim.gauntlet.outlets import ClosedPort
from invis_sim.gauntlet.plan import make_plan
from invis_sim.gauntlet.planned import PlannedCase
from invis_sim.gauntlet.process import end_escaped, new_token
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
from invis_sim.gauntlet.stays import must_recover
from invis_sim.gauntlet.trials import Client, Trial, Trials, shown_output
from invis_sim.gauntlet.verdict import is_as_expected
from invis_sim.protocol.transport import Transport
from invis_sim.recording.proxy import proxy_scenario
from invis_sim.scenario.loading import override
from invis_sim.server.runtime import Runtime, open_runtime

__all__ = ["Progress", "run_gauntlet"]


class Progress(msgspec.Struct, frozen=True):
    """How far a run is. done, total: cases. result: the newest."""

    done: int
    total: int
    result: CaseResult


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
    if options.device is not None:
        sn = await options.device.serial_number(options.transports[0])
        scenario = proxy_scenario(override(options.scenario, sn=sn))
        options = msgspec.structs.replace(options, scenario=scenario)
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
            options.scenario,
            seed=options.seed,
            tcp_port=0,
            ws_port=0,
            # Outlets of several cases at once have one serial number, and so one name.
            mdns=options.scenario.listen.mdns and options.jobs == 1,
            control=options.control,
            control_port=0,
        )
        self._on_result = on_result
        self._coverer = Coverer()
        self._trials = Trials(options, self._scenario, runtime, closed, self.token, self._coverer)
        self._clients: dict[Transport, Client] = {}
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
            run, self._clients[transport] = await self._trials.undisturbed(transport, "first")
            self._baseline_runs.append(run)
        if not all(run.succeeded for run in self._baseline_runs):
            return
        targets = {transport: client.target for transport, client in self._clients.items()}
        plan = make_plan(self._options.plan, self._scenario, targets)
        if self._options.stays:
            plan = tuple(map(must_recover, plan))
        cases = select(plan, self._options.only, self._options.skip)
        waiting = enumerate(cases)
        async with trio.open_nursery() as nursery:
            for _ in range(min(self._options.jobs, len(cases))):
                nursery.start_soon(self._work, waiting, len(cases))
        for transport, client in self._clients.items():
            if not client.skip:
                run, _ = await self._trials.undisturbed(transport, "last")
                self._baseline_runs.append(run)

    async def _work(self, waiting: Iterator[tuple[int, PlannedCase]], total: int) -> None:
        """Run cases until none is left; several workers share them."""
        for number, case in waiting:
            trial = await self._trials.case(case, self._clients[case.transport])
            result = self._result(case, trial)
            self._results[number] = result
            self._on_result(Progress(len(self._results), total, result))

    # The report

    def _result(self, case: PlannedCase, trial: Trial) -> CaseResult:
        judged, ended, observed = trial.judged, trial.ended, trial.observed
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
                signal=None if ended.killed else ended.signal,
                stderr=shown_output(ended.stderr),
                stdout=shown_output(ended.stdout),
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


def _encodable(argument: str) -> str:
    """Return an argument for a report: those that are not UTF-8 have surrogates in Python."""
    return argument.encode(errors="replace").decode()

"""What a run of the gauntlet found out, as data: the structs are the JSON report."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from invis_sim.faults.case import Expectation
from invis_sim.gauntlet.verdict import VERDICTS, Verdict
from invis_sim.gauntlet.witness import Bytes
from invis_sim.protocol.transport import Transport

__all__ = [
    "FORMAT_VERSION",
    "Baseline",
    "BaselineRun",
    "CaseResult",
    "Coverage",
    "Covered",
    "ExpectationProblem",
    "Report",
    "Status",
    "encode",
    "report_schema",
    "status_of",
    "summarize",
]

FORMAT_VERSION = 1
"""Of the JSON report; it rises when a key changes its meaning, or goes."""

Status: TypeAlias = Literal["as expected", "not as expected", "broken baseline", "interrupted"]
"""How a run of the gauntlet ended, as a whole."""


class BaselineRun(msgspec.Struct, frozen=True, kw_only=True):
    """An undisturbed run of the client.

    transport: on which. when: "first" or "last". succeeded: whether it reached its goal.
    why: what was wrong; "": nothing. seconds, exit, signal, stderr, requests, connections: as in a
    case.
    """

    transport: Transport
    when: Literal["first", "last"]
    succeeded: bool
    why: str
    seconds: float
    exit: int | None
    signal: int | None
    requests: int
    connections: int
    stderr: str = ""


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """The undisturbed runs, before and after the cases.

    seconds: how long the slowest of the first ones took. first, last: whether they all succeeded;
    None: they were not made.
    callbacks: at which requests the faults were aimed, for each transport; None: at any.
    """

    seconds: float
    first: bool | None
    last: bool | None
    callbacks: dict[Transport, int | None] = {}
    runs: tuple[BaselineRun, ...] = ()


class CaseResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one case.

    id, fault, parameters, transport, expectation: of the case. reason: why that is expected.
    verdict: what came of it. why: of the verdict, in a few words.
    as_expected: whether a good client ends so. known: the reason of the list of known failures, if
    it is on it; None: it is not.
    seconds, exit, signal: how the client ended; exit and signal are null where it was not run, or
    had to be ended.
    requests, answered, connections: what the outlet received and replied to.
    did: what the outlet did, in the words of its faults.
    stderr, stdout: the end of the client's output. journal: what the outlet saw.
    packets: the bytes.
    repeat: the command line that runs this case again. at_the_desk: one that runs such an outlet;
    "" where a single line cannot.
    """

    id: str
    fault: str
    parameters: dict[str, Any]
    transport: Transport
    expectation: Expectation
    verdict: Verdict
    as_expected: bool
    reason: str
    why: str
    seconds: float = 0.0
    exit: int | None = None
    signal: int | None = None
    requests: int = 0
    answered: int = 0
    connections: int = 0
    did: tuple[str, ...] = ()
    stderr: str = ""
    stdout: str = ""
    journal: tuple[str, ...] = ()
    packets: tuple[Bytes, ...] = ()
    repeat: str = ""
    at_the_desk: str = ""
    known: str | None = None

    @property
    def is_failure(self) -> bool:
        """Whether it is neither as expected nor a known failure."""
        return not self.as_expected and self.known is None


class Covered(msgspec.Struct, frozen=True):
    """What of a set of things the client ever met, and what not, by name."""

    met: tuple[str, ...]
    missing: tuple[str, ...]


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """What of the protocol the client met, over all runs.

    callbacks: which it asked for and got an answer. pushes: which it was sent.
    """

    callbacks: Covered
    pushes: Covered
    products: Covered
    update_stages: Covered


class ExpectationProblem(msgspec.Struct, frozen=True):
    """A difference to the list of known failures. id: of the case. problem: in words."""

    id: str
    problem: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A run of the gauntlet.

    version: of this format. seed: of all that is random. command: the client, with placeholders.
    cases: in the order of the plan; of an interrupted run, those that were run.
    summary: how many cases have each verdict. as_expected: whether all is as expected, known
    failures included. status: how it ended. seconds: how long it took.
    expectations: how it differs from the list of known failures.
    """

    version: int
    seed: int
    command: tuple[str, ...]
    scenario: str
    plan: str
    baseline: Baseline
    cases: tuple[CaseResult, ...]
    summary: dict[Verdict, int]
    as_expected: bool
    status: Status
    seconds: float
    coverage: Coverage | None = None
    expectations: tuple[ExpectationProblem, ...] = ()

    @property
    def failures(self) -> tuple[CaseResult, ...]:
        """The cases that are neither as expected nor known failures."""
        return tuple(case for case in self.cases if case.is_failure)


def summarize(cases: Iterable[CaseResult]) -> dict[Verdict, int]:
    """Return how many cases have each verdict, in the order of `VERDICTS`."""
    counts = Counter(case.verdict for case in cases)
    return {verdict: counts[verdict] for verdict in VERDICTS}


def status_of(
    baseline: Baseline, cases: Sequence[CaseResult], *, interrupted: bool, problems: bool
) -> Status:
    """Return how a run ended. problems: whether it differs from the list of known failures."""
    if baseline.first is False:
        return "broken baseline"
    if interrupted:
        return "interrupted"
    if baseline.last is False:
        return "broken baseline"
    failed = problems or any(case.is_failure for case in cases)
    return "not as expected" if failed else "as expected"


def report_schema() -> dict[str, Any]:
    """Return the JSON Schema of the report."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Report of invis-sim gauntlet",
        **msgspec.json.schema(Report),
    }


def encode(report: Report) -> bytes:
    """Return the report as JSON, on several lines."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"

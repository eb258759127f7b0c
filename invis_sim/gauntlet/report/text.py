"""The report for a terminal: the summary first, then what to do about each failure."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from invis_sim.gauntlet.planned import PlannedCase
from invis_sim.gauntlet.report.words import EXPECTATIONS, group_failures, headline, outcome_counts
from invis_sim.gauntlet.result import Baseline, CaseResult, Coverage, Covered, Report
from invis_sim.gauntlet.verdict import VERDICTS
from invis_sim.protocol.printable import printable

__all__ = ["case_lines", "text_list", "text_report"]

MAX_STDERR_LINES = 5
MAX_CASES_IN_DETAIL = 5
"""How many failures of a group are shown in full; the others are listed."""

MAX_PACKETS, MAX_PACKET_CHARACTERS = 6, 300
WIDTH = 100


def text_report(report: Report) -> str:
    """Return the report as text, which ends with a newline."""
    lines = [headline(report), *_baseline_lines(report.baseline), ""]
    lines += _verdict_lines(report)
    for problem in report.expectations:
        lines.append(f"  {problem.id}: {problem.problem}")
    if report.expectations:
        lines.append("")
    for title, cases in group_failures(report):
        lines += _group_lines(title, cases)
    if known := [case for case in report.cases if case.known is not None]:
        lines.append(f"Known failures ({len(known)}):")
        lines += [f"  {case.id}: {case.verdict}; {case.known}" for case in known]
        lines.append("")
    if report.coverage is not None:
        lines += _coverage_lines(report.coverage)
    lines.append(headline(report))
    return "".join(f"{printable(line)}\n" for line in lines)


def _baseline_lines(baseline: Baseline) -> Iterator[str]:
    for run in baseline.runs:
        if not run.succeeded:
            yield f"  undisturbed over {run.transport}, {run.when}: {run.why}"
            yield from (f"    | {line}" for line in _last_lines(run.stderr))


def _verdict_lines(report: Report) -> Iterator[str]:
    for verdict, count, unexpected in outcome_counts(report):
        failed = f", {unexpected} not as expected" if unexpected else ""
        yield f"  {count:4} {verdict}{failed} ({VERDICTS[verdict]})"
    if report.cases:
        yield ""


def _group_lines(title: str, cases: Sequence[CaseResult]) -> Iterator[str]:
    yield f"{title} ({len(cases)}):"
    yield ""
    # One of each kind of fault: the others of that kind are like it.
    shown = list({case.fault: case for case in reversed(cases)}.values())[::-1]
    shown = shown[:MAX_CASES_IN_DETAIL]
    for case in shown:
        yield from case_lines(case)
        yield ""
    others = [case for case in cases if case not in shown]
    if others:
        listed = ", ".join(case.id for case in others)
        yield from textwrap.wrap(
            f"and also: {listed}",
            WIDTH,
            initial_indent="  ",
            subsequent_indent="    ",
            break_on_hyphens=False,
            break_long_words=False,
        )
        yield ""


def case_lines(case: CaseResult) -> Iterator[str]:
    """Yield what a report says about a case, in lines that are harmless on a terminal."""
    return map(printable, _case_lines(case))


def _case_lines(case: CaseResult) -> Iterator[str]:
    yield f"  {case.id}: {case.verdict} ({case.why})"
    if case.did:
        yield f"    the outlet:  {'; '.join(case.did)}"
    yield f"    expected:    {EXPECTATIONS[case.expectation]}: {case.reason}"
    if case.verdict == "skipped" and case.exit is None:
        return
    yield (
        f"    the client:  {_ended(case)} after {case.seconds:.2f} s; "
        f"{_count(case.requests, 'request')} ({case.answered} answered) on "
        f"{_count(case.connections, 'connection')}"
    )
    yield from (f"      | {line}" for line in _last_lines(case.stderr or case.stdout))
    for packet in case.packets[:MAX_PACKETS]:
        arrow = "→" if packet.sent_by == "client" else "←"
        text = packet.text[:MAX_PACKET_CHARACTERS]
        more = "" if len(text) == len(packet.text) else f"… ({packet.size} bytes)"
        yield f"      {arrow} {text}{more}"
    if case.repeat:
        yield f"    repeat it:   {case.repeat}"
    if case.at_the_desk:
        yield f"    at the desk: {case.at_the_desk}"


def _ended(case: CaseResult) -> str:
    if case.exit is not None:
        return f"ended with status {case.exit}"
    return "had to be ended" if case.signal is None else f"ended by signal {case.signal}"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" + ("" if number == 1 else "s")


def _last_lines(output: str) -> list[str]:
    lines = [line for line in output.splitlines() if line.strip()]
    return lines[-MAX_STDERR_LINES:]


def _coverage_lines(coverage: Coverage) -> Iterator[str]:
    yield "What of the protocol the client met:"
    for title, covered in (
        ("callbacks", coverage.callbacks),
        ("pushes", coverage.pushes),
        ("products", coverage.products),
        ("stages of updates", coverage.update_stages),
    ):
        yield f"  {title}: {_covered(covered)}"
    yield ""


def _covered(covered: Covered) -> str:
    total = len(covered.met) + len(covered.missing)
    return f"{len(covered.met)} of {total}" + (f": {', '.join(covered.met)}" if covered.met else "")


def text_list(cases: Iterable[PlannedCase]) -> str:
    """Return the cases of a plan as text, a line each."""
    return "".join(
        f"{case.id:40} {EXPECTATIONS[case.expectation]:21}  {case.skip or case.reason}\n"
        for case in cases
    )

"""The report as Markdown, for the summary of a CI job."""

import re
from collections.abc import Iterator

from invis_sim.gauntlet.report.text import case_lines
from invis_sim.gauntlet.report.words import (
    EXPECTATIONS,
    group_failures,
    headline,
    outcome_counts,
)
from invis_sim.gauntlet.result import CaseResult, Report
from invis_sim.gauntlet.verdict import VERDICTS

__all__ = ["markdown_report"]

MAX_DETAILS = 50
"""How many failures are shown in full: GitHub takes a megabyte for the summary of a job."""


def markdown_report(report: Report) -> str:
    """Return the report as Markdown of the kind that GitHub shows."""
    return "\n".join([*_head(report), *_problems(report), *_failures(report)]) + "\n"


def _head(report: Report) -> Iterator[str]:
    mark = "✅" if report.as_expected else "❌"
    yield f"## {mark} invis-sim gauntlet"
    yield ""
    yield headline(report)
    yield ""
    for run in report.baseline.runs:
        if not run.succeeded:
            yield f"- undisturbed over {run.transport}, {run.when}: {_escape(run.why)}"
    if not report.cases:
        return
    yield "| verdict | cases | not as expected | |"
    yield "|---|---:|---:|---|"
    for verdict, count, unexpected in outcome_counts(report):
        yield f"| {verdict} | {count} | {unexpected or ''} | {VERDICTS[verdict]} |"
    yield ""


def _problems(report: Report) -> Iterator[str]:
    if report.expectations:
        yield "### The list of known failures"
        yield ""
        for problem in report.expectations:
            yield f"- `{problem.id}` {_escape(problem.problem)}"
        yield ""
    known = [case for case in report.cases if case.known is not None]
    if known:
        yield "<details><summary>Known failures</summary>"
        yield ""
        for case in known:
            yield f"- `{case.id}`: {case.verdict}; {_escape(case.known or '')}"
        yield ""
        yield "</details>"
        yield ""


def _failures(report: Report) -> Iterator[str]:
    shown = 0
    for title, cases in group_failures(report):
        yield f"### {title} ({len(cases)})"
        yield ""
        yield "| case | what the client did | expected |"
        yield "|---|---|---|"
        for case in cases:
            expected = f"{EXPECTATIONS[case.expectation]}: {case.reason}"
            ended = f"{case.verdict}: {case.why}"
            yield f"| `{case.id}` | {_escape(ended)} | {_escape(expected)} |"
        yield ""
        for case in cases[: max(0, MAX_DETAILS - shown)]:
            yield from _details(case)
        shown += len(cases)


def _details(case: CaseResult) -> Iterator[str]:
    text = "\n".join(case_lines(case))
    # Longer than any run of backticks in what the client or the outlet has said.
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    yield f"<details><summary>{case.id}</summary>"
    yield ""
    yield f"{fence}text"
    yield text
    yield fence
    yield ""
    yield "</details>"
    yield ""


def _escape(text: str) -> str:
    """Return text that Markdown shows as it is."""
    for character in "\\`*_[]<>#|":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())

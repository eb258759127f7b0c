"""What all forms of the report say in the same words."""

from collections import Counter
from collections.abc import Iterator

from invis_sim.faults.case import Expectation
from invis_sim.gauntlet.result import CaseResult, Report
from invis_sim.gauntlet.verdict import VERDICTS, Verdict

__all__ = ["EXPECTATIONS", "group_failures", "headline", "outcome_counts"]

EXPECTATIONS: dict[Expectation, str] = {
    "survive": "must survive",
    "notice": "must notice",
    "either": "may survive or notice",
}

_GROUPS: tuple[tuple[Verdict, Expectation | None, str], ...] = (
    ("crashed", None, "The client crashed"),
    ("hung", "notice", "The client has no time-out for this, so it never said that it failed"),
    ("hung", None, "The client waited for ever where it could have gone on"),
    ("wrong", None, "The client claimed success though it cannot have had any"),
    ("flooded", None, "The client asked again and again, without end"),
    ("noticed", None, "The client gave up where it must get through"),
    ("did not recover", None, "The client did not recover when the fault was gone"),
    ("not reached", None, "The client never met the fault, so these cases prove nothing"),
)
"""What failures have in common: the verdict, and where that matters the expectation."""


def headline(report: Report) -> str:
    """Return the result in a sentence."""
    if report.status == "broken baseline":
        when = "before" if report.baseline.first is False else "after"
        return (
            f"Broken baseline: {when} the cases, the client does not reach its goal with an outlet "
            "with which nothing is wrong."
        )
    skipped = report.summary["skipped"]
    total = len(report.cases) - skipped
    good = sum(case.as_expected for case in report.cases) - skipped
    known = sum(case.known is not None for case in report.cases)
    text = f"{good} of {total} cases as expected"
    if known:
        text += f", {known} known failures"
    if failures := len(report.failures):
        text += f", {failures} not as expected"
    if skipped:
        text += f", {skipped} skipped"
    if report.status == "interrupted":
        text += "; interrupted"
    return f"{text} (seed {report.seed}, {report.seconds:.1f} s)."


def outcome_counts(report: Report) -> Iterator[tuple[Verdict, int, int]]:
    """Yield each verdict that there is, how often, and how often it is not as expected."""
    unexpected = Counter(case.verdict for case in report.cases if not case.as_expected)
    for verdict in VERDICTS:
        if count := report.summary.get(verdict, 0):
            yield verdict, count, unexpected[verdict]


def group_failures(report: Report) -> Iterator[tuple[str, list[CaseResult]]]:
    """Yield the failures grouped by what they have in common: a title, and the cases."""
    left = list(report.failures)
    for verdict, expectation, title in _GROUPS:
        group = [
            case
            for case in left
            if case.verdict == verdict and expectation in (None, case.expectation)
        ]
        left = [case for case in left if case not in group]
        if group:
            yield title, group

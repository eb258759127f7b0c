"""Known failures: a file that says which cases a client fails and why, so that CI can go on, and
fails when one more comes, or when one of them is mended.
"""

import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Annotated, Any

import msgspec
import tomli

from invis_sim.gauntlet.result import CaseResult, ExpectationProblem, Report, status_of
from invis_sim.gauntlet.verdict import Verdict
from invis_sim.scenario.toml_positions import key_lines
from invis_sim.scenario.toml_text import to_toml
from invis_sim.schema.build import build
from invis_sim.schema.fields import Path as KeyPath

__all__ = [
    "ExpectError",
    "KnownFailure",
    "KnownFailures",
    "compare",
    "encode",
    "is_list",
    "read",
    "renew",
]

FIRST_REASON = "not examined yet"
"""What is written as the reason of a failure: its author knows it, the gauntlet does not."""

COMMENTS = (
    "Known failures of a client, for `invis-sim gauntlet --expect FILE`. It fails on any other,\n"
    "on one of these that passes, and on cases that are not listed here.\n"
    "--write-expect writes it and keeps the reasons: say why each is known, or where to find more."
)

_LIST = re.compile(
    rb"# Known failures of a client\b|^(?:\[known\b|known\s*[.=]|cases\s*=)", re.MULTILINE
)
"""What a list has near its beginning, with our comments or without."""


class ExpectError(ValueError):
    """A file that cannot be used. problems: one line each."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions are pickled by their `args`, which are not what `__init__` takes.
        return type(self), (self.problems,), self.__dict__


class KnownFailure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A case that the client fails.

    verdict: how. reason: why that is known and accepted.
    """

    verdict: Verdict
    reason: Annotated[str, msgspec.Meta(min_length=1)]


class KnownFailures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file.

    cases: the ids of all cases that there were when it was written.
    known: those that the client fails.
    """

    cases: tuple[str, ...] = ()
    known: dict[str, KnownFailure] = {}


def read(path: str) -> KnownFailures:
    """Return what a file says. Raises ExpectError with every problem of it, and its line."""
    try:
        text = Path(path).read_text(encoding="utf-8")
        data = tomli.loads(text)
    except OSError as error:
        raise ExpectError([f"{path}: {error.strerror}"]) from None
    except UnicodeDecodeError as error:
        raise ExpectError([f"{path}: not UTF-8: {error.reason}"]) from None
    except (tomli.TOMLDecodeError, RecursionError) as error:
        raise ExpectError([f"{path}: not TOML: {error}"]) from None
    known, problems = {}, []
    lines = key_lines(text)
    entries = data.pop("known", {})
    listed, found = build(KnownFailures, data)
    problems += found
    if isinstance(entries, dict):
        for name, entry in entries.items():
            known[name], found = build(KnownFailure, entry, path=("known", name))
            problems += found
    else:
        _, found = build(dict[str, KnownFailure], entries, path=("known",))
        problems += found
    if problems:
        raise ExpectError(f"{path}:{_line(problem.path, lines)}: {problem}" for problem in problems)
    return KnownFailures(listed.cases, known)


def _line(path: KeyPath, lines: dict[KeyPath, int]) -> int:
    """Return the line of a path; of a key that is missing, that of its table."""
    while path not in lines:
        path = path[:-1]
    return lines[path]


def compare(report: Report, expected: KnownFailures, every_id: Collection[str]) -> Report:
    """Return the report with known failures marked, and with what differs from the list.

    every_id: the ids of all cases that there are, whether they were run or not.
    """
    cases = tuple(_marked(case, expected) for case in report.cases)
    problems = [
        problem for case in cases if (problem := _problem(case, expected, every_id)) is not None
    ]
    problems += (
        ExpectationProblem(name, "is on the list of known failures, and there is no such case")
        for name in expected.known
        if name not in every_id
    )
    interrupted = report.status == "interrupted"
    status = status_of(report.baseline, cases, interrupted=interrupted, problems=bool(problems))
    return msgspec.structs.replace(
        report,
        cases=cases,
        expectations=tuple(problems),
        status=status,
        as_expected=status == "as expected",
    )


def _marked(case: CaseResult, expected: KnownFailures) -> CaseResult:
    known = expected.known.get(case.id)
    if known is None or case.as_expected or known.verdict != case.verdict:
        return case
    return msgspec.structs.replace(case, known=known.reason)


def _problem(
    case: CaseResult, expected: KnownFailures, every_id: Collection[str]
) -> ExpectationProblem | None:
    known = expected.known.get(case.id)
    if case.verdict == "skipped":
        return None  # this says nothing about it
    if known is not None and case.as_expected:
        return ExpectationProblem(
            case.id,
            f"is on the list of known failures as {known.verdict!r}, and is as expected now "
            f"({case.verdict}): take it off the list",
        )
    if known is not None and known.verdict != case.verdict:
        return ExpectationProblem(
            case.id,
            f"is on the list of known failures as {known.verdict!r}, and is {case.verdict!r} now",
        )
    if known is None and case.id not in expected.cases:
        return ExpectationProblem(
            case.id, "is not on the list of cases: it is new; write the list again"
        )
    return None


def renew(report: Report, before: KnownFailures) -> KnownFailures:
    """Return the list for what a run has found. Reasons stay, and so does what was not run."""
    ran = {case.id for case in report.cases if case.verdict != "skipped"}
    known = {name: entry for name, entry in before.known.items() if name not in ran}
    for case in report.cases:
        if not case.as_expected:
            old = before.known.get(case.id)
            reason = FIRST_REASON if old is None or old.verdict != case.verdict else old.reason
            known[case.id] = KnownFailure(case.verdict, reason)
    cases = dict.fromkeys((*before.cases, *(case.id for case in report.cases)))
    return KnownFailures(tuple(sorted(cases)), dict(sorted(known.items())))


def encode(expected: KnownFailures) -> bytes:
    """Return the content of the file."""
    return to_toml(msgspec.to_builtins(expected), (COMMENTS,)).encode()


def is_list(head: bytes) -> bool:
    """Return whether a file that begins like this seems to be a list of known failures."""
    return _LIST.search(head) is not None

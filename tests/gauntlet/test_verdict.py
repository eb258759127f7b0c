"""The verdict follows from how the client ended and from what the outlet saw."""

from typing import Any, get_args

from invis_sim.faults.case import Expectation
from invis_sim.gauntlet.process import Ended
from invis_sim.gauntlet.verdict import (
    VERDICTS,
    Verdict,
    has_crash_report,
    is_as_expected,
    judge,
)
from invis_sim.gauntlet.witness import Observed
from tests.cases import for_each

MAX_ASKED = 30


def ended(**more: Any) -> Ended:
    given: dict[str, Any] = {"exit": 0, "signal": None, "killed": False, "timed_out": False}
    return Ended(**{**given, "seconds": 1.0, "stdout": b"", "stderr": b"", **more})


def seen(**more: Any) -> Observed:
    return Observed(**{"requests": 1, "answered": 1, "connections": 1, "reached": True, **more})


KILLED: dict[str, Any] = {"exit": None, "signal": 15, "killed": True, "timed_out": True}
TRACEBACK = b"say\nTraceback (most recent call last):\n  File\nKeyError: 'sn'\n"


@for_each(
    ("expectation", "end", "saw", "verdict"),
    [
        ("survive", {}, {}, "survived"),
        ("either", {}, {}, "survived"),
        ("notice", {}, {}, "wrong"),
        ("notice", {"exit": 3}, {}, "noticed"),
        ("survive", {"exit": 1}, {}, "noticed"),
        ("notice", {"exit": None, "signal": 11}, {}, "crashed"),
        ("notice", {"exit": 1, "stderr": TRACEBACK}, {}, "crashed"),
        ("survive", {"stderr": TRACEBACK}, {}, "crashed"),
        ("notice", KILLED, {}, "hung"),
        ("survive", KILLED, {"requests": 30}, "flooded"),
        ("either", {"exit": 1}, {"connections": 99}, "flooded"),
        ("survive", {}, {"reached": False}, "not reached"),
        ("notice", {"exit": 1}, {"reached": False}, "not reached"),
        ("notice", {"exit": 1, "stderr": TRACEBACK}, {"reached": False}, "crashed"),
        ("notice", KILLED, {"reached": False}, "hung"),
        ("survive", {"exit": 77}, {"reached": False}, "skipped"),
    ],
)
def test_the_verdict(
    expectation: Expectation, end: dict[str, Any], saw: dict[str, Any], verdict: Verdict
) -> None:
    judged = judge(expectation, ended(**end), seen(**saw), max_asked=MAX_ASKED)
    assert judged.verdict == verdict
    assert judged.why or not saw.get("reached", True)


def test_a_report_on_stderr_means_nothing_where_the_undisturbed_client_has_one_too() -> None:
    end = ended(exit=1, stderr=TRACEBACK)
    judged = judge("notice", end, seen(), max_asked=MAX_ASKED, crash_reports=False)
    assert judged.verdict == "noticed"


@for_each(
    "stderr",
    [
        TRACEBACK,
        "╭─── Traceback (most recent call last) ───╮\n│ f()".encode(),
        b"panic: runtime error: index out of range\n\ngoroutine 1 [running]:\n",
        b"thread 'main' panicked at src/main.rs:4:5:\n",
        b'Exception in thread "main" java.lang.NullPointerException\n',
        b"Unhandled exception. System.NullReferenceException\n",
        b"node:internal/process\nError: x\n    at f (a.js:1:1)\n\nNode.js v22.1.0\n",
        b"terminate called after throwing an instance of 'std::out_of_range'\n",
    ],
)
def test_unhandled_errors_of_many_languages_are_known(stderr: bytes) -> None:
    assert has_crash_report(stderr)


def test_what_a_client_says_by_itself_is_no_crash() -> None:
    assert not has_crash_report(b"error: the outlet is away\nsee Traceback (most recent call last)")


def test_only_what_is_expected_and_what_was_skipped_is_as_expected() -> None:
    good: dict[Expectation, set[Verdict]] = {
        "survive": {"survived", "skipped"},
        "notice": {"noticed", "skipped"},
        "either": {"survived", "noticed", "skipped"},
    }
    for expectation in get_args(Expectation):
        found = {verdict for verdict in VERDICTS if is_as_expected(verdict, expectation)}
        assert found == good[expectation]
    assert set(VERDICTS) == set(get_args(Verdict))

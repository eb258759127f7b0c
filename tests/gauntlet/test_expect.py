"""Known failures let CI go on, and nothing else does."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invis_sim.gauntlet.expect import (
    FIRST_REASON,
    ExpectError,
    KnownFailure,
    KnownFailures,
    compare,
    encode,
    is_list,
    read,
    renew,
)
from invis_sim.gauntlet.result import CaseResult, Report
from invis_sim.gauntlet.verdict import VERDICTS, Verdict
from tests.gauntlet.reports import CASES, report
from tests.gauntlet.support import result

EVERY = [case.id for case in CASES]
LISTED = KnownFailures(
    tuple(EVERY),
    {
        "fail/always/ws": KnownFailure("wrong", "ticket 12"),
        "drop/always/tcp": KnownFailure("hung", "ticket 13"),
    },
)


def compared(expected: KnownFailures, *cases: CaseResult) -> Report:
    return compare(report(*cases), expected, EVERY)


def problems(found: Report) -> dict[str, str]:
    return {problem.id: problem.problem for problem in found.expectations}


def test_a_run_that_fails_as_known_is_as_expected() -> None:
    found = compared(LISTED)
    assert (found.status, found.as_expected) == ("as expected", True)
    assert [case.known for case in found.cases] == [None, "ticket 12", None, "ticket 13"]
    assert found.failures == ()


def test_another_failure_is_one() -> None:
    only = KnownFailures(LISTED.cases, {"fail/always/ws": KnownFailure("wrong", "ticket 12")})
    found = compared(only)
    assert found.status == "not as expected"
    assert [case.id for case in found.failures] == ["drop/always/tcp"]


def test_one_that_is_mended_must_go_from_the_list() -> None:
    mended = result("noticed", id="drop/always/tcp", expectation="notice")
    found = compared(LISTED, *CASES[:3], mended)
    assert found.status == "not as expected"
    assert problems(found) == {
        "drop/always/tcp": "is on the list of known failures as 'hung', and is as expected now "
        "(noticed): take it off the list"
    }


def test_one_that_fails_in_another_way_is_a_failure() -> None:
    crashed = result("crashed", False, id="drop/always/tcp", expectation="notice")
    found = compared(LISTED, *CASES[:3], crashed)
    assert problems(found) == {
        "drop/always/tcp": "is on the list of known failures as 'hung', and is 'crashed' now"
    }
    assert [case.id for case in found.failures] == ["drop/always/tcp"]


def test_a_case_that_is_new_and_one_that_is_gone_are_problems() -> None:
    old = KnownFailures(
        ("fail/always/ws", "drop/always/tcp"),
        {**LISTED.known, "drop/of-old/tcp": KnownFailure("hung", "x")},
    )
    assert problems(compared(old)) == {
        "split/bytes/tcp": "is not on the list of cases: it is new; write the list again",
        "drop/of-old/tcp": "is on the list of known failures, and there is no such case",
    }


def test_what_was_skipped_or_not_selected_says_nothing_about_the_list() -> None:
    skipped = result("skipped", id="drop/always/tcp", expectation="notice")
    assert problems(compared(LISTED, CASES[1], skipped)) == {}


def test_the_list_is_written_with_reasons_kept_and_what_was_not_run_left(tmp_path: Path) -> None:
    before = KnownFailures(
        ("fail/always/ws", "close/middle/ws"),
        {
            "fail/always/ws": KnownFailure("wrong", "ticket 12"),
            "close/middle/ws": KnownFailure("hung", "ticket 1"),
            "split/bytes/tcp": KnownFailure("noticed", "mended since"),
        },
    )
    renewed = renew(report(), before)
    assert renewed.known == {
        "close/middle/ws": KnownFailure("hung", "ticket 1"),
        "drop/always/tcp": KnownFailure("hung", FIRST_REASON),
        "fail/always/ws": KnownFailure("wrong", "ticket 12"),
    }
    assert set(renewed.cases) == {*EVERY, "close/middle/ws"}
    path = tmp_path / "known.toml"
    path.write_bytes(encode(renewed))
    assert read(str(path)) == renewed
    assert compare(report(), read(str(path)), [*EVERY, "close/middle/ws"]).as_expected


names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(
    st.dictionaries(names, st.tuples(st.sampled_from([*VERDICTS]), names), max_size=5),
    st.lists(names, max_size=5),
)
def test_what_is_written_is_what_is_read(
    known: dict[str, tuple[Verdict, str]], cases: list[str]
) -> None:
    import tempfile

    listed = KnownFailures(
        tuple(cases), {name: KnownFailure(*entry) for name, entry in known.items()}
    )
    content = encode(listed)
    without_comments = content.partition(b"\n\n")[2]
    assert is_list(content)
    assert is_list(without_comments)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "known.toml"
        path.write_bytes(content)
        assert read(str(path)) == listed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cases = 1", "known.toml:1: cases: expected"),
        ("casses = []", "known.toml:1: casses: unknown key"),
        ('\n[known."a/b/tcp"]\nverdict = "hangs"\nreason = "x"', ':3: known."a/b/tcp".verdict: '),
        ('\n[known."a/b/tcp"]\nverdict = "hung"', ":2: known."),
        ('[known."a/b/tcp"]\nverdict = "hung"\nreason = ""', ':3: known."a/b/tcp".reason: '),
        ("known = 3", "known.toml:1: known: expected"),
        ("[known]\nx = 3", "known.toml:2: known.x: expected"),
        ("[", "known.toml: not TOML: "),
    ],
)
def test_a_file_that_is_wrong_is_an_error_with_the_line(
    tmp_path: Path, text: str, expected: str
) -> None:
    path = tmp_path / "known.toml"
    path.write_text(text)
    with pytest.raises(ExpectError) as error:
        read(str(path))
    assert expected in str(error.value)
    assert str(error.value).startswith(str(path))


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Any) -> None:
    with pytest.raises(ExpectError, match="nope: No such file"):
        read(f"{tmp_path}/nope")

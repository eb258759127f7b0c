"""A test of many small cases fails with all that fail, and says which they are."""

from typing import Any

import pytest

from tests import cases
from tests.cases import for_each


@pytest.fixture(autouse=True)
def one_test_for_all_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the options of the run say."""
    monkeypatch.setattr(cases, "_split", False)


def is_even(number: int) -> None:
    assert number % 2 == 0


def is_refused(text: str, number: int) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        int(text)


def are_equal(first: int, second: int, fixture: list[Any]) -> None:
    fixture.append((first, second))
    assert first == second


def test_it_fails_with_all_cases_that_fail() -> None:
    with pytest.raises(ExceptionGroup, match="2 of 3 cases failed") as group:
        for_each("number", [1, 2, 3])(is_even)()
    first, second = group.value.exceptions
    assert isinstance(first, AssertionError)
    assert first.__notes__ == ["case: 1"]
    assert second.__notes__ == ["case: 3"]


def test_a_case_that_fails_alone_is_raised_itself_also_if_pytest_says_so() -> None:
    rows = [("a", 1), pytest.param("2", 2, id="digit"), ("b", 3)]
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE") as failed:
        for_each(("text", "number"), rows)(is_refused)()
    assert failed.value.__notes__ == ["case: digit"]


def test_cases_of_two_tables_are_combined_and_share_fixtures() -> None:
    inner = for_each("second", [1, 2], ids=["one", "two"])(are_equal)
    seen: list[tuple[int, int]] = []
    with pytest.raises(ExceptionGroup) as group:
        for_each("first", [1, 2])(inner)(fixture=seen)
    assert seen == [(1, 1), (1, 2), (2, 1), (2, 2)]
    notes = [error.__notes__ for error in group.value.exceptions]
    assert notes == [["case: two", "case: 1"], ["case: one", "case: 2"]]


def test_without_cases_it_fails() -> None:
    with pytest.raises(AssertionError, match="there are no cases"):
        for_each("number", [])(is_even)()


def test_each_case_is_a_test_of_its_own_where_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cases, "_split", True)
    (mark,) = for_each("number", iter([1, 2]))(is_even).pytestmark  # type: ignore[attr-defined]
    assert mark.args == ("number", [1, 2])

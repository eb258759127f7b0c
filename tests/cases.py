"""Tests of many small cases: the rows of a table, and examples by Hypothesis.

What pytest and pytest-xdist do for a test takes longer than most rows do.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from inspect import signature
from typing import Any

import pytest
from hypothesis import settings

__all__ = ["examples", "for_each", "split_cases"]

Test = Callable[..., None]

_split = False


def split_cases() -> None:
    """Make a test of its own of each case, as the option `--split-cases` asks for."""
    global _split
    _split = True


def for_each(
    names: str | Sequence[str],
    cases: Iterable[Any],
    *,
    ids: Iterable[str] | Callable[[Any], object] | None = None,
) -> Callable[[Test], Test]:
    """Call the test with each of the cases. It fails with all of those that failed.

    As `pytest.mark.parametrize`, but for one test: fixtures are the same for all cases.
    """
    rows = list(cases)
    labels = ids if ids is None or callable(ids) else list(ids)
    if _split:
        return pytest.mark.parametrize(names, rows, ids=labels)
    arguments = [names] if isinstance(names, str) else names

    def decorate(test: Test) -> Test:
        @wraps(test)
        def run(**fixtures: Any) -> None:
            __tracebackhide__ = True
            assert rows, "there are no cases"
            failed: list[BaseException] = []
            for number, row in enumerate(rows):
                values = _values(row, len(arguments))
                try:
                    test(**fixtures, **dict(zip(arguments, values, strict=True)))
                # pytest's own failures, as of `pytest.raises`, are no `Exception`.
                except (Exception, pytest.fail.Exception) as error:
                    error.add_note(f"case: {_name(row, values, number, labels)}")
                    failed.append(error)
            if len(failed) == 1:
                raise failed[0]
            if failed:
                raise BaseExceptionGroup(f"{len(failed)} of {len(rows)} cases failed", failed)

        given = signature(test)
        left = [part for name, part in given.parameters.items() if name not in arguments]
        run.__signature__ = given.replace(parameters=left)  # type: ignore[attr-defined]
        return run

    return decorate


def examples(factor: float) -> int:
    """How many examples a property gets that needs more than others: a multiple of what the
    profile gives each.
    """
    return round(factor * settings().max_examples)


def _values(row: Any, count: int) -> Sequence[Any]:
    """The arguments of a case."""
    if hasattr(row, "marks"):  # of `pytest.param`
        assert not row.marks, "a case that has marks must be a test of its own"
        values: Sequence[Any] = row.values
        return values
    return [row] if count == 1 else row


def _name(row: Any, values: Sequence[Any], number: int, labels: Any) -> str:
    """What tells the case from the others."""
    if getattr(row, "id", None) is not None and hasattr(row, "marks"):
        return str(row.id)
    if callable(labels):
        return "-".join(str(labels(value)) for value in values)
    return ", ".join(map(repr, values)) if labels is None else labels[number]

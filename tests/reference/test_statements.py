"""The table of statements names tests that there are."""

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.reference.statements import STATEMENTS, Statement

TESTS = Path(__file__).parent.parent


@cache
def functions(file: str) -> frozenset[str]:
    """The names of the tests in a file, and of the checks in tests that are made from a table."""
    tree = ast.parse((TESTS / file).read_text("utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, kinds))


@pytest.mark.parametrize("one", STATEMENTS, ids=lambda one: f"{one.section}: {one.text}")
def test_a_statement_is_covered_by_tests_that_exist(one: Statement) -> None:
    assert one.tests
    for name in one.tests:
        file, _, function = name.partition("::")
        assert function.startswith("test_")
        assert function in functions(file)


def test_each_statement_is_in_the_table_once() -> None:
    keys = [(one.section, one.text) for one in STATEMENTS]
    assert len(keys) == len(set(keys))

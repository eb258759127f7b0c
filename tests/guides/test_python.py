"""Each block of Python in the documents runs as it is shown: a script in this process, and all that
have tests in one run of pytest, behind the conftest that the same section has shown before.
"""

import re
from pathlib import Path

import pytest

from tests.guides.blocks import Block, block_of, shown
from tests.support import TIMEOUT

PYTHON = [block for block in shown("python") if not block.is_file]


def has_tests(block: Block) -> bool:
    return re.search(r"^\s*(async )?def test_", block.text, re.MULTILINE) is not None


def is_conftest(block: Block) -> bool:
    """Whether it is what a conftest.py has: fixtures, or hooks of pytest."""
    found = re.search(r"^@pytest\.fixture|^def pytest_", block.text, re.MULTILINE)
    return found is not None and not has_tests(block)


SCRIPTS = [block for block in PYTHON if not has_tests(block) and not is_conftest(block)]
MODULES = [block for block in PYTHON if has_tests(block)]


@pytest.mark.parametrize("block", SCRIPTS, ids=str)
def test_a_script_runs(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_script(block)


def run_script(block: Block) -> None:
    """Run it with the names of a script, and with the line numbers of the document."""
    text = "\n" * (block.line - 1) + block.text
    exec(compile(text, block.document, "exec", dont_inherit=True), {"__name__": "__main__"})


FAILING = block_of("python", "def test_it():\n    assert 1 == 2\n")


def test_the_tests_that_are_shown_pass_and_one_that_fails_is_noticed(
    pytester: pytest.Pytester,
) -> None:
    result = run_modules(pytester, [*MODULES, FAILING])
    outcomes = result.parseoutcomes()
    shown_tests = sum(len(re.findall(r"^def test_", b.text, re.MULTILINE)) for b in MODULES)
    assert outcomes.pop("passed") >= shown_tests  # `invis_gauntlet` makes several of one
    assert outcomes == {"failed": 1}
    result.stdout.fnmatch_lines("README-10/test_example.py:11: AssertionError")


def run_modules(pytester: pytest.Pytester, modules: list[Block]) -> pytest.RunResult:
    """Run pytest once, on a folder for each block."""
    pytester.makeini("""
        [pytest]
        addopts = -q --import-mode=importlib -p no:cacheprovider
        filterwarnings = error
        asyncio_default_fixture_loop_scope = function
    """)
    for block in modules:
        folder = pytester.mkdir(f"{Path(block.document).stem}-{block.line}")
        text = "\n" * (block.line - 1) + block.text
        (folder / "test_example.py").write_text(text, encoding="utf-8")
        (folder / "conftest.py").write_text(conftest_for(block), encoding="utf-8")
    return pytester.runpytest_subprocess("--durations=5", timeout=2 * TIMEOUT)


def conftest_for(block: Block) -> str:
    """What the same section of the document has shown before for a conftest.py."""
    return "\n".join(
        other.text
        for other in PYTHON
        if (other.document, other.section) == (block.document, block.section)
        and other.line < block.line
        and is_conftest(other)
    )


def test_a_script_that_fails_is_noticed_with_its_line() -> None:
    run_script(block_of("python", "import invis_sim\n"))
    with pytest.raises(ModuleNotFoundError) as error:
        run_script(block_of("python", "import invis_simulator\n"))
    assert error.traceback[-1].lineno == 9  # from 0

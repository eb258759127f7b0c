"""What holds for the whole suite."""

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.cases import split_cases

# The machines that run this are shared: how long an example takes says nothing about what it tests.
# Most properties are asked for each of several faults, keys or forms, so that they get hundreds of
# examples all the same; one that needs more than others has a multiple, as `examples` makes it.
settings.register_profile("invis-sim", deadline=None, print_blob=True, max_examples=10)
# Before a change is taken, it may take longer: `.ci/run` asks for this one.
settings.register_profile("ci", settings.get_profile("invis-sim"), max_examples=100)
# For a change of something that many rely on: pytest --hypothesis-profile=thorough
settings.register_profile("thorough", settings.get_profile("invis-sim"), max_examples=1000)
settings.load_profile("invis-sim")


# Hypothesis keeps which constants there are in our files, as to parse them takes seconds: also for
# runs of pytest that tests start in other folders.
os.environ.setdefault(
    "HYPOTHESIS_STORAGE_DIRECTORY", str(Path(__file__).parent.parent / ".hypothesis")
)

# Without a search for translations of each text of argparse, for each command line that is parsed:
# what tests expect is in English.
os.environ["LANGUAGE"] = "C"

# Until all tests are collected, since hardly anything ends before; and later seldom through all
# that lives, as with thousands of tests that is much, and most of it lasts.
gc.disable()
gc.set_threshold(*gc.get_threshold()[:2], 100)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--split-cases",
        action="store_true",
        help="make a test of its own of each case of a test with many small ones",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--split-cases"):
        split_cases()


def pytest_collection_finish() -> None:
    """Spare the garbage collector what lives until the end: thousands of collected tests, which it
    would otherwise go through again whenever a test asks for a collection.
    """
    gc.freeze()
    gc.enable()


@pytest.fixture
def busy_threads() -> Iterator[None]:
    """Python switches between threads as often as it can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)

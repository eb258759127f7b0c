"""The pytest plugin: fixtures that start outlets, a marker that says which, and the journal in the
report of a test that fails.

Every pytest run in an environment with this package loads it, so it imports nothing of the
simulator before a test asks for one, and it uses nothing that pytest 6.2 and pluggy 1.0 lack: it
must not break the test runs of a project that has no use for it.
"""

import argparse
import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary

import pytest

if TYPE_CHECKING:
    from invis_sim.gauntlet.planned import PlannedCase
    from invis_sim.scenario.loading import ScenarioSource
    from invis_sim.testing.fleet import FleetHandle
    from invis_sim.testing.gauntlet_tests import GauntletMarker
    from invis_sim.testing.handle import SimulatorHandle

from invis_sim.protocol.hidden_frames import hide_frames

__all__ = ["SimulatorFactory"]

__tracebackhide__ = hide_frames

MAX_SEED = 2**63 - 1
OPTION = "--invis-seed"
MARKER = "invis_scenario"
MARKER_HELP = (
    f"{MARKER}(scenario=None, *, speed=1.0, **overrides): what the fixture `invis_sim` starts, as "
    "for `invis_sim.start_simulator`; with `replay`, a journal file, as for "
    "`invis_sim.start_replay`; or, with `count`, what `invis_fleet` starts, as for "
    "`invis_sim.start_fleet`. On a function, a class or a module; of several, what the nearest "
    "says counts."
)
GAUNTLET = "invis_gauntlet"
GAUNTLET_HELP = (
    f"{GAUNTLET}(*, only=(), skip=(), plan='faults', transport='both', callback=None, requests=1, "
    "noticed=()): run the test once for each case of the gauntlet, with the fixture `invis_sim` in "
    "that state and `invis_case` to say which it is. A test that passes has survived; one that "
    "raises what `noticed` names has noticed that it cannot reach its goal."
)


class SimulatorFactory(Protocol):
    """What the fixture `invis_sim_factory` is."""

    def __call__(
        self,
        scenario: "ScenarioSource" = None,
        *,
        speed: float = 1.0,
        replay: str | os.PathLike[str] | None = None,
        **overrides: Any,
    ) -> "SimulatorHandle":
        """Start an outlet, which runs until the test ends. As `invis_sim.start_simulator`; with
        `replay`, a journal file, as `invis_sim.start_replay`.
        """


class _Outlets:
    """The outlets of one test.

    seed: of the first one that has none of its own; those that follow count up from it.
    failed: whether the test has failed.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.started: list[SimulatorHandle | FleetHandle] = []
        self.failed = False
        self._drawn = 0

    def next_seed(self) -> int:
        seed = (self.seed + self._drawn) % (MAX_SEED + 1)
        self._drawn += 1
        return seed

    def properties(self) -> list[tuple[str, object]]:
        """What a report for machines says."""
        found: list[tuple[str, object]] = [("invis_seed", self.seed)] if self._drawn else []
        if self.failed:
            found.append(("invis_journal", self.report()))
        return found

    def report(self) -> str:
        """What happened, for a human."""
        from invis_sim.testing.report import report_of

        parts = [f"repeat it with {OPTION}={self.seed}"] if self._drawn else []
        return "\n".join([*parts, *map(report_of, self.started)])


_outlets: "WeakKeyDictionary[pytest.Item, _Outlets]" = WeakKeyDictionary()
"""The outlets of the tests that run, for their reports."""


class _Trial:
    """A test that is the client of the gauntlet.

    case: what it is taken through. outlet: its outlet; None: it has not started.
    """

    def __init__(self, case: "PlannedCase") -> None:
        self.case = case
        self.outlet: SimulatorHandle | None = None


_trials: "WeakKeyDictionary[pytest.Item, _Trial]" = WeakKeyDictionary()
"""What the tests with the marker of the gauntlet are taken through."""


def _seed(text: str) -> int:
    if text.isascii() and text.isdecimal() and int(text) <= MAX_SEED:
        return int(text)
    raise argparse.ArgumentTypeError(f"expected an integer from 0 to 2**63 - 1, found {text!r}")


def pytest_addoption(parser: "pytest.Parser") -> None:
    parser.getgroup("invis-sim", "simulated outlets").addoption(
        OPTION,
        type=_seed,
        metavar="SEED",
        help="the seed of the random numbers of the outlets of a test, as the report of a failed "
        "test shows it; without it, a new one for each test",
    )


def pytest_configure(config: "pytest.Config") -> None:
    config.addinivalue_line("markers", MARKER_HELP)
    config.addinivalue_line("markers", GAUNTLET_HELP)


def pytest_generate_tests(metafunc: "pytest.Metafunc") -> None:
    node = metafunc.definition
    if node.get_closest_marker(GAUNTLET) is None:
        return
    from invis_sim.gauntlet.selection import SelectionError
    from invis_sim.scenario.loading import ScenarioError
    from invis_sim.testing.gauntlet_tests import cases_of

    if "invis_sim" not in metafunc.fixturenames:
        raise pytest.UsageError(f"{node.nodeid}: {GAUNTLET} is for tests that use invis_sim")
    if "invis_case" not in metafunc.fixturenames:
        metafunc.fixturenames.append("invis_case")
    scenario, options = _wanted(node)
    options.pop("speed", None)
    try:
        cases = cases_of(_gauntlet_marker(node), scenario, **options)
    except (SelectionError, ScenarioError) as error:
        raise pytest.UsageError(f"{node.nodeid}: {GAUNTLET}: {error}") from None
    metafunc.parametrize("invis_case", cases, ids=[case.id for case in cases], indirect=True)


def _gauntlet_marker(node: "pytest.Item") -> "GauntletMarker":
    """What the markers say, the nearest first heard."""
    from invis_sim.testing.gauntlet_tests import GauntletMarker

    options: dict[str, Any] = {}
    for mark in reversed(list(node.iter_markers(GAUNTLET))):
        if mark.args:
            raise pytest.UsageError(f"{node.nodeid}: {GAUNTLET} takes arguments by name only")
        options.update(mark.kwargs)
    try:
        return GauntletMarker(**options)
    except (TypeError, ValueError) as error:
        raise pytest.UsageError(f"{node.nodeid}: {GAUNTLET}: {error}") from None


@pytest.fixture
def _invis_outlets(request: "pytest.FixtureRequest") -> _Outlets:
    """The outlets of the test, for its report."""
    given: int | None = request.config.getoption(OPTION)
    # Without `secrets`, which every run would have to import.
    outlets = _Outlets(int.from_bytes(os.urandom(4), "big") if given is None else given)
    _outlets[request.node] = outlets
    return outlets


@pytest.fixture
def invis_sim_factory(_invis_outlets: _Outlets) -> Iterator[SimulatorFactory]:
    """Start any number of outlets: called as `invis_sim.start_simulator`, it returns the
    outlet, which runs until the test ends.
    """
    from invis_sim.scenario.loading import resolve
    from invis_sim.testing.block import start_simulator

    outlets = _invis_outlets
    with ExitStack() as stack:

        def start(
            scenario: "ScenarioSource" = None,
            *,
            speed: float = 1.0,
            replay: str | os.PathLike[str] | None = None,
            **overrides: Any,
        ) -> "SimulatorHandle":
            if replay is not None:
                from invis_sim.testing.replay import start_replay

                if scenario is not None:
                    raise ValueError("replay: expected no scenario beside it, found one")
                overrides.setdefault("seed", outlets.next_seed())
                block = start_replay(replay, speed=speed, **overrides)
            else:
                resolved = resolve(scenario, **overrides)
                if resolved.seed is None:
                    resolved = resolve(resolved, seed=outlets.next_seed())
                block = start_simulator(resolved, speed=speed)
            outlet = stack.enter_context(block)
            outlets.started.append(outlet)
            return outlet

        yield start


@pytest.fixture
def invis_case(request: "pytest.FixtureRequest") -> "PlannedCase":
    """The case of the gauntlet that this test is run with: its `id`, `transport`, `expectation`,
    `reason` and `fault`.
    """
    case: PlannedCase | None = getattr(request, "param", None)
    if case is None:
        raise pytest.UsageError(f"{request.node.nodeid}: invis_case needs the marker {GAUNTLET}")
    if case.skip:
        pytest.skip(case.skip)
    _trials[request.node] = _Trial(case)
    return case


@pytest.fixture
def invis_sim(
    request: "pytest.FixtureRequest", invis_sim_factory: SimulatorFactory
) -> Iterator["SimulatorHandle"]:
    """An outlet that runs until the test ends: the default one, or the one that the marker
    `invis_scenario` names; with the marker `invis_gauntlet` in the state of the case.
    """
    scenario, options = _wanted(request.node)
    if request.node.get_closest_marker(GAUNTLET) is None:
        yield invis_sim_factory(scenario, **options)
        return
    from invis_sim.testing.gauntlet_tests import hold_connections, outlet_of

    case = request.getfixturevalue("invis_case")
    speed = options.pop("speed", 1.0)
    outlet = invis_sim_factory(outlet_of(case, scenario, **options), speed=speed)
    with hold_connections(case, outlet):
        _trials[request.node].outlet = outlet
        yield outlet


@pytest.fixture
def invis_fleet(
    request: "pytest.FixtureRequest", _invis_outlets: _Outlets
) -> Iterator["FleetHandle"]:
    """Many outlets by serial number, which run until the test ends: of the scenario that the marker
    `invis_scenario` names, as many as its `count` or the `[fleet]` of the scenario says.
    """
    from invis_sim.scenario.fleet_loading import resolve_fleet
    from invis_sim.testing.fleet import start_fleet

    scenario, options = _wanted(request.node)
    speed = options.pop("speed", 1.0)
    resolved = resolve_fleet(scenario, **options)
    seed = _invis_outlets.next_seed() if resolved.seed is None else None
    with start_fleet(scenario=resolved, speed=speed, seed=seed) as fleet:
        _invis_outlets.started.append(fleet)
        yield fleet


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_call(item: "pytest.Item") -> Iterator[None]:
    outcome: Any = yield
    trial = _trials.get(item)
    if trial is None or trial.outlet is None:
        return
    from invis_sim.testing.gauntlet_tests import judge_test

    raised = None if outcome.excinfo is None else outcome.excinfo[1]
    if raised is not None and not isinstance(raised, _gauntlet_marker(item).noticed_types):
        return  # the test fails as any test does
    try:
        judge_test(trial.case, trial.outlet, raised)
    except AssertionError as error:
        if hasattr(outcome, "force_exception"):
            outcome.force_exception(error)
        else:  # pluggy 1.0
            outcome._excinfo = (type(error), error, error.__traceback__)
    else:
        outcome.force_result(None)


def _wanted(node: "pytest.Item") -> tuple["ScenarioSource", dict[str, Any]]:
    """What the markers say, the nearest first heard: scenario and options."""
    scenario: ScenarioSource = None
    options: dict[str, Any] = {}
    for mark in reversed(list(node.iter_markers(MARKER))):
        named = dict(mark.kwargs)
        args = (*mark.args, named.pop("scenario")) if "scenario" in named else mark.args
        if len(args) > 1:
            raise pytest.UsageError(
                f"{node.nodeid}: {MARKER} takes one scenario, found {len(args)}: {args!r}"
            )
        scenario = args[0] if args else scenario
        options.update(named)
    return scenario, options


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: "pytest.Item") -> Iterator[None]:
    outcome: Any = yield
    report: pytest.TestReport = outcome.get_result()
    outlets = _outlets.get(item)
    if outlets is None:
        return
    if report.failed:
        outlets.failed = True
        report.sections.append(("invis-sim", outlets.report()))
    if report.when == "teardown":
        # JUnit XML has no sections but of captured output; it takes properties of this report.
        report.user_properties += outlets.properties()
        del _outlets[item]  # the journals need not outlive the test

"""A test of a test suite as the client of the gauntlet: one test for each case.

The pytest plugin imports this only where a test has the marker `invis_gauntlet`.
"""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Annotated, Any, Literal, TypeAlias, get_args

import msgspec

from invis_sim.gauntlet.plan import PlanName, make_plan
from invis_sim.gauntlet.planned import PlannedCase, Target, scenario_of
from invis_sim.gauntlet.selection import select
from invis_sim.gauntlet.witness import is_reached, nearest
from invis_sim.protocol.transport import Transport
from invis_sim.scenario import Scenario
from invis_sim.scenario.loading import ScenarioSource, resolve
from invis_sim.schema.build import check, require
from invis_sim.schema.describe import shorten
from invis_sim.schema.fields import fields
from invis_sim.testing.handle import SimulatorHandle

__all__ = [
    "GauntletMarker",
    "UnexpectedOutcome",
    "cases_of",
    "hold_connections",
    "judge_test",
    "outlet_of",
]

Patterns: TypeAlias = str | tuple[str, ...]


class UnexpectedOutcome(AssertionError):
    """A test has not ended as a good client would."""


class GauntletMarker(msgspec.Struct, frozen=True, kw_only=True):
    """The arguments of the marker.

    only, skip: patterns of the cases. plan: "faults", "device" or "all".
    transport: "tcp", "ws" or "both". callback: the packets that faults touch; None: any.
    requests: how many requests about the same the test makes on one connection.
    noticed: exceptions by which the client says that it could not reach its goal.
    """

    only: Patterns = ()
    skip: Patterns = ()
    plan: PlanName = "faults"
    transport: Literal["tcp", "ws", "both"] = "both"
    callback: int | None = None
    requests: Annotated[int, msgspec.Meta(ge=1)] = 1
    noticed: type[BaseException] | tuple[type[BaseException], ...] = ()

    def __post_init__(self) -> None:
        for name, field in fields(type(self)).items():
            if name != "noticed":  # no plain data
                check(field.annotation, getattr(self, name), name)
        for one in self.noticed_types:
            valid = isinstance(one, type) and issubclass(one, BaseException)
            require(valid, "noticed", "exceptions", one)

    @property
    def noticed_types(self) -> tuple[type[BaseException], ...]:
        """The exceptions, as a tuple."""
        return self.noticed if isinstance(self.noticed, tuple) else (self.noticed,)


def cases_of(
    marker: GauntletMarker, scenario: ScenarioSource, **overrides: Any
) -> list[PlannedCase]:
    """Return the cases that a test is run with.

    Raises ScenarioError, and SelectionError for a pattern without a case.
    """
    resolved = resolve(scenario, **overrides)
    names: tuple[Transport, ...] = get_args(Transport)
    target = Target(marker.callback, marker.requests)
    targets = {
        name: target
        for name in names
        if name in resolved.transports and marker.transport in (name, "both")
    }
    plan = make_plan(marker.plan, resolved, targets)
    return [*select(plan, _patterns(marker.only), _patterns(marker.skip))]


def _patterns(given: Patterns) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def outlet_of(case: PlannedCase, scenario: ScenarioSource, **overrides: Any) -> Scenario:
    """Return the scenario of the outlet of a case."""
    return scenario_of(resolve(scenario, **overrides), case)


@contextmanager
def hold_connections(case: PlannedCase, outlet: SimulatorHandle) -> Iterator[None]:
    """Hold the connections of other clients that a case has, for the time of the block."""
    with ExitStack() as stack:
        for _ in range(case.others):
            transport: Transport = "tcp" if outlet.has("tcp") else "ws"
            stack.enter_context(socket.create_connection(outlet.addresses[transport], timeout=5))
            outlet.wait_for_connection(transport)
        yield


def judge_test(case: PlannedCase, outlet: SimulatorHandle, raised: BaseException | None) -> None:
    """Raise UnexpectedOutcome if a test has not ended as a good client would.

    raised: what it has raised to say that it could not reach its goal; None: it has passed.
    """
    journal = tuple(outlet.journal)
    if not is_reached(journal, case):
        raise UnexpectedOutcome(f"not reached: {nearest(journal, case)}")
    if raised is None and case.expectation == "notice":
        raise UnexpectedOutcome(
            f"wrong: the test passed, though its client cannot have got what it wanted. "
            f"{case.reason}"
        )
    if raised is not None and case.expectation == "survive":
        said = shorten(f"{type(raised).__name__}: {raised}", 200)
        raise UnexpectedOutcome(
            f"noticed: the client must get through, and raised {said}. {case.reason}"
        )

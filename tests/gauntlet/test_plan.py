"""Plans are made of what the catalogue declares."""

from functools import cache
from typing import get_args

import pytest

from invis_sim.device.state import Product
from invis_sim.faults.catalogue import KINDS
from invis_sim.gauntlet.plan import make_plan, plan_faults
from invis_sim.gauntlet.planned import PlannedCase, Target, scenario_of
from invis_sim.gauntlet.selection import SelectionError, select
from invis_sim.protocol.transport import Transport
from invis_sim.scenario.inline_fault import parse_fault
from invis_sim.scenario.loading import resolve
from tests.gauntlet.support import DEFAULT

BOTH: dict[Transport, Target] = {"tcp": Target(20, 1), "ws": Target(9, 5)}


@cache
def whole() -> tuple[PlannedCase, ...]:
    """The plan of all faults for the default outlet."""
    return plan_faults(DEFAULT, BOTH)


def find(case_id: str, plan: tuple[PlannedCase, ...] | None = None) -> PlannedCase:
    return next(case for case in plan or whole() if case.id == case_id)


def test_a_plan_has_cases_of_every_kind_and_transport_under_ids_that_differ() -> None:
    ids = [case.id for case in whole()]
    assert len(set(ids)) == len(ids)
    for transport in get_args(Transport):
        kinds = {case.kind for case in whole() if case.transport == transport}
        assert kinds == {name for name, kind in KINDS.items() if transport in kind.transports}
        assert sum(case.transport == transport for case in whole()) >= 150


def test_faults_are_aimed_at_what_the_client_asks_for() -> None:
    case = find("malformed_json/truncate/tcp")
    assert case.parameters == {"how": "truncate", "when": {"callback": 20}}
    assert find("drop/once/ws").parameters == {"when": {"callback": 9, "first": 1}}
    assert find("push_first/same-callback/tcp").parameters["callback"] == 20
    # These act on connections, or from the start.
    assert find("accept_close/close/tcp").parameters == {"how": "close"}
    assert find("refuse/always/tcp").parameters == {}


def test_without_a_target_faults_touch_every_reply() -> None:
    plan = plan_faults(DEFAULT, {"tcp": Target()})
    assert find("drop/always/tcp", plan).parameters == {}
    assert all(not case.skip for case in plan)


def test_every_case_makes_a_scenario() -> None:
    for case in whole():
        made = scenario_of(DEFAULT, case)
        assert made.faults == (case.fault,)
        assert len(made.steps) == (case.step is not None)


def test_a_case_that_needs_more_requests_than_the_client_makes_is_skipped_with_the_reason() -> None:
    assert find("stale/1-ago/tcp").skip == (
        "it needs 2 requests about callback 20 on one connection, and the client makes 1"
    )
    assert find("stale/1-ago/ws").skip == ""


def test_a_case_that_does_not_fit_the_scenario_is_skipped_with_the_reason() -> None:
    bare = plan_faults(resolve("bare"), BOTH)
    assert find("faceplate_offline/always/tcp", bare).skip == "this outlet has no faceplate"
    assert find("drop/always/tcp", bare).skip == ""


def test_the_faults_of_the_scenario_stay_and_keep_their_names() -> None:
    scenario = resolve('[[faults]]\nkind = "drop"\nwhen = { nth = 99 }\n')
    case = find("drop/always/tcp", plan_faults(scenario, BOTH))
    assert case.fault is not None
    names = [fault.display_name for fault in scenario_of(scenario, case).faults]
    assert names == ["drop", "drop of the gauntlet"]


def test_the_line_for_the_desk_is_the_same_fault() -> None:
    shown = [case for case in whole() if case.inline]
    assert len(shown) > 0.9 * len(whole())
    for case in shown:
        assert parse_fault(case.inline) == case.fault


# Selection


def ids(*only: str, skip: tuple[str, ...] = ()) -> list[str]:
    return [case.id for case in select(whole(), only, skip)]


def test_a_pattern_is_an_id_or_the_beginning_of_one_or_has_wildcards() -> None:
    assert ids("malformed_json/truncate/tcp") == ["malformed_json/truncate/tcp"]
    assert ids("malformed_json/truncate") == [
        "malformed_json/truncate/tcp",
        "malformed_json/truncate/ws",
    ]
    assert {one.partition("/")[0] for one in ids("drop", "bom")} == {"drop", "bom"}
    assert {one.rpartition("/")[2] for one in ids("*/tcp")} == {"tcp"}
    assert ids("close", skip=("close/*-once", "*/before", "*/ws")) == [
        "close/middle/tcp",
        "close/after/tcp",
    ]


def test_a_pattern_without_a_case_is_an_error_with_a_hint() -> None:
    with pytest.raises(SelectionError, match="'dorp' matches no case; did you mean 'drop'"):
        select(whole(), ("dorp",))
    with pytest.raises(SelectionError, match="'nonsense/x' matches no case"):
        select(whole(), (), ("nonsense/x",))
    with pytest.raises(SelectionError, match="no case is left"):
        select(whole(), ("drop",), ("drop",))


# The outlet's own life


def test_the_plan_of_the_device_has_ids_of_its_own_and_every_product() -> None:
    device = make_plan("device", DEFAULT, BOTH)
    every = make_plan("all", DEFAULT, BOTH)
    ids = [case.id for case in every]
    assert len(set(ids)) == len(ids) == len(whole()) + len(device)
    products = [case for case in device if case.kind == "product"]
    made = {case.id: scenario_of(DEFAULT, case).product for case in products}
    assert set(made.values()) == set(get_args(Product))
    assert made["product/bare/tcp"] == "bare"
    for case in device:
        scenario = scenario_of(DEFAULT, case)
        assert scenario.device.sn == DEFAULT.device.sn
        assert len(scenario.steps) == (case.step is not None)


def test_what_an_outlet_lacks_does_not_happen_to_it() -> None:
    bare = make_plan("device", resolve("bare"), BOTH)
    assert find("faceplate/off/tcp", bare).skip == "this outlet has no faceplate"
    assert find("push/18/tcp", bare).skip == "this outlet is not an InvisDeco Aura"
    assert find("push/9/tcp", bare).skip == ""

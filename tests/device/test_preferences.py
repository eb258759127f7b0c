"""Callbacks 1 and 2: what is set is what is read, and the rest stays."""

import copy
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invis_sim.device.outlet import Outlet
from invis_sim.protocol.json_positions import Key
from tests.device.support import an_outlet, change, expect_failure, expect_success, returned

SWITCH, PERCENT, FROM_ONE, QOS = (0, 1), (0, 100), (1, 100), (0, 2)
TEXT = None
LONG = (0, 2**31)

RANGES: dict[tuple[str, ...], tuple[int, int] | None] = {
    ("acc_prefs", "outletPwrIndicatorOn"): SWITCH,
    ("acc_prefs", "pmIndicatorBrightness"): FROM_ONE,
    ("acc_prefs", "capacitiveCtrl"): SWITCH,
    ("acc_prefs", "aqiColorRGBFeature"): SWITCH,
    ("acc_prefs", "motionAwayFeature"): SWITCH,
    ("acc_prefs", "adaptiveNightlightFeature"): SWITCH,
    ("acc_prefs", "adaptiveMinBrightness"): PERCENT,
    ("acc_prefs", "adaptiveMaxBrightness"): PERCENT,
    ("acc_prefs", "occupancyNightlightFeature"): SWITCH,
    ("acc_prefs", "overrideAdaptiveOccupancyNightlightFeature"): SWITCH,
    ("acc_prefs", "magicTouchCtrl"): SWITCH,
    ("acc_prefs", "homeAwayMode", "enabled"): SWITCH,
    ("acc_prefs", "homeAwayMode", "outlet1Enabled"): SWITCH,
    ("acc_prefs", "homeAwayMode", "outlet2Enabled"): SWITCH,
    ("acc_prefs", "homeAwayMode", "nightlightEnabled"): SWITCH,
    ("acc_prefs", "homeAwayMode", "minBrightness"): PERCENT,
    ("acc_prefs", "homeAwayMode", "maxBrightness"): PERCENT,
    ("acc_prefs", "homeAwayMode", "minOnDuration"): LONG,
    ("acc_prefs", "homeAwayMode", "maxOnDuration"): LONG,
    ("acc_prefs", "homeAwayMode", "minOffDuration"): LONG,
    ("acc_prefs", "homeAwayMode", "maxOffDuration"): LONG,
    ("sys_prefs", "mqtt", "enabled"): SWITCH,
    ("sys_prefs", "mqtt", "mqtt_broker_url"): TEXT,
    ("sys_prefs", "mqtt", "user"): TEXT,
    ("sys_prefs", "mqtt", "pass"): TEXT,
    ("sys_prefs", "mqtt", "qos"): QOS,
}
"""Every preference that clients can change, with its range, as the reference has it."""

READ_ONLY = [("sys_prefs", "internet", key) for key in ("ip", "mainDNS", "backupDNS")]

PATHS = pytest.mark.parametrize("path", RANGES, ids=".".join)


def nested(path: tuple[str, ...], value: Any) -> Any:
    for key in reversed(path):
        value = {key: value}
    return value


def merged(tree: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The tree with the changes, leaf by leaf."""
    tree = copy.deepcopy(tree)
    for key, value in changes.items():
        tree[key] = merged(tree[key], value) if isinstance(value, dict) else value
    return tree


def test_callback_1_has_the_whole_tree() -> None:
    def leaves(tree: dict[str, Any], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
        return [
            leaf
            for key, value in tree.items()
            for leaf in (leaves(value, (*path, key)) if isinstance(value, dict) else [(*path, key)])
        ]

    assert leaves(returned(an_outlet(), 1)) == [*RANGES, *READ_ONLY]


@PATHS
@pytest.mark.parametrize("wrapped", [False, True])
def test_each_preference_takes_both_ends_of_its_range_and_changes_alone(
    path: tuple[str, ...], wrapped: bool
) -> None:
    outlet = an_outlet("bare")
    for value in RANGES[path] or ("", "mqtt://élan:1883"):
        before = returned(outlet, 1)
        change = nested(path, value)
        assert expect_success(outlet, 2, [change] if wrapped else change) == []
        assert returned(outlet, 1) == merged(before, change)


@PATHS
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_bad_preference_is_rejected_with_its_place(path: tuple[str, ...], wrapped: bool) -> None:
    outlet = an_outlet()
    limits = RANGES[path]
    wrong: list[Any] = [None, True, False, [1], {"x": 1}]
    if limits is TEXT:
        wrong += [0, 1.5]
    else:
        low, high = limits
        wrong += [low - 1, high + 1, -(10**30), 10**30, "1"]
        if limits != LONG:
            wrong += [1.0, 0.5]
    root: tuple[Key, ...] = ("callbackArgs", 0) if wrapped else ("callbackArgs",)
    for value in wrong:
        change = nested(path, value)
        reason = expect_failure(outlet, 2, [change] if wrapped else change, at=(*root, *path))
        assert path[-1] in reason


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (("acc_prefs", "capacitiveCtrl"), 2, "0 or 1 (0: off; 1: on), found 2"),
        (("acc_prefs", "capacitiveCtrl"), None, "0 or 1 (0: off; 1: on), found null"),
        (("acc_prefs", "capacitiveCtrl"), [1], "0 or 1 (0: off; 1: on), found an array of 1"),
        (("acc_prefs", "capacitiveCtrl"), {}, "0 or 1 (0: off; 1: on), found an object"),
        (("acc_prefs", "pmIndicatorBrightness"), 0, "a whole number from 1 to 100, found 0"),
        (("sys_prefs", "mqtt", "pass"), True, "text, found true"),
        (
            ("acc_prefs", "homeAwayMode", "minOnDuration"),
            "x",
            "a number from 0 to 2147483648, found 'x'",
        ),
    ],
)
def test_the_note_tells_what_was_expected_and_what_was_found(
    path: tuple[str, ...], value: Any, expected: str
) -> None:
    reason = expect_failure(an_outlet(), 2, nested(path, value), at=("callbackArgs", *path))
    assert reason == f"{path[-1]}: expected {expected}"


def test_durations_may_have_fractions() -> None:
    outlet = an_outlet()
    change = nested(("acc_prefs", "homeAwayMode", "minOnDuration"), 2.5)
    assert expect_success(outlet, 2, change) == []
    assert returned(outlet, 1)["acc_prefs"]["homeAwayMode"]["minOnDuration"] == 2.5


@pytest.mark.parametrize("path", READ_ONLY, ids=".".join)
def test_read_only_preferences_are_rejected(path: tuple[str, ...]) -> None:
    outlet = an_outlet()
    reason = expect_failure(outlet, 2, nested(path, "192.0.2.99"), at=("callbackArgs", *path[:-1]))
    assert "read-only" in reason


@pytest.mark.parametrize(
    ("args", "at"),
    [
        (msgspec.UNSET, ()),
        (None, ("callbackArgs",)),
        (1, ("callbackArgs",)),
        ("{}", ("callbackArgs",)),
        ([], ("callbackArgs",)),
        ([{}, {}], ("callbackArgs",)),
        ([1], ("callbackArgs", 0)),
        ([[{}]], ("callbackArgs", 0)),
        ({"acc_prefs": []}, ("callbackArgs", "acc_prefs")),
        ({"acc_prefs": {"homeAwayMode": 1}}, ("callbackArgs", "acc_prefs", "homeAwayMode")),
        ([{"sys_prefs": {"mqtt": None}}], ("callbackArgs", 0, "sys_prefs", "mqtt")),
        ({"prefs": {}}, ("callbackArgs", "prefs")),
        ({"acc_prefs": {"colour": 1}}, ("callbackArgs", "acc_prefs", "colour")),
        (
            {"sys_prefs": {"mqtt": {"password": ""}}},
            ("callbackArgs", "sys_prefs", "mqtt", "password"),
        ),
        ({"sys_prefs": {"internet": {}}}, ("callbackArgs", "sys_prefs", "internet")),
    ],
)
def test_what_is_not_in_the_tree_is_rejected(args: Any, at: tuple[Key, ...]) -> None:
    expect_failure(an_outlet(), 2, args, at=at)


@pytest.mark.parametrize("args", [{}, [{}], {"acc_prefs": {}}, {"sys_prefs": {"mqtt": {}}}])
def test_an_empty_subset_changes_nothing_and_succeeds(args: Any) -> None:
    outlet = an_outlet()
    before = outlet.state
    assert expect_success(outlet, 2, args) == []
    assert outlet.state == before


LEAVES = st.sampled_from(list(RANGES)).flatmap(
    lambda path: st.tuples(
        st.just(path),
        st.text("aé", max_size=3) if (limits := RANGES[path]) is None else st.integers(*limits),
    )
)


@given(st.lists(LEAVES, min_size=1, max_size=6), LEAVES)
def test_a_change_with_one_fault_anywhere_changes_nothing(
    leaves: list[tuple[tuple[str, ...], Any]], last: tuple[tuple[str, ...], Any]
) -> None:
    outlet = an_outlet()
    before = returned(outlet, 1)
    change: dict[str, Any] = {}
    for path, value in leaves:
        change = deeply(change, nested(path, value))
    wrong = deeply(change, nested(last[0], [last[1]]))
    expect_failure(outlet, 2, wrong, at=("callbackArgs", *last[0]))
    assert returned(outlet, 1) == before
    assert expect_success(outlet, 2, [change]) == []
    assert returned(outlet, 1) == merged(before, change)


def deeply(tree: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Both trees in one."""
    tree = dict(tree)
    for key, value in more.items():
        old = tree.get(key)
        both = isinstance(value, dict) and isinstance(old, dict)
        tree[key] = deeply(old, value) if both and isinstance(old, dict) else value
    return tree


def test_a_scenario_sets_every_preference_and_the_read_only_ones() -> None:
    tree = returned(an_outlet(), 1)
    for path, limits in RANGES.items():
        tree = merged(tree, nested(path, "x" if limits is None else limits[1]))
    for path in READ_ONLY:
        tree = merged(tree, nested(path, "198.51.100.1"))
    assert returned(an_outlet(preferences=tree), 1) == tree
    outlet = Outlet()
    change(outlet, preferences={"sys_prefs": {"internet": {"ip": "198.51.100.7"}}})
    internet = returned(outlet, 1)["sys_prefs"]["internet"]
    assert json.dumps(internet) == json.dumps(
        {"ip": "198.51.100.7", "mainDNS": "192.0.2.1", "backupDNS": "192.0.2.2"}
    )

"""Callbacks 1 and 2: what is set is what is read, and the rest stays."""

import copy
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invis_sim.device.outlet import Outlet
from invis_sim.device.state import Product
from invis_sim.protocol.json_positions import Key
from tests.cases import for_each
from tests.device.support import (
    an_outlet,
    change,
    expect_failure,
    expect_success,
    handle_request,
    returned,
)

SWITCH, PERCENT, SENSITIVITY, QOS = (0, 1), (0, 100), (0, 10), (0, 2)
TEXT = None
LONG = (0, 10**30)
"""Any integer from 0: the upper end is one that no device would hold."""

RANGES: dict[tuple[str, ...], tuple[int, int] | None] = {
    ("acc_prefs", "outletPwrIndicatorOn"): SWITCH,
    ("acc_prefs", "pmIndicatorBrightness"): PERCENT,
    ("acc_prefs", "capacitiveCtrl"): SWITCH,
    ("acc_prefs", "aqiColorRGBFeature"): SWITCH,
    ("acc_prefs", "motionAwayFeature"): SWITCH,
    ("acc_prefs", "adaptiveNightlightFeature"): SWITCH,
    ("acc_prefs", "adaptiveMinBrightness"): PERCENT,
    ("acc_prefs", "adaptiveMaxBrightness"): PERCENT,
    ("acc_prefs", "adaptiveSensitivity"): SENSITIVITY,
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

PRO, FACEPLATE = ("pro",), ("pro", "aura")
ONLY_WITH: dict[tuple[str, ...], tuple[str, ...]] = {
    ("acc_prefs", "outletPwrIndicatorOn"): FACEPLATE,
    ("acc_prefs", "pmIndicatorBrightness"): FACEPLATE,
    ("acc_prefs", "capacitiveCtrl"): FACEPLATE,
    ("acc_prefs", "aqiColorRGBFeature"): PRO,
    ("acc_prefs", "motionAwayFeature"): PRO,
    ("acc_prefs", "adaptiveNightlightFeature"): FACEPLATE,
    ("acc_prefs", "adaptiveMinBrightness"): FACEPLATE,
    ("acc_prefs", "adaptiveMaxBrightness"): FACEPLATE,
    ("acc_prefs", "adaptiveSensitivity"): PRO,
    ("acc_prefs", "occupancyNightlightFeature"): PRO,
    ("acc_prefs", "overrideAdaptiveOccupancyNightlightFeature"): PRO,
    ("acc_prefs", "magicTouchCtrl"): FACEPLATE,
    ("acc_prefs", "homeAwayMode", "nightlightEnabled"): FACEPLATE,
    ("acc_prefs", "homeAwayMode", "minBrightness"): FACEPLATE,
    ("acc_prefs", "homeAwayMode", "maxBrightness"): FACEPLATE,
}
"""The preferences that not every product has, as the reference has it."""


def has(product: str, path: tuple[str, ...]) -> bool:
    """Whether a product has a preference."""
    return product in ONLY_WITH.get(path, (product,))


READ_ONLY = [("sys_prefs", "internet", key) for key in ("ip", "mainDNS", "backupDNS")]

PATHS = for_each("path", RANGES, ids=".".join)


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


def leaves(tree: dict[str, Any], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    return [
        leaf
        for key, value in tree.items()
        for leaf in (leaves(value, (*path, key)) if isinstance(value, dict) else [(*path, key)])
    ]


def shown(product: str, *, sensitivity: bool = False) -> list[tuple[str, ...]]:
    """What callback 1 has of the preferences, in its order."""
    return [
        path
        for path in [*RANGES, *READ_ONLY]
        if has(product, path) and (sensitivity or path[-1] != "adaptiveSensitivity")
    ]


@for_each("product", ["bare", "pro", "aura"])
def test_callback_1_has_the_keys_of_the_product(product: Product) -> None:
    assert leaves(returned(an_outlet(product), 1)) == shown(product)
    every = an_outlet(product, quirks={"preference_keys": "all"})
    assert leaves(returned(every, 1)) == shown("pro")


@for_each("product", ["bare", "pro", "aura"])
@PATHS
def test_callback_2_refuses_what_the_product_lacks(product: Product, path: tuple[str, ...]) -> None:
    limits = RANGES[path]
    change = nested(path, "x" if limits is None else limits[1])
    if has(product, path):
        assert expect_success(an_outlet(product), 2, [change]) == []
    else:
        assert path[-1] in expect_failure(
            an_outlet(product), 2, [change], at=("callbackArgs", 0, *path)
        )
    every = an_outlet(product, quirks={"preference_keys": "all"})
    assert expect_success(every, 2, [change]) == []


def test_a_faceplate_that_is_away_takes_its_preferences_with_it() -> None:
    outlet = an_outlet("pro")
    expect_success(outlet, 2, [{"acc_prefs": {"pmIndicatorBrightness": 7}}])
    change(outlet, faceplate={"online": False})
    assert leaves(returned(outlet, 1)) == shown("bare")
    expect_failure(outlet, 2, [{"acc_prefs": {"pmIndicatorBrightness": 8}}])
    change(outlet, faceplate={"online": True})
    assert returned(outlet, 1)["acc_prefs"]["pmIndicatorBrightness"] == 7


def test_the_sensitivity_is_reported_once_it_is_set() -> None:
    outlet = an_outlet("pro")
    assert "adaptiveSensitivity" not in returned(outlet, 1)["acc_prefs"]
    expect_failure(outlet, 2, [{"acc_prefs": {"adaptiveSensitivity": None}}])
    expect_success(outlet, 2, [{"acc_prefs": {"adaptiveSensitivity": 0}}])
    assert leaves(returned(outlet, 1)) == shown("pro", sensitivity=True)
    assert returned(outlet, 1)["acc_prefs"]["adaptiveSensitivity"] == 0


def test_unknown_preferences_are_ignored_by_a_quirk() -> None:
    outlet = an_outlet("aura", quirks={"unknown_preferences": "ignore"})
    args = {"colour": 1, "acc_prefs": {"motionAwayFeature": "?", "x": 1, "capacitiveCtrl": 0}}
    assert expect_success(outlet, 2, [args]) == []
    assert returned(outlet, 1)["acc_prefs"]["capacitiveCtrl"] == 0
    assert outlet.state.preferences.acc_prefs.motionAwayFeature == 0
    expect_failure(outlet, 2, [{"acc_prefs": {"capacitiveCtrl": 2}}])
    expect_failure(outlet, 2, [{"sys_prefs": {"internet": {}}}])


@for_each(
    ("form", "expected"),
    [
        ("first_octet_low", [167_903_424, 16_908_480, 134_744_072]),
        ("first_octet_high", [0xC000020A, 0xC0000201, 0x08080808]),
        ("text", ["192.0.2.10", "192.0.2.1", "8.8.8.8"]),
    ],
)
def test_addresses_are_integers_in_an_order_that_is_a_quirk(form: str, expected: list[Any]) -> None:
    outlet = an_outlet("bare", quirks={"internet_addresses": form})
    assert list(returned(outlet, 1)["sys_prefs"]["internet"].values()) == expected
    change(outlet, preferences={"sys_prefs": {"internet": {"ip": 168_430_081}}})
    assert returned(outlet, 1)["sys_prefs"]["internet"]["ip"] == 168_430_081


@for_each("wrong", ["192.0.2", "192.0.2.256", "1.2.3.4\n", "01.2.3.4", -1, 2**32])
def test_what_is_no_address_is_rejected(wrong: Any) -> None:
    with pytest.raises(ValueError, match="internet"):
        change(an_outlet(), preferences={"sys_prefs": {"internet": {"ip": wrong}}})


def test_the_early_form_is_the_payload_itself_with_fewer_keys() -> None:
    outlet = an_outlet("aura", quirks={"configuration_form": "early"})
    reply = handle_request(outlet, 1).reply
    assert reply is not None
    payload = reply.fields["payload"]
    assert leaves(payload) == [
        *[
            ("acc_prefs", key)
            for key in (
                "adaptiveNightlightFeature",
                "capacitiveCtrl",
                "outletPwrIndicatorOn",
                "pmIndicatorBrightness",
            )
        ],
        *[path for path in [*RANGES, *READ_ONLY] if path[0] == "sys_prefs"],
    ]


@PATHS
@for_each("wrapped", [False, True])
def test_each_preference_takes_both_ends_of_its_range_and_changes_alone(
    path: tuple[str, ...], wrapped: bool
) -> None:
    outlet = an_outlet("pro")
    for value in RANGES[path] or ("", "mqtt://élan:1883"):
        before = returned(outlet, 1)
        change = nested(path, value)
        assert expect_success(outlet, 2, [change] if wrapped else change) == []
        assert returned(outlet, 1) == merged(before, change)


@PATHS
@for_each("wrapped", [False, True])
def test_a_bad_preference_is_rejected_with_its_place(path: tuple[str, ...], wrapped: bool) -> None:
    outlet = an_outlet()
    limits = RANGES[path]
    wrong: list[Any] = [None, True, False, [1], {"x": 1}]
    if limits is TEXT:
        wrong += [0, 1.5]
    else:
        low, high = limits
        wrong += [low - 1, -(10**30), "1", 1.0, 0.5]
        if limits != LONG:
            wrong += [high + 1, 10**30]
    root: tuple[Key, ...] = ("callbackArgs", 0) if wrapped else ("callbackArgs",)
    for value in wrong:
        change = nested(path, value)
        reason = expect_failure(outlet, 2, [change] if wrapped else change, at=(*root, *path))
        assert path[-1] in reason


@for_each(
    ("path", "value", "expected"),
    [
        (("acc_prefs", "capacitiveCtrl"), 2, "0 or 1 (0: off; 1: on), found 2"),
        (("acc_prefs", "capacitiveCtrl"), None, "0 or 1 (0: off; 1: on), found null"),
        (("acc_prefs", "capacitiveCtrl"), [1], "0 or 1 (0: off; 1: on), found an array of 1"),
        (("acc_prefs", "capacitiveCtrl"), {}, "0 or 1 (0: off; 1: on), found an object"),
        (
            ("acc_prefs", "pmIndicatorBrightness"),
            101,
            "a whole number from 0 to 100 (percent), found 101",
        ),
        (("sys_prefs", "mqtt", "pass"), True, "text, found true"),
        (
            ("acc_prefs", "homeAwayMode", "minOnDuration"),
            "x",
            "a whole number from 0, found 'x'",
        ),
    ],
)
def test_the_note_tells_what_was_expected_and_what_was_found(
    path: tuple[str, ...], value: Any, expected: str
) -> None:
    reason = expect_failure(an_outlet(), 2, nested(path, value), at=("callbackArgs", *path))
    assert reason == f"{path[-1]}: expected {expected}"


@for_each("path", READ_ONLY, ids=".".join)
def test_read_only_preferences_are_rejected(path: tuple[str, ...]) -> None:
    outlet = an_outlet()
    reason = expect_failure(outlet, 2, nested(path, "192.0.2.99"), at=("callbackArgs", *path[:-1]))
    assert "read-only" in reason


@for_each(
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


@for_each("args", [{}, [{}], {"acc_prefs": {}}, {"sys_prefs": {"mqtt": {}}}])
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
        tree = merged(tree, nested(path, 2**32 - 1))
    assert returned(an_outlet(preferences=tree), 1) == tree
    outlet = Outlet()
    change(outlet, preferences={"sys_prefs": {"internet": {"ip": "198.51.100.7"}}})
    internet = returned(outlet, 1)["sys_prefs"]["internet"]
    assert json.dumps(internet) == json.dumps(
        {"ip": 0x076433C6, "mainDNS": 16_908_480, "backupDNS": 134_744_072}
    )

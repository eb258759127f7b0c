"""Callbacks 3 and 4: what the accessories are called."""

from typing import Any

import msgspec
import pytest

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
    now,
    returned,
)


def named(outlet: Outlet) -> dict[int, str]:
    items = returned(outlet, 3)
    assert all(list(item) == ["accessory", "name"] for item in items)
    assert [item["accessory"] for item in items] == sorted(item["accessory"] for item in items)
    return {item["accessory"]: item["name"] for item in items}


@pytest.mark.parametrize("product", ["pro", "aura"])
def test_any_subset_is_renamed_and_the_rest_keeps_its_name(product: Product) -> None:
    outlet = an_outlet(product)
    names = {1: "Outlet 1", 2: "Outlet 2", 3: "Nightlight"}
    assert named(outlet) == names
    for subset in ({2: "Fan"}, {3: "Moon", 1: ""}, {}, {1: "ö" * 64, 2: "2", 3: '"\\\n'}):
        args = [{"accessory": number, "name": name} for number, name in subset.items()]
        assert expect_success(outlet, 4, args) == []
        names |= subset
        assert named(outlet) == names


def test_an_accessory_that_is_named_twice_is_rejected() -> None:
    outlet = an_outlet()
    args = [{"accessory": 1, "name": "a"}, {"accessory": 2, "name": "c"}, {"name": "b"}]
    for name in ("a", "b"):
        args[2] = {"name": name, "accessory": 1}
        reason = expect_failure(outlet, 4, args, at=("callbackArgs", 2, "accessory"))
        assert reason == "accessory 1 is named twice"
    assert named(outlet) == {1: "Outlet 1", 2: "Outlet 2", 3: "Nightlight"}


@for_each("length", [64, 0, 200])
def test_a_name_has_as_many_characters_as_a_quirk_says(length: int) -> None:
    outlet = an_outlet(quirks={"name_length": length})
    longest = "ü" * length
    assert expect_success(outlet, 4, [{"accessory": 1, "name": longest}]) == []
    assert named(outlet)[1] == longest
    args = [{"accessory": 2, "name": "x"}, {"accessory": 1, "name": longest + "x"}]
    if length:
        expect_failure(outlet, 4, args, at=("callbackArgs", 1, "name"))
    else:
        expect_failure(outlet, 4, args, at=("callbackArgs", 0, "name"))


FAN = {"accessory": 1, "name": "Fan"}
NO_ACCESSORIES: tuple[Any, ...] = (0, 4, -1, 10**30, True, 1.0, "1", None, [1])
NO_NAMES: tuple[Any, ...] = (0, True, 1.5, None, ["x"], {})


@for_each(
    ("args", "at"),
    [
        (msgspec.UNSET, ()),
        (None, ("callbackArgs",)),
        (FAN, ("callbackArgs",)),
        ("Fan", ("callbackArgs",)),
        ([FAN, 1], ("callbackArgs", 1)),
        ([FAN, [1, "Fan"]], ("callbackArgs", 1)),
        ([FAN, {"accessory": 2}], ("callbackArgs", 1)),
        ([FAN, {"name": "x"}], ("callbackArgs", 1)),
        ([FAN, {}], ("callbackArgs", 1)),
        ([FAN, {"accessory": 2, "name": "x", "colour": 1}], ("callbackArgs", 1, "colour")),
        *(
            ([FAN, {"accessory": wrong, "name": "x"}], ("callbackArgs", 1, "accessory"))
            for wrong in NO_ACCESSORIES
        ),
        *(
            ([FAN, {"accessory": 2, "name": wrong}], ("callbackArgs", 1, "name"))
            for wrong in NO_NAMES
        ),
        ([FAN] * 1001, ("callbackArgs",)),
    ],
)
def test_a_bad_list_of_names_is_rejected(args: Any, at: tuple[Key, ...]) -> None:
    expect_failure(an_outlet(), 4, args, at=at)


@for_each("how", ["online = false", "a fault", "24"])
def test_a_faceplate_that_is_away_takes_the_nightlight_with_it(how: str) -> None:
    outlet = an_outlet()
    if how == "24":
        expect_success(outlet, 24)
    elif how == "a fault":
        outlet.force_faceplate_offline(True, now(outlet))
    else:
        change(outlet, faceplate={"online": False})
    assert named(outlet) == {1: "Outlet 1", 2: "Outlet 2"}
    expect_failure(outlet, 4, [FAN, {"accessory": 3, "name": "Moon"}])


def test_without_a_faceplate_there_is_no_nightlight_to_name() -> None:
    moon = [FAN, {"accessory": 3, "name": "Moon"}]
    bare = an_outlet("bare")
    assert named(bare) == {1: "Outlet 1", 2: "Outlet 2"}
    expect_failure(bare, 4, moon, at=("callbackArgs", 1, "accessory"))
    pro = an_outlet("pro")
    assert expect_success(pro, 4, moon) == []
    change(pro, faceplate={"attached": False})
    assert named(pro) == {1: "Fan", 2: "Outlet 2"}
    expect_failure(pro, 4, moon, at=("callbackArgs", 1, "accessory"))
    change(pro, faceplate={"attached": True})
    assert named(pro) == {1: "Fan", 2: "Outlet 2", 3: "Moon"}


def test_the_list_is_wrapped_as_documented_on_request() -> None:
    names = {"outlet1": "a", "outlet2": "b", "nightlight": "c"}
    expected = [{"accessory": n, "name": name} for n, name in enumerate(names.values(), 1)]
    assert returned(an_outlet(names=names), 3) == expected
    wrapped = an_outlet(names=names, quirks={"names_list": "wrapped"})
    assert returned(wrapped, 3) == {"payload": expected}


def test_in_the_early_form_the_list_is_the_payload_itself() -> None:
    reply = handle_request(an_outlet("bare", quirks={"names_list": "early"}), 3).reply
    assert reply is not None
    assert reply.fields["payload"] == [
        {"accessory": 1, "name": "Outlet 1"},
        {"accessory": 2, "name": "Outlet 2"},
    ]

"""Products, and the faceplate that is there or is not: which callbacks work when."""

import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from invis_sim.device.outlet import Outlet
from invis_sim.device.state import Product
from tests.cases import for_each
from tests.device.support import (
    BROKER,
    FIRMWARE,
    an_outlet,
    change,
    expect_failure,
    expect_success,
    handle_request,
    now,
    online,
    pass_time,
    pushed_packets,
    pushes,
    returned,
)

NONE = msgspec.UNSET
LED = [1, 50, [10, 20]]
ARGS: dict[int, Any] = {
    **dict.fromkeys((1, 3, 5, 6, 7, 9, 11, 12, 15, 20, 24, 25), NONE),
    **dict[int, Any](
        [(2, {}), (4, []), (10, [1, 1]), (14, [1, 75]), (17, [5, 1, [LED]]), (18, [5]), (21, [1])]
    ),
    **dict[int, Any]([(26, [30]), (27, [0]), (28, [25_000, 50_000])]),
}
"""Every callback, with arguments that are good."""

EVERYWHERE = {1, 2, 3, 4, 5, 6, 7, 9, 10, 12, 20, 21, 27}
WORKING: dict[Product, set[int]] = {
    "bare": EVERYWHERE,
    "pro": EVERYWHERE | {11, 14, 15, 24, 25, 26, 28},
    "aura": EVERYWHERE | {11, 17, 18, 24, 25},
}
PRODUCTS = for_each("product", WORKING)


def fresh(product: Product, **tables: Any) -> Outlet:
    firmware = FIRMWARE if product != "bare" else {"IM": FIRMWARE["IM"]}
    return an_outlet(product, firmware=firmware, **BROKER, **tables)


def works(outlet: Outlet, callback: int, args: Any) -> bool:
    """Whether a request succeeds. One that does not changes nothing."""
    answer = handle_request(outlet, callback, args)
    if answer.reply is None or answer.reply.fields["PUBACK"] == 1:
        assert answer.notes == ()
        return True
    expect_failure(outlet, callback, args)
    return False


@PRODUCTS
def test_a_product_answers_what_it_has(product: Product) -> None:
    working = {callback for callback, args in ARGS.items() if works(fresh(product), callback, args)}
    assert working == WORKING[product]


def test_an_aura_that_measures_more_can_be_calibrated() -> None:
    sensors = {"temp_celsius": 20.0, "humidity": 40.0, "occupancy_state": 1}
    outlet = fresh("aura", sensors=sensors)
    assert works(outlet, 26, [30])
    assert works(outlet, 28, [25_000, 50_000])


@for_each(("omit", "callback"), [("temp_celsius", 28), ("humidity", 28), ("occupancy_state", 26)])
def test_a_faceplate_without_the_sensor_is_not_calibrated(omit: str, callback: int) -> None:
    outlet = fresh("pro", sensors={"omit": [omit]})
    assert omit in expect_failure(outlet, callback, ARGS[callback])


@for_each(
    ("device", "pm", "product"),
    [
        ({}, None, "bare"),
        ({}, {}, "pro"),
        ({"product": "bare"}, {}, "bare"),
        ({"product": "pro"}, None, "pro"),
        ({"product": "aura"}, None, "aura"),
    ],
)
def test_product_and_firmware_are_brought_in_keeping(
    device: dict[str, Any], pm: dict[str, Any] | None, product: Product
) -> None:
    outlet = an_outlet(None, device=device, firmware={"PM": pm})
    assert outlet.state.product == outlet.state.device.product == product
    assert ("PM" in returned(outlet, 20)) == ("PM" in returned(outlet, 12)) == (product != "bare")


def test_the_product_can_change_at_run_time() -> None:
    outlet = an_outlet("bare")
    change(outlet, device={"product": "aura"})
    assert returned(outlet, 12)["PM"]["type"] == "Aura"
    change(outlet, device={"product": "pro"})
    assert returned(outlet, 12)["PM"]["type"] == "Pro"
    change(outlet, firmware={"PM": None})
    assert "PM" not in returned(outlet, 12)
    change(outlet, firmware={"PM": {"fw_rev": "7"}})
    assert returned(outlet, 12)["PM"]["type"] == "Pro"
    assert returned(outlet, 20)["PM"]["fw_rev"] == "7"
    change(outlet, device={"product": "bare"})
    assert "PM" not in returned(outlet, 20)
    expect_failure(outlet, 11)


# --- there, or not ---


def detach(outlet: Outlet) -> None:
    change(outlet, faceplate={"attached": False})


def disconnect(outlet: Outlet) -> None:
    change(outlet, faceplate={"online": False})


def force_offline(outlet: Outlet) -> None:
    outlet.force_faceplate_offline(True, now(outlet))


def send_restart(outlet: Outlet) -> None:
    assert expect_success(outlet, 24) == []


def send_reset(outlet: Outlet) -> None:
    assert expect_success(outlet, 25) == []


def let_restart(outlet: Outlet) -> None:
    outlet.restart_faceplate(now(outlet))


ABSENCES: dict[str, tuple[Callable[[Outlet], None], Callable[[Outlet], Any]]] = {
    "detached": (detach, lambda outlet: change(outlet, faceplate={"attached": True})),
    "offline": (disconnect, lambda outlet: change(outlet, faceplate={"online": True})),
    "forced offline": (
        force_offline,
        lambda outlet: outlet.force_faceplate_offline(False, now(outlet)),
    ),
    "restarting": (send_restart, pass_time),
    "being reset": (send_reset, pass_time),
    "restarted from outside": (let_restart, pass_time),
}
"""How a faceplate goes and comes back."""

ABSENT = for_each("absence", ABSENCES)

OF_THE_FACEPLATE = {11, 14, 15, 17, 18, 24, 25, 26, 28}


@ABSENT
@for_each("product", ["pro", "aura"])
def test_what_needs_the_faceplate_fails_while_it_is_gone_and_works_again(
    product: Product, absence: str
) -> None:
    go, come = ABSENCES[absence]
    for callback, args in ARGS.items():
        outlet = fresh(product)
        go(outlet)
        assert not online(outlet)
        expected = callback in WORKING[product] - OF_THE_FACEPLATE
        assert works(outlet, callback, args) == expected
        outlet = fresh(product)
        go(outlet)
        expect_failure(outlet, 21, [2])
        come(outlet)
        assert online(outlet)
        assert works(outlet, callback, args) == (callback in WORKING[product])


@ABSENT
@for_each("product", ["pro", "aura"])
def test_an_offline_faceplate_sends_no_readings_and_offers_no_firmware(
    product: Product, absence: str
) -> None:
    go, come = ABSENCES[absence]
    outlet = fresh(product)
    assert [callback for callback, _ in pushed_packets(outlet.sample(now(outlet)))] == [11]
    assert set(returned(outlet, 20)) == {"IM", "PM"}
    go(outlet)
    assert outlet.sample(now(outlet)) == ()
    assert set(returned(outlet, 20)) == {"IM"}
    come(outlet)
    assert [callback for callback, _ in pushed_packets(outlet.sample(now(outlet)))] == [11]
    assert set(returned(outlet, 20)) == {"IM", "PM"}


@ABSENT
def test_how_callback_12_shows_a_faceplate_that_is_away_is_a_quirk(absence: str) -> None:
    go, come = ABSENCES[absence]
    for quirk in ("omitted", "offline", "degraded", "blank"):
        outlet = fresh("pro", quirks={"absent_faceplate": quirk})
        before = returned(outlet, 12)
        assert before["PM"]["online"] is True
        go(outlet)
        pm = {**before["PM"], "online": False}
        if quirk in ("degraded", "blank"):
            pm |= {"device": "Unknown" if quirk == "degraded" else "", "fw_rev": ""}
            del pm["radar"]
        expected = {"IM": before["IM"], **({"PM": pm} if quirk != "omitted" else {})}
        assert returned(outlet, 12) == expected
        come(outlet)
        assert returned(outlet, 12) == before


@ABSENT
@for_each("product", ["pro", "aura"])
def test_a_faceplate_that_comes_back_is_announced(product: Product, absence: str) -> None:
    go, come = ABSENCES[absence]
    outlet = fresh(product, timing={"sensor_seconds": 0})
    go(outlet)
    effects = come(outlet)
    # What comes back by itself has its time; what is brought back is there at once.
    packets = (
        [(moment.callback, moment.args) for moment in effects]
        if isinstance(effects, list)
        else pushed_packets(effects)
    )
    assert packets == [(12, returned(outlet, 12))]
    assert "PM" in packets[0][1]


@for_each(("before", "after"), [("bare", "pro"), ("bare", "aura"), ("pro", "aura")])
def test_a_faceplate_that_appears_is_announced(before: Product, after: Product) -> None:
    outlet = an_outlet(before)
    effects = change(outlet, device={"product": after})
    assert pushed_packets(effects) == [(12, returned(outlet, 12))]
    assert pushed_packets(change(outlet, device={"product": "bare"})) == []


def test_nothing_is_announced_while_the_outlet_is_offline() -> None:
    outlet = an_outlet()
    change(outlet, faceplate={"online": False})
    outlet.go_offline(now(outlet))
    assert pushed_packets(change(outlet, faceplate={"online": True})) == []
    assert pushed_packets(outlet.come_online(now(outlet))) == []
    assert [callback for callback, _ in pushed_packets(outlet.connect_pushes(now(outlet)))] == [12]


def test_a_bare_outlet_has_no_faceplate_whatever_the_quirk() -> None:
    outlet = an_outlet("bare", quirks={"absent_faceplate": "offline"})
    assert set(returned(outlet, 12)) == {"IM"}
    with pytest.raises(ValueError, match="no InvisDeco"):
        outlet.restart_faceplate(now(outlet))


@for_each("callback", [24, 25])
def test_the_faceplate_is_away_as_long_as_it_is_said(callback: int) -> None:
    outlet = an_outlet(timing={"faceplate_restart_seconds": 8})
    expect_success(outlet, callback)
    pass_time(outlet, 7.9)
    assert not online(outlet)
    pass_time(outlet, 0.2)
    assert online(outlet)


def test_a_second_restart_of_the_faceplate_begins_again() -> None:
    outlet = an_outlet(timing={"faceplate_restart_seconds": 8})
    outlet.restart_faceplate(now(outlet))
    pass_time(outlet, 5)
    with pytest.raises(ValueError, match="offline"):
        outlet.restart_faceplate(now(outlet))
    pass_time(outlet, 3)
    assert online(outlet)


def test_a_faceplate_offline_for_two_reasons_is_back_after_both() -> None:
    outlet = an_outlet()
    outlet.restart_faceplate(now(outlet))
    outlet.force_faceplate_offline(True, now(outlet))
    pass_time(outlet, 10)
    assert not online(outlet)
    change(outlet, faceplate={"attached": False})
    outlet.force_faceplate_offline(False, now(outlet))
    assert not online(outlet)
    change(outlet, faceplate={"attached": True})
    assert online(outlet)


# --- another product, at run time ---


def kind(outlet: Outlet) -> str | None:
    information = returned(outlet, 12)
    assert ("PM" in information) == ("PM" in returned(outlet, 20)) == online(outlet)
    assert (outlet.state.product == "bare") == (outlet.state.firmware.PM is None)
    shown: str | None = information.get("PM", {}).get("type")
    return shown


@for_each("before", ["bare", "pro", "aura"])
@for_each(
    ("changes", "after"),
    [
        ({"device": {"product": "bare"}}, None),
        ({"device": {"product": "pro"}}, "Pro"),
        ({"device": {"product": "aura"}}, "Aura"),
        ({"firmware": {"PM": None}}, None),
        ({"device": {"product": "bare"}, "firmware": {"PM": None}}, None),
        ({"device": {"product": "aura"}, "firmware": {"PM": {"fw_rev": "9"}}}, "Aura"),
    ],
)
def test_a_product_is_what_was_said_last_whatever_it_was(
    before: Product, changes: dict[str, Any], after: str | None
) -> None:
    outlet = an_outlet(before)
    change(outlet, **changes)
    assert kind(outlet) == after
    if changes.get("firmware", {}).get("PM"):
        assert returned(outlet, 12)["PM"]["fw_rev"] == "9"


@for_each("before", ["bare", "pro", "aura"])
@for_each(
    "changes",
    [
        {"device": {"product": "bare"}, "firmware": {"PM": {"fw_rev": "9"}}},
        {"device": {"product": "aura"}, "firmware": {"PM": None}},
    ],
)
def test_product_and_firmware_that_contradict_each_other_are_rejected(
    before: Product, changes: dict[str, Any]
) -> None:
    outlet = an_outlet(before)
    state = outlet.state
    with pytest.raises(ValueError, match=r"^device\.product: '(bare|aura)' is one with"):
        change(outlet, **changes)
    assert outlet.state == state


@for_each("product", ["pro", "aura"])
def test_a_faceplate_that_comes_back_is_the_one_that_went(product: Product) -> None:
    outlet = an_outlet(product, firmware={"PM": {"fw_rev": "7.7"}})
    before = outlet.state.firmware
    change(outlet, firmware=msgspec.structs.replace(before, PM=None))
    assert kind(outlet) is None
    change(outlet, firmware=before)
    assert kind(outlet) == product.capitalize()
    change(outlet, device={"product": "bare"})
    change(outlet, device={"product": product})
    assert returned(outlet, 12)["PM"]["fw_rev"] == "7.7"


def test_another_faceplate_has_nothing_of_the_one_before() -> None:
    outlet = an_outlet(firmware=FIRMWARE, updates={"PM": {"seconds": 1}})
    expect_success(outlet, 21, [2])
    pass_time(outlet, 1.5)  # it restarts with its new firmware
    assert not online(outlet)
    change(outlet, device={"product": "aura"}, firmware={"PM": {"fw_rev": "100"}})
    assert kind(outlet) == "Aura"
    pass_time(outlet)
    assert returned(outlet, 12)["PM"]["fw_rev"] == "100"
    change(outlet, device={"product": "pro"})
    expect_success(outlet, 26, [30])
    pass_time(outlet, 15)
    change(outlet, device={"product": "aura"})
    change(outlet, device={"product": "pro"})
    assert returned(outlet, 11)[1]["occupancy_state"] == 1


def test_a_faceplate_without_power_installs_nothing_until_it_is_back() -> None:
    outlet = an_outlet(
        firmware=FIRMWARE,
        updates={"PM": {"seconds": 1}},
        quirks={"absent_faceplate": "offline"},
    )
    expect_success(outlet, 21, [2])
    pass_time(outlet, 1.5)
    change(outlet, faceplate={"attached": False})
    pass_time(outlet)
    assert returned(outlet, 12)["PM"]["fw_rev"] == "0.5.0"
    change(outlet, faceplate={"attached": True})
    assert online(outlet)
    assert returned(outlet, 12)["PM"]["fw_rev"] == "0.5.1"


# --- what callback 12 shows ---


def test_every_field_of_callback_12_can_be_set() -> None:
    outlet = an_outlet(
        device={"sn": "11A1F7000FE", "hw_rev": "revC", "MAC": "a", "device": "Unknown"},
        firmware={"IM": {"fw_rev": ""}, "PM": {"fw_rev": "b"}},
        faceplate={
            "sn": "c",
            "MAC": "d",
            "hw_rev": "e",
            "device": "",
            "type": "f",
            "radar": {"fw_ver": "g", "hw_type": "h", "MAC": "i"},
        },
    )
    im = {"sn": "11A1F7000FE", "MAC": "a", "device": "Unknown", "hw_rev": "revC", "fw_rev": ""}
    radar = {"fw_ver": "g", "hw_type": "h", "MAC": "i"}
    pm = {"online": True, "sn": "c", "MAC": "d", "device": "", "type": "f", "hw_rev": "e"}
    assert returned(outlet, 12) == {"IM": im, "PM": {**pm, "fw_rev": "b", "radar": radar}}


def test_who_it_is_follows_from_its_serial_number_unless_it_is_said() -> None:
    def own(sn: str) -> set[str]:
        information = returned(an_outlet(device={"sn": sn}), 12)
        im, pm = information["IM"], information["PM"]
        return {im["sn"], im["MAC"], pm["sn"], pm["MAC"], pm["radar"]["MAC"]}

    sns = ("0003C44076", "0003C44077", "1003C44076", "11A1F7000FE", "FFFFFFFFFF")
    every = [own(sn) for sn in sns]
    assert all(len(one) == 5 for one in every)
    # A faceplate's serial number may be another outlet's; no hardware address is another's.
    macs = [name for one in every for name in one if ":" in name]
    assert all(re.fullmatch("[0-9A-F][26AE](:[0-9A-F]{2}){5}", mac) for mac in macs)
    assert own("0003C44076") & own("0003C44077") == set()
    assert own("0003C44076") == own("0003C44076")


def test_the_radar_is_a_pros_unless_it_is_given_and_its_key_is_a_quirk() -> None:
    assert "radar" not in returned(an_outlet("aura"), 12)["PM"]
    given = an_outlet("aura", faceplate={"radar": {"fw_ver": "2"}})
    assert returned(given, 12)["PM"]["radar"]["fw_ver"] == "2"
    documented = returned(an_outlet(quirks={"radar_key": "fw_rev"}), 12)["PM"]["radar"]
    assert next(iter(documented.items())) == ("fw_rev", "1.0.0")
    assert "fw_ver" not in documented


def test_a_serial_number_that_changes_is_in_every_packet_from_then_on() -> None:
    outlet = an_outlet()
    change(outlet, device={"sn": "FFFFFFFFFF"})
    answer = handle_request(outlet, 10, [1, 1])
    assert answer.reply is not None
    (push,) = pushes(answer)
    assert answer.reply.fields["sn"] == push.fields["sn"] == "FFFFFFFFFF"
    assert returned(outlet, 12)["IM"]["sn"] == "FFFFFFFFFF"


# --- MQTT ---


@for_each("action", [0, 1, 2])
def test_callback_27_answers_what_the_scenario_says_of_the_broker(action: int) -> None:
    outlet = an_outlet("bare")
    assert "broker" in expect_failure(outlet, 27, [action])
    change(outlet, mqtt={"connected": True})
    assert "enabled" in expect_failure(outlet, 27, [action])
    expect_success(outlet, 2, [{"sys_prefs": {"mqtt": {"enabled": 1}}}])
    assert expect_success(outlet, 27, [action]) == []
    change(outlet, mqtt={"connected": False})
    assert "broker" in expect_failure(outlet, 27, [action])

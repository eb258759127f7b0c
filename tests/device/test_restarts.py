"""Callbacks 5, 6 and 7: no reply, a while away, and what the outlet knows afterwards."""

from typing import Any

import pytest

from invis_sim.device.outlet import Outlet
from invis_sim.protocol.packets import Push
from tests.cases import for_each
from tests.device.support import (
    an_outlet,
    change,
    connect,
    expect_offline,
    expect_success,
    handle_request,
    now,
    online,
    pass_time,
    push,
    pushed_packets,
    restart,
    returned,
)

RESTARTS = [(5, 3.0), (6, None), (7, 3.0)]


@for_each("product", ["bare", "pro", "aura"])
@for_each(("callback", "seconds"), RESTARTS)
def test_nothing_answers_a_restart_and_the_outlet_is_away(
    product: Any, callback: int, seconds: float | None
) -> None:
    gone = expect_offline(handle_request(an_outlet(product), callback))
    assert gone.seconds == seconds
    assert gone.disconnect == "close"
    assert "re" in gone.name


def test_the_times_are_settings_and_a_network_reset_has_none() -> None:
    outlet = an_outlet(timing={"restart_seconds": 0.5, "factory_reset_seconds": 60})
    assert [expect_offline(handle_request(outlet, callback)).seconds for callback in (5, 6, 7)] == [
        0.5,
        None,
        60,
    ]


@for_each("how", ["close", "reset", "close_frame", "blackhole"])
@for_each("callback", [5, 6, 7])
def test_how_connections_end_is_a_quirk(how: str, callback: int) -> None:
    gone = expect_offline(handle_request(an_outlet(quirks={"restart_disconnect": how}), callback))
    assert gone.disconnect == how


SETTINGS: dict[str, list[tuple[int, Any]]] = {
    "bare": [
        (2, {"acc_prefs": {"homeAwayMode": {"maxOnDuration": 99}}}),
        (4, [{"accessory": 1, "name": "Fan"}]),
        (10, [2, 1]),
    ],
    "pro": [
        (2, {"acc_prefs": {"pmIndicatorBrightness": 99}}),
        (14, [1, 33]),
        (28, [25_000, 50_000]),
    ],
    "aura": [(17, [5, 3, [[1, 60, [200, 30]]], 7, 1, 99]), (17, [7, 1, [[1, 1, [1, 1]]]])],
}
"""What clients can change."""

READS: dict[str, list[tuple[Any, ...]]] = {
    "bare": [(1,), (3,), (9,), (12,), (20,)],
    "pro": [(11,), (15,)],
    "aura": [(11,), (18, [5]), (18, [7])],
}


def settled(product: Any) -> Outlet:
    """An outlet that is not what it is out of the box."""
    return an_outlet(
        product,
        outlets={"states": [1, 0]},
        names={"outlet1": "Lamp"},
        preferences={"acc_prefs": {"pmIndicatorBrightness": 7}},
        nightlight={"mode": 1, "brightness": 5},
        color_light={"mode": 5},
        indicator_light={"mode": 6},
        quirks={"indicator_light": True},
        firmware={"IM": {"fw_rev": "1", "available_fw_rev": "2"}},
    )


def all_that_is_read(outlet: Outlet, product: str) -> list[Any]:
    reads = READS["bare"] + (READS[product] if product != "bare" else [])
    return [returned(outlet, *read) for read in reads]


def set_everything(outlet: Outlet, product: str) -> None:
    settings = SETTINGS["bare"] + (SETTINGS[product] if product != "bare" else [])
    for callback, args in settings:
        expect_success(outlet, callback, args)


@for_each("product", ["bare", "pro", "aura"])
@for_each("callback", [5, 6])
def test_a_restart_and_a_network_reset_forget_nothing(product: str, callback: int) -> None:
    outlet = settled(product)
    out_of_the_box = all_that_is_read(outlet, product)
    set_everything(outlet, product)
    before = all_that_is_read(outlet, product)
    assert before != out_of_the_box
    expect_offline(handle_request(outlet, callback))
    restart(outlet)
    assert all_that_is_read(outlet, product) == before


@for_each("product", ["bare", "pro", "aura"])
def test_a_factory_reset_restores_what_clients_can_change(
    product: str,
) -> None:
    outlet = settled(product)
    out_of_the_box = all_that_is_read(outlet, product)
    set_everything(outlet, product)
    expect_offline(handle_request(outlet, 7))
    restart(outlet)
    assert all_that_is_read(outlet, product) == out_of_the_box
    set_everything(outlet, product)
    changed = all_that_is_read(outlet, product)
    restart(outlet)
    assert all_that_is_read(outlet, product) == changed


def test_a_factory_reset_keeps_what_no_client_can_change() -> None:
    outlet = settled("pro")
    for tables in (
        {"firmware": {"IM": {"fw_rev": "9"}}},
        {"sensors": {"lux": 3}},
        {"timing": {"restart_seconds": 9}},
        {"faceplate": {"MAC": "x"}},
        {"device": {"hw_rev": "revB"}},
    ):
        change(outlet, **tables)
    kept = outlet.state
    expect_offline(handle_request(outlet, 7))
    restart(outlet)
    assert outlet.state == kept
    assert returned(outlet, 20)["IM"]["fw_rev"] == "9"


def test_a_power_failure_before_the_factory_reset_ends_does_not_undo_it() -> None:
    outlet = an_outlet()
    expect_success(outlet, 10, [1, 1])
    expect_offline(handle_request(outlet, 7))
    outlet.go_offline(now(outlet))
    outlet.go_offline(now(outlet))
    outlet.come_online(now(outlet))
    assert returned(outlet, 9) == [0, 0]


# --- while it is away ---


def is_offline(outlet: Outlet) -> bool:
    return outlet.offline


def test_nothing_is_pushed_while_offline_and_the_state_shows_afterwards() -> None:
    outlet = an_outlet(sensors={"lux": [0.0, 1.0, 2.0]})
    outlet.go_offline(now(outlet))
    assert is_offline(outlet)
    assert change(outlet, outlets={"states": [1, 1]}, nightlight={"mode": 1}) == ()
    assert outlet.sample(now(outlet)) == ()
    assert outlet.come_online(now(outlet)) == ()
    assert not is_offline(outlet)
    assert returned(outlet, 9) == [1, 1]
    assert returned(outlet, 15) == [1, 100]
    assert returned(outlet, 11)[1]["lux"] == "1.00"


def test_a_push_is_returned_once_and_not_again_by_a_restart() -> None:
    outlet = an_outlet()
    assert pushed_packets(change(outlet, outlets={"states": [1, 1]})) == [(9, [1, 1])]
    assert outlet.go_offline(now(outlet)) == ()
    assert outlet.advance(now(outlet)) == outlet.come_online(now(outlet)) == ()


def test_the_faceplate_comes_back_with_the_outlet() -> None:
    outlet = an_outlet(timing={"faceplate_restart_seconds": 100})
    expect_success(outlet, 24)
    assert not online(outlet)
    restart(outlet)
    assert online(outlet)
    assert outlet.schedule.next_due(daemon=False) is None


def test_readings_go_on_after_a_restart_at_the_old_interval() -> None:
    outlet = an_outlet()
    pass_time(outlet, 4)
    restart(outlet, 3)
    assert [moment.seconds for moment in pass_time(outlet, 9)] == [10, 15]


# --- clients that connect soon after a restart ---


def test_a_client_that_connects_soon_after_a_restart_is_sent_callback_12() -> None:
    outlet = an_outlet()
    assert connect(outlet) == []
    restart(outlet)
    for _ in range(3):
        assert connect(outlet) == [(12, returned(outlet, 12))]
        pass_time(outlet, 9.9)
    pass_time(outlet, 0.5)
    assert connect(outlet) == []


def test_for_how_long_is_a_setting_that_begins_again_with_each_restart() -> None:
    outlet = an_outlet("bare", timing={"reconnect_seconds": 10})
    restart(outlet)
    pass_time(outlet, 6)
    restart(outlet, 0)
    pass_time(outlet, 6)
    assert len(connect(outlet)) == 1
    pass_time(outlet, 4.1)
    assert connect(outlet) == []


def test_nothing_is_sent_to_a_client_while_offline() -> None:
    outlet = an_outlet()
    restart(outlet)
    outlet.go_offline(now(outlet))
    assert connect(outlet) == []


# --- from outside ---


def test_what_comes_of_a_change_from_outside_is_returned_once() -> None:
    outlet = an_outlet()
    effects = change(outlet, outlets={"states": [1, 0]}, nightlight={"mode": 1})
    assert pushed_packets(effects) == [(9, [1, 0]), (15, [1, 100])]
    assert len(outlet.sample(now(outlet))) == 1
    assert len(push(outlet, 9)) == 1
    assert len(outlet.restart_faceplate(now(outlet))) == 1
    assert len(handle_request(outlet, 10, [2, 1]).effects) == 1
    assert outlet.advance(now(outlet)) == ()


def test_a_push_has_the_present_state_or_what_it_is_given() -> None:
    outlet = an_outlet(outlets={"states": [0, 1]})
    for callback in (9, 11, 12, 15):
        pushed = pushed_packets(push(outlet, callback))
        assert pushed == [(callback, returned(outlet, callback))]
    aura = an_outlet("aura")
    assert pushed_packets(push(aura, 18)) == [(18, returned(aura, 18, [5]))]
    for args in ([1, 90], None, {"x": [1.5, "é"]}, 10**30):
        assert pushed_packets(push(outlet, 22, args)) == [(22, args)]
        assert pushed_packets(push(outlet, 99, args)) == [(99, args)]


@for_each("callback", [18, 20, 22, 1, 99])
def test_what_has_no_state_of_its_own_is_not_pushed_without_arguments(callback: int) -> None:
    outlet = an_outlet()
    with pytest.raises(ValueError, match=str(callback)):
        push(outlet, callback)


def test_what_json_cannot_say_is_not_pushed() -> None:
    outlet = an_outlet()
    with pytest.raises(ValueError, match="args"):
        push(outlet, 9, [object()])


def test_a_push_without_a_faceplate_has_nothing_to_say() -> None:
    outlet = an_outlet(faceplate={"attached": False})
    for callback in (11, 15):
        with pytest.raises(ValueError, match="faceplate offline"):
            push(outlet, callback)


def test_packet_ids_of_pushes_come_from_the_seed() -> None:
    def ids(seed: int) -> list[int]:
        outlet = an_outlet(seed=seed)
        effects = [effect for _ in range(20) for effect in push(outlet, 9)]
        assert all(isinstance(effect, Push) for effect in effects)
        return [one.fields["packetID"] for one in effects if isinstance(one, Push)]

    assert ids(1) == ids(1)
    assert ids(1) != ids(2)
    assert len(set(ids(1))) > 15


def test_a_request_brings_the_outlets_time_up_to_date() -> None:
    outlet = an_outlet(timing={"sensor_seconds": 0, "faceplate_restart_seconds": 4})
    handle_request(outlet, 24, seconds=100.0)
    assert outlet.schedule.next_due() == 104
    handle_request(outlet, 10, [1, 1], seconds=50.0)
    assert outlet.schedule.now == 100
    handle_request(outlet, 9, seconds=101.0)
    assert outlet.schedule.now == 101
    handle_request(outlet, 0, seconds=102.0)
    assert outlet.schedule.now == 102


def test_what_is_changed_while_a_factory_reset_goes_on_stays() -> None:
    outlet = an_outlet("bare", outlets={"states": [0, 1]})
    expect_success(outlet, 10, [1, 1])
    expect_offline(handle_request(outlet, 7))
    outlet.go_offline(now(outlet))
    assert outlet.state.outlets.states == (0, 1)
    change(outlet, outlets={"states": [1, 0]})
    outlet.come_online(now(outlet))
    assert returned(outlet, 9) == [1, 0]

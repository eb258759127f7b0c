"""Callbacks 5, 6 and 7: no reply, a while away, and what the outlet knows afterwards."""

from typing import Any

import pytest

from invis_sim.device.outlet import GoOffline, Outlet
from tests.device.support import (
    an_outlet,
    ask,
    away,
    done,
    greeting,
    online,
    pass_time,
    restart,
    returned,
    told,
)

RESTARTS = [(5, 3.0), (6, None), (7, 6.0)]


@pytest.mark.parametrize("product", ["bare", "pro", "aura"])
@pytest.mark.parametrize(("callback", "seconds"), RESTARTS)
def test_nothing_answers_a_restart_and_the_outlet_is_away(
    product: Any, callback: int, seconds: float | None
) -> None:
    gone = away(ask(an_outlet(product), callback))
    assert gone.seconds == seconds
    assert gone.connections == "close"
    assert "re" in gone.name


def test_the_times_are_settings_and_a_network_reset_has_none() -> None:
    outlet = an_outlet(timing={"restart_seconds": 0.5, "factory_reset_seconds": 60})
    assert [away(ask(outlet, callback)).seconds for callback in (5, 6, 7)] == [0.5, None, 60]


@pytest.mark.parametrize("how", ["close", "reset", "close_frame", "blackhole"])
@pytest.mark.parametrize("callback", [5, 6, 7])
def test_how_connections_end_is_a_quirk(how: str, callback: int) -> None:
    gone = away(ask(an_outlet(quirks={"restart_disconnect": how}), callback))
    assert gone.connections == how


SETTINGS: dict[str, list[tuple[int, Any]]] = {
    "bare": [
        (2, {"acc_prefs": {"pmIndicatorBrightness": 99}}),
        (4, [{"accessory": 1, "name": "Fan"}]),
        (10, [2, 1]),
    ],
    "pro": [(14, [1, 33]), (28, [25_000, 50_000])],
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
        done(outlet, callback, args)


@pytest.mark.parametrize("product", ["bare", "pro", "aura"])
@pytest.mark.parametrize("callback", [5, 6])
def test_a_restart_and_a_network_reset_forget_nothing(product: str, callback: int) -> None:
    outlet = settled(product)
    out_of_the_box = all_that_is_read(outlet, product)
    set_everything(outlet, product)
    before = all_that_is_read(outlet, product)
    assert before != out_of_the_box
    away(ask(outlet, callback))
    restart(outlet)
    assert all_that_is_read(outlet, product) == before


@pytest.mark.parametrize("product", ["bare", "pro", "aura"])
def test_a_factory_reset_restores_what_the_scenario_says_of_what_clients_can_change(
    product: str,
) -> None:
    outlet = settled(product)
    out_of_the_box = all_that_is_read(outlet, product)
    set_everything(outlet, product)
    away(ask(outlet, 7))
    restart(outlet)
    assert outlet.take() == ()
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
        outlet.change(**tables)
    kept = outlet.state
    away(ask(outlet, 7))
    restart(outlet)
    assert outlet.state == kept
    assert returned(outlet, 20)["IM"]["fw_rev"] == "9"


def test_a_power_failure_before_the_factory_reset_ends_does_not_undo_it() -> None:
    outlet = an_outlet()
    done(outlet, 10, [1, 1])
    away(ask(outlet, 7))
    outlet.go_down()
    outlet.go_down()
    outlet.come_up()
    assert returned(outlet, 9) == [0, 0]


# --- while it is away ---


def is_down(outlet: Outlet) -> bool:
    return outlet.down


def test_nothing_is_told_while_it_is_away_and_the_present_state_shows_afterwards() -> None:
    outlet = an_outlet(sensors={"lux": [0.0, 1.0, 2.0]})
    outlet.go_down()
    assert is_down(outlet)
    outlet.change(outlets={"states": [1, 1]}, nightlight={"mode": 1})
    outlet.sample()
    assert outlet.take() == ()
    outlet.come_up()
    assert not is_down(outlet)
    assert outlet.take() == ()
    assert returned(outlet, 9) == [1, 1]
    assert returned(outlet, 15) == [1, 100]
    assert returned(outlet, 11)[1]["lux"] == "1.00"


def test_what_was_not_yet_told_is_lost_with_the_restart() -> None:
    outlet = an_outlet()
    outlet.change(outlets={"states": [1, 1]})
    outlet.go_down()
    assert outlet.take() == ()


def test_the_faceplate_comes_back_with_the_outlet() -> None:
    outlet = an_outlet(timing={"faceplate_restart_seconds": 100})
    done(outlet, 24)
    assert not online(outlet)
    restart(outlet)
    assert online(outlet)
    assert outlet.schedule.due(background=False) is None


def test_readings_go_on_after_a_restart_in_the_old_rhythm() -> None:
    outlet = an_outlet()
    pass_time(outlet, 4)
    restart(outlet, 3)
    assert [moment.seconds for moment in pass_time(outlet, 9)] == [10, 15]


# --- the greeting ---


def test_whoever_connects_soon_after_a_restart_is_told_who_the_outlet_is() -> None:
    outlet = an_outlet()
    assert greeting(outlet) == []
    restart(outlet)
    for _ in range(3):
        assert greeting(outlet) == [(12, returned(outlet, 12))]
        pass_time(outlet, 9.9)
    pass_time(outlet, 0.5)
    assert greeting(outlet) == []


def test_for_how_long_is_a_setting_that_begins_again_with_each_restart() -> None:
    outlet = an_outlet("bare", timing={"reconnect_seconds": 10})
    restart(outlet)
    pass_time(outlet, 6)
    restart(outlet, 0)
    pass_time(outlet, 6)
    assert len(greeting(outlet)) == 1
    pass_time(outlet, 4.1)
    assert greeting(outlet) == []


def test_while_it_is_away_nobody_is_greeted() -> None:
    outlet = an_outlet()
    restart(outlet)
    outlet.go_down()
    assert greeting(outlet) == []


# --- from outside ---


def test_what_comes_of_a_change_from_outside_is_taken_once_and_announced() -> None:
    outlet = an_outlet()
    calls: list[int] = []
    outlet.on_change = lambda: calls.append(1)
    outlet.change(outlets={"states": [1, 0]}, nightlight={"mode": 1})
    assert told(outlet.take()) == [(9, [1, 0]), (15, [1, 100])]
    assert outlet.take() == ()
    outlet.sample()
    outlet.push(9)
    outlet.restart_faceplate()
    assert len(calls) == 4
    ask(outlet, 10, [1, 1])
    assert len(calls) == 4


def test_a_push_has_the_present_state_or_what_it_is_given() -> None:
    outlet = an_outlet(outlets={"states": [0, 1]})
    for callback in (9, 11, 12, 15):
        outlet.push(callback)
        assert told(outlet.take()) == [(callback, returned(outlet, callback))]
    aura = an_outlet("aura")
    aura.push(18)
    assert told(aura.take()) == [(18, returned(aura, 18, [5]))]
    for args in ([1, 90], None, {"x": [1.5, "é"]}, 10**30):
        outlet.push(22, args)
        outlet.push(99, args)
        assert told(outlet.take()) == [(22, args), (99, args)]


@pytest.mark.parametrize("callback", [18, 20, 22, 1, 99])
def test_what_has_no_state_of_its_own_is_not_pushed_without_arguments(callback: int) -> None:
    outlet = an_outlet()
    with pytest.raises(ValueError, match=str(callback)):
        outlet.push(callback)
    assert outlet.take() == ()


def test_what_json_cannot_say_is_not_pushed() -> None:
    outlet = an_outlet()
    with pytest.raises(ValueError, match="args"):
        outlet.push(9, [object()])
    assert outlet.take() == ()


def test_a_push_without_a_faceplate_has_nothing_to_say() -> None:
    outlet = an_outlet(faceplate={"attached": False})
    for callback in (11, 15):
        with pytest.raises(ValueError, match="InvisDeco"):
            outlet.push(callback)


def test_packet_ids_of_pushes_come_from_the_seed() -> None:
    def ids(seed: int) -> list[int]:
        outlet = an_outlet(seed=seed)
        for _ in range(20):
            outlet.push(9)
        effects = outlet.take()
        assert not any(isinstance(one, GoOffline) for one in effects)
        return [one.fields["packetID"] for one in effects if not isinstance(one, GoOffline)]

    assert ids(1) == ids(1)
    assert ids(1) != ids(2)
    assert len(set(ids(1))) > 15


def test_a_request_brings_the_outlets_time_up_to_date() -> None:
    outlet = an_outlet(timing={"sensor_seconds": 0, "faceplate_restart_seconds": 4})
    ask(outlet, 24, seconds=100.0)
    assert outlet.schedule.due() == 104
    ask(outlet, 10, [1, 1], seconds=50.0)
    assert outlet.schedule.now == 100


def test_what_is_changed_while_a_factory_reset_goes_on_stays() -> None:
    outlet = an_outlet("bare", outlets={"states": [0, 1]})
    done(outlet, 10, [1, 1])
    away(ask(outlet, 7))
    outlet.go_down()
    assert outlet.state.outlets.states == (0, 1)
    outlet.change(outlets={"states": [1, 0]})
    outlet.come_up()
    assert returned(outlet, 9) == [1, 0]

"""`reset` and `reseed`: an outlet that is as it was at the beginning."""

import json
from typing import Any

import pytest

from invis_sim.device.effects import GoOffline, Log
from invis_sim.device.outlet import Outlet
from invis_sim.protocol.packets import Push
from tests.device.support import (
    FIRMWARE,
    an_outlet,
    change,
    connect,
    expect_failure,
    expect_success,
    handle_request,
    logs,
    now,
    online,
    pass_time,
    push,
    pushed_packets,
    restart,
    returned,
    updating,
)

DRIFT = {"start": 20.0, "step": 5.0}


def fresh(**tables: Any) -> Outlet:
    return an_outlet(
        firmware=FIRMWARE,
        outlets={"states": [1, 0]},
        names={"outlet1": "Lamp"},
        sensors={"lux": [1.0, 2.0, 3.0], "temp_celsius": DRIFT},
        **tables,
    )


def reset(outlet: Outlet) -> list[tuple[int, Any]]:
    """What is pushed by a reset."""
    return pushed_packets(outlet.reset(now(outlet)))


# --- reset ---


def test_a_reset_restores_the_whole_state_and_pushes_what_has_changed() -> None:
    outlet = fresh()
    beginning = outlet.state
    expect_success(outlet, 10, [2, 1])
    expect_success(outlet, 14, [1, 7])
    expect_success(outlet, 2, {"acc_prefs": {"pmIndicatorBrightness": 99}})
    change(outlet, sensors={"lux": 7}, quirks={"decimals": "numbers"}, device={"hw_rev": "revB"})
    assert reset(outlet) == [(9, [1, 0]), (15, [0, 100])]
    assert outlet.state == beginning
    assert reset(outlet) == []


def test_a_reset_of_a_fresh_outlet_has_no_effects() -> None:
    assert fresh().reset(5.0) == ()


def test_a_reset_pushes_the_coloured_lights_that_have_changed() -> None:
    outlet = an_outlet("aura")
    before = returned(outlet, 18, [5])
    expect_success(outlet, 17, [5, 1, [[1, 60, [200, 30]]]])
    assert reset(outlet) == [(18, before)]


def test_a_reset_forgets_calibrations() -> None:
    outlet = fresh()
    before = returned(outlet, 11)
    expect_success(outlet, 28, [30_000, 50_000])
    assert returned(outlet, 11) != before
    reset(outlet)
    assert returned(outlet, 11) == before


@pytest.mark.parametrize(("target", "words"), [(1, "the outlet"), (2, "the faceplate")])
def test_a_reset_cancels_an_update(target: int, words: str) -> None:
    outlet = fresh(timing={"sensor_seconds": 0}, updates={"IM": {"silence_seconds": 0}})
    expect_success(outlet, 21, [target])
    pass_time(outlet, 5)
    assert outlet.reset(now(outlet)) == (Log(f"the update of {words} is cancelled"),)
    assert not updating(outlet)
    assert pass_time(outlet) == []
    assert returned(outlet, 20) == FIRMWARE
    assert expect_success(outlet, 21, [target]) == []


def test_a_reset_forgets_firmware_that_was_downloaded() -> None:
    outlet = fresh(timing={"sensor_seconds": 0}, updates={"IM": {"seconds": 1, "www_seconds": 1}})
    expect_success(outlet, 21, [1])
    moments = pass_time(outlet, restarts=False)
    assert isinstance(moments[-1].args, GoOffline)
    reset(outlet)
    assert logs(restart(outlet)) == []
    assert returned(outlet, 20) == FIRMWARE


def test_a_reset_ends_a_restart_of_the_faceplate_and_a_calibration() -> None:
    outlet = fresh(timing={"sensor_seconds": 0})
    expect_success(outlet, 26, [30])
    pass_time(outlet, 15)
    assert returned(outlet, 11)[1]["occupancy_state"] == 4
    assert outlet.reset(now(outlet)) == (Log("the calibration of the occupancy sensor ends"),)
    assert returned(outlet, 11)[1]["occupancy_state"] == 1
    expect_success(outlet, 24)
    assert not online(outlet)
    reset(outlet)
    assert online(outlet)
    assert outlet.schedule.next_due() is None
    assert pass_time(outlet) == []


def test_a_reset_withdraws_a_factory_reset() -> None:
    outlet = fresh()
    handle_request(outlet, 7)
    reset(outlet)
    expect_success(outlet, 10, [2, 1])
    restart(outlet)
    assert returned(outlet, 9) == [1, 1]


def test_a_reset_ends_the_time_in_which_clients_hear_of_a_restart() -> None:
    outlet = fresh(device={"hw_rev": "revB"})
    handle_request(outlet, 21, [1])
    restart(outlet)
    reset(outlet)
    assert connect(outlet) == []
    assert not updating(outlet)
    restart(outlet)
    assert [callback for callback, _ in connect(outlet)] == [12]


@pytest.mark.parametrize("product", ["bare", "aura"])
def test_a_reset_restores_product_and_faceplate(product: str) -> None:
    outlet = fresh()
    change(outlet, device={"product": product})
    change(outlet, device={"sn": "FFFFFFFFFF"})
    reset(outlet)
    assert outlet.state.product == "pro"
    assert outlet.sn == "0003C44076"
    assert online(outlet)
    assert returned(outlet, 20) == FIRMWARE


def test_after_a_reset_a_faceplate_comes_back_as_the_first() -> None:
    outlet = an_outlet("bare")
    change(outlet, device={"product": "aura"}, firmware={"PM": {"fw_rev": "7"}})
    reset(outlet)
    change(outlet, firmware={"PM": {"fw_rev": "8"}})
    assert returned(outlet, 12)["PM"]["type"] == "Pro"


def test_samples_are_taken_from_the_reset_on() -> None:
    outlet = fresh()
    pass_time(outlet, 3)
    reset(outlet)
    assert [moment.seconds for moment in pass_time(outlet, 11)] == [8, 13]


def test_a_reset_leaves_the_outlet_offline_and_the_faceplate_forced() -> None:
    outlet = fresh()
    outlet.force_faceplate_offline(True, now(outlet))
    outlet.go_offline(now(outlet))
    change(outlet, outlets={"states": [0, 0]})
    assert outlet.reset(now(outlet)) == ()
    assert outlet.offline
    outlet.come_online(now(outlet))
    assert returned(outlet, 9) == [1, 0]
    assert expect_failure(outlet, 11) == "faceplate offline"
    outlet.force_faceplate_offline(False, now(outlet))
    assert online(outlet)


# --- reseed ---


def packets(outlet: Outlet) -> list[dict[str, Any]]:
    """What the next samples and pushes are, packetIDs included."""
    effects = [effect for _ in range(5) for effect in outlet.sample(now(outlet)) + push(outlet, 9)]
    return [json.loads(effect.encode()) for effect in effects if isinstance(effect, Push)]


def test_reseed_repeats_packet_ids_and_readings() -> None:
    outlet = fresh(seed=7)
    first_reading = returned(outlet, 11)
    first = packets(outlet)
    assert len(first) == 10
    assert packets(outlet) != first
    assert outlet.reseed(now(outlet)) == ()
    assert returned(outlet, 11) == first_reading
    assert packets(outlet) == first


def test_reset_alone_does_not_repeat_them() -> None:
    outlet = fresh(seed=7)
    first = packets(outlet)
    reset(outlet)
    assert packets(outlet) != first


def test_reset_and_reseed_make_an_outlet_like_a_new_one() -> None:
    used, new = fresh(seed=3), fresh(seed=3)
    change(used, sensors={"lux": {"start": 5.0}}, outlets={"states": [0, 0]})
    pass_time(used, 100)
    expect_success(used, 21, [1])
    used.reset(now(used))
    used.reseed(now(used))
    start = now(used)
    expect_success(used, 21, [1])
    expect_success(new, 21, [1])
    later = [(m.seconds - start, m.callback, m.args) for m in pass_time(used, 60)]
    assert later == [tuple(moment) for moment in pass_time(new, 60)]
    assert packets(used) == packets(new)


@pytest.mark.parametrize("method", ["reset", "reseed"])
def test_both_bring_the_time_up_to_date(method: str) -> None:
    outlet = fresh()
    getattr(outlet, method)(12.5)
    assert now(outlet) == 12.5

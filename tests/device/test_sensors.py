"""Callback 11, and the calibrations 26 and 28: what the faceplate measures."""

from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invis_sim.device.outlet import Outlet
from invis_sim.device.sensors import DECIMALS, READINGS, Sensors, _constants_on_wire
from tests.cases import for_each
from tests.device.support import (
    FIRMWARE,
    Moment,
    an_outlet,
    change,
    expect_failure,
    expect_success,
    handle_request,
    now,
    pass_time,
    pushed_packets,
    returned,
)

WHOLE = [name for name in READINGS if name not in DECIMALS]


def reading(outlet: Outlet, name: str) -> Any:
    return returned(outlet, 11)[1][name]


def series(outlet: Outlet, name: str, samples: int) -> list[Any]:
    """The present reading, and those of the next samples, as they are pushed."""
    readings = [reading(outlet, name)]
    for _ in range(samples - 1):
        ((callback, args),) = pushed_packets(outlet.sample(now(outlet)))
        assert callback == 11
        assert args == returned(outlet, 11)
        readings.append(args[1][name])
    return readings


# --- what is read ---


@for_each("product", ["pro", "aura"])
@for_each("name", READINGS)
def test_every_reading_can_be_given_and_has_its_place_and_type(product: Any, name: str) -> None:
    _, readings = returned(an_outlet(product, sensors={name: 7}), 11)
    assert readings[name] == ("7.00" if name in DECIMALS else 7)
    assert list(readings) == [one for one in READINGS if one in readings]
    usual = returned(an_outlet(product), 11)[1]
    assert {**usual, name: readings[name]} == readings


def test_the_device_type_is_1_unless_it_is_given() -> None:
    assert returned(an_outlet("pro"), 11)[0] == 1
    assert returned(an_outlet("aura"), 11)[0] == 1
    assert returned(an_outlet("aura", sensors={"device_type": 0}), 11)[0] == 0


@for_each("name", READINGS)
def test_a_reading_that_the_faceplate_lacks_is_left_out_and_not_null(name: str) -> None:
    readings = returned(an_outlet(sensors={"omit": [name], name: 7}), 11)[1]
    assert name not in readings
    assert None not in readings.values()


def test_decimals_are_strings_of_two_places_or_numbers_by_a_quirk() -> None:
    sensors = {"temp_celsius": 20.126, "humidity": 40, "lux": "inf", "bvoc_equiv": -1}
    strings = returned(an_outlet(sensors=sensors), 11)[1]
    numbers = returned(an_outlet(sensors=sensors, quirks={"decimals": "numbers"}), 11)[1]
    assert [strings[name] for name in sensors] == ["20.13", "40.00", "inf", "-1.00"]
    assert [numbers[name] for name in sensors] == [20.13, 40.0, "inf", -1.0]
    assert all(
        type(strings[name]) is type(numbers[name]) is int for name in WHOLE if name in numbers
    )


@for_each(("value", "shown"), [(-0.0, "-0.00"), (-0.004, "-0.00"), (0.0, "0.00"), (0, "0.00")])
def test_a_zero_keeps_its_sign_also_beside_another(value: float, shown: str) -> None:
    for other in (0.0, value):
        returned(an_outlet(sensors={"lux": other}), 11)
    assert returned(an_outlet(sensors={"lux": value}), 11)[1]["lux"] == shown


def test_what_an_outlet_reads_does_not_depend_on_others_with_readings_that_are_alike() -> None:
    """Outlets share what they show of constants."""
    given: list[dict[str, Any]] = [
        *({"lux": value} for value in (0, 0.0, -0.0, 1, 1.0, "1", "inf", (1, 2), (2, 1))),
        *({"AQI": value} for value in (1, (1, 2), (2, 1))),
        *({"humidity": {"start": 1, "step": step}} for step in (0, 1)),
    ]
    alone = []
    for sensors in given:
        _constants_on_wire.cache_clear()
        alone.append(returned(an_outlet(sensors=sensors), 11))
    for other in given:
        _constants_on_wire.cache_clear()
        returned(an_outlet(sensors=other), 11)
        assert [returned(an_outlet(sensors=sensors), 11) for sensors in given] == alone


@pytest.mark.parametrize(("name", "values"), [("lux", ["1.00", "inf", "3.50"]), ("AQI", [1, 9, 5])])
def test_each_sample_of_a_list_is_the_next_over_and_over(name: str, values: list[Any]) -> None:
    given = [value if value == "inf" else float(value) for value in values]
    if name == "AQI":
        given = [int(value) for value in given]
    outlet = an_outlet(sensors={name: given})
    assert series(outlet, name, 7) == (values * 3)[:7]


def test_who_reads_does_not_change_what_is_read() -> None:
    sensors = {"lux": [1.0, 2.0, 3.0], "AQI": {"start": 50, "step": 10}}
    asked, left_alone = an_outlet(sensors=sensors), an_outlet(sensors=sensors)
    for _ in range(10):
        for _ in range(3):
            returned(asked, 11)
        sample = pushed_packets(asked.sample(now(asked)))
        assert sample == pushed_packets(left_alone.sample(now(left_alone)))


# --- drift ---

DRIFTS = st.fixed_dictionaries(
    {"start": st.floats(-100, 100), "step": st.floats(0, 50)},
    optional={"min": st.floats(-200, -100), "max": st.floats(100, 200)},
)


@given(DRIFTS, st.integers(0, 2**64))
def test_a_drift_begins_at_its_start_and_keeps_to_its_step_and_limits(
    drift: dict[str, float], seed: int
) -> None:
    outlet = an_outlet(
        seed=seed, sensors={"temp_celsius": drift, "AQI": drift}, quirks={"decimals": "numbers"}
    )
    for name, rounding in (("temp_celsius", 0.011), ("AQI", 1.01)):
        values = series(outlet, name, 12)
        if name == "temp_celsius":
            assert abs(values[0] - drift["start"]) <= rounding
        else:
            assert all(type(value) is int for value in values)
        for one, next_one in pairwise(values):
            assert abs(one - next_one) <= drift["step"] + rounding
        assert all(value >= drift.get("min", -1000) - rounding for value in values)
        assert all(value <= drift.get("max", 1000) + rounding for value in values)


def test_limits_hold_a_drift() -> None:
    drift = {"start": 20, "step": 5, "min": 19, "max": 21}
    values = list(map(float, series(an_outlet(sensors={"lux": drift}), "lux", 200)))
    assert min(values) == 19
    assert max(values) == 21
    assert len(set(values)) > 20


def test_the_same_seed_drifts_in_the_same_way_and_another_in_another() -> None:
    drift = {"start": 20, "step": 5}

    def drifted(seed: int, name: str = "lux") -> list[Any]:
        return series(an_outlet(seed=seed, sensors={"lux": drift, "humidity": drift}), name, 20)

    assert drifted(1) == drifted(1)
    assert drifted(1) != drifted(2)
    assert drifted(1) != drifted(1, "humidity")


def test_a_drift_continues_unless_it_is_changed_itself() -> None:
    drift = {"start": 20.0, "step": 5.0}
    outlet, other = (an_outlet(sensors={"lux": drift}) for _ in range(2))
    series(outlet, "lux", 5)
    change(outlet, sensors={"AQI": 1}, outlets={"states": [1, 1]})
    assert series(outlet, "lux", 5) == series(other, "lux", 9)[4:]
    change(outlet, sensors={"lux": {"start": 90.0}})
    assert reading(outlet, "lux") == "90.00"
    change(outlet, sensors={"lux": 3})
    change(outlet, sensors={"lux": drift})
    assert reading(outlet, "lux") == "20.00"


@for_each(
    "wrong",
    [
        {"lux": {"start": 5, "min": 6}},
        {"lux": {"start": 5, "max": 4}},
        {"lux": {"step": 1}},
        {"lux": {"start": 1, "step": -1}},
        {"lux": []},
        {"lux": "x" * 33},
        {"lux": [None]},
        {"AQI": 1.5},
        {"AQI": "inf"},
        {"AQI": [1, 1.5]},
        {"omit": ["luxury"]},
        {"luxury": 1},
    ],
)
def test_a_bad_reading_is_rejected(wrong: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, Sensors)
    outlet = an_outlet()
    before = outlet.state
    with pytest.raises(ValueError, match="sensors"):
        change(outlet, sensors=wrong)
    assert outlet.state == before


# --- the interval ---


def pushed(moments: list[Moment]) -> list[float]:
    assert all(moment.callback == 11 for moment in moments)
    return [moment.seconds for moment in moments]


def test_readings_are_pushed_every_five_seconds_unless_said_otherwise() -> None:
    assert pushed(pass_time(an_outlet(), 21)) == [5, 10, 15, 20]
    assert pushed(pass_time(an_outlet(timing={"sensor_seconds": 8}), 21)) == [8, 16]
    assert pass_time(an_outlet("bare"), 21) == []
    none = an_outlet(timing={"sensor_seconds": 0}, sensors={"lux": [1.0, 2.0]})
    assert pass_time(none, 1000) == []
    assert reading(none, "lux") == "1.00"


def test_the_interval_changes_at_run_time() -> None:
    outlet = an_outlet()
    pass_time(outlet, 12)
    change(outlet, timing={"sensor_seconds": 2})
    assert pushed(pass_time(outlet, 5)) == [14, 16]
    change(outlet, timing={"sensor_seconds": 0})
    assert pass_time(outlet, 50) == []
    change(outlet, timing={"sensor_seconds": 10})
    assert pushed(pass_time(outlet, 11)) == [77]


def test_samples_are_taken_even_if_they_are_not_pushed() -> None:
    outlet = an_outlet(sensors={"lux": [0.0, 1.0, 2.0, 3.0, 4.0]})
    change(outlet, faceplate={"online": False})
    assert pass_time(outlet, 16) == []
    change(outlet, faceplate={"online": True})
    assert reading(outlet, "lux") == "3.00"


# --- 26: calibration of the occupancy sensor ---


def stages(outlet: Outlet, seconds: int) -> list[int]:
    """The state of occupancy at the start of each second."""
    states = []
    for _ in range(seconds):
        states.append(reading(outlet, "occupancy_state"))
        pass_time(outlet, 1)
    return states


@pytest.mark.parametrize(("outcome", "result"), [("succeeds", 5), ("fails", 6)])
def test_a_calibration_begins_in_ten_seconds_and_ends_with_its_result(
    outcome: str, result: int
) -> None:
    outlet = an_outlet(sensors={"occupancy_calibration": outcome}, timing={"sensor_seconds": 7.25})
    assert expect_success(outlet, 26, [30]) == []
    pass_time(outlet, 0.5)
    # The next sample, which has the result, is taken at 43.5 s.
    expected = [1] * 10 + [4] * 30 + [result] * 3 + [1] * 5
    assert stages(outlet, 48) == expected


@pytest.mark.parametrize("seconds", [10, 12])
def test_the_result_of_a_calibration_is_in_one_push(seconds: int) -> None:
    outlet = an_outlet(timing={"calibration_delay_seconds": 0})
    handle_request(outlet, 26, [seconds])
    moments = pass_time(outlet, 22)
    shown = [(moment.seconds, moment.args[1]["occupancy_state"]) for moment in moments]
    if seconds == 10:  # the sample that is due with the end comes after it
        assert shown == [(5, 4), (10, 5), (15, 1), (20, 1)]
    else:
        assert shown == [(5, 4), (10, 4), (15, 5), (20, 1)]


def test_the_result_of_a_calibration_waits_while_the_outlet_is_silent() -> None:
    outlet = an_outlet(
        firmware=FIRMWARE,
        updates={"IM": {"silence_seconds": 22}},
        timing={"calibration_delay_seconds": 0},
    )
    expect_success(outlet, 26, [3])
    expect_success(outlet, 21, [1])
    moments = pass_time(outlet, 31)
    shown = [
        (moment.seconds, moment.args[1]["occupancy_state"])
        for moment in moments
        if moment.callback == 11
    ]
    assert shown == [(25, 5), (30, 1)]


def test_a_silent_sensor_is_not_calibrated() -> None:
    outlet = an_outlet(sensors={"occupancy_calibration": "silent"})
    assert "does not answer" in expect_failure(outlet, 26, [30])


def test_one_calibration_at_a_time() -> None:
    outlet = an_outlet()
    expect_success(outlet, 26, [30])
    assert "in progress" in expect_failure(outlet, 26, [30])
    pass_time(outlet, 39.9)
    assert "in progress" in expect_failure(outlet, 26, [30])
    pass_time(outlet, 0.2)
    assert expect_success(outlet, 26, [30]) == []


@for_each("how", ["restart of the outlet", "restart of the faceplate", "taken off"])
def test_a_calibration_ends_with_whatever_takes_the_sensor_away(how: str) -> None:
    outlet = an_outlet(timing={"faceplate_restart_seconds": 1})
    expect_success(outlet, 26, [30])
    pass_time(outlet, 15)
    assert reading(outlet, "occupancy_state") == 4
    if how == "restart of the outlet":
        outlet.go_offline(now(outlet))
        outlet.come_online(now(outlet))
    elif how == "restart of the faceplate":
        expect_success(outlet, 24)
        pass_time(outlet, 1)
    else:
        outlet.force_faceplate_offline(True, now(outlet))
        outlet.force_faceplate_offline(False, now(outlet))
    assert reading(outlet, "occupancy_state") == 1
    assert outlet.schedule.next_due(daemon=False) is None
    assert expect_success(outlet, 26, [30]) == []


# --- 28: calibration of temperature and humidity ---


def climate(outlet: Outlet) -> tuple[Any, Any]:
    readings = returned(outlet, 11)[1]
    return readings["temp_celsius"], readings["humidity"]


@for_each(
    "given",
    [
        {},
        {"temp_celsius": -12.5, "humidity": 0},
        {"temp_celsius": [20.0, 21.0, 19.5], "humidity": [40.0, 41.0]},
        {"temp_celsius": {"start": 20, "step": 1}, "humidity": {"start": 50, "step": 5}},
        {"temp_celsius": "inf", "humidity": ["nan", "nan"]},
    ],
    ids=["usual", "constant", "list", "drift", "text"],
)
@for_each("wanted", [[25_000, 50_000], [-40_000, 0], [85_000, 100_000]])
def test_a_calibrated_reading_is_what_it_was_said_to_be(
    given: dict[str, Any], wanted: list[int]
) -> None:
    outlet = an_outlet(sensors=given, timing={"sensor_seconds": 0})
    outlet.sample(now(outlet))
    before = returned(outlet, 11)[1]
    assert expect_success(outlet, 28, wanted) == []
    expected = tuple(f"{value / 1000:.2f}" for value in wanted)
    after = returned(outlet, 11)[1]
    assert climate(outlet) == expected
    kept = {
        name: value for name, value in after.items() if name not in ("temp_celsius", "humidity")
    }
    assert kept.items() <= before.items()
    assert expect_success(outlet, 28, wanted) == []
    assert climate(outlet) == expected


@pytest.mark.parametrize(
    "given", [[20.0, 21.0, 19.5], {"start": 20, "step": 1, "min": 18, "max": 22}]
)
def test_what_is_measured_after_a_calibration_is_off_by_as_much(given: Any) -> None:
    sensors = {"temp_celsius": given, "humidity": given}
    tables: dict[str, Any] = {"sensors": sensors, "quirks": {"decimals": "numbers"}}
    plain, calibrated = an_outlet(**tables), an_outlet(**tables)
    expect_success(calibrated, 28, [30_000, 10_000])
    temperature, humidity = 30 - climate(plain)[0], 10 - climate(plain)[1]
    for _ in range(5):
        plain.sample(now(plain))
        calibrated.sample(now(calibrated))
        assert climate(calibrated)[0] == pytest.approx(climate(plain)[0] + temperature, abs=0.02)
        assert climate(calibrated)[1] == pytest.approx(climate(plain)[1] + humidity, abs=0.02)


def test_a_faceplate_reset_clears_a_calibration_and_a_restart_does_not() -> None:
    outlet = an_outlet()
    usual = climate(outlet)
    expect_success(outlet, 28, [25_000, 50_000])
    expect_success(outlet, 24)
    pass_time(outlet)
    assert climate(outlet) == ("25.00", "50.00")
    outlet.go_offline(now(outlet))
    outlet.come_online(now(outlet))
    assert climate(outlet) == ("25.00", "50.00")
    expect_success(outlet, 25)
    pass_time(outlet)
    assert climate(outlet) == usual


def test_a_faceplate_reset_restores_its_preferences_and_lights() -> None:
    outlet = an_outlet(
        nightlight={"mode": 1, "brightness": 30},
        preferences={"acc_prefs": {"pmIndicatorBrightness": 7}},
    )
    home = {"enabled": 1, "maxBrightness": 55}
    acc_prefs = {"pmIndicatorBrightness": 8, "adaptiveSensitivity": 3, "homeAwayMode": home}
    expect_success(outlet, 2, [{"acc_prefs": acc_prefs, "sys_prefs": {"mqtt": {"qos": 2}}}])
    expect_success(outlet, 4, [{"accessory": 3, "name": "Moon"}])
    expect_success(outlet, 10, [1, 1])
    expect_success(outlet, 14, [0, 1])
    assert expect_success(outlet, 25) == [(15, [1, 30])]
    pass_time(outlet)
    after = returned(outlet, 1)
    assert after["acc_prefs"]["pmIndicatorBrightness"] == 7
    assert "adaptiveSensitivity" not in after["acc_prefs"]
    assert after["acc_prefs"]["homeAwayMode"]["maxBrightness"] == 90
    # What the outlet has without a faceplate stays.
    assert after["acc_prefs"]["homeAwayMode"]["enabled"] == 1
    assert after["sys_prefs"]["mqtt"]["qos"] == 2
    assert returned(outlet, 3)[2]["name"] == "Moon"
    assert returned(outlet, 9) == [1, 0]
    assert returned(outlet, 15) == [1, 30]
    aura = an_outlet("aura")
    expect_success(aura, 17, [5, 1, [[1, 60, [200, 30]]]])
    ((callback, _),) = expect_success(aura, 25)
    assert callback == 18
    pass_time(aura)
    assert returned(aura, 18, [5]) == returned(an_outlet("aura"), 18, [5])


def test_a_faceplate_reset_makes_the_accuracies_0_unless_they_are_driven() -> None:
    names = ("AQI_accuracy", "co2_accuracy", "bvoc_accuracy")
    driven = {"co2_accuracy": [1, 2], "bvoc_accuracy": {"start": 3, "step": 0}}
    outlet = an_outlet(sensors={"AQI_accuracy": 2, **driven}, timing={"sensor_seconds": 0})
    assert [reading(outlet, name) for name in names] == [2, 1, 3]
    expect_success(outlet, 24)
    pass_time(outlet)
    assert [reading(outlet, name) for name in names] == [2, 1, 3]
    expect_success(outlet, 25)
    pass_time(outlet)
    assert [reading(outlet, name) for name in names] == [0, 1, 3]
    change(outlet, sensors={"AQI_accuracy": 1})
    assert reading(outlet, "AQI_accuracy") == 1
    usual = an_outlet()
    expect_success(usual, 25)
    pass_time(usual)
    assert [reading(usual, name) for name in names] == [0, 0, 0]


def test_a_reading_that_is_set_anew_is_no_longer_calibrated() -> None:
    outlet = an_outlet()
    expect_success(outlet, 28, [25_000, 50_000])
    change(outlet, sensors={"temp_celsius": 19})
    assert climate(outlet) == ("19.00", "50.00")
    change(outlet, sensors={"lux": 1})
    assert climate(outlet) == ("19.00", "50.00")

"""`patched`, and `Outlet.change`: what a scenario could say, and nothing else."""

import re
from typing import Any

import msgspec
import pytest

from invis_sim.device.sensors import Drift
from invis_sim.device.state import Outlets, OutletState, patched
from invis_sim.scenario.validation import validate
from tests.cases import for_each
from tests.device.support import an_outlet, change, returned


def test_what_is_not_mentioned_stays() -> None:
    state = msgspec.convert({"outlets": {"states": [1, 1]}, "names": {"outlet1": "a"}}, OutletState)
    after = patched(state, {"names": {"outlet2": "b"}, "sensors": {"lux": "inf"}})
    plain = msgspec.to_builtins(after)
    expected = msgspec.to_builtins(state)
    expected["names"]["outlet2"] = "b"
    expected["sensors"]["lux"] = "inf"
    assert plain == expected
    assert state.names.outlet2 == "Outlet 2"


def test_a_table_may_be_given_whole() -> None:
    after = patched(OutletState(), {"outlets": Outlets(states=(0, 1))})
    assert after.outlets.states == (0, 1)
    assert patched(after, {}) == after


def test_names_are_those_of_a_scenario_file() -> None:
    after = patched(OutletState(), {"preferences": {"sys_prefs": {"mqtt": {"pass": "x"}}}})
    assert after.preferences.sys_prefs.mqtt.password == "x"
    with pytest.raises(ValueError, match=r"preferences\.sys_prefs\.mqtt\.password: unknown key"):
        patched(OutletState(), {"preferences": {"sys_prefs": {"mqtt": {"password": "x"}}}})


def test_a_table_that_was_not_there_is_made_and_can_go_again() -> None:
    after = patched(OutletState(), {"faceplate": {"radar": {"fw_ver": "2"}}})
    assert after.faceplate.radar is not None
    assert after.faceplate.radar.hw_type == "LD2410"
    after = patched(after, {"faceplate": {"radar": {"MAC": "x"}}})
    assert after.faceplate.radar is not None
    assert (after.faceplate.radar.fw_ver, after.faceplate.radar.MAC) == ("2", "x")
    assert patched(after, {"faceplate": {"radar": None}}).faceplate.radar is None


@for_each(
    ("changes", "path"),
    [
        ({"outlet": {}}, "outlet"),
        ({"outlets": {"state": [1, 1]}}, "outlets.state"),
        ({"outlets": {"states": [1, 2]}}, "outlets.states[1]"),
        ({"outlets": {"states": [1]}}, "outlets.states"),
        ({"outlets": {"states": [True, 1]}}, "outlets.states[0]"),
        ({"outlets": 1}, "outlets"),
        ({"outlets": None}, "outlets"),
        ({"outlets": object()}, "outlets"),
        ({"outlets": {"states": object()}}, "outlets.states"),
        ({"device": {"sn": "0003c44076"}}, "device.sn"),
        ({"device": {"sn": "0003C44076\n"}}, "device.sn"),
        ({"device": {"sn": "0003C4407"}}, "device.sn"),
        ({"device": {"sn": "0003C4407612"}}, "device.sn"),
        ({"device": {"product": "max"}}, "device.product"),
        ({"timing": {"restart_seconds": -1}}, "timing.restart_seconds"),
        ({"timing": {"restart_seconds": float("nan")}}, "timing.restart_seconds"),
        ({"updates": {"IM": {"steps": 0}}}, "updates.IM.steps"),
        ({"updates": {"IM": {"steps": 101}}}, "updates.IM.steps"),
        ({"updates": {"PM": {"at_percent": 101}}}, "updates.PM.at_percent"),
        ({"updates": {"PM": {"at_part": "www"}}}, "updates.PM.at_part"),
        ({"color_light": {"leds": []}}, "color_light.leds"),
        ({"color_light": {"leds": [[1, 1, [1, 1], 1000]] * 10}}, "color_light.leds"),
        ({"color_light": {"leds": [[1, 1, [1, 1], 999]]}}, "color_light.leds[0][3]"),
        ({"color_light": {"leds": [[], [1, 1, [361, 1]]]}}, "color_light.leds[1][2][0]"),
        ({"indicator_light": {"leds": [[]] * 8}}, "indicator_light.leds"),
        ({"sensors": {"omit": ["x"]}}, "sensors.omit"),
        ({"sensors": {"lux": {"step": 1}}}, "sensors.lux"),
        ({"sensors": {"lux": {"start": True}}}, "sensors.lux.start"),
        ({"sensors": {"lux": {"start": 1, "min": 2}}}, "sensors.lux.start"),
        ({"sensors": {"AQI": [1, 1.5]}}, "sensors.AQI[1]"),
        ({"faceplate": {"radar": {"MAC": 1}}}, "faceplate.radar.MAC"),
        ({"firmware": {"PM": {"fw_rev": 1}}}, "firmware.PM.fw_rev"),
        ({"device": {"hw_rev": "revb"}}, "device.hw_rev"),
        ({"outlets": Outlets(states=(0, 2))}, "outlets.states[1]"),
        ({"timing": {"sensor_seconds": float("inf")}}, "timing.sensor_seconds"),
        ({"outlets": {3: 1}}, "outlets.3"),
        ({"quirks": {"names_list": "both"}}, "quirks.names_list"),
    ],
)
def test_an_impossible_change_is_rejected_with_its_path(changes: dict[str, Any], path: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(path)}: "):
        patched(OutletState(), changes)
    outlet = an_outlet()
    before = outlet.state
    with pytest.raises(ValueError, match=re.escape(path)):
        change(outlet, **{"names": {"outlet1": "x"}, **changes})
    assert outlet.state == before


@for_each(
    ("changes", "message"),
    [
        (
            {"outlets": {"states": [1, 2]}},
            "outlets.states[1]: expected 0 or 1 (0: off; 1: on), found 2",
        ),
        (
            {"outlets": {"states": (1,)}},
            "outlets.states: expected a list of 2, each 0 or 1 (0: off; 1: on), found [1]",
        ),
        ({"outlets": {"state": 1}}, "outlets.state: unknown key; did you mean 'states'?"),
        ({"outlet": {}}, "outlet: unknown key; did you mean 'outlets'?"),
        ({"mqtt": {"xyz": 1}}, "mqtt.xyz: unknown key; known here: connected"),
        ({"names": {"outlet1": True}}, "names.outlet1: expected text, found true"),
        ({"names": {"outlet1": {}}}, "names.outlet1: expected text, found a table"),
        ({"outlets": 1}, "outlets: expected a table, found 1"),
        ({"outlets": object()}, "outlets: expected plain data, found object"),
        (
            {"quirks": {"names_list": "wraped"}},
            (
                'quirks.names_list: expected one of "bare", "early", "wrapped", '
                "found \"wraped\"; did you mean 'wrapped'?"
            ),
        ),
        (
            {"color_light": {"leds": [[1, 101]]}},
            (
                "color_light.leds[0][1]: brightness: expected a whole number from 0 to 100 "
                "(percent), found 101"
            ),
        ),
        (
            {"sensors": {"lux": {"step": 1}}},
            "sensors.lux: start is missing; expected a number from -1e12 to 1e12",
        ),
        (
            {"timing": {"restart_seconds": float("nan")}},
            "timing.restart_seconds: expected a finite number, found nan",
        ),
    ],
)
def test_a_rejected_change_is_reported_in_the_words_of_a_scenario_file(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        change(an_outlet(), **changes)


def test_the_words_are_those_that_the_scenario_file_would_get() -> None:
    changes = {"outlets": {"states": [1, 2]}, "sensors": {"AQI": "x"}, "device": {"hw_rev": "revb"}}
    _, problems = validate(changes, OutletState)
    assert len(problems) == 3
    for problem in problems:
        table = str(problem.path[0])
        with pytest.raises(ValueError, match=re.escape(f"{problem.key}: {problem.message}")):
            patched(OutletState(), {table: changes[table]})


def test_a_reading_may_begin_to_drift_and_drift_otherwise() -> None:
    after = patched(OutletState(), {"sensors": {"lux": {"start": 1, "min": 0}}})
    assert after.sensors.lux == Drift(start=1, min=0)
    after = patched(after, {"sensors": {"lux": {"step": 3}}})
    assert after.sensors.lux == Drift(start=1, min=0, step=3)
    assert patched(after, {"sensors": {"lux": None}}) == OutletState()


def test_an_outlet_keeps_nothing_of_the_lists_that_it_was_given() -> None:
    states = [1, 0]
    outlet = an_outlet()
    change(outlet, outlets={"states": states})
    states[0] = 0
    assert returned(outlet, 9) == [1, 0]

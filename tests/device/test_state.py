"""`changed`, and `Outlet.change`: what a scenario could say, and nothing else."""

from typing import Any

import msgspec
import pytest

from invis_sim.device.state import Outlets, OutletState, changed
from tests.device.support import an_outlet, returned


def test_what_is_not_mentioned_stays() -> None:
    state = msgspec.convert({"outlets": {"states": [1, 1]}, "names": {"outlet1": "a"}}, OutletState)
    after = changed(state, {"names": {"outlet2": "b"}, "sensors": {"lux": "inf"}})
    plain = msgspec.to_builtins(after)
    expected = msgspec.to_builtins(state)
    expected["names"]["outlet2"] = "b"
    expected["sensors"]["lux"] = "inf"
    assert plain == expected
    assert state.names.outlet2 == "Outlet 2"


def test_a_table_may_be_given_whole() -> None:
    after = changed(OutletState(), {"outlets": Outlets(states=(0, 1))})
    assert after.outlets.states == (0, 1)
    assert changed(after, {}) == after


def test_names_are_those_of_a_scenario_file() -> None:
    after = changed(OutletState(), {"preferences": {"sys_prefs": {"mqtt": {"pass": "x"}}}})
    assert after.preferences.sys_prefs.mqtt.password == "x"
    with pytest.raises(ValueError, match=r"preferences\.sys_prefs\.mqtt\.password: unknown key"):
        changed(OutletState(), {"preferences": {"sys_prefs": {"mqtt": {"password": "x"}}}})


def test_a_table_that_was_not_there_is_made_and_can_go_again() -> None:
    after = changed(OutletState(), {"faceplate": {"radar": {"fw_ver": "2"}}})
    assert after.faceplate.radar is not None
    assert after.faceplate.radar.hw_type == "LD2410"
    after = changed(after, {"faceplate": {"radar": {"MAC": "x"}}})
    assert after.faceplate.radar is not None
    assert (after.faceplate.radar.fw_ver, after.faceplate.radar.MAC) == ("2", "x")
    assert changed(after, {"faceplate": {"radar": None}}).faceplate.radar is None


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"outlet": {}}, "outlet"),
        ({"outlets": {"state": [1, 1]}}, "outlets.state"),
        ({"outlets": {"states": [1, 2]}}, "outlets.states"),
        ({"outlets": {"states": [1]}}, "outlets.states"),
        ({"outlets": {"states": [True, 1]}}, "outlets.states"),
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
        ({"color_light": {"leds": [[1, 1, [1, 1], 999]]}}, "color_light.leds"),
        ({"sensors": {"left_out": ["x"]}}, "sensors"),
        ({"quirks": {"names_list": "both"}}, "quirks.names_list"),
    ],
)
def test_what_a_scenario_could_not_say_is_refused_with_its_path_and_changes_nothing(
    changes: dict[str, Any], path: str
) -> None:
    with pytest.raises(ValueError, match=r"^" + path.replace(".", r"\.") + ": "):
        changed(OutletState(), changes)
    outlet = an_outlet()
    before = outlet.state
    with pytest.raises(ValueError, match=path):
        outlet.change(**{"names": {"outlet1": "x"}, **changes})
    assert outlet.state == before
    assert outlet.take() == ()


def test_an_outlet_keeps_nothing_of_the_lists_that_it_was_given() -> None:
    states = [1, 0]
    outlet = an_outlet()
    outlet.change(outlets={"states": states})
    states[0] = 0
    assert returned(outlet, 9) == [1, 0]

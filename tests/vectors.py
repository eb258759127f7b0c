"""The example exchanges of the protocol's reference, each with the settings of a scenario under
which the outlet answers so.

`protocol/vectors.json` has a request (or none, for a push), the reply, and the pushes. `CASES` says
for every example what a scenario sets so that it comes about.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from invis_sim.scenario import Scenario
from invis_sim.scenario.loading import parse
from tests.scenario.toml import to_toml

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "protocol" / "vectors.json").read_bytes()
)

AWAY = ", away"
"""After a product: its faceplate is away."""

PRODUCTS: dict[str, tuple[str, ...]] = {
    "any": ("bare", "pro", "aura"),
    "outlet": ("bare", f"pro{AWAY}", f"aura{AWAY}"),
    "deco": ("pro",),
    "aura": ("aura",),
}
"""The variant of an example → the products that answer so."""


class Case(NamedTuple):
    """How an example comes about.

    settings: tables of a scenario; {}: as out of the box.
    causes: for a push without a request: what happens one after the other, each as the keys of a
    step of a scenario, or `seconds` that pass, or a `request`.
    reconnects: whether the push is for a client that connects afterwards.
    """

    settings: Mapping[str, Any] = {}
    causes: tuple[Mapping[str, Any], ...] = ()
    reconnects: bool = False


OUTLET_MAC, FACEPLATE_MAC = {"MAC": "02:00:5E:00:53:01"}, {"MAC": "02:00:5E:00:53:02"}
RADAR = {"fw_ver": "2.44.24073110", "hw_type": "LD2410", "MAC": "02:00:5E:00:53:03"}
PRO_IDENTITY: dict[str, Any] = {
    "device": OUTLET_MAC,
    "faceplate": {"sn": "11A1F7000FE", **FACEPLATE_MAC, "radar": RADAR},
}
READINGS = {
    "AQI": 75,
    "gas": 50_000,
    "co2_peak_lvl": 900,
    "co2_accuracy": 2,
    "bvoc_accuracy": 1,
    "stationary_energy": 30,
}
AURA_READINGS = {"device": {"sn": "11B29200071"}, "sensors": {"lux": 3489.8}}
WEB_UPDATE = {"IM": {"available_www_fw_rev": "0.3.0"}}
UPDATE = {"firmware": {"IM": {"available_fw_rev": "0.0.2"}}}
FACEPLATE_UPDATE = {"firmware": {"PM": {"available_fw_rev": "0.5.1"}}}
REV_B = {"device": {"hw_rev": "revB"}}
BROKER = {
    "mqtt": {"connected": True},
    "preferences": {"sys_prefs": {"mqtt": {"enabled": 1}}},
}
OTHER_SN = {"device": {"sn": "0003D44076"}}

WARM = {"mode": 1, "leds": [[1, 40, [27, 35], 4000]]}
BLUE = {"mode": 1, "leds": [[1, 90, [200, 80], 4000]]}
DOCUMENTED_LIGHT = {"mode": 2, "leds": [[1, 100, [360, 100], 4000]]}


def a_light(mode: int, *colors: list[Any], **more: int) -> dict[str, Any]:
    """Settings with the coloured light as a request will set it, so that it changes nothing, and
    nothing is pushed.
    """
    leds = [color if len(color) == 4 else [*color, 4000] for color in colors]
    return {"color_light": {"mode": mode, "leds": leds, **more}}


UPDATES_THE_OUTLET = ({"update": "IM"}, {"seconds": 300})
UPDATES_THE_FACEPLATE = ({"update": "PM"}, {"seconds": 300})
RESTARTS_FOR_AN_UPDATE = (
    {"request": {"packetID": 414884, "payload": {"callbackName": 21, "callbackArgs": [1, 0]}}},
    {"seconds": 3},
)

CASES: dict[str, Case] = {
    # 20
    "available updates, success": Case(
        {"firmware": {**WEB_UPDATE, **FACEPLATE_UPDATE["firmware"]}}
    ),
    "available updates, failure": Case({"firmware": {"update_check": "fail"}}),
    "available updates, no faceplate": Case({"firmware": WEB_UPDATE}),
    "available updates, everything up to date": Case(),
    # 1-2
    "device configuration": Case(),
    "device configuration, Aura": Case(),
    "device configuration, no faceplate": Case(),
    "device configuration, legacy shape": Case(
        {
            "quirks": {"configuration_form": "early"},
            "preferences": {"acc_prefs": {"adaptiveSensitivity": 5}},
        }
    ),
    "configure: one preference and one MQTT setting": Case(),
    "configure: home and away simulation": Case(),
    "configure: arguments as a bare object": Case(),
    "configure, seven-digit packetID and the early key adaptiveSensitivity": Case(),
    "configure: value out of range": Case(),
    # 3-4
    "accessory names, as firmware answers": Case(),
    "accessory names, no faceplate": Case(),
    "accessory names, as documented": Case({"quirks": {"names_list": "wrapped"}}),
    "accessory names, legacy shape": Case({"quirks": {"names_list": "early"}}),
    "configure accessory names": Case(),
    "configure one accessory name": Case(),
    "configure the name of an accessory that is not there": Case(),
    # 5-7
    "restart the outlet": Case(),
    "reset network settings": Case(),
    "factory reset": Case(),
    # 9-10
    "outlet status": Case({"outlets": {"states": [1, 0]}}),
    "outlet status push": Case(causes=({"set": {"outlets": {"states": [0, 1]}}},)),
    "outlet 2 on": Case({"outlets": {"states": [1, 0]}}),
    "outlet 1 off, eight-digit packetID": Case({"outlets": {"states": [1, 1]}}),
    "outlet that is not there": Case(),
    "state that is neither 0 nor 1": Case(),
    # 11
    "sensor readings, Pro": Case({"sensors": READINGS}),
    "sensor readings, Aura": Case(AURA_READINGS),
    "sensor readings, no faceplate": Case(),
    "sensor push, Pro": Case({"sensors": READINGS}, ({"sample": True},)),
    "sensor push, Pro, with the undocumented accuracy": Case(
        {"sensors": {**READINGS, "temphumidity_accuracy": 1}}, ({"sample": True},)
    ),
    "sensor push, Aura": Case(AURA_READINGS, ({"sample": True},)),
    "sensor push, light reading overflown": Case({"sensors": {"lux": "inf"}}, ({"sample": True},)),
    "sensor push while the occupancy sensor calibrates": Case(
        {"sensors": READINGS},
        (
            {"request": {"packetID": 1, "payload": {"callbackName": 26, "callbackArgs": [30]}}},
            {"seconds": 12},
            {"sample": True},
        ),
    ),
    # 12
    "device information, Pro": Case(PRO_IDENTITY),
    "device information, Aura": Case(
        {
            "device": OUTLET_MAC,
            "faceplate": {"sn": "11B29200071", "MAC": "02:00:5E:00:53:04"},
        }
    ),
    "device information, no faceplate or one that reboots": Case({"device": OUTLET_MAC}),
    "device information, faceplate in a degraded state": Case(
        {
            **PRO_IDENTITY,
            "faceplate": {**PRO_IDENTITY["faceplate"], "online": False},
            "quirks": {"absent_faceplate": "degraded"},
        }
    ),
    "device information push after a restart": Case(
        PRO_IDENTITY, ({"reboot": {"seconds": 3}}, {"seconds": 3}), reconnects=True
    ),
    # 14-15
    "nightlight on at 100 %": Case(),
    "nightlight off, level kept": Case({"nightlight": {"mode": 1}}),
    "nightlight, level out of range": Case(),
    "nightlight without a faceplate": Case(),
    "nightlight status": Case({"nightlight": {"mode": 1, "brightness": 100}}),
    "nightlight push": Case(causes=({"set": {"nightlight": {"brightness": 0}}},)),
    "nightlight status, Aura": Case(),
    "nightlight status, no faceplate": Case(),
    # 17
    "static HSV": Case(),
    "static HSV, one entry fills the array": Case(),
    "off, colour kept": Case({"color_light": BLUE}),
    "static temperature": Case({"color_light": BLUE}),
    "static temperature, one entry sets one LED": Case(a_light(2, [1, 90, [200, 80], 3500])),
    "breathing": Case(),
    "strobing, two colours": Case(
        a_light(4, [1, 100, [0, 100]], [1, 100, [240, 100]], speed=7, level=100)
    ),
    "colour cycle, random colours": Case(
        a_light(5, [1, 80, [10, 100]], speed=3, random=1, level=60)
    ),
    "rainbow": Case(a_light(6, [1, 80, [10, 100]], speed=5, random=1, level=3)),
    "starry night, no sixth argument": Case(
        a_light(7, [1, 100, [0, 0]], [1, 100, [320, 100]], speed=0)
    ),
    "full frame written back": Case(
        a_light(6, [1, 40, [10, 100]], [1, 40, [120, 50]], *[[1, 40, [27, 35]]] * 7)
    ),
    "colour light on a faceplate that has none": Case(),
    "hue out of range": Case(),
    # 18
    "colour light status, three arguments": Case(
        {"color_light": DOCUMENTED_LIGHT, "quirks": {"color_light_args": "three"}}
    ),
    "colour light status with speed, random and level": Case({"color_light": WARM}),
    "colour light push": Case(causes=({"set": {"color_light": WARM}},)),
    "colour light push, as printed in the documentation": Case(
        {"quirks": {"color_light_args": "three", "color_push_puback": True}},
        ({"set": {"color_light": DOCUMENTED_LIGHT}},),
    ),
    "colour light status on a faceplate that has none": Case(),
    "colour light status on a faceplate that has none, empty success": Case(
        {"quirks": {"color_light_without_aura": "empty"}}
    ),
    # 21: without the stray result, because the examples leave out what follows
    "update the outlet, accepted (revA)": Case({**UPDATE, "quirks": {"stray_result": False}}),
    "update the outlet, refused: up to date": Case(),
    "update the outlet (revB): it restarts without a reply": Case({**UPDATE, **REV_B}),
    "update the faceplate over its own Wi-Fi": Case(
        {**FACEPLATE_UPDATE, "quirks": {"stray_result": False}}
    ),
    "update the faceplate through the outlet": Case(
        {**FACEPLATE_UPDATE, "quirks": {"stray_result": False}}
    ),
    "update the faceplate (revB): received, then confirmed by a push": Case(
        {**FACEPLATE_UPDATE, **REV_B, "quirks": {"stray_result": False}}
    ),
    "update the outlet, no method given": Case({**UPDATE, "quirks": {"stray_result": False}}),
    "update the faceplate, no method given": Case(
        {**FACEPLATE_UPDATE, "quirks": {"stray_result": False}}
    ),
    "update a faceplate that is not there": Case(),
    "update continues after the restart (revB)": Case(
        {**UPDATE, **REV_B}, RESTARTS_FOR_AN_UPDATE, reconnects=True
    ),
    "update does not continue after the restart (revB)": Case(
        {**UPDATE, **REV_B, "updates": {"IM": {"outcome": "refused"}}},
        RESTARTS_FOR_AN_UPDATE,
        reconnects=True,
    ),
    # 22-23
    "download progress, outlet": Case({**UPDATE, **OTHER_SN}, UPDATES_THE_OUTLET),
    "download progress, as logged from a real outlet": Case(
        {**UPDATE, "device": {"sn": "11A1A7000B"}, "updates": {"IM": {"steps": 25}}},
        UPDATES_THE_OUTLET,
    ),
    "download progress, web partition": Case(UPDATE, UPDATES_THE_OUTLET),
    "download progress, faceplate": Case(FACEPLATE_UPDATE, UPDATES_THE_FACEPLATE),
    "stray result at the start of an update": Case(UPDATE, UPDATES_THE_OUTLET),
    "web partition written": Case(UPDATE, UPDATES_THE_OUTLET),
    "outlet updated, it reboots at once": Case({**UPDATE, **OTHER_SN}, UPDATES_THE_OUTLET),
    "faceplate updated, it reboots at once": Case(FACEPLATE_UPDATE, UPDATES_THE_FACEPLATE),
    "update failed": Case(
        {
            **FACEPLATE_UPDATE,
            "updates": {"PM": {"outcome": "fails"}},
            "quirks": {"stray_result": False},
        },
        UPDATES_THE_FACEPLATE,
    ),
    # 24-28
    "restart the faceplate": Case(),
    "restart a faceplate that is not there": Case(),
    "reset the faceplate": Case(),
    "reset a faceplate that is not there": Case(),
    "calibrate the occupancy sensor": Case(),
    "calibrate the occupancy sensor, sensor does not answer": Case(
        {"sensors": {"occupancy_calibration": "silent"}}
    ),
    "calibrate an occupancy sensor that is not there": Case(),
    "MQTT status, connected": Case(BROKER),
    "MQTT status, not connected": Case(),
    "clear the Home Assistant discovery payload": Case(BROKER),
    "send the Home Assistant discovery payload": Case(BROKER),
    "send the Home Assistant discovery payload, broker not connected": Case(
        {"preferences": {"sys_prefs": {"mqtt": {"enabled": 1}}}}
    ),
    "calibrate temperature and humidity": Case(),
    "calibrate sensors that are not there": Case(),
    # what there is not
    "undocumented callback": Case(),
}
"""The name of an example → how it comes about."""


def scenario_of(vector: Mapping[str, Any], product: str) -> Scenario:
    """The scenario under which a product answers as in the example.

    product: one of `PRODUCTS`.
    """
    tables: dict[str, Any] = {**CASES[vector["name"]].settings}
    tables["device"] = {**tables.get("device", {}), "product": product.removesuffix(AWAY)}
    if product.endswith(AWAY):
        tables["faceplate"] = {"online": False}
    return parse(to_toml(tables))


def name_of(vector: Mapping[str, Any], product: str) -> str:
    return f"{vector['callback']}, {vector['name']}, {product}"


def cases(*, asked: bool) -> list[tuple[dict[str, Any], str]]:
    """Each example with each product that its variant allows.

    asked: those with a request, or the pushes without one.
    """
    return [
        (vector, product)
        for vector in VECTORS
        if (vector["request"] is not None) == asked
        for product in PRODUCTS[vector["variant"]]
    ]

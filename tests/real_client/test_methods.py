"""Every public method of the real client, over both transports, on each product that it fits.

What is set is what is read, also by a second client on the other transport; what is pushed arrives
at both; and what a product does not have, it refuses.
"""

import asyncio
import inspect
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import pytest

from invis_sim import SimulatorHandle, start_simulator
from invis_sim.device.state import Product
from invis_sim.protocol.transport import Transport
from tests.real_client.support import (
    LEDS,
    LIGHT,
    PRODUCTS,
    TRANSPORTS,
    Heard,
    both_connected,
    connected,
    on_an_address_of_its_own,
    refused,
    soon,
)
from tests.support import TIMEOUT


@dataclass
class Visit:
    """Two clients at one outlet.

    client: over the transport that the test is about. other: over the other one.
    """

    simulator: SimulatorHandle
    product: Product
    transport: Transport
    client: Any
    other: Any

    def hear(self, callback: int) -> "BothHeard":
        """What both are told from now on of a callback."""
        return BothHeard(*(Heard(one.on_message, callback) for one in (self.client, self.other)))

    async def both_read(self, method: str, *args: Any) -> Any:
        """What both read, which is the same."""
        read = await getattr(self.client, method)(*args)
        assert await getattr(self.other, method)(*args) == read
        return read


@dataclass
class BothHeard:
    """What two clients are told."""

    one: Heard
    two: Heard

    async def next_args(self) -> Any:
        """The `callbackArgs` of the next push to both, which are the same."""
        args = await self.one.next_args()
        assert await self.two.next_args() == args
        return args


Call: TypeAlias = Callable[[Any], Awaitable[Any]]
Check: TypeAlias = Callable[[Visit], Awaitable[None]]


@dataclass(frozen=True)
class Method:
    """A method of the client.

    check: what holds of it. fits: the products that have what it is about.
    call: a good call of it, which all other products refuse; None: it cannot be refused.
    scenario: besides the product. speed: of the simulator.
    reconnects: whether clients that lose their connection are to be back soon.
    """

    check: Check
    fits: tuple[Product, ...]
    call: Call | None
    scenario: str
    speed: float
    reconnects: bool


METHODS: dict[str, Method] = {}
"""The name of each method → what it is, and what holds of it."""


def method(
    *fits: Product,
    call: Call | None = None,
    scenario: str = "",
    speed: float = 1.0,
    reconnects: bool = False,
) -> Callable[[Check], Check]:
    """Enters the check of the method that it is named after; without `fits`, all products do."""

    def enter(check: Check) -> Check:
        METHODS[check.__name__] = Method(check, fits or PRODUCTS, call, scenario, speed, reconnects)
        return check

    return enter


# 1-4: preferences and names

SETTINGS: dict[str, Any] = {
    "outlet_power_indicator_on": False,
    "pm_indicator_brightness": 1,
    "capacitive_ctrl": False,
    "aqi_color_rgb_feature": False,
    "motion_away_feature": True,
    "adaptive_nightlight_feature": True,
    "adaptive_min_brightness": 0,
    "adaptive_max_brightness": 100,
    "occupancy_nightlight_feature": True,
    "override_adaptive_occupancy_nightlight_feature": True,
    "magic_touch_ctrl": True,
    "home_away_enabled": True,
    "home_away_outlet1_enabled": False,
    "home_away_outlet2_enabled": False,
    "home_away_nightlight_enabled": False,
    "home_away_min_brightness": 0,
    "home_away_max_brightness": 100,
    "home_away_min_on_duration": 7,
    "home_away_max_on_duration": 3600,
    "home_away_min_off_duration": 8,
    "home_away_max_off_duration": 7200,
    "mqtt_enabled": True,
    "mqtt_broker_url": "mqtt://broker.example:1883",
    "mqtt_user": "ökonom \N{ELECTRIC LIGHT BULB}",
    "mqtt_password": 'with "quotes" and \\',
    "mqtt_qos": 2,
}
"""Every keyword of `set_config`, with a value that is not the one it has at first."""

PRO_ONLY = {
    "aqi_color_rgb_feature",
    "motion_away_feature",
    "occupancy_nightlight_feature",
    "override_adaptive_occupancy_nightlight_feature",
}
LACKING: dict[Product, set[str]] = {
    "bare": PRO_ONLY
    | {
        "outlet_power_indicator_on",
        "pm_indicator_brightness",
        "capacitive_ctrl",
        "adaptive_nightlight_feature",
        "adaptive_min_brightness",
        "adaptive_max_brightness",
        "magic_touch_ctrl",
        "home_away_nightlight_enabled",
        "home_away_min_brightness",
        "home_away_max_brightness",
    },
    "pro": set(),
    "aura": PRO_ONLY,
}
"""The keywords of which a product has nothing."""

READ_ONLY = ("internet_ip", "internet_main_dns", "internet_backup_dns")

OUT_OF_RANGE: list[dict[str, Any]] = [
    {"pm_indicator_brightness": -1},
    {"pm_indicator_brightness": 101},
    {"adaptive_min_brightness": -1},
    {"adaptive_max_brightness": 101},
    {"home_away_max_brightness": 101},
    {"home_away_min_on_duration": -1},
    {"capacitive_ctrl": 2},
    {"mqtt_qos": 3},
    {"mqtt_user": 5},
    {"pm_indicator_brightness": "50"},
]


@method()
async def get_config(visit: Visit) -> None:
    config = await visit.both_read("get_config")
    assert {name for name, value in vars(config).items() if value is None} == LACKING[visit.product]
    assert set(vars(config)) == {*SETTINGS, *READ_ONLY}
    wanted = visit.simulator.state.preferences
    assert config.to_raw() == wanted.to_wire(visit.product)
    assert config.internet_ip == 167_903_424  # 192.0.2.10, the first octet in the lowest byte


@method()
async def set_config(visit: Visit) -> None:
    from invisoutlet import InvisOutletClient

    keywords = inspect.signature(InvisOutletClient.set_config).parameters
    assert set(keywords) - {"self", "timeout"} == set(SETTINGS)
    expected = await visit.client.get_config()
    for name, value in SETTINGS.items():
        if name in LACKING[visit.product]:
            await refused(visit.client.set_config(**{name: value}))
            continue
        assert getattr(expected, name) != value
        await visit.client.set_config(**{name: value})
        expected = replace(expected, **{name: value})
        assert await visit.both_read("get_config") == expected
    for wrong in OUT_OF_RANGE:
        await refused(visit.client.set_config(home_away_enabled=False, **wrong))
        assert await visit.both_read("get_config") == expected


@method()
async def get_accessory_names(visit: Visit) -> None:
    names = {one.accessory: one.name for one in await visit.both_read("get_accessory_names")}
    assert names.pop(3, None) == (None if visit.product == "bare" else "Nightlight")
    assert names == {1: "Outlet 1", 2: "Outlet 2"}


@method()
async def set_accessory_names(visit: Visit) -> None:
    from invisoutlet import AccessoryName

    expected = await visit.client.get_accessory_names()
    for one in expected:  # each by itself: the others stay
        one.name = f"Küche {one.accessory} \N{ELECTRIC LIGHT BULB}"
        await visit.client.set_accessory_names([AccessoryName(one.accessory, one.name)])
        assert await visit.both_read("get_accessory_names") == expected
    for one in expected:
        one.name = f"room {one.accessory}"
    await visit.client.set_accessory_names(expected)
    assert await visit.both_read("get_accessory_names") == expected
    unknown = [AccessoryName(1, "half a change"), AccessoryName(len(expected) + 1, "nothing")]
    await refused(visit.client.set_accessory_names(unknown))
    assert await visit.both_read("get_accessory_names") == expected


# 5-7: restarts. What they lead to is in test_reconnection.


async def away_after(visit: Visit, call: Awaitable[None], callback: int) -> None:
    gone = [Heard(one.on_disconnect) for one in (visit.client, visit.other)]
    await call
    for one in gone:
        await one.next()
    assert visit.simulator.offline
    (exchange,) = visit.simulator.journal.exchanges(callback=callback)
    assert exchange.outcome == "no reply"
    assert exchange.sent == ()


LONG_AWAY = "[timing]\nrestart_seconds = 1e6\nfactory_reset_seconds = 1e6\n"


@method(scenario=LONG_AWAY)
async def restart(visit: Visit) -> None:
    await away_after(visit, visit.client.restart(), 5)


@method(scenario=LONG_AWAY)
async def reset_network(visit: Visit) -> None:
    await away_after(visit, visit.client.reset_network(), 6)


@method(scenario=LONG_AWAY)
async def factory_reset(visit: Visit) -> None:
    await away_after(visit, visit.client.factory_reset(), 7)


# 9-10: the outlets


@method()
async def get_outlet_status(visit: Visit) -> None:
    status = await visit.both_read("get_outlet_status")
    assert status.outlets == [False, False]
    visit.simulator.set(outlets={"states": [0, 1]})
    status = await visit.both_read("get_outlet_status")
    assert (status.is_on(1), status.is_on(2)) == (False, True)


@method()
async def set_outlet(visit: Visit) -> None:
    heard = visit.hear(9)
    for outlet, on, states in ((1, True, [1, 0]), (2, True, [1, 1]), (1, False, [0, 1])):
        await visit.client.set_outlet(outlet, on)
        await visit.client.set_outlet(outlet, on)  # which changes nothing, and pushes nothing
        assert await heard.next_args() == states
        assert (await visit.both_read("get_outlet_status")).outlets == [bool(s) for s in states]
        assert visit.simulator.state.outlets.states == tuple(states)
    for wrong in ((0, True), (3, True), (2, 2), (2, -1)):
        await refused(visit.client.set_outlet(*wrong))
    assert (await visit.both_read("get_outlet_status")).outlets == [False, True]


@method()
async def on_outlet_status(visit: Visit) -> None:
    ours, theirs = (Heard(one.on_outlet_status) for one in (visit.client, visit.other))
    await visit.other.set_outlet(1, True)
    assert (await ours.next()).outlets == (await theirs.next()).outlets == [True, False]
    visit.simulator.set(outlets={"states": [0, 1]})  # as by its button
    assert (await ours.next()).outlets == (await theirs.next()).outlets == [False, True]
    ours.forget()
    await visit.client.set_outlet(1, True)
    assert (await theirs.next()).outlets == [True, True]
    await visit.client.get_outlet_status()
    assert len(ours.everything) == 2


# 11, 26, 28: the sensors

OF_A_PRO = {
    "temperature": 21.5,
    "humidity": 40.0,
    "air_quality_index": 42,
    "co2": 600,
    "voc": 0.5,
    "pressure": 101_325,
    "illuminance": 120.0,
    "distance": 150,
    "occupancy_state": 1,
    "movement_energy": 10,
    "stationary_energy": 20,
    "gas": 51_234,
    "aqi_accuracy": 3,
    "temp_humidity_accuracy": None,  # seen on real hardware, and documented nowhere
    "co2_peak": 710,
    "co2_accuracy": 3,
    "voc_accuracy": 3,
    "temp_valid": True,
    "aqi_valid": True,
    "lux_valid": True,
    "occupancy_valid": True,
}
OF_AN_AURA = {**dict.fromkeys(OF_A_PRO), "illuminance": 120.0, "lux_valid": True}


@method("pro", "aura", call=lambda client: client.get_sensor_data())
async def get_sensor_data(visit: Visit) -> None:
    usual = OF_AN_AURA if visit.product == "aura" else OF_A_PRO
    assert vars(await visit.both_read("get_sensor_data")) == usual
    visit.simulator.set(sensors={"lux": "inf"})
    assert (await visit.both_read("get_sensor_data")).illuminance == math.inf


@method("pro", "aura")
async def on_sensor_data(visit: Visit) -> None:
    ours, theirs = (Heard(one.on_sensor_data) for one in (visit.client, visit.other))
    visit.simulator.set(sensors={"lux": 7.25})
    visit.simulator.sample()
    data = await ours.until(lambda data: data.illuminance == 7.25)
    assert data == await theirs.until(lambda data: data.illuminance == 7.25)
    assert data == await visit.client.get_sensor_data()


@method(
    "pro",
    call=lambda client: client.calibrate_occupancy(30),
    scenario="[timing]\nsensor_seconds = 2\n",
    speed=100,
)
async def calibrate_occupancy(visit: Visit) -> None:
    heard = [Heard(one.on_sensor_data) for one in (visit.client, visit.other)]
    await visit.client.calibrate_occupancy(30)
    for one in heard:
        await one.until(lambda data: data.occupancy_state == 5)
        await one.until(lambda data: data.occupancy_state == 1)
        states = [data.occupancy_state for data in one.everything]
        begins = states.index(4)
        assert set(states[:begins]) == {1}  # it begins after a while
        assert set(states[begins:-2]) == {4}
        assert states[-2] == 5  # in one push


@method("pro", call=lambda client: client.calibrate_temp_humidity(20.0, 50.0))
async def calibrate_temp_humidity(visit: Visit) -> None:
    heard = Heard(visit.other.on_sensor_data)
    await visit.client.calibrate_temp_humidity(-3.25, 62.5)
    read = await visit.both_read("get_sensor_data")
    assert (read.temperature, read.humidity) == (-3.25, 62.5)
    visit.simulator.sample()
    assert await heard.next() == read


# 12: who it is


@method()
async def get_device_info(visit: Visit) -> None:
    info, again = await visit.client.get_device_info(), await visit.other.get_device_info()
    assert info == again
    assert (info.serial_number, info.mac) == (visit.simulator.sn, "02:00:03:C4:40:76")
    assert (info.device, info.hw_rev, info.fw_rev) == ("InvisOutlet", "revA", "0.0.1")
    sub = info.sub_device
    if visit.product == "bare":
        assert sub is None
        return
    assert (sub.serial_number, sub.mac, sub.online) == ("1003C44076", "06:00:03:C4:40:76", True)
    assert (sub.device, sub.hw_rev, sub.fw_rev) == ("InvisDeco", "revA", "0.5.0")
    radar = (sub.radar_fw_ver, sub.radar_hw_type, sub.radar_mac)
    assert sub.device_type == ("Aura" if visit.product == "aura" else "Pro")
    assert (None in radar) == (visit.product == "aura")


# 14-15: the nightlight of a Pro


@method("pro", call=lambda client: client.get_nightlight())
async def get_nightlight(visit: Visit) -> None:
    state = await visit.both_read("get_nightlight")
    assert (state.on, state.brightness) == (False, 100)
    visit.simulator.set(nightlight={"mode": 1, "brightness": 5})
    state = await visit.both_read("get_nightlight")
    assert (state.on, state.brightness) == (True, 5)


@method("pro", call=lambda client: client.set_nightlight(1, 50))
async def set_nightlight(visit: Visit) -> None:
    heard = visit.hear(15)
    for mode, brightness in ((1, 0), (1, 37), (0, 37), (0, 100)):
        await visit.client.set_nightlight(mode, brightness)
        await visit.client.set_nightlight(mode, brightness)
        assert await heard.next_args() == [mode, brightness]
        assert (await visit.both_read("get_nightlight")).to_raw() == [mode, brightness]
    for wrong in ((2, 50), (-1, 50), (1, -1), (1, 101), (1, "50")):
        await refused(visit.client.set_nightlight(*wrong))
    assert (await visit.both_read("get_nightlight")).to_raw() == [0, 100]


# 17-18: the coloured nightlight of an Aura


@method("aura", call=lambda client: client.get_color(LIGHT))
async def get_color(visit: Visit) -> None:
    light = await visit.both_read("get_color", LIGHT)
    assert (light.light, light.mode, light.extra) == (LIGHT, 2, [1, 0, 40])
    assert len(light.leds) == LEDS
    leds = [[1, 10 * index, [40 * index, index], 2000 + index] for index in range(LEDS)]
    visit.simulator.set(color_light={"mode": 3, "leds": leds, "speed": 7, "level": 0})
    light = await visit.both_read("get_color", LIGHT)
    assert light.to_raw() == [LIGHT, 3, leds, 7, 0, 0]
    await refused(visit.client.get_color(9))


async def many_colored(visit: Visit) -> Any:
    """What both read after the LEDs have been made different from each other."""
    leds = [[index % 2, 50 + index, [40 * index, index], 2000 + index] for index in range(LEDS)]
    visit.simulator.set(color_light={"leds": leds})
    return await visit.both_read("get_color", LIGHT)


async def color_set(visit: Visit, call: Awaitable[None], heard: BothHeard) -> Any:
    """What both read after a call, which is what both were told."""
    await call
    light = await visit.both_read("get_color", LIGHT)
    assert await heard.next_args() == light.to_raw()
    return light


@method("aura", call=lambda client: client.set_color_hsv(LIGHT, 200, 50))
async def set_color_hsv(visit: Visit) -> None:
    heard = visit.hear(18)
    for count, hue in ((1, 360), (LEDS, 120)):
        call = visit.client.set_color_hsv(LIGHT, hue, 55, 44, count=count)
        light = await color_set(visit, call, heard)
        assert light.mode == 1
        shown = [(one.state, one.brightness, one.hue, one.saturation) for one in light.leds]
        assert shown == [(True, 44, hue, 55)] * LEDS  # one fills the whole array
    call = visit.client.set_color_hsv(LIGHT, 120, 55, 44, on=False)
    light = await color_set(visit, call, heard)
    assert not any(one.state for one in light.leds)
    for hue, saturation, brightness in ((361, 0, 0), (-1, 0, 0), (0, 101, 0), (0, 0, 101)):
        await refused(visit.client.set_color_hsv(LIGHT, hue, saturation, brightness))
    await refused(visit.client.set_color_hsv(LIGHT, 1, 1, count=LEDS + 1))
    assert await visit.both_read("get_color", LIGHT) == light


@method("aura", call=lambda client: client.set_color_temperature(LIGHT, 3000))
async def set_color_temperature(visit: Visit) -> None:
    before = await many_colored(visit)
    heard = visit.hear(18)
    light = await color_set(visit, visit.client.set_color_temperature(LIGHT, 2700, 33), heard)
    first, *others = light.leds
    assert light.mode == 2
    assert (first.state, first.brightness, first.temperature) == (True, 33, 2700)
    assert others == before.leds[1:]  # one does not fill the array
    call = visit.client.set_color_temperature(LIGHT, 6500, 66, count=LEDS)
    light = await color_set(visit, call, heard)
    shown = [(one.state, one.brightness, one.temperature) for one in light.leds]
    assert shown == [(True, 66, 6500)] * LEDS
    for kelvin, brightness in ((999, 50), (40_001, 50), (3000, 101), (3000, -1)):
        await refused(visit.client.set_color_temperature(LIGHT, kelvin, brightness))
    assert await visit.both_read("get_color", LIGHT) == light


@method("aura", call=lambda client: client.set_color_temperatures(LIGHT, [3000]))
async def set_color_temperatures(visit: Visit) -> None:
    before = await many_colored(visit)
    heard = visit.hear(18)
    kelvins, brightness, states = [1000, 2500, 6500], [1, 50, 100], [True, False, True]
    call = visit.client.set_color_temperatures(LIGHT, kelvins, brightness, states)
    light = await color_set(visit, call, heard)
    shown = [(one.temperature, one.brightness, one.state) for one in light.leds]
    assert shown[:3] == list(zip(kelvins, brightness, states, strict=True))
    assert light.leds[3:] == before.leds[3:]


@method("aura", call=lambda client: client.set_color_pixels(LIGHT, [(1, 2)]))
async def set_color_pixels(visit: Visit) -> None:
    from invisoutlet import ColorEffect

    await many_colored(visit)
    heard = visit.hear(18)
    for mode in (1, *ColorEffect):
        before = await visit.client.get_color(LIGHT)
        colors, brightness = [(300 + mode, mode), (0, 100), (360, 0)], [0, 10 + mode]
        call = visit.client.set_color_pixels(LIGHT, colors, brightness, mode=mode)
        light = await color_set(visit, call, heard)
        assert (light.mode, light.extra) == (mode, before.extra)
        assert [(one.hue, one.saturation) for one in light.leds[:3]] == colors
        assert [one.brightness for one in light.leds[:2]] == brightness
        assert all(one.state for one in light.leds[:3])
        assert light.leds[3:] == before.leds[3:]
    await refused(visit.client.set_color_pixels(LIGHT, [(1, 2)], mode=8))
    assert await visit.both_read("get_color", LIGHT) == light


@method(
    "aura",
    call=lambda client: client.set_color_effect_pixels(LIGHT, [(1, 2)], 3, 1, True, 50),
)
async def set_color_effect_pixels(visit: Visit) -> None:
    from invisoutlet import ColorEffect

    heard = visit.hear(18)
    leds = (await visit.client.get_color(LIGHT)).leds
    for effect in ColorEffect:
        colors = [(40 * index, effect + index) for index in range(LEDS)]
        speed, randomize, level = effect, bool(effect % 2), 10 * effect
        call = visit.client.set_color_effect_pixels(LIGHT, colors, effect, speed, randomize, level)
        light = await color_set(visit, call, heard)
        assert light.mode == effect
        if randomize:  # the device chooses the colours, and reports the ones before
            assert light.leds == leds
        else:
            assert [(one.hue, one.saturation) for one in light.leds] == colors
            assert {(one.state, one.brightness) for one in light.leds} == {(True, 100)}
        leds = light.leds
        assert light.extra == [speed, int(randomize), level]
    for speed, level in ((8, 50), (-1, 50), (1, 101)):
        wrong = visit.client.set_color_effect_pixels(LIGHT, [(1, 2)], 3, speed, True, level)
        await refused(wrong)
    assert await visit.both_read("get_color", LIGHT) == light


# 20-23: updates. How they go is in test_updates.


@method()
async def get_available_updates(visit: Visit) -> None:
    visit.simulator.set(
        firmware={"IM": {"available_fw_rev": "0.0.2", "available_www_fw_rev": "0.3.0"}}
    )
    updates = await visit.both_read("get_available_updates")
    assert vars(updates.im) == {
        "fw_rev": "0.0.1",
        "available_fw_rev": "0.0.2",
        "www_fw_rev": "0.1.2",
        "available_www_fw_rev": "0.3.0",
    }
    assert updates.update_available
    assert (updates.pm is None) == (visit.product == "bare")
    if updates.pm is not None:
        assert (updates.pm.fw_rev, updates.pm.available_fw_rev) == ("0.5.0", "0.5.0")
    visit.simulator.set(firmware={"update_check": "fail"})
    await refused(visit.client.get_available_updates())


TO_UPDATE = """
    [firmware.IM]
    available_fw_rev = "1.0.0"
    [updates]
    IM = { seconds = 1e6, www_seconds = 1e6 }
"""


@method(scenario=TO_UPDATE, reconnects=True)
async def perform_ota_update(visit: Visit) -> None:
    from invisoutlet import OtaTarget

    has_faceplate = visit.product != "bare"
    if has_faceplate:
        visit.simulator.set(
            firmware={"PM": {"available_fw_rev": "1.0.0"}}, updates={"PM": {"seconds": 1e6}}
        )
    visit.simulator.set(updates={"IM": {"silence_seconds": 0}})  # or it would not answer
    for method in (0, 1):
        for target in OtaTarget:
            before = len(visit.simulator.journal.requests(callback=21))
            assert not visit.simulator.updating
            await visit.client.perform_ota_update(target, method)
            await visit.client.get_outlet_status()  # answered after it
            (exchange,) = [
                one
                for one in visit.simulator.journal.exchanges(callback=21)
                if one.request is not None
            ][before:]
            assert exchange.request is not None
            assert exchange.request.args == [int(target), method]
            starts = target == OtaTarget.INVISOUTLET or has_faceplate
            assert exchange.outcome == ("success" if starts else "failure")
            assert visit.simulator.updating == starts
            back = [Heard(one.on_connect) for one in (visit.client, visit.other)]
            visit.simulator.reboot(0)  # which ends it
            for one in back:
                await one.next()


@method()
async def on_ota_progress(visit: Visit) -> None:
    ours, theirs = (Heard(one.on_ota_progress) for one in (visit.client, visit.other))
    visit.simulator.push(22, [3, 17])
    for heard in (ours, theirs):
        assert vars(await heard.next()) == {"device_type": 3, "progress": 17}


@method()
async def on_ota_result(visit: Visit) -> None:
    ours, theirs = (Heard(one.on_ota_result) for one in (visit.client, visit.other))
    visit.simulator.push(23, [1, 1])
    for heard in (ours, theirs):
        assert vars(await heard.next()) == {"device_type": 1, "status": 1}


@method()
async def check_firmware(visit: Visit) -> None:
    from invisoutlet import OtaTarget

    # The model has no channel of updates: nobody on the internet is asked.
    target, model = OtaTarget.INVISOUTLET, "Unknown"
    assert await visit.client.check_firmware(target, model, "revA", "0.0.1") is None


# 24-25: restarts of the faceplate

FACEPLATE_LONG_AWAY = "[timing]\nfaceplate_restart_seconds = 1e6\n"


async def faceplate_away_after(visit: Visit, call: Awaitable[None]) -> None:
    gone = [Heard(one.on_disconnect) for one in (visit.client, visit.other)]
    assert (await visit.both_read("get_available_updates")).pm is not None
    await call
    for client in (visit.client, visit.other):
        assert (await client.get_device_info()).sub_device is None
        await refused(client.get_sensor_data())
        assert (await client.get_available_updates()).pm is None
    assert [one.everything for one in gone] == [[], []]  # the outlet itself stays


@method(
    "pro",
    "aura",
    call=lambda client: client.restart_invisdeco(),
    scenario=FACEPLATE_LONG_AWAY,
)
async def restart_invisdeco(visit: Visit) -> None:
    await faceplate_away_after(visit, visit.client.restart_invisdeco())


@method(
    "pro",
    "aura",
    call=lambda client: client.reset_invisdeco(),
    scenario=FACEPLATE_LONG_AWAY,
)
async def reset_invisdeco(visit: Visit) -> None:
    await faceplate_away_after(visit, visit.client.reset_invisdeco())


# The connection


@method()
async def connect(visit: Visit) -> None:
    from invisoutlet import InvisOutletClient

    client = InvisOutletClient(visit.client.host, visit.client.port, visit.client.tcp_port)
    names = [client.transport_name]
    await client.connect()
    names.append(client.transport_name)
    assert names == [None, visit.transport]
    assert (await client.get_device_info()).serial_number == visit.simulator.sn
    await client.close()


@method()
async def close(visit: Visit) -> None:
    events = visit.simulator.journal.events
    gone = Heard(visit.client.on_disconnect)
    assert len(events(kind="connected")) == 2
    await visit.client.close()
    assert visit.client.transport_name is None
    await visit.other.get_outlet_status()  # the others stay
    async with asyncio.timeout(TIMEOUT):
        while not events(kind="closed"):
            await visit.other.get_outlet_status()
    assert [one.transport for one in events(kind="closed")] == [visit.transport]
    assert gone.everything == []  # not where it was meant


@method()
async def transport_name(visit: Visit) -> None:
    assert visit.client.transport_name == visit.transport
    assert visit.other.transport_name not in (None, visit.transport)
    connections = visit.simulator.journal.events(kind="connected")
    names = [one.transport for one in connections]
    assert names == [visit.client.transport_name, visit.other.transport_name]


@method(reconnects=True)
async def on_connect(visit: Visit) -> None:
    back = [Heard(one.on_connect) for one in (visit.client, visit.other)]
    visit.simulator.disconnect()
    for one in back:
        await one.next()
    assert visit.client.transport_name == visit.transport
    await visit.client.set_outlet(2, True)
    assert visit.simulator.state.outlets.states == (0, 1)


@method()
async def on_disconnect(visit: Visit) -> None:
    gone = [Heard(one.on_disconnect) for one in (visit.client, visit.other)]
    visit.simulator.reboot(1e6)
    for one in gone:
        await one.next()


@method()
async def on_message(visit: Visit) -> None:
    heard = visit.hear(12)
    visit.simulator.push(12)
    args = await heard.next_args()
    (message,) = heard.one.everything
    assert list(message) == ["sn", "packetID", "payload"]
    assert message["sn"] == args["IM"]["sn"] == visit.simulator.sn
    assert ("PM" in args) == (visit.product != "bare")


@method(reconnects=True)
async def set_host(visit: Visit) -> None:
    ports = visit.simulator.tcp_address[1], urlsplit(visit.simulator.ws_url).port
    moved = f'device.product = "{visit.product}"\ndevice.sn = "0123456789"'
    with on_an_address_of_its_own(moved, tcp_port=ports[0], ws_port=ports[1]) as elsewhere:
        back = Heard(visit.client.on_connect)
        await visit.client.set_host(elsewhere.tcp_address[0])
        await back.next()
        assert visit.client.transport_name == visit.transport
        assert (await visit.client.get_device_info()).serial_number == "0123456789"
        await visit.client.close()


def test_every_public_method_is_here() -> None:
    from invisoutlet import InvisOutletClient

    public = {name for name in vars(InvisOutletClient) if not name.startswith("_")}
    assert public == set(METHODS)


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(
    ("name", "product"),
    [(name, product) for name, method in METHODS.items() for product in method.fits],
)
def test_it_does_what_it_says(
    name: str, product: Product, transport: Transport, request: pytest.FixtureRequest
) -> None:
    method = METHODS[name]
    if method.reconnects:
        request.getfixturevalue("quick_reconnection")

    async def visiting(simulator: SimulatorHandle) -> None:
        async with both_connected(simulator, transport) as (client, other):
            await method.check(Visit(simulator, product, transport, client, other))

    scenario = f'device.product = "{product}"\n{method.scenario}'
    with start_simulator(scenario, speed=method.speed) as simulator:
        asyncio.run(visiting(simulator))


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(
    ("name", "product"),
    [
        (name, product)
        for name, method in METHODS.items()
        for product in PRODUCTS
        if method.call is not None and product not in method.fits
    ],
)
def test_what_the_product_does_not_have_is_refused(
    name: str, product: Product, transport: Transport
) -> None:
    call = METHODS[name].call
    assert call is not None

    async def visiting(simulator: SimulatorHandle) -> None:
        async with connected(simulator, transport) as client:
            await refused(call(client))
            assert (await client.get_device_info()).serial_number == simulator.sn

    with start_simulator(f'device.product = "{product}"') as simulator:
        before = simulator.state
        asyncio.run(visiting(simulator))
        assert simulator.state == before
        failed = [one for one in simulator.journal.exchanges() if one.outcome == "failure"]
        assert [len(one.notes) for one in failed] == [1]  # with the reason


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_as_a_context_manager_it_connects_and_closes(transport: Transport) -> None:
    from invisoutlet import InvisOutletClient

    async def visiting(simulator: SimulatorHandle) -> None:
        async with connected(simulator, transport) as other:
            host, ports = other.host, (other.port, other.tcp_port)
            async with InvisOutletClient(host, *ports) as client:
                await client.set_outlet(1, True)
            assert client.transport_name is None
            assert (await other.get_outlet_status()).is_on(1)

    with start_simulator() as simulator:
        asyncio.run(visiting(simulator))
        assert len(simulator.journal.events(kind="connected")) == 2


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_nothing_is_lost_when_many_set_at_once(transport: Transport) -> None:
    async def visiting(simulator: SimulatorHandle) -> None:
        async with both_connected(simulator, transport) as (client, other):
            heard = [Heard(one.on_outlet_status) for one in (client, other)]
            for round_number in range(20):
                on = round_number % 2 == 0
                await soon(asyncio.gather(client.set_outlet(1, on), other.set_outlet(2, on)))
            for one in heard:
                while len(one.everything) < 40:
                    await one.next()
            assert heard[0].everything == heard[1].everything  # all in the same order
            assert heard[0].everything[-1].outlets == [False, False]

    with start_simulator() as simulator:
        asyncio.run(visiting(simulator))

"""The manual of the callbacks: what each takes and returns, and a request as an example.

Which products have a callback, and what an example leads to, is not said here: an outlet is asked.
"""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import msgspec

from invis_sim.protocol.callbacks import Callback

__all__ = ["MANUAL", "CallbackManual", "Source"]

NONE = "nothing"


Source: TypeAlias = Literal["doc", "client", "app"]
"""Where it is known from: the vendor's documentation; the client `invisoutlet` 1.1.5, which was
developed against real outlets; an early app of the vendor.
"""


class CallbackManual(msgspec.Struct, frozen=True):
    """What a client has to know of one callback.

    takes: the request's `callbackArgs`; None: there is no request, only a push.
    returns: the `callbackArgs` of the reply, or of the push.
    example: `callbackArgs` of a good request, or of the push; UNSET: it has none.
    sources: the best ones.
    """

    takes: str | None
    returns: str
    example: Any = msgspec.UNSET
    sources: tuple[Source, ...] = ()


MANUAL: Mapping[Callback, CallbackManual] = {
    Callback.REQUEST_CONFIGURATION: CallbackManual(
        NONE,
        "an object: `acc_prefs`, the preferences of what the product has, and `sys_prefs`, those "
        "of MQTT and the network",
        sources=("client", "app"),
    ),
    Callback.CONFIGURE: CallbackManual(
        "[changes]: an object as callback 1 returns it, with any part of it; the rest stays",
        NONE,
        [{"acc_prefs": {"homeAwayMode": {"enabled": 1}}}],
        sources=("doc", "client", "app"),
    ),
    Callback.REQUEST_ACCESSORY_NAMES: CallbackManual(
        NONE,
        "a list of objects: `accessory` (1 the upper outlet, 2 the lower, 3 the nightlight) and "
        "`name`",
        sources=("doc", "client"),
    ),
    Callback.CONFIGURE_ACCESSORY_NAMES: CallbackManual(
        "a list of objects as callback 3 returns them, for any accessory",
        NONE,
        [{"accessory": 1, "name": "Lamp"}],
        sources=("doc", "client"),
    ),
    Callback.RESTART: CallbackManual(
        NONE,
        "no reply: the outlet restarts, and sends 12 to those who connect afterwards",
        sources=("client",),
    ),
    Callback.RESET_NETWORK: CallbackManual(
        NONE, "no reply: the outlet leaves the network", sources=("client", "app")
    ),
    Callback.FACTORY_RESET: CallbackManual(
        NONE, "no reply: the outlet forgets what was set, and restarts", sources=("doc", "client")
    ),
    Callback.OUTLET_STATUS: CallbackManual(
        NONE,
        "[upper, lower]: each 0 (off) or 1 (on); also pushed when an outlet is switched",
        sources=("doc", "client"),
    ),
    Callback.CONTROL_OUTLET: CallbackManual(
        "[outlet, state]: outlet 1 (upper) or 2 (lower), state 0 or 1",
        NONE,
        [2, 1],
        sources=("client", "app"),
    ),
    Callback.SENSOR_READINGS: CallbackManual(
        NONE,
        "[device type, readings]: an object; also pushed every few seconds",
        sources=("doc", "client", "app"),
    ),
    Callback.DEVICE_INFORMATION: CallbackManual(
        NONE,
        "an object: `IM`, the outlet, and `PM`, its faceplate where there is one; also pushed "
        "after a restart",
        sources=("doc", "client", "app"),
    ),
    Callback.CONTROL_NIGHTLIGHT: CallbackManual(
        "[mode, brightness]: mode 0 (off) or 1 (on), brightness 0 to 100",
        NONE,
        [1, 80],
        sources=("doc",),
    ),
    Callback.NIGHTLIGHT_STATUS: CallbackManual(
        NONE,
        "[mode, brightness], as callback 14 takes them; also pushed on every change",
        sources=("doc", "client"),
    ),
    Callback.CONTROL_COLOR_LIGHT: CallbackManual(
        "[light, mode, leds], and for effects also speed (0 to 7), random (0 or 1), level (0 to "
        "100). light 5: the nightlight. mode 1: colours, 2: temperatures, 3: breathing, 4: "
        "strobing, 5: colour cycle, 6: rainbow, 7: starry night. leds: a list of [state, "
        "brightness, [hue, saturation]], in mode 2 of [state, brightness, kelvin]",
        NONE,
        [5, 1, [[1, 100, [240, 100]]]],
        sources=("doc", "client"),
    ),
    Callback.COLOR_LIGHT_STATUS: CallbackManual(
        "[light]: 5, the nightlight",
        "[light, mode, leds, speed, random, level], each of the leds [state, brightness, [hue, "
        "saturation], kelvin]; also pushed on every change",
        [5],
        sources=("doc", "client"),
    ),
    Callback.AVAILABLE_UPDATES: CallbackManual(
        NONE,
        "an object: `IM`, the outlet, and `PM`, its faceplate where there is one; in each the "
        "firmware that runs and the one that is available",
        sources=("doc",),
    ),
    Callback.PERFORM_UPDATE: CallbackManual(
        "[target] or [target, method]: target 1 (the outlet) or 2 (its faceplate); method 0 (over "
        "the faceplate's own Wi-Fi) or 1 (through the outlet)",
        "nothing; a revB that updates itself does not reply, but restarts first. Progress comes as "
        "22, the result as 23",
        [1, 0],
        sources=("doc",),
    ),
    Callback.UPDATE_PROGRESS: CallbackManual(
        None,
        "[part, percent]: part 1 (the outlet), 2 (its faceplate) or 3 (the outlet's web pages), "
        "percent 0 to 100",
        [1, 50],
        sources=("doc", "app"),
    ),
    Callback.UPDATE_RESULT: CallbackManual(
        None,
        "[part, status]: part as in 22, status 1 (it succeeded) or 0 (it failed)",
        [1, 1],
        sources=("doc", "client"),
    ),
    Callback.RESTART_FACEPLATE: CallbackManual(
        NONE,
        "nothing; the faceplate is away for a while, and 12 is pushed when it is back",
        sources=("client",),
    ),
    Callback.RESET_FACEPLATE: CallbackManual(
        NONE, "nothing; the faceplate forgets what was set, and restarts", sources=("client",)
    ),
    Callback.CALIBRATE_OCCUPANCY: CallbackManual(
        "[seconds]: for how long, at least 1",
        "nothing; 11 shows how far it is",
        [30],
        sources=("doc",),
    ),
    Callback.MQTT: CallbackManual(
        "[action]: 0 asks for the connection to the broker, 1 withdraws what Home Assistant is "
        "sent to discover the outlet, 2 sends it",
        "nothing: `PUBACK` 1 where the broker is connected",
        [0],
        sources=("doc",),
    ),
    Callback.CALIBRATE_CLIMATE: CallbackManual(
        "[temperature, humidity]: as measured, in thousandths of °C and of %",
        "nothing; 11 shows them",
        [21_500, 45_000],
        sources=("client",),
    ),
}

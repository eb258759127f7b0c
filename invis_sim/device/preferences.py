"""The preferences: what callback 1 reads and callback 2 changes.

Field names are the wire's. [documentation of callbacks 1 and 2; the client `invisoutlet`]
"""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from invis_sim.device.arguments import expect_array, format_value, reject
from invis_sim.protocol.json_positions import Key
from invis_sim.schema.describe import type_errors
from invis_sim.schema.fields import fields

__all__ = ["AccPrefs", "HomeAwayMode", "Internet", "MqttPrefs", "Preferences", "Switch", "SysPrefs"]

Switch = Annotated[int, msgspec.Meta(ge=0, le=1, description="0: off; 1: on.")]
Percent = Annotated[int, msgspec.Meta(ge=0, le=100, description="Percent.")]
Duration = (
    Annotated[int, msgspec.Meta(ge=0, le=2**31)] | Annotated[float, msgspec.Meta(ge=0, le=2**31)]
)


MAX_KEY_LENGTH = 60
"""Longer keys of clients are shortened in messages. The longest known one has 42 characters."""


class HomeAwayMode(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The mode in which the outlet pretends that people are at home.

    enabled: whether the mode is on.
    outlet1Enabled: whether it switches the top outlet.
    outlet2Enabled: whether it switches the bottom outlet.
    nightlightEnabled: whether it switches the nightlight.
    minBrightness: the nightlight's brightness is never below this.
    maxBrightness: the nightlight's brightness is never above this.
    minOnDuration: the shortest time that something is on; the unit is not documented.
    maxOnDuration: the longest time that something is on; in the same unit.
    minOffDuration: the shortest time that something is off; in the same unit.
    maxOffDuration: the longest time that something is off; in the same unit.
    """

    enabled: Switch = 0
    outlet1Enabled: Switch = 1
    outlet2Enabled: Switch = 1
    nightlightEnabled: Switch = 1
    minBrightness: Percent = 10
    maxBrightness: Percent = 90
    minOnDuration: Duration = 5
    maxOnDuration: Duration = 60
    minOffDuration: Duration = 5
    maxOffDuration: Duration = 60


class AccPrefs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the accessories behave.

    outletPwrIndicatorOn: whether the outlets' power indicators are on.
    pmIndicatorBrightness: how bright the faceplate's indicator is, in percent.
    capacitiveCtrl: whether the touch controls work.
    aqiColorRGBFeature: whether the indicator shows the air quality as a colour.
    motionAwayFeature: by its name, for motion while people are away; not documented further.
    adaptiveNightlightFeature: whether the nightlight follows the light in the room.
    adaptiveMinBrightness: the lowest brightness of a nightlight that follows the light.
    adaptiveMaxBrightness: the highest brightness of a nightlight that follows the light.
    occupancyNightlightFeature: whether the nightlight follows the occupancy sensor.
    overrideAdaptiveOccupancyNightlightFeature: by its name, whether something goes before these two
    features of the nightlight; not documented further.
    magicTouchCtrl: by its name, another control by touch; not documented further.
    homeAwayMode: the mode in which the outlet pretends that people are at home.
    """

    outletPwrIndicatorOn: Switch = 1
    pmIndicatorBrightness: Annotated[int, msgspec.Meta(ge=1, le=100)] = 50
    capacitiveCtrl: Switch = 1
    aqiColorRGBFeature: Switch = 1
    motionAwayFeature: Switch = 0
    adaptiveNightlightFeature: Switch = 0
    adaptiveMinBrightness: Percent = 5
    adaptiveMaxBrightness: Percent = 80
    occupancyNightlightFeature: Switch = 0
    overrideAdaptiveOccupancyNightlightFeature: Switch = 0
    magicTouchCtrl: Switch = 0
    homeAwayMode: HomeAwayMode = HomeAwayMode()


class MqttPrefs(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    rename={"password": "pass"},  # a word that Python keeps for itself
):
    """The MQTT broker, as clients configure it. Nothing connects to it: what callback 27
    says is set under [mqtt].

    enabled: whether MQTT is to be used.
    mqtt_broker_url: where the broker is.
    user: the name under which the outlet logs in there.
    pass: the password for that.
    qos: the quality of service.
    """

    enabled: Switch = 0
    mqtt_broker_url: str = ""
    user: str = ""
    password: str = ""
    qos: Annotated[int, msgspec.Meta(ge=0, le=2)] = 0


class Internet(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The network as the outlet sees it. Clients can read this and not change it.

    ip: the outlet's own address.
    mainDNS: its first name server.
    backupDNS: its second name server.
    """

    ip: str = "192.0.2.10"
    mainDNS: str = "192.0.2.1"
    backupDNS: str = "192.0.2.2"


class SysPrefs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the system behaves.

    mqtt: the MQTT broker.
    internet: the network as the outlet sees it.
    """

    mqtt: MqttPrefs = MqttPrefs()
    internet: Internet = Internet()


class Preferences(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What callback 1 reads and callback 2 changes.

    acc_prefs: how the accessories behave.
    sys_prefs: how the system behaves.
    """

    acc_prefs: AccPrefs = AccPrefs()
    sys_prefs: SysPrefs = SysPrefs()

    def to_wire(self) -> dict[str, Any]:
        """Return the `callbackArgs` of a reply to callback 1."""
        tree: dict[str, Any] = msgspec.to_builtins(self)
        return tree

    def with_args(self, args: Any) -> "Preferences":
        """Return the preferences as changed by callback 2.

        args: its `callbackArgs`: any subset of the tree, or a list of one such object. [the
        documentation; the client `invisoutlet`]

        Raises RequestRejected where a key is unknown or read-only, or a value has another type or
        range.
        """
        place: tuple[Key, ...] = ()
        if not isinstance(args, dict):
            args = expect_array(args, "an object, or a list of one object", 1, 1)[0]
            place = (0,)
        patched = _patched(self, args, place, place)
        assert isinstance(patched, Preferences)
        return patched


def _patched(
    struct: msgspec.Struct, changes: Any, place: tuple[Key, ...], root: tuple[Key, ...]
) -> msgspec.Struct:
    """Return a copy of the struct with some fields changed. Raises RequestRejected.

    place: of the changes in the arguments. root: where the whole tree begins.
    """
    name_parts = tuple(map(str, place[len(root) :]))
    name = ".".join(name_parts)
    if isinstance(struct, Internet):
        reject(f"{name} is read-only", *place)
    if not isinstance(changes, Mapping):
        reject(
            f"{name or 'preferences'}: expected an object, found {format_value(changes)}", *place
        )
    known = fields(type(struct))
    patched: dict[str, Any] = {}
    for key, value in changes.items():
        here = (*place, key)
        field = known.get(key)
        if field is None:
            # Any text can be a key; only a short name is shown as it is.
            plain = key.isidentifier() and len(key) <= MAX_KEY_LENGTH
            unknown = (*name_parts, key if plain else format_value(key))
            reject(f"unknown preference {'.'.join(unknown)}", *here)
        old = getattr(struct, field.name)
        if isinstance(old, msgspec.Struct):
            patched[field.name] = _patched(old, value, here, root)
            continue
        for where, message in type_errors(value, field.annotation, here, format_value):
            reject(f"{key}: {message}", *where)
        patched[field.name] = msgspec.convert(value, field.annotation)
    return msgspec.structs.replace(struct, **patched)

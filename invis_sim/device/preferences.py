"""The preferences: what callback 1 reads and callback 2 changes.

Field names are the wire's. [documentation of callbacks 1 and 2; the client `invisoutlet`]
"""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from invis_sim.device.arguments import array, refuse, shown
from invis_sim.protocol.walking import Key

__all__ = ["AccPrefs", "HomeAwayMode", "Internet", "MqttPrefs", "Preferences", "Switch", "SysPrefs"]

Switch = Annotated[int, msgspec.Meta(ge=0, le=1, description="0: off; 1: on.")]
Percent = Annotated[int, msgspec.Meta(ge=0, le=100, description="Percent.")]
Duration = (
    Annotated[int, msgspec.Meta(ge=0, le=2**31)] | Annotated[float, msgspec.Meta(ge=0, le=2**31)]
)


class HomeAwayMode(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The mode in which the outlet pretends that somebody is at home.

    enabled: whether it is on.
    outlet1Enabled, outlet2Enabled, nightlightEnabled: what it switches.
    minBrightness, maxBrightness: of the nightlight, in percent.
    minOnDuration, maxOnDuration, minOffDuration, maxOffDuration: 0 to 2³¹; nobody says in which
    unit.
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
    pmIndicatorBrightness: of the faceplate's indicator, 1-100.
    capacitiveCtrl: whether the touch controls work.
    aqiColorRGBFeature: whether the indicator shows the air quality as a colour.
    motionAwayFeature: as named; nobody says more.
    adaptiveNightlightFeature: whether the nightlight follows the light in the room, from
    adaptiveMinBrightness to adaptiveMaxBrightness.
    adaptiveMinBrightness, adaptiveMaxBrightness: 0-100.
    occupancyNightlightFeature: whether the nightlight follows the occupancy sensor.
    overrideAdaptiveOccupancyNightlightFeature: as named; nobody says more.
    magicTouchCtrl: as named; nobody says more.
    homeAwayMode: the mode in which the outlet pretends that somebody is at home.
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
    """The MQTT broker.

    enabled: whether it is used.
    mqtt_broker_url, user, pass: where it is, and who the outlet is to it.
    qos: the quality of service, 0-2.
    """

    enabled: Switch = 0
    mqtt_broker_url: str = ""
    user: str = ""
    password: str = ""
    qos: Annotated[int, msgspec.Meta(ge=0, le=2)] = 0


class Internet(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The network as the outlet sees it. Clients can read this and not change it.

    ip: its own address. mainDNS, backupDNS: its name servers.
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

    def report(self) -> dict[str, Any]:
        """The `callbackArgs` of a reply to callback 1."""
        tree: dict[str, Any] = msgspec.to_builtins(self)
        return tree

    def configured(self, args: Any) -> "Preferences":
        """The preferences as callback 2 wants them.

        args: its `callbackArgs`: any subset of the tree, or a list of one such object. [the
        documentation; the client `invisoutlet`]

        Raises Refused where a key is unknown or read-only, or a value has another type or range.
        """
        place: tuple[Key, ...] = ()
        if not isinstance(args, dict):
            args = array(args, "an object, or a list of one object", 1, 1)[0]
            place = (0,)
        changed = _changed(self, args, place, place)
        assert isinstance(changed, Preferences)
        return changed


def _changed(
    struct: msgspec.Struct, changes: Any, place: tuple[Key, ...], root: tuple[Key, ...]
) -> msgspec.Struct:
    """A copy of the struct with some fields changed.

    place: of the changes in the arguments; root: where the whole tree begins.
    """
    name = ".".join(map(str, place[len(root) :]))
    if isinstance(struct, Internet):
        refuse(f"{name} is read-only", *place)
    if not isinstance(changes, Mapping):
        refuse(f"{name or 'preferences'}: expected an object, found {shown(changes)}", *place)
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    changed: dict[str, Any] = {}
    for key, value in changes.items():
        here = (*place, key)
        if key not in fields:
            refuse(f"{shown(key)} is no preference{f' of {name}' if name else ''}", *here)
        field = fields[key]
        old = getattr(struct, field.name)
        if isinstance(old, msgspec.Struct):
            changed[field.name] = _changed(old, value, here, root)
            continue
        try:
            changed[field.name] = msgspec.convert(value, field.type)
        except msgspec.ValidationError as error:
            reason = str(error)
            refuse(f"{key}: {reason[:1].lower()}{reason[1:]}", *here)
    return msgspec.structs.replace(struct, **changed)

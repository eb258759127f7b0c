"""The preferences: what callback 1 reads and callback 2 changes.

Field names are the wire's. [documentation of callbacks 1 and 2; the client `invisoutlet`]
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from invis_sim.device.arguments import expect_array, format_value, reject
from invis_sim.protocol.json_positions import Key
from invis_sim.schema.describe import type_errors
from invis_sim.schema.fields import fields

__all__ = [
    "PRODUCTS_WITH",
    "AccPrefs",
    "AddressForm",
    "HomeAwayMode",
    "Internet",
    "MqttPrefs",
    "Preferences",
    "Switch",
    "SysPrefs",
]

Switch = Annotated[int, msgspec.Meta(ge=0, le=1, description="0: off; 1: on.")]
Percent = Annotated[int, msgspec.Meta(ge=0, le=100, description="Percent.")]
Duration = Annotated[int, msgspec.Meta(ge=0)]
Sensitivity = Annotated[int, msgspec.Meta(ge=0, le=10)]
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
Address: TypeAlias = (
    Annotated[
        str,
        msgspec.Meta(
            pattern=rf"^{_OCTET}(?:\.{_OCTET}){{3}}$(?!\n)",  # "$" alone would let a newline follow
            description="An IPv4 address, such as 192.0.2.10.",
        ),
    ]
    | Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
)
AddressForm: TypeAlias = Literal["first_octet_low", "first_octet_high", "text"]

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
    minOnDuration: the shortest time that something is on, ≥ 0; the unit is not documented.
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
    """How the accessories behave. Callbacks 1 and 2 have the keys of the product alone: a bare
    outlet has only homeAwayMode, without what is in it about the nightlight; see `preference_keys`
    under [quirks].

    outletPwrIndicatorOn: whether the outlets' power indicators are on.
    pmIndicatorBrightness: how bright the faceplate's indicator is, in percent.
    capacitiveCtrl: whether the touch controls work.
    aqiColorRGBFeature: whether the indicator shows the air quality as a colour; a Pro's.
    motionAwayFeature: the alert of motion while people are away; a Pro's.
    adaptiveNightlightFeature: whether the nightlight follows the light in the room.
    adaptiveMinBrightness: the lowest brightness of a nightlight that follows the light.
    adaptiveMaxBrightness: the highest brightness of a nightlight that follows the light.
    adaptiveSensitivity: the early form of these two, a Pro's, 0-10; omitted: callback 1 is without
    it until a client sets it.
    occupancyNightlightFeature: whether the nightlight follows the occupancy sensor; a Pro's.
    overrideAdaptiveOccupancyNightlightFeature: which of these two features of the nightlight goes
    first; a Pro's.
    magicTouchCtrl: by its name, another control by touch; not documented further.
    homeAwayMode: the mode in which the outlet pretends that people are at home.
    """

    outletPwrIndicatorOn: Switch = 1
    pmIndicatorBrightness: Percent = 50
    capacitiveCtrl: Switch = 1
    aqiColorRGBFeature: Switch = 1
    motionAwayFeature: Switch = 0
    adaptiveNightlightFeature: Switch = 0
    adaptiveMinBrightness: Percent = 5
    adaptiveMaxBrightness: Percent = 80
    adaptiveSensitivity: Sensitivity | None = None
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
    """The MQTT broker, as clients configure it. Nothing connects to it: whether callback 27 finds
    it is set under [mqtt].

    enabled: whether MQTT is to be used.
    mqtt_broker_url: where the broker is.
    user: the name under which the outlet logs in there.
    pass: the password for that.
    qos: the quality of service.
    """

    enabled: Switch = 0
    mqtt_broker_url: str = "mqtt://192.0.2.26:1883"
    user: str = "mqttuser"
    password: str = "mqttpass"
    qos: Annotated[int, msgspec.Meta(ge=0, le=2)] = 0


class Internet(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The network as the outlet sees it. Clients can read this and not change it. Each is an
    address ("192.0.2.10"), which the wire has as an integer, or the integer itself; see
    `internet_addresses` under [quirks].

    ip: the outlet's own address.
    mainDNS: its first name server.
    backupDNS: its second name server.
    """

    ip: Address = "192.0.2.10"
    mainDNS: Address = "192.0.2.1"
    backupDNS: Address = "8.8.8.8"

    def to_wire(self, form: AddressForm) -> dict[str, int | str]:
        """Return the `internet` block of callback 1.

        form: of what is set as an address; integers are sent as they are.
        """
        addresses = {"ip": self.ip, "mainDNS": self.mainDNS, "backupDNS": self.backupDNS}
        return {name: _address_to_wire(one, form) for name, one in addresses.items()}


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

    def to_wire(
        self,
        product: str | None,
        *,
        early: bool = False,
        addresses: AddressForm = "first_octet_low",
    ) -> dict[str, Any]:
        """Return what callback 1 returns.

        product: whose keys it has; None: all keys.
        early: with the keys that the vendor's early app reads alone, in their order there.
        addresses: the form of addresses.
        """
        acc_prefs: dict[str, Any] = msgspec.to_builtins(self.acc_prefs)
        if self.acc_prefs.adaptiveSensitivity is None:
            del acc_prefs["adaptiveSensitivity"]
        for table, *inner in _lacking(product):
            assert table == "acc_prefs"
            block = acc_prefs if len(inner) == 1 else acc_prefs["homeAwayMode"]
            block.pop(inner[-1], None)
        if early:
            acc_prefs = {key: acc_prefs[key] for key in EARLY_KEYS if key in acc_prefs}
        system = self.sys_prefs
        sys_prefs = {
            "mqtt": msgspec.to_builtins(system.mqtt),
            "internet": system.internet.to_wire(addresses),
        }
        return {"acc_prefs": acc_prefs, "sys_prefs": sys_prefs}

    def with_args(
        self,
        args: Any,
        product: str | None,
        *,
        ignore_unknown: bool = False,
        bare: bool = True,
    ) -> "Preferences":
        """Return the preferences as changed by callback 2.

        args: its `callbackArgs`: any subset of the tree, or a list of one such object. [the
        documentation; the client `invisoutlet`]
        product: whose keys are known; None: all keys.
        ignore_unknown: skip keys that are not known.
        bare: take the tree without a list around it too.

        Raises RequestRejected where a key is unknown or read-only, or a value has another type or
        range.
        """
        place: tuple[Key, ...] = ()
        if not (bare and isinstance(args, dict)):
            either = "an object, or " if bare else ""
            args = expect_array(args, f"{either}a list of one object", 1, 1)[0]
            place = (0,)
        change = _Change(len(place), frozenset(_lacking(product)), ignore_unknown)
        patched = change.apply(self, args, place)
        assert isinstance(patched, Preferences)
        return patched

    def with_faceplate_of(self, other: "Preferences") -> "Preferences":
        """Return these preferences with those of the faceplate, which a bare outlet lacks, as in
        the other ones.
        """
        mine, others = self.acc_prefs.homeAwayMode, other.acc_prefs.homeAwayMode
        lacking = {path[-1] for path in _lacking("bare")}
        kept = {name: getattr(mine, name) for name in mine.__struct_fields__ if name not in lacking}
        home = msgspec.structs.replace(others, **kept)
        acc_prefs = msgspec.structs.replace(other.acc_prefs, homeAwayMode=home)
        return msgspec.structs.replace(self, acc_prefs=acc_prefs)


_Having: TypeAlias = tuple[Literal["pro", "aura"], ...]

_FACEPLATE: _Having = ("pro", "aura")
_PRO: _Having = ("pro",)

PRODUCTS_WITH: Mapping[tuple[str, ...], _Having] = {
    ("acc_prefs", "outletPwrIndicatorOn"): _FACEPLATE,
    ("acc_prefs", "pmIndicatorBrightness"): _FACEPLATE,
    ("acc_prefs", "capacitiveCtrl"): _FACEPLATE,
    ("acc_prefs", "aqiColorRGBFeature"): _PRO,
    ("acc_prefs", "motionAwayFeature"): _PRO,
    ("acc_prefs", "adaptiveNightlightFeature"): _FACEPLATE,
    ("acc_prefs", "adaptiveMinBrightness"): _FACEPLATE,
    ("acc_prefs", "adaptiveMaxBrightness"): _FACEPLATE,
    ("acc_prefs", "adaptiveSensitivity"): _PRO,
    ("acc_prefs", "occupancyNightlightFeature"): _PRO,
    ("acc_prefs", "overrideAdaptiveOccupancyNightlightFeature"): _PRO,
    ("acc_prefs", "magicTouchCtrl"): _FACEPLATE,
    ("acc_prefs", "homeAwayMode", "nightlightEnabled"): _FACEPLATE,
    ("acc_prefs", "homeAwayMode", "minBrightness"): _FACEPLATE,
    ("acc_prefs", "homeAwayMode", "maxBrightness"): _FACEPLATE,
}
"""The preferences that not every product has → the products that have them. That a device omits
what its faceplate lacks is known from a client; which keys these are is inferred."""

EARLY_KEYS = (
    "adaptiveNightlightFeature",
    "adaptiveSensitivity",
    "aqiColorRGBFeature",
    "capacitiveCtrl",
    "motionAwayFeature",
    "outletPwrIndicatorOn",
    "pmIndicatorBrightness",
)
"""The keys of `acc_prefs` in the early form of callback 1, in order. [the vendor's early app]"""


def _lacking(product: str | None) -> tuple[tuple[str, ...], ...]:
    """The paths of the preferences that a product lacks; None: the product that has all."""
    if product is None:
        return ()
    return tuple(path for path, having in PRODUCTS_WITH.items() if product not in having)


def _address_to_wire(address: int | str, form: AddressForm) -> int | str:
    if isinstance(address, int) or form == "text":
        return address
    octets = bytes(map(int, address.split(".")))
    return int.from_bytes(octets, "little" if form == "first_octet_low" else "big")


class _Change(msgspec.Struct, frozen=True):
    """How the `callbackArgs` of callback 2 are read.

    root: how deep in them the tree begins. lacking: paths that the product does not have.
    ignore_unknown: skip what is unknown or lacking.
    """

    root: int
    lacking: frozenset[tuple[str, ...]]
    ignore_unknown: bool

    def apply(self, struct: msgspec.Struct, changes: Any, place: tuple[Key, ...]) -> msgspec.Struct:
        """Return a copy of the struct with some fields changed. Raises RequestRejected.

        place: of the changes in the arguments.
        """
        name_parts = tuple(map(str, place[self.root :]))
        name = ".".join(name_parts)
        if isinstance(struct, Internet):
            reject(f"{name} is read-only", *place)
        if not isinstance(changes, Mapping):
            found = format_value(changes)
            reject(f"{name or 'preferences'}: expected an object, found {found}", *place)
        known = fields(type(struct))
        patched: dict[str, Any] = {}
        for key, value in changes.items():
            here = (*place, key)
            field = known.get(key)
            if field is None or (*name_parts, key) in self.lacking:
                if self.ignore_unknown:
                    continue
                # Any text can be a key; only a short name is shown as it is.
                plain = key.isidentifier() and len(key) <= MAX_KEY_LENGTH
                full = ".".join((*name_parts, key if plain else format_value(key)))
                if field is None:
                    reject(f"unknown preference {full}", *here)
                reject(f"this outlet has no preference {full} at present", *here)
            old = getattr(struct, field.name)
            if isinstance(old, msgspec.Struct):
                patched[field.name] = self.apply(old, value, here)
                continue
            # None is a scenario's word for "not set yet"; a client cannot take a preference back.
            expected = Sensitivity if field.name == "adaptiveSensitivity" else field.annotation
            for where, message in type_errors(value, expected, here, format_value):
                reject(f"{key}: {message}", *where)
            patched[field.name] = msgspec.convert(value, expected)
        return msgspec.structs.replace(struct, **patched)

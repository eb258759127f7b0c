"""Everything that an outlet is and knows, as one value.

The structs are also the tables of a scenario file, so whatever a client can see can be set there,
by a step, and from Python. A state is never changed in place: `patched` returns another one.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from invis_sim.device.firmware import FaceplateFirmware, FirmwareInventory
from invis_sim.device.lights import (
    HIGHEST_KELVIN,
    LOWEST_KELVIN,
    ColorLight,
    IndicatorLight,
    Nightlight,
)
from invis_sim.device.names import Names
from invis_sim.device.preferences import AddressForm, Preferences, Switch
from invis_sim.device.sensors import Sensors
from invis_sim.device.update_plan import Seconds, Updates, UpdateService
from invis_sim.protocol.transport import DisconnectMode
from invis_sim.schema.build import Checked, build, values_checked
from invis_sim.schema.describe import quote

__all__ = [
    "Device",
    "Faceplate",
    "Mqtt",
    "OutletState",
    "Outlets",
    "Product",
    "Quirks",
    "Radar",
    "SerialNumber",
    "Timing",
    "patched",
]

MIN_SENSOR_SECONDS = 0.01
"""A shorter interval would occupy the processor with readings alone."""

Product: TypeAlias = Literal["bare", "pro", "aura"]

SerialNumber = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[0-9A-F]{10,11}$(?!\n)",  # "$" alone would let a newline follow
        description="A serial number: ten or eleven upper-case hexadecimal digits.",
    ),
]
ShortText = Annotated[str, msgspec.Meta(max_length=256)]


class Device(Checked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who the outlet is.

    sn: its serial number, which is in every packet.
    product: "bare": the outlet alone. "pro": with an InvisDeco Pro, which has sensors for air,
    climate and occupancy, and a nightlight. "aura": with an InvisDeco Aura, which has a coloured
    nightlight and a light sensor. Omitted: a Pro where there is a [firmware.PM], else bare.
    hw_rev: its hardware revision: "revA", or "revB", which updates itself in another way. Other
    text is shown as it is, and the outlet behaves as a revA.
    MAC: its hardware address, as callback 12 shows it; omitted: derived from its serial number.
    device: its name in callback 12. Firmware in a bad state says "Unknown", or nothing.
    """

    sn: SerialNumber = "0003C44076"
    product: Product | None = None
    hw_rev: ShortText = "revA"
    MAC: ShortText | None = None
    device: ShortText = "InvisOutlet"

    def __post_init__(self) -> None:
        super().__post_init__()
        letters = "".join(filter(str.isalnum, self.hw_rev)).lower()
        meant = {"reva": "revA", "revb": "revB"}.get(letters, self.hw_rev)
        if meant != self.hw_rev:
            found = f"found {quote(self.hw_rev)}; did you mean {meant!r}?"
            raise ValueError(f'hw_rev: expected "revA", "revB" or other text, {found}')


class Radar(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The radar of the faceplate, as callback 12 shows it.

    fw_ver: the version of its firmware; see `radar_key` under [quirks].
    hw_type: which hardware it is.
    MAC: its hardware address; omitted: derived from the outlet's serial number.
    """

    fw_ver: ShortText = "1.0.0"
    hw_type: ShortText = "LD2410"
    MAC: ShortText | None = None


class Faceplate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The InvisDeco, where the product has one.

    attached: whether it is clipped on.
    online: whether it answers. One that does not is away, as while it restarts; see
    `absent_faceplate` under [quirks].
    sn: its own serial number, in callback 12; omitted: derived from the outlet's.
    MAC: its hardware address, in callback 12; omitted: derived from the outlet's serial number.
    hw_rev: its hardware revision, in callback 12; any text.
    device: its name in callback 12.
    type: its kind in callback 12; omitted: "Pro" or "Aura", by the product.
    radar: its radar; omitted: a Pro has one, an Aura has none.
    """

    attached: bool = True
    online: bool = True
    sn: ShortText | None = None
    MAC: ShortText | None = None
    hw_rev: ShortText = "revA"
    device: ShortText = "InvisDeco"
    type: ShortText | None = None
    radar: Radar | None = None


class Outlets(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The two switched outlets.

    states: the first (top) and the second (bottom), each 0 or 1.
    """

    states: tuple[Switch, Switch] = (0, 0)


class Mqtt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the outlet finds when it looks for its MQTT broker.

    connected: whether it is connected, as soon as `enabled` is 1 under
    [preferences.sys_prefs.mqtt]: callback 27 is then answered `PUBACK` 1, and else 0.
    """

    connected: bool = False


class Timing(Checked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long things take, in seconds, each ≥ 0. How long they take a real outlet is not
    documented.

    restart_seconds: how long the outlet is offline when it restarts.
    factory_reset_seconds: the same, for a factory reset.
    faceplate_restart_seconds: how long the faceplate is offline when it restarts or is
    reset.
    sensor_seconds: how far apart two samples of the sensors are, and so two pushes of them; 0: no
    new samples and no pushes.
    calibration_delay_seconds: after how long a calibration of the occupancy sensor begins.
    reconnect_seconds: for how long after a restart each client that connects gets callback 12,
    which says that the outlet has restarted. A revB that restarts for an update continues with that
    when the first client has connected, or at the end of this time (with an infinite `speed`, only
    when the first client has connected).
    """

    restart_seconds: Seconds = 3.0
    factory_reset_seconds: Seconds = 3.0
    faceplate_restart_seconds: Seconds = 3.0
    sensor_seconds: Seconds = 5.0
    calibration_delay_seconds: Seconds = 10.0
    reconnect_seconds: Seconds = 30.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if 0 < self.sensor_seconds < MIN_SENSOR_SECONDS:
            raise ValueError(
                f"sensor_seconds: expected 0, or {MIN_SENSOR_SECONDS} and more, "
                f"found {self.sensor_seconds:g}"
            )


class Quirks(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where real firmware, documentation and clients differ, or where nothing is known. The default
    is what real devices were seen to do, where any were seen.

    configuration_form: callback 1 returns the tree of preferences as "current" firmware does, or in
    the "early" form: the reply's payload is the tree itself, with fewer keys, as the vendor's early
    app reads it. The client `invisoutlet` reads an empty configuration out of that.
    preference_keys: callbacks 1 and 2 have the preferences "by_product", or "all" on every product.
    unknown_preferences: callback 2 with a preference that does not exist is refused ("refuse"), or
    done without it ("ignore").
    bare_preferences: callback 2 with the tree of preferences as it is, and not in a list, which no
    known client sends: "accept", as the documentation can be read, or "refuse".
    internet_addresses: the form of the addresses in callback 1: integers with the first octet in
    the lowest byte ("first_octet_low") or in the highest ("first_octet_high"), or "text".
    names_list: callback 3 returns the list "bare", as real firmware does; "wrapped" in
    `{"payload": …}`, as documented; or "early": the reply's payload is the list itself, as the
    vendor's early app reads it. The client `invisoutlet` loses its connection over that.
    name_length: how many characters callback 4 takes in a name, at most.
    stray_result: whether each update begins with a result (23) of status 0 that means nothing, as
    on real devices.
    update_packet_ids: the packetIDs of pushes 22 and 23 are "random", or that of the "request" (21)
    that has started the update, as pages of the documentation can be read.
    web_update: an update of the web pages "alone" runs as one part without a restart; or "both"
    parts run all the same, as a client expects.
    radar_key: the radar's firmware in callback 12 is "fw_ver", as a client reads it, or "fw_rev",
    as documented.
    decimals: readings with decimals are "strings" that hold them, as on real devices, or "numbers".
    color_light_args: callback 18, as reply and as push, has "six" arguments, as on real devices, or
    the first "three", as in the documented examples.
    color_push_puback: whether a push of callback 18 has a `PUBACK`, as in the documented example.
    color_light_without_aura: on a device that is not an Aura, callback 18 is a "fail" (`PUBACK` 0),
    or a success with one argument ("short") or none ("empty").
    indicator_light: whether an Aura has a second coloured light, its indicator of 7 LEDs, as on an
    older page of the documentation.
    indicator_number: the number of that light: 7, as on that page, or 1, as an integration says.
    max_kelvin: the highest temperature that callback 17 takes: 40000, as documented, or the 6500 to
    which a client keeps, or anything between.
    short_palette: after a palette of fewer colours than the light has LEDs (modes 3-6), callback 18
    has the other LEDs as they were ("kept"), or the palette over and over ("repeated").
    random_palette: the palette of a light that chooses its colours itself is "ignored", so that
    callback 18 has the LEDs as they were, or "stored" like any other.
    plain_nightlight_on_aura: whether callbacks 14 and 15 also work on an Aura.
    missing_parts: a request about the faceplate, its lights or sensors, where the product does not
    have them or the faceplate is away, "fails" (`PUBACK` 0) or is "ignored".
    faceplate_pushes: whether callback 12 is pushed when a faceplate appears or comes back.
    factory_reset: after a factory reset the outlet "returns"; or it "leaves_network", as it is in
    set-up mode then, until it joins the network again.
    push_order: pushes that a request causes are sent "after_reply" or "before_reply".
    pushes_to_sender: whether the client whose request causes a push gets that too.
    unchanged_pushes: whether a request that sets what is set already (10, 14, 17) causes a push.
    unusable_requests: a request whose envelope or callback is wrong "fails" (`PUBACK` 0), or is
    "ignored".
    outlets_after_restart: the switches are "kept", or "off", after a restart of the outlet.
    absent_faceplate: while the faceplate is away, callback 12 has no `PM` ("omitted"); one with
    `online` false, and else as usual ("offline"); or one in a bad state: `online` false, `fw_rev`
    empty, no `radar`, and for `device` "Unknown" ("degraded") or nothing ("blank").
    tcp_reads: requests on TCP are found in the "stream", joined or in pieces; or the outlet takes
    what it reads at once for "one_request", so that of two that arrive together the second is lost,
    and one that arrives in pieces as well.
    binary_messages: a binary WebSocket message is "ignored", as clients ignore those of the outlet;
    or "answered" like one of text.
    restart_disconnect: how connections end when the outlet restarts. "close": the stream ends
    (FIN). "close_frame": with a close frame on WebSocket, and FIN. "reset": RST. "blackhole":
    nothing is sent, and a RST comes when the outlet is back.
    transports: "both", whatever the hardware, as documented; or "by_revision": TCP on revB only,
    and WebSocket on all others only, as a client has it.
    """

    configuration_form: Literal["current", "early"] = "current"
    preference_keys: Literal["by_product", "all"] = "by_product"
    unknown_preferences: Literal["refuse", "ignore"] = "refuse"
    bare_preferences: Literal["accept", "refuse"] = "accept"
    internet_addresses: AddressForm = "first_octet_low"
    names_list: Literal["bare", "wrapped", "early"] = "bare"
    name_length: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 64
    stray_result: bool = True
    update_packet_ids: Literal["random", "request"] = "random"
    web_update: Literal["both", "alone"] = "both"
    radar_key: Literal["fw_ver", "fw_rev"] = "fw_ver"
    decimals: Literal["strings", "numbers"] = "strings"
    color_light_args: Literal["six", "three"] = "six"
    color_push_puback: bool = False
    color_light_without_aura: Literal["fail", "short", "empty"] = "fail"
    indicator_light: bool = False
    indicator_number: Literal[7, 1] = 7
    max_kelvin: Annotated[int, msgspec.Meta(ge=LOWEST_KELVIN, le=HIGHEST_KELVIN)] = HIGHEST_KELVIN
    short_palette: Literal["kept", "repeated"] = "kept"
    random_palette: Literal["ignored", "stored"] = "ignored"
    plain_nightlight_on_aura: bool = False
    missing_parts: Literal["fails", "ignored"] = "fails"
    faceplate_pushes: bool = True
    factory_reset: Literal["returns", "leaves_network"] = "returns"
    push_order: Literal["after_reply", "before_reply"] = "after_reply"
    pushes_to_sender: bool = True
    unchanged_pushes: bool = False
    unusable_requests: Literal["fails", "ignored"] = "fails"
    outlets_after_restart: Literal["kept", "off"] = "kept"
    absent_faceplate: Literal["omitted", "offline", "degraded", "blank"] = "omitted"
    tcp_reads: Literal["stream", "one_request"] = "stream"
    binary_messages: Literal["ignored", "answered"] = "ignored"
    restart_disconnect: DisconnectMode = "close"
    transports: Literal["both", "by_revision"] = "both"


class OutletState(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that an outlet is and knows.

    device: who it is, and which product.
    faceplate: its InvisDeco, where it has one.
    firmware: what it runs, and what is available.
    outlets: the two switches.
    nightlight: the plain nightlight of a Pro.
    color_light: the coloured nightlight of an Aura (light 5), of 9 LEDs.
    indicator_light: the coloured indicator of an Aura, of 7 LEDs; see [quirks].
    names: what the user calls the accessories.
    preferences: what callback 1 reads and callback 2 changes.
    sensors: what the faceplate measures.
    mqtt: what the outlet finds of its MQTT broker.
    updates: how firmware updates go.
    update_service: how the vendor's update service answers, which is asked for new firmware.
    timing: how long things take.
    quirks: where real firmware, documentation and clients differ.
    """

    device: Device = Device()
    faceplate: Faceplate = Faceplate()
    firmware: FirmwareInventory = FirmwareInventory()
    outlets: Outlets = Outlets()
    nightlight: Nightlight = Nightlight()
    color_light: ColorLight = ColorLight()
    indicator_light: IndicatorLight = IndicatorLight()
    names: Names = Names()
    preferences: Preferences = Preferences()
    sensors: Sensors = Sensors()
    mqtt: Mqtt = Mqtt()
    updates: Updates = Updates()
    update_service: UpdateService = UpdateService()
    timing: Timing = Timing()
    quirks: Quirks = Quirks()

    def __deepcopy__(self, memo: dict[int, Any]) -> "OutletState":
        return self  # nothing in it ever changes

    @property
    def product(self) -> Product:
        """Which product it is, even if only its firmware says so."""
        if self.device.product is not None:
            return self.device.product
        return "bare" if self.firmware.PM is None else "pro"

    def with_product(self, product: Product | None = None) -> "OutletState":
        """Return the state with product and firmware in agreement: with firmware for the faceplate
        if the product has one, and else without.

        product: which it is to be; None: as it is.
        """
        product = product or self.product
        inventory = self.firmware
        if product == "bare" and inventory.PM is not None:
            inventory = msgspec.structs.replace(inventory, PM=None)
        elif product != "bare" and inventory.PM is None:
            inventory = msgspec.structs.replace(inventory, PM=FaceplateFirmware())
        with values_checked():  # as they are by now: each start of an outlet comes here
            device = msgspec.structs.replace(self.device, product=product)
        return msgspec.structs.replace(self, device=device, firmware=inventory)


def patched(state: OutletState, changes: Mapping[str, Any]) -> OutletState:
    """A copy of the state with other values for some keys.

    changes: table → the keys to change in it with their new values, as a scenario file has them; or
    a struct, which replaces the whole table.

    Raises ValueError, with the path of the key, for the first value that a scenario could not have.
    """
    after: OutletState
    after, problems = build(OutletState, changes, base=state)
    if problems:
        raise ValueError(str(problems[0]))
    return after

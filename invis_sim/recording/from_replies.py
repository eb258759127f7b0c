"""The replies of an outlet → the state of a simulated one that answers the same.

replies ──_Reader──▶ tables, as in a scenario file ──build──▶ OutletState
                                │                                │
                                └─ values that no scenario has   └─ simulate ─▶ what differs yet
                                              └──────▶ notes ◀───────┘
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from invis_sim.device.names import ACCESSORIES
from invis_sim.device.preferences import PRODUCTS_WITH, AddressForm
from invis_sim.device.sensors import DECIMALS, READINGS, Sensors
from invis_sim.device.state import OutletState, Product
from invis_sim.protocol.callbacks import Callback
from invis_sim.recording.differences import compare_answers
from invis_sim.recording.questions import NOT_ASKED, Answered, Question, find_answer, simulate
from invis_sim.schema.build import build
from invis_sim.schema.fields import Path, fields

__all__ = ["Recognised", "parts_from_replies", "state_from_replies"]

# Fields that a scenario may omit, because the simulator knows a value by other means.
_OMISSIBLE: tuple[tuple[str, ...], ...] = (
    ("device", "MAC"),
    ("faceplate", "sn"),
    ("faceplate", "MAC"),
    ("faceplate", "type"),
    ("faceplate", "radar", "MAC"),
    ("faceplate", "radar"),
    *(("sensors", name) for name in READINGS),
)


class Recognised(msgspec.Struct, frozen=True):
    """What an outlet is, by its replies.

    state: of a simulated outlet that answers the same, as far as one can.
    notes: where it differs all the same, and what could not be read, a line each.
    """

    state: OutletState
    notes: tuple[str, ...]


def state_from_replies(answers: Sequence[Answered]) -> Recognised:
    """Recognise an outlet by what it answered. Never raises, whatever that was."""
    state = _without_the_usual(_with_silence(_build(_Reader(answers).read()), answers))
    simulated = simulate(state, [one.question for one in answers])
    unread = [
        f"{one.question}: {one.problem}"
        for one, ours in zip(answers, simulated, strict=True)
        if one.reply is None and ours.reply is not None
    ]
    answered = [one for one in answers if one.reply is not None]
    differences = map(str, compare_answers(answered, simulated))
    return Recognised(state, (*unread, *differences))


_PARTS: Mapping[int, tuple[str, ...]] = {
    Callback.REQUEST_CONFIGURATION: ("preferences",),
    Callback.REQUEST_ACCESSORY_NAMES: ("names",),
    Callback.OUTLET_STATUS: ("outlets",),
    Callback.SENSOR_READINGS: ("sensors",),
    Callback.DEVICE_INFORMATION: ("device", "faceplate", "firmware"),
    Callback.NIGHTLIGHT_STATUS: ("nightlight",),
    Callback.COLOR_LIGHT_STATUS: ("color_light", "indicator_light"),
    Callback.AVAILABLE_UPDATES: ("firmware",),
}
"""Callback → the parts of a state that its reply shows."""


def parts_from_replies(answers: Sequence[Answered], known: OutletState) -> dict[str, Any]:
    """Return the parts of a state that some replies show, and no more. Never raises.

    known: the state as it was known before: of what no reply shows.
    """
    shown = [one for one in answers if one.payload is not None]
    callbacks = {one.question.callback for one in shown}
    is_identified = Callback.DEVICE_INFORMATION in callbacks
    addresses = known.quirks.internet_addresses
    tables = _Reader(answers, None if is_identified else known.product, addresses).read()
    state = _build(tables)  # which removes from the tables what no scenario can have
    names = {name for callback in callbacks for name in _PARTS.get(callback, ())}
    parts = {name: getattr(state, name) for name in names}
    if is_identified:  # but for the serial number, which is read from every packet
        parts["device"] = msgspec.structs.replace(state.device, sn=known.device.sn)
    if "firmware" not in parts and "update_check" in tables.get("firmware", {}):
        parts["firmware"] = msgspec.structs.replace(known.firmware, update_check="fail")
    parts["quirks"] = msgspec.structs.replace(known.quirks, **tables.get("quirks", {}))
    return parts


def _with_silence(state: OutletState, answers: Sequence[Answered]) -> OutletState:
    """Return the state with the quirk that explains the requests without a reply, if it
    explains all of them.
    """
    quirks = msgspec.structs.replace(state.quirks, missing_parts="ignored")
    silent = msgspec.structs.replace(state, quirks=quirks)
    simulated = simulate(silent, [one.question for one in answers])
    explained = all(
        (one.reply is None) == (ours.reply is None)
        for one, ours in zip(answers, simulated, strict=True)
    )
    return silent if explained and any(one.reply is None for one in answers) else state


def _build(tables: dict[str, Any]) -> OutletState:
    """Build a state of the tables, without what no scenario can have."""
    while True:
        state: OutletState
        state, problems = build(OutletState, tables)
        if not problems:
            return state.with_product()
        for problem in problems:
            if not _remove(tables, problem.path):
                tables.clear()  # not to go round for ever


def _remove(tables: dict[str, Any], path: Path) -> bool:
    """Remove the value at a path, or the table around it; return whether there was one."""
    for length in range(len(path), 0, -1):
        node: Any = tables
        for step in path[: length - 1]:
            node = node.get(step) if isinstance(node, dict) else None
        if isinstance(node, dict) and path[length - 1] in node:
            del node[path[length - 1]]
            return True
    return False


def _without_the_usual(state: OutletState) -> OutletState:
    """Return the state without what makes no difference to any answer."""
    shown = _payloads(state)
    for path in _OMISSIBLE:
        shorter = _with_none(state, path)
        if shorter is not None and _payloads(shorter) == shown:
            state = shorter
    return state


def _payloads(state: OutletState) -> list[Any]:
    return [one.reply.fields if one.reply else None for one in simulate(state)]


def _with_none(struct: Any, path: tuple[str, ...]) -> Any:
    """Return the struct with None at the path; None where it is so already."""
    name, *rest = path
    inner = getattr(struct, name)
    if inner is None:
        return None
    changed = _with_none(inner, tuple(rest)) if rest else None
    if rest and changed is None:
        return None
    return msgspec.structs.replace(struct, **{name: changed})


class _Reader:
    """Reads replies into tables as those of a scenario file. What has an unexpected form is passed
    over: it shows when the answers are compared.
    """

    def __init__(
        self,
        answers: Sequence[Answered],
        known: Product | None = None,
        addresses: AddressForm = "first_octet_low",
    ) -> None:
        """Take the answers.

        known: the product, where they do not show it. addresses: the form of those that are
        integers, which no answer shows.
        """
        self._answers = answers
        self._known = known
        self._addresses = addresses
        self._quirks: dict[str, Any] = {}

    def read(self) -> dict[str, Any]:
        """Return the tables."""
        information, firmware = self._args(Callback.DEVICE_INFORMATION), self._firmware()
        product = self._product(information, firmware)
        online = product != "bare" and self._faceplate_answers(information)
        tables: dict[str, Any] = {
            "device": {**self._device(information), "product": product},
            "firmware": firmware,
            "preferences": self._preferences(product if online else "bare"),
            "names": self._names(),
            "outlets": self._outlets(),
        }
        if product != "bare":
            tables["faceplate"] = self._faceplate(information, product)
            tables["sensors"] = self._sensors(product)
            tables["firmware"].setdefault("PM", {})
        tables.update(self._lights(product, online=online))
        tables["quirks"] = self._quirks
        return {name: table for name, table in tables.items() if table}

    def _answered(self, callback: int, args: Any = msgspec.UNSET) -> Answered:
        return find_answer(self._answers, Question(callback, args))

    def _args(self, callback: int) -> dict[str, Any]:
        return _table(self._answered(callback).args)

    def _product(self, information: Mapping[str, Any], firmware: Mapping[str, Any]) -> Product:
        if self._known is not None:
            return self._known
        faceplate = information.get("PM")
        if faceplate is None and "PM" not in firmware:
            return "aura" if self._is_aura_taken_off() else "bare"
        kind = _table(faceplate).get("type")
        by_name = isinstance(kind, str) and "aura" in kind.lower()
        has_light = self._answered(Callback.COLOR_LIGHT_STATUS, [5]).args
        many = isinstance(has_light, list) and len(has_light) > 1
        return "aura" if by_name or many else "pro"

    def _is_aura_taken_off(self) -> bool:
        """Return whether only an Aura without its faceplate answers so: it knows its lights by
        their numbers, and refuses others where it is silent about its own.
        """
        own, other = (self._answered(Callback.COLOR_LIGHT_STATUS, [light]) for light in (5, 7))
        return own.problem != NOT_ASKED and own.reply is None and other.reply is not None

    def _faceplate_answers(self, information: Mapping[str, Any]) -> bool:
        return _table(information.get("PM")).get("online") is not False

    # 12 and 20

    def _device(self, information: Mapping[str, Any]) -> dict[str, Any]:
        module = _table(information.get("IM"))
        found = _some(module, "sn", "MAC", "device", "hw_rev")
        for one in self._answers:  # the serial number is in every reply
            if "sn" not in found and one.reply is not None and "sn" in one.reply.fields:
                found["sn"] = one.reply.fields["sn"]
        return found

    def _firmware(self) -> dict[str, Any]:
        information = self._args(Callback.DEVICE_INFORMATION)
        answered = self._answered(Callback.AVAILABLE_UPDATES)
        found: dict[str, Any] = {}
        if answered.reply is not None and not answered.reply.ok:
            found["update_check"] = "fail"
        for name in ("IM", "PM"):
            running = _some(_table(information.get(name)), "fw_rev")
            offered = _table(_table(answered.args).get(name))
            for ours in ("fw_rev", "www_fw_rev"):
                running |= _some(offered, ours)
                newest = f"available_{ours}"
                if offered.get(newest, running.get(ours)) != running.get(ours):
                    running[newest] = offered[newest]
            if running or name in _table(answered.args):
                found[name] = running
        return found

    def _faceplate(self, information: Mapping[str, Any], product: Product) -> dict[str, Any]:
        module = _table(information.get("PM"))
        found = _some(module, "online", "sn", "MAC", "device", "type", "hw_rev")
        if information and not module and self._is_aura_taken_off():
            self._quirks["absent_faceplate"] = "omitted"
            return {"attached": False}
        if found.get("online") is False:
            degraded = module.get("fw_rev") == "" and "radar" not in module
            form = {"Unknown": "degraded", "": "blank"} if degraded else {}
            self._quirks["absent_faceplate"] = form.get(str(module.get("device")), "offline")
            if self._quirks["absent_faceplate"] != "offline":
                found.pop("device", None)
        radar = _table(module.get("radar"))
        if radar:
            found["radar"] = _some(radar, "hw_type", "MAC")
            for key in ("fw_ver", "fw_rev"):
                if key in radar:
                    found["radar"]["fw_ver"] = radar[key]
                    self._note_quirk("radar_key", key)
        return found

    # 1, 3 and 9

    def _preferences(self, product: Product) -> dict[str, Any]:
        payload = self._answered(Callback.REQUEST_CONFIGURATION).payload
        tree = _table(payload).get("callbackArgs")
        if tree is None and isinstance(payload, dict) and "acc_prefs" in payload:
            tree = payload
            self._note_quirk("configuration_form", "early")
        tree = _copied(_table(tree))
        for path, having in PRODUCTS_WITH.items():
            if product not in having and _at(tree, path) is not None:
                self._note_quirk("preference_keys", "all")
        internet = _table(_table(tree.get("sys_prefs")).get("internet"))
        for name, address in internet.items():
            if isinstance(address, str):
                self._note_quirk("internet_addresses", "text")
            elif type(address) is int and 0 <= address < 2**32 and self._addresses != "text":
                is_low = self._addresses == "first_octet_low"
                octets = address.to_bytes(4, "little" if is_low else "big")
                internet[name] = ".".join(map(str, octets))
        if self._quirks.get("internet_addresses") == "text":
            # An integer among texts is sent as it is.
            given = _table(_at(_table(payload), ("callbackArgs", "sys_prefs", "internet")))
            internet.update({name: one for name, one in given.items() if name in internet})
        return _known(tree, OutletState().preferences)

    def _names(self) -> dict[str, Any]:
        payload = self._answered(Callback.REQUEST_ACCESSORY_NAMES).payload
        names: Any = _table(payload).get("callbackArgs")
        if isinstance(payload, list):
            names = payload
            self._note_quirk("names_list", "early")
        elif isinstance(names, dict):
            names = names.get("payload")
            self._note_quirk("names_list", "wrapped")
        found = {}
        for item in names if isinstance(names, list) else ():
            number = _table(item).get("accessory")
            if type(number) is int and number in ACCESSORIES and "name" in item:
                found[ACCESSORIES[number]] = item["name"]
        return found

    def _outlets(self) -> dict[str, Any]:
        states = self._answered(Callback.OUTLET_STATUS).args
        return {} if states is None else {"states": states}

    # 11

    def _sensors(self, product: Product) -> dict[str, Any]:
        args = self._answered(Callback.SENSOR_READINGS).args
        if not isinstance(args, list) or len(args) != 2 or not isinstance(args[1], dict):
            return {}
        found: dict[str, Any] = {"device_type": args[0]}
        for name, value in args[1].items():
            if name not in READINGS:
                continue
            if name in DECIMALS and isinstance(value, str):
                value = _number_in(value)
            elif name in DECIMALS and isinstance(value, int | float):
                self._note_quirk("decimals", "numbers")
            found[name] = value
        missing = [name for name in Sensors().effective(product) if name not in args[1]]
        return {**found, "omit": missing} if missing else found

    # 15 and 18

    def _lights(self, product: Product, *, online: bool) -> dict[str, Any]:
        found: dict[str, Any] = {}
        nightlight = self._answered(Callback.NIGHTLIGHT_STATUS).args
        if isinstance(nightlight, list) and len(nightlight) == 2:
            found["nightlight"] = {"mode": nightlight[0], "brightness": nightlight[1]}
            if product == "aura":
                self._note_quirk("plain_nightlight_on_aura", True)
        for number, name in ((5, "color_light"), (7, "indicator_light"), (1, "indicator_light")):
            answered = self._answered(Callback.COLOR_LIGHT_STATUS, [number])
            args = answered.args
            if product != "aura" and answered.reply is not None and not answered.reply.ok:
                self._note_quirk("color_light_without_aura", "fail")
            if not isinstance(args, list):
                continue
            if product != "aura":
                form = {0: "empty", 1: "short"}.get(len(args))
                if form is not None:
                    self._note_quirk("color_light_without_aura", form)
            elif len(args) in (3, 6):
                found[name] = self._color_light(args)
                if number != 5:
                    self._note_quirk("indicator_light", True)
                    self._note_quirk("indicator_number", number)
        return found

    def _color_light(self, args: list[Any]) -> dict[str, Any]:
        _, mode, leds, *more = args
        if not more:
            self._note_quirk("color_light_args", "three")
        if isinstance(leds, list) and leds and all(led == leds[0] for led in leds):
            leds = leds[:1]
        rest = dict(zip(("speed", "random", "level"), more, strict=False))
        return {"mode": mode, "leds": leds, **rest}

    def _note_quirk(self, name: str, value: Any) -> None:
        self._quirks[name] = value


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _some(table: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: table[key] for key in keys if key in table}


def _at(tree: Any, path: Sequence[str]) -> Any:
    for key in path:
        tree = _table(tree).get(key)
    return tree


def _copied(tree: dict[str, Any]) -> dict[str, Any]:
    return {key: _copied(one) if isinstance(one, dict) else one for key, one in tree.items()}


def _known(tree: dict[str, Any], struct: msgspec.Struct) -> dict[str, Any]:
    """Return the tree with the keys of the struct alone."""
    known = {key: getattr(struct, field.name) for key, field in fields(type(struct)).items()}
    return {
        key: _known(value, known[key])
        if isinstance(value, dict) and isinstance(known[key], msgspec.Struct)
        else value
        for key, value in tree.items()
        if key in known
    }


def _number_in(text: str) -> float | str:
    """Return the number if the simulator would write it like this, else the text."""
    try:
        number = float(text)
    except ValueError:
        return text
    return number if f"{number:.2f}" == text else text

"""Identity → pseudonyms of the same form, by value, wherever it occurs.

A value is learnt where it is known to be identity, such as the serial number, and then replaced in
every text: in other fields, inside longer texts, in packets that are not JSON. A list of keys alone
would miss those.
"""

import hmac
import re
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Literal, TypeVar, get_args, get_origin
from urllib.parse import urlsplit

import msgspec

from invis_sim.device.preferences import AddressForm
from invis_sim.device.state import OutletState, Product
from invis_sim.protocol.callbacks import Callback
from invis_sim.protocol.packets import encode_json
from invis_sim.recording.identity import Identity, find_identity
from invis_sim.recording.questions import Answered, Question, find_answer, simulate
from invis_sim.recording.spellings import other_spellings
from invis_sim.schema.fields import fields

__all__ = ["Pseudonyms", "TooManyValues", "pseudonymise", "replace_in"]

AnyStruct = TypeVar("AnyStruct", bound=msgspec.Struct)

MIN_INSIDE = 4
"""Shorter values are replaced only where they are the whole of a text: "on" is in many words."""

# What every outlet says of itself. A name such as "Outlet" is identity, and these words are not.
_VOCABULARY = ("InvisOutlet", "InvisDeco", "Unknown", "Aura", "Pro", "revA", "revB", "LD2410")

_JSON_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_IS_KEY = re.compile(rb"\s*:")
_NUMBER = re.compile(rb"(?<![\w.+-])[0-9][0-9.]*(?:[eE][+-]?[0-9]+)?(?![\w.])")

MIN_NUMBER = 2**24
"""Smaller integers are not taken for addresses: 0.0.0.0 would be each 0. No host has such a one."""

# Where callback 12 has a serial number or a hardware address.
_HARDWARE = (
    ("IM", "sn"),
    ("IM", "MAC"),
    ("PM", "sn"),
    ("PM", "MAC"),
    ("PM", "radar", "MAC"),
)


MAX_VALUES = 200
"""How many values are replaced: an outlet has some twenty. To look for thousands in what a device
floods its clients with takes hours.
"""


class TooManyValues(Exception):
    """What was captured has more values to be replaced than an outlet can have."""


class Pseudonyms:
    """The identity that was learnt, and what stands in for it.

    key: the same key gives the same pseudonyms, so that several captures of one house fit together;
    without the key, what a pseudonym stands for cannot be tried out.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._values = 0
        self._texts: dict[str, str] = {}
        self._numbers: dict[int, int] = {}
        self._keys: set[str] = set()  # those of the texts that are replaced in keys as well
        self._patterns: dict[bool, re.Pattern[str]] = {}  # for keys, and for all else

    def __len__(self) -> int:
        """How many values are replaced, each in every form that it is written in."""
        return self._values

    def __contains__(self, value: str) -> bool:
        """Whether a value is replaced."""
        return value in self._texts

    def learn(self, value: str, pseudonym: str, *, also_as_key: bool = False) -> None:
        """Replace a value by this pseudonym from now on, in every form that it is written in.

        also_as_key: also in keys; a name may be that of a key by chance.
        """
        if not value or value == pseudonym or value in _VOCABULARY or value in self._texts:
            return
        if value.lower() in pseudonym.lower():  # then it would still show
            pseudonym = self.digest(value, max(MIN_INSIDE, len(value)))
        self._values += 1
        self._add(value, pseudonym, also_as_key=also_as_key)

    def _add(self, value: str, pseudonym: str, *, also_as_key: bool = False) -> None:
        self._patterns.clear()
        for real, fake in ((value, pseudonym), *other_spellings(value, pseudonym)):
            self._texts.setdefault(real, fake)
            if also_as_key:
                self._keys.add(real)

    def learn_address(self, value: str, pseudonym: str, form: AddressForm | None = None) -> None:
        """The same for the IPv4 address of a host, which is also written as an integer.

        form: how the outlet writes it; None: either way. Those of 8.8.8.8 are the same, and those
        of its pseudonym are not.
        """
        orders = ("little", "big") if form == "first_octet_high" else ("big", "little")
        numbers = {_as_integer(value, one): _as_integer(pseudonym, one) for one in orders}
        if min(numbers) < MIN_NUMBER:
            return
        self.learn(value, pseudonym, also_as_key=True)
        for number, fake in numbers.items():
            self._numbers.setdefault(number, fake)
            self._add(str(number), str(fake))

    def learn_found(self, found: Identity) -> None:
        """Learn what was found in a packet, unless it is known."""
        kind, value = found
        if kind == "hardware":
            self.learn(value, _hardware(self, value), also_as_key=True)
        elif kind == "url":
            _learn_url(value, self)
        elif kind == "address":
            self.learn_address(value, f"192.0.2.{1 + int(self.digest(value, 4), 16) % 254}")
        else:
            self.learn(value, f"{kind.capitalize()} {self.digest(value, 4)}")

    def digest(self, value: str, digits: int) -> str:
        """Return this many hexadecimal digits that depend on the value and the key."""
        return hmac.new(self._key, value.encode("utf-8", "replace"), "sha256").hexdigest()[:digits]

    def text(self, text: str) -> str:
        """Return a text with every value that was learnt replaced."""
        if text in self._texts:
            return self._texts[text]
        return self._replaced_inside(text, is_key=False)

    def _replaced_inside(self, text: str, is_key: bool) -> str:
        pattern = self._patterns.get(is_key)
        if pattern is None:
            values = self._keys if is_key else self._texts
            inside = sorted(filter(_may_be_inside, values), key=len, reverse=True)
            pattern = re.compile("|".join(map(_pattern_of, inside)) or "(?!)", re.IGNORECASE)
            self._patterns[is_key] = pattern
        return pattern.sub(self._substitute, text)

    def _substitute(self, found: re.Match[str]) -> str:
        value = found[0]
        if value in self._texts:
            return self._texts[value]
        return next(
            fake
            for real, fake in self._texts.items()
            if re.fullmatch(re.escape(real), value, re.IGNORECASE)
        )

    def tree(self, tree: Any) -> Any:
        """Return plain data with every value that was learnt replaced."""
        if isinstance(tree, str):
            return self.text(tree)
        if isinstance(tree, dict):
            return {
                self._replaced_inside(key, is_key=True): self.tree(value)
                for key, value in tree.items()
            }
        if isinstance(tree, list | tuple):
            return [self.tree(item) for item in tree]
        if type(tree) is int:
            return self._numbers.get(tree, tree)
        return tree

    def packet(self, data: bytes) -> bytes:
        """Return a packet, JSON or not, with every value that was learnt replaced and everything
        else as it is, byte for byte.
        """
        outside = self._numbers_replaced if _is_json(data) else self._not_json_replaced
        pieces = []
        end = 0
        for found in _JSON_STRING.finditer(data):
            pieces += [outside(data[end : found.start()]), self._token(found)]
            end = found.end()
        return b"".join((*pieces, outside(data[end:])))

    def _token(self, found: re.Match[bytes]) -> bytes:
        """Replace in a string of JSON."""
        token = found[0]
        is_key = _IS_KEY.match(found.string, found.end()) is not None
        try:
            value = msgspec.json.decode(token, type=str)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return self._not_json_replaced(token)
        replaced = self._replaced_inside(value, is_key=True) if is_key else self.text(value)
        return token if replaced == value else encode_json(replaced)

    def _not_json_replaced(self, data: bytes) -> bytes:
        """Replace in what has no form that is known."""
        text = self._numbers_replaced(data).decode("utf-8", "surrogateescape")
        return self.text(text).encode("utf-8", "surrogateescape")

    def _numbers_replaced(self, data: bytes) -> bytes:
        return _NUMBER.sub(self._number, data)

    def _number(self, found: re.Match[bytes]) -> bytes:
        with suppress(ValueError, OverflowError):
            number = float(found[0])
            if number in self._numbers:
                return b"%d" % self._numbers[int(number)]
        return found[0]


def pseudonymise(
    state: OutletState, answers: Iterable[Answered], key: bytes, packets: Iterable[bytes] = ()
) -> tuple[OutletState, Pseudonyms]:
    """Replace the identity of an outlet.

    state: what was recognised. answers: what the outlet answered. packets: all that it sent.

    Returns the state with pseudonyms, and what to replace in everything else that was recorded.
    The simulator's defaults stay: they do not identify anyone. Raises TooManyValues.
    """
    names = Pseudonyms(key)
    _learn_settings(state, names)
    sn, faceplate = state.device.sn, state.faceplate
    names.learn(sn, names.digest(sn, len(sn)).upper(), also_as_key=True)
    radar_mac = None if faceplate.radar is None else faceplate.radar.MAC
    for real in (state.device.MAC, faceplate.sn, faceplate.MAC, radar_mac):
        if real is not None:
            names.learn(real, _hardware(names, real), also_as_key=True)
    # Those that the simulator derives from the serial number follow it.
    _learn_hardware(list(answers), simulate(replace_in(state, names)), names)
    usual = _usual_identity()
    for packet in packets:
        for found in find_identity(packet):
            if found not in usual:
                names.learn_found(found)
            if len(names) > MAX_VALUES:
                raise TooManyValues(f"more than {MAX_VALUES} values look like identity")
    return replace_in(state, names), names


def replace_in(struct: AnyStruct, names: Pseudonyms) -> AnyStruct:
    """Return a struct, such as a state, with every value that was learnt replaced where any text
    may be; a name may be one of the words of a setting by chance.
    """
    changes: dict[str, Any] = {}
    for field in fields(type(struct)).values():
        value = getattr(struct, field.name)
        if isinstance(value, msgspec.Struct):
            changes[field.name] = replace_in(value, names)
        elif isinstance(value, str | int) and _takes_text(field.annotation):
            changes[field.name] = names.tree(value)
    return msgspec.structs.replace(struct, **changes)


def _takes_text(annotation: Any) -> bool:
    """Whether a field of this type takes any text, and perhaps other values."""
    if get_origin(annotation) is Literal:
        return False
    return annotation is str or any(map(_takes_text, get_args(annotation)))


def _usual_identity() -> set[Identity]:
    """Return what the simulator says by default: it does not identify anyone."""
    products: tuple[Product, ...] = ("bare", "pro", "aura")
    return {
        found
        for product in products
        for one in simulate(OutletState().with_product(product))
        if one.reply is not None
        for found in find_identity(one.reply.encode())
        if found.kind != "hardware"
    }


def _learn_settings(state: OutletState, names: Pseudonyms) -> None:
    usual = OutletState()
    for field in state.names.__struct_fields__:
        real = getattr(state.names, field)
        if real != getattr(usual.names, field):
            names.learn(real, f"Name {names.digest(real, 4)}")
    mqtt, usual_mqtt = state.preferences.sys_prefs.mqtt, usual.preferences.sys_prefs.mqtt
    if mqtt.mqtt_broker_url != usual_mqtt.mqtt_broker_url:
        _learn_url(mqtt.mqtt_broker_url, names)
    for field in ("user", "password"):
        real = getattr(mqtt, field)
        if real != getattr(usual_mqtt, field):
            names.learn(real, f"{field}-{names.digest(real, 6)}")
    internet = state.preferences.sys_prefs.internet
    usual_internet = usual.preferences.sys_prefs.internet
    for number, field in enumerate(internet.__struct_fields__):
        real = getattr(internet, field)
        if isinstance(real, str) and real != getattr(usual_internet, field):
            last = 1 + number * 80 + int(names.digest(real, 4), 16) % 80
            names.learn_address(real, f"192.0.2.{last}", state.quirks.internet_addresses)


def _learn_url(url: str, names: Pseudonyms) -> None:
    try:
        parts = urlsplit(url)
        found = [parts.hostname, parts.username, parts.password]
    except ValueError:
        found = []
    host, user, password = found or (None, None, None)
    if host is None:  # nothing in it is known, so nothing of it is kept
        names.learn(url, f"mqtt://broker-{names.digest(url, 6)}.example")
        return
    fake = url
    secrets = [(host, f"broker-{names.digest(host, 6)}.example")]
    secrets += [
        (real, f"{word}-{names.digest(real, 6)}")
        for word, real in (("user", user), ("password", password))
        if real
    ]
    if len(parts.path) > 1:
        secrets.append((parts.path, f"/{names.digest(parts.path, 6)}"))
    for real, pseudonym in secrets:
        names.learn(real, pseudonym)
        fake = fake.replace(real, pseudonym)
    # As a whole too, because its parts may be too short to be looked for in texts.
    names.learn(url, fake.partition("?")[0])


def _hardware(names: Pseudonyms, real: str) -> str:
    """A serial number or hardware address of the same form, of hardware that is not made."""
    digits = names.digest(real.upper(), 64)
    if ":" in real or "-" in real:
        digits = f"02{digits}"  # a locally administered address
    left = iter(digits)
    return "".join(
        next(left, "0")
        if one in "0123456789abcdef"
        else next(left, "0").upper()
        if one in "ABCDEF"
        else one
        for one in real
    )


def _learn_hardware(answers: list[Answered], simulated: list[Answered], names: Pseudonyms) -> None:
    """Learn what callback 12 says, with what the simulated outlet says in its place."""
    question = Question(Callback.DEVICE_INFORMATION)
    real, fake = find_answer(answers, question).args, find_answer(simulated, question).args
    for path in _HARDWARE:
        value, pseudonym = _at(real, path), _at(fake, path)
        if isinstance(value, str) and value and value not in names:
            if not isinstance(pseudonym, str):
                pseudonym = _hardware(names, value)
            names.learn(value, pseudonym, also_as_key=True)


def _at(tree: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree


def _is_json(data: bytes) -> bool:
    try:
        msgspec.json.decode(data)
    except (ValueError, RecursionError):
        return False
    return True


def _as_integer(address: str, order: Any) -> int:
    return int.from_bytes(bytes(map(int, address.split("."))), order)


def _may_be_inside(value: str) -> bool:
    return len(value) >= MIN_INSIDE


def _pattern_of(value: str) -> str:
    escaped = re.escape(value)
    if any(value.lower() in word.lower() for word in _VOCABULARY):
        return rf"(?<!\w){escaped}(?!\w)"
    return escaped

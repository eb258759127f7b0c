"""Identity → pseudonyms of the same form, by value, wherever it occurs.

A value is learnt where it is known to be identity, such as the serial number, and then replaced in
every text: in other fields, inside longer texts, in packets that are not JSON. A list of keys alone
would miss those.
"""

import hmac
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import msgspec

from invis_sim.device.state import OutletState
from invis_sim.protocol.callbacks import Callback
from invis_sim.recording.questions import Answered, Question, find_answer, simulate

__all__ = ["Pseudonyms", "pseudonymise"]

MIN_INSIDE = 4
"""Shorter values are replaced only where they are the whole of a text: "on" is in many words."""

# What every outlet says of itself. A name such as "Outlet" is identity, and these words are not.
_VOCABULARY = ("InvisOutlet", "InvisDeco", "Unknown", "Aura", "Pro", "revA", "revB", "LD2410")

_JSON_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_IS_KEY = re.compile(rb"\s*:")
_INTEGER = re.compile(rb"(?<![\w.+-])[0-9]{8,10}(?![\w.])")

# Where callback 12 has a serial number or a hardware address.
_HARDWARE = (
    ("IM", "sn"),
    ("IM", "MAC"),
    ("PM", "sn"),
    ("PM", "MAC"),
    ("PM", "radar", "MAC"),
)


class Pseudonyms:
    """The identity that was learnt, and what stands in for it.

    key: the same key gives the same pseudonyms, so that several captures of one house fit together;
    without the key, what a pseudonym stands for cannot be tried out.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._texts: dict[str, str] = {}
        self._numbers: dict[int, int] = {}
        self._pattern: re.Pattern[str] | None = None

    def __len__(self) -> int:
        return len(self._texts)

    @property
    def learnt(self) -> tuple[str, ...]:
        """The values that are replaced."""
        return tuple(self._texts)

    def learn(self, value: str, pseudonym: str) -> None:
        """Replace a value by this pseudonym from now on, in every form that it is written in."""
        if not value or value == pseudonym or value in _VOCABULARY:
            return
        if value.lower() in pseudonym.lower():  # then it would still show
            pseudonym = self.digest(value, max(MIN_INSIDE, len(value)))
        self._pattern = None
        for real, fake in ((value, pseudonym), *_other_forms(value, pseudonym)):
            self._texts.setdefault(real, fake)

    def learn_address(self, value: str, pseudonym: str) -> None:
        """The same for an IPv4 address, which is also written as an integer."""
        self.learn(value, pseudonym)
        for order in ("little", "big"):
            self._numbers[_as_integer(value, order)] = _as_integer(pseudonym, order)

    def digest(self, value: str, digits: int) -> str:
        """Return this many hexadecimal digits that depend on the value and the key."""
        return hmac.new(self._key, value.encode("utf-8", "replace"), "sha256").hexdigest()[:digits]

    def text(self, text: str) -> str:
        """Return a text with every value that was learnt replaced."""
        if text in self._texts:
            return self._texts[text]
        if self._pattern is None:
            inside = sorted(filter(_may_be_inside, self._texts), key=len, reverse=True)
            self._pattern = re.compile("|".join(map(_pattern_of, inside)) or "(?!)", re.IGNORECASE)
        return self._pattern.sub(self._substitute, text)

    def _substitute(self, found: re.Match[str]) -> str:
        value = found[0]
        if value in self._texts:
            return self._texts[value]
        lower = value.lower()
        return next(fake for real, fake in self._texts.items() if real.lower() == lower)

    def tree(self, tree: Any) -> Any:
        """Return plain data with every value that was learnt replaced; keys stay."""
        if isinstance(tree, str):
            return self.text(tree)
        if isinstance(tree, dict):
            return {key: self.tree(value) for key, value in tree.items()}
        if isinstance(tree, list | tuple):
            return [self.tree(item) for item in tree]
        if type(tree) is int:
            return self._numbers.get(tree, tree)
        return tree

    def packet(self, data: bytes) -> bytes:
        """Return a packet, JSON or not, with every value that was learnt replaced and everything
        else as it is, byte for byte.
        """
        pieces = []
        end = 0
        for found in _JSON_STRING.finditer(data):
            pieces += [self._outside(data[end : found.start()]), self._token(found)]
            end = found.end()
        return b"".join((*pieces, self._outside(data[end:])))

    def _token(self, found: re.Match[bytes]) -> bytes:
        """Replace in a string of JSON, unless it is a key: "name" may be a name as well."""
        token = found[0]
        if _IS_KEY.match(found.string, found.end()):
            return token
        try:
            value = msgspec.json.decode(token)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return self._outside(token)
        replaced = self.text(value)
        return token if replaced == value else msgspec.json.encode(replaced)

    def _outside(self, data: bytes) -> bytes:
        """Replace in what is not a string of JSON: numbers, and what is not JSON at all."""
        text = _INTEGER.sub(self._integer, data).decode("utf-8", "surrogateescape")
        return self.text(text).encode("utf-8", "surrogateescape")

    def _integer(self, found: re.Match[bytes]) -> bytes:
        number = int(found[0])
        return b"%d" % self._numbers.get(number, number)


def pseudonymise(
    state: OutletState, answers: Iterable[Answered], key: bytes
) -> tuple[OutletState, Pseudonyms]:
    """Replace the identity of an outlet.

    state: what was recognised. answers: what the outlet answered.

    Returns the state with pseudonyms, and what to replace in everything else that was recorded.
    The simulator's defaults stay: they do not identify anyone.
    """
    names = Pseudonyms(key)
    _learn_settings(state, names)
    sn, faceplate = state.device.sn, state.faceplate
    names.learn(sn, names.digest(sn, len(sn)).upper())
    radar_mac = None if faceplate.radar is None else faceplate.radar.MAC
    for real in (state.device.MAC, faceplate.sn, faceplate.MAC, radar_mac):
        if real is not None:
            names.learn(real, _hardware(names, real))
    plain = names.tree(msgspec.to_builtins(state))
    shown = msgspec.convert(plain, OutletState)
    # Those that the simulator derives from the serial number follow it.
    _learn_hardware(list(answers), simulate(shown), names)
    return shown, names


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
            names.learn_address(real, f"192.0.2.{last}")


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
        if isinstance(value, str) and value and value not in names.learnt:
            names.learn(value, pseudonym if isinstance(pseudonym, str) else _hardware(names, value))


def _at(tree: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree


def _other_forms(value: str, pseudonym: str) -> list[tuple[str, str]]:
    """How else the same hardware address is written."""
    if not re.fullmatch(r"(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}", value):
        return []
    return [
        (re.sub("[:-]", mark, value), re.sub("[:-]", mark, pseudonym)) for mark in (":", "-", "")
    ]


def _as_integer(address: str, order: Any) -> int:
    return int.from_bytes(bytes(map(int, address.split("."))), order)


def _may_be_inside(value: str) -> bool:
    return len(value) >= MIN_INSIDE


def _pattern_of(value: str) -> str:
    escaped = re.escape(value)
    if any(value.lower() in word.lower() for word in _VOCABULARY):
        return rf"(?<!\w){escaped}(?!\w)"
    return escaped

"""What identifies an outlet and its owner, found in its packets.

What was recognised of an outlet does not have it all: a reply that cannot be read, or that answers
another request, says just as much. So each packet is searched, JSON or not, for the keys after
which identity comes, and for what has its form.
"""

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from typing import Literal, NamedTuple, TypeAlias

import msgspec

__all__ = ["Identity", "Kind", "find_identity"]

Kind: TypeAlias = Literal["hardware", "name", "word", "url", "address"]
"""hardware: a serial number or hardware address. word: a user, a password and the like. address: an
IPv4 address, with dots.
"""

_KEYS: dict[Kind, tuple[str, ...]] = {
    "hardware": ("sn", "sub_sn", "serial", "serial_number", "MAC", "BSSID", "uuid"),
    "name": ("name", "hostname", "SSID"),
    "word": ("user", "username", "pass", "password", "psk", "token", "email"),
    "url": ("mqtt_broker_url", "broker"),
    "address": ("ip", "mainDNS", "backupDNS", "gateway"),
}
"""After which keys identity comes: those that the documentation has, and what firmware would call
such things elsewhere."""

_KIND_OF: dict[str, Kind] = {key.lower(): kind for kind, keys in _KEYS.items() for key in keys}

_PAIR = re.compile(
    rf"""
    (?<![0-9A-Za-z_]) (?P<key> {"|".join(_KIND_OF)} ) ["']? \s* [:=] \s*
    (?: " (?P<double> (?: [^"\\] | \\. )* )
      | ' (?P<single> (?: [^'\\] | \\. | '(?!\s*[]}},]) )* )
      | (?P<number> [0-9][0-9.]* (?: [eE][+-]?[0-9]+ )? ) )
    """.encode(),
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
"""A key and its value, also in what is not JSON: the quotes may be others, which occur inside as
well, and the last one may be missing.
"""

_HARDWARE_ADDRESS = re.compile(
    rb"(?<![0-9A-Fa-f:-])[0-9A-Fa-f]{2}(?:([:-])[0-9A-Fa-f]{2})(?:\1[0-9A-Fa-f]{2}){4}(?![0-9A-Fa-f:-])"
)
_DOTTED = re.compile(rb"(?<![\w.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![\w.])")
_OF_A_HOUSE = tuple(
    map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"))
)
"""Where the addresses of a house are. What looks like another one may be a version's number."""

_BEGINNING = re.compile(r"[0-9A-Za-z:-]{4,}")


class Identity(NamedTuple):
    """A value that identifies, and of which kind it is."""

    kind: Kind
    value: str


def find_identity(packet: bytes) -> Iterator[Identity]:
    """Yield what identifies in a packet, JSON or not. Never raises."""
    for data in _views(packet):
        for pair in _PAIR.finditer(data):
            yield from _of_pair(pair)
        for form in _HARDWARE_ADDRESS.finditer(data):
            yield Identity("hardware", form[0].decode())
        for form in _DOTTED.finditer(data):
            if _is_of_a_house(form[0].decode()):
                yield Identity("address", form[0].decode())


def _views(packet: bytes) -> Iterator[bytes]:
    """Yield a packet, and what it is if it is UTF-16, or has JSON inside a string."""
    yield packet
    if b"\0" in packet:
        yield packet.replace(b"\0", b"")
    if b'\\"' in packet:
        yield packet.replace(b'\\"', b'"')


def _of_pair(pair: re.Match[bytes]) -> Iterator[Identity]:
    kind = _KIND_OF[pair["key"].decode().lower()]
    if pair["number"] is not None:
        if kind == "address" and (address := _address_of(pair["number"])):
            yield Identity(kind, address)
        return
    value = _text_of(pair["double"] if pair["single"] is None else pair["single"])
    if kind == "address" and not _is_address(value):
        return
    yield Identity(kind, value)
    # What follows a missing quote does not belong to it.
    beginning = _BEGINNING.match(value)
    if kind == "hardware" and beginning and beginning[0] != value:
        yield Identity(kind, beginning[0])


def _text_of(value: bytes) -> str:
    try:
        text: str = msgspec.json.decode(b'"%b"' % value, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return value.decode("utf-8", "surrogateescape")
    return text


def _address_of(number: bytes) -> str | None:
    """Return the address that an integer is. Which of its octets comes first does not matter: each
    order is looked for.
    """
    try:
        octets = int(float(number)).to_bytes(4, "little")
    except (ValueError, OverflowError):
        return None
    return ".".join(map(str, octets))


def _is_address(value: str) -> bool:
    try:
        IPv4Address(value)
    except ValueError:
        return False
    return True


def _is_of_a_house(value: str) -> bool:
    return _is_address(value) and any(IPv4Address(value) in network for network in _OF_A_HOUSE)

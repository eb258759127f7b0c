"""Faults of text: the outlet means the right thing, and the bytes are not the JSON that says so.

On WebSocket they act on the text of the message; the frame around it stays good.
"""

import json
import re
from collections.abc import Callable
from typing import Annotated, Any, Literal, NoReturn, TypeAlias

import msgspec

from invis_sim.faults.fault import Context, TextFault
from invis_sim.protocol.packets import encode_json

__all__ = [
    "BitFlip",
    "Bom",
    "Empty",
    "Garbage",
    "InvalidUtf8",
    "MalformedJson",
    "Pad",
    "UnusualJson",
    "Utf16",
]

Text: TypeAlias = bytes

Breakage: TypeAlias = Literal[
    "truncate",
    "missing_brace",
    "extra_brace",
    "trailing_comma",
    "single_quotes",
    "unquoted_keys",
    "comment",
    "nan",
    "bare_word",
    "two_values",
]


class MalformedJson(TextFault, frozen=True, tag="malformed_json"):
    """Sends the packet as text that is no JSON document.

    What a client sees: a parse error, or, on TCP, an object that never ends and swallows what comes
    after it.
    Stands for: a buffer too small, a format string gone wrong, JSON put together by hand in
    firmware.

    how: "truncate": the second half is missing. "missing_brace", "extra_brace": one `}` too few,
    one too many. "trailing_comma", "single_quotes", "unquoted_keys", "comment": JavaScript rather
    than JSON. "nan": a member more, whose value is NaN (Python's own json accepts it). "bare_word":
    the first value is `undefined`. "two_values": a second value in the same packet.
    """

    example = """
        kind = "malformed_json"
        how = "truncate"
        when = { callback = 20, nth = 3 }
    """

    how: Breakage = "truncate"

    def corrupt(self, text: bytes, ctx: Context) -> bytes:
        ctx.detail(self.how)
        broken = _BREAKAGES[self.how](text)
        return b"}" + broken if _is_json(broken) else broken  # two of these can mend each other


Oddity: TypeAlias = Literal[
    "whitespace", "escapes", "reversed_keys", "repeated_key", "exponent_numbers"
]


class UnusualJson(TextFault, frozen=True, tag="unusual_json"):
    """Sends the packet as JSON that is valid and says the same, in a form that one rarely meets.

    What a client sees: no difference, if it parses JSON; one that searches the text for patterns
    fails.
    Stands for: another JSON library in the next firmware.

    how: "whitespace": newlines, tabs and spaces wherever they may stand. "escapes": every character
    of every string as \\uXXXX. "reversed_keys": the members of every object from last to first.
    "repeated_key": the first key twice, of which the last counts, as nearly all parsers have it.
    "exponent_numbers": 2e1 for 20. A packet that is no JSON any more, or has nothing to write in
    another way, is not touched.
    """

    example = """
        kind = "unusual_json"
        how = "whitespace"
    """

    how: Oddity = "whitespace"

    def corrupt(self, text: bytes, ctx: Context) -> bytes:
        ctx.detail(self.how)
        odd = _ODDITIES[self.how](text) if _is_plain_json(text) else text
        if odd == text:
            ctx.skip()
        return odd


class Empty(TextFault, frozen=True, tag="empty"):
    """Sends nothing in the place of the packet.

    What a client sees: on TCP no answer, on WebSocket an empty text message.
    Stands for: a buffer that was cleared too early.
    """

    example = """
        kind = "empty"
        when = { transport = "ws" }
    """

    def corrupt(self, text: bytes, ctx: Context) -> bytes:
        return b""


class Garbage(TextFault, frozen=True, tag="garbage"):
    """Sends random bytes in the place of the packet.

    What a client sees: no JSON and no text; on WebSocket a text message that is not UTF-8, for
    which it must fail the connection (code 1007).
    Stands for: uninitialised memory, a wrong baud rate, an encrypted stream.

    size: how many bytes, from 1; left out: as many as the packet has.
    """

    example = """
        kind = "garbage"
        size = 64
        when = { nth = 2 }
    """

    size: Annotated[int, msgspec.Meta(ge=1, le=2**20)] | None = None

    def corrupt(self, text: bytes, ctx: Context) -> bytes:
        size = self.size or max(1, len(text))
        ctx.detail(f"{size} bytes")
        # The first byte can begin neither a character nor a byte-order mark nor JSON: whatever
        # follows, it is none of them.
        return b"\xf8" + ctx.random.randbytes(size - 1)


class InvalidUtf8(TextFault, frozen=True, tag="invalid_utf8"):
    """Puts bytes into the packet that are not UTF-8.

    What a client sees: text that cannot be decoded, or replacement characters; on WebSocket a
    message for which it must fail the connection (code 1007).
    Stands for: names in another encoding, a character that was cut by a fixed-size buffer.

    how: "byte": 0xFF. "cut": the first two bytes of a three-byte character. "overlong": a slash in
    two bytes. "surrogate": half of a surrogate pair (Python's own json accepts it in bytes). It
    stands in the first string.
    """

    example = """
        kind = "invalid_utf8"
        how = "cut"
    """

    how: Literal["byte", "cut", "overlong", "surrogate"] = "byte"

    def corrupt(self, text: bytes, ctx: Context) -> bytes:
        ctx.detail(self.how)
        inside = text.find(b'"') + 1
        wrong = _NOT_UTF8[self.how]
        if self.how == "cut" and text[inside : inside + 1] in _CONTINUATIONS:
            wrong += wrong[:1]  # or the character would be whole
        return text[:inside] + wrong + text[inside:]


_CONTINUATIONS = {bytes((byte,)) for byte in range(0x80, 0xC0)}
_NOT_UTF8 = {
    "byte": b"\xff",
    "cut": b"\xe2\x82",
    "overlong": b"\xc0\xaf",
    "surrogate": b"\xed\xa0\x80",
}


class Bom(TextFault, frozen=True, tag="bom"):
    """Puts a byte-order mark in front of the packet.

    What a client sees: three bytes that no JSON text may begin with; many parsers refuse them
    (Python's own json accepts them in bytes).
    Stands for: a text file from Windows that was sent as it is.
    """

    example = """
        kind = "bom"
        when = { transport = "tcp" }
    """

    def corrupt(self, text: bytes, ctx: Context) -> bytes:
        return b"\xef\xbb\xbf" + text


class Utf16(TextFault, frozen=True, tag="utf16"):
    """Sends the packet in UTF-16, little-endian and with a byte-order mark.

    What a client sees: bytes that are no UTF-8 (Python's own json detects them in bytes); on
    WebSocket a message for which it must fail the connection (code 1007).
    Stands for: a library that was told the wrong encoding.
    """

    example = """
        kind = "utf16"
        when = { probability = 0.5 }
    """

    def corrupt(self, text: bytes, ctx: Context) -> bytes:
        try:
            return b"\xff\xfe" + text.decode().encode("utf-16-le")
        except UnicodeDecodeError:
            ctx.skip()
            return text


class Pad(TextFault, frozen=True, tag="pad"):
    """Makes the packet longer, with spaces inside the object; it says the same.

    What a client sees: valid JSON that may not fit into its buffer or its read.
    Stands for: firmware that reports more than yours did. The vendor's app reads 1024 bytes at a
    time.

    bytes: how long the packet is then, from 2, at most 8388608. One that is longer already is not
    touched.
    """

    example = """
        kind = "pad"
        bytes = 1025
    """

    bytes: Annotated[int, msgspec.Meta(ge=2, le=8 * 2**20)] = 1025

    def corrupt(self, text: Text, ctx: Context) -> Text:
        missing = self.bytes - len(text)
        end = text.rfind(b"}")
        if missing <= 0 or end < 0:
            ctx.skip()
            return text
        ctx.detail(f"to {self.bytes} bytes")
        return text[:end] + b" " * missing + text[end:]


class BitFlip(TextFault, frozen=True, tag="bit_flip"):
    """Flips bits of the packet, drawn by chance.

    What a client sees: nearly its answer: a wrong digit, a wrong letter, or no JSON at all.
    Stands for: bad memory, a radio link whose checksum fails to notice.

    bits: how many, from 1, each another one.
    """

    example = """
        kind = "bit_flip"
        bits = 3
        when = { every = 10 }
    """

    bits: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1

    def corrupt(self, text: bytes, ctx: Context) -> bytes:
        flipped = bytearray(text)
        places = ctx.random.sample(range(8 * len(text)), min(self.bits, 8 * len(text)))
        for place in places:
            flipped[place // 8] ^= 1 << place % 8
        if not places:
            ctx.skip()
        ctx.detail(
            "bits " + ", ".join(map(str, sorted(places)[:5])) + (", …" if len(places) > 5 else "")
        )
        return bytes(flipped)


_STRING = rb'"((?:[^"\\]|\\.)*+)"'
_UNENDING = rb'|"(?:[^"\\]|\\.)*+\\?\Z'  # taken as one, or each quote in it would be tried
_STRINGS = re.compile(_STRING + _UNENDING, re.DOTALL)
_STRINGS_AND_COLONS = re.compile(_STRING + rb"(\s*+:)?" + _UNENDING, re.DOTALL)
_FIRST_VALUE = re.compile(
    rb"\s*\{\s*" + _STRING + rb'\s*:\s*("(?:[^"\\]|\\.)*"|[^,{}\[\]"\s]+)', re.DOTALL
)


def _truncate(text: bytes) -> bytes:
    half = len(text.rstrip()) // 2
    while half > 1 and text[half] & 0xC0 == 0x80:  # not inside a character: the rest is good UTF-8
        half -= 1
    return text[:half]


def _missing_brace(text: bytes) -> bytes:
    head, _, tail = text.rpartition(b"}")
    return head + tail


def _insert_before_end(text: bytes, inserted: bytes) -> bytes:
    head, brace, tail = text.rpartition(b"}")
    return head + inserted + brace + tail


def _single_quotes(text: bytes) -> bytes:
    return _STRINGS.sub(lambda m: m[0] if m[1] is None else b"'%b'" % m[1], text)


def _unquoted_keys(text: bytes) -> bytes:
    return _STRINGS_AND_COLONS.sub(lambda m: m[1] + m[2] if m[2] else m[0], text)


def _comment(text: bytes) -> bytes:
    inside = text.find(b"{") + 1
    return text[:inside] + b"/* invis */" + text[inside:]


def _bare_word(text: bytes) -> bytes:
    match = _FIRST_VALUE.match(text)
    if match is None:
        return b"undefined"
    return text[: match.start(2)] + b"undefined" + text[match.end(2) :]


_BREAKAGES: dict[str, Callable[[bytes], bytes]] = {
    "truncate": _truncate,
    "missing_brace": _missing_brace,
    "extra_brace": lambda text: text + b"}",
    "trailing_comma": lambda text: _insert_before_end(text, b","),
    "single_quotes": _single_quotes,
    "unquoted_keys": _unquoted_keys,
    "comment": _comment,
    "nan": lambda text: _insert_before_end(text, b',"rssi":NaN'),
    "bare_word": _bare_word,
    "two_values": lambda text: text + b"null",
}


def _is_json(text: bytes | str) -> bool:
    """Whether Python's json takes it for one JSON document: bytes also in UTF-16 or with a
    byte-order mark.
    """
    try:
        json.loads(text, parse_constant=_refuse, parse_int=str)
    except (ValueError, RecursionError):
        return False
    return True


def _is_plain_json(text: bytes) -> bool:
    """Whether it is one JSON document in UTF-8."""
    try:
        return _is_json(text.decode())
    except UnicodeDecodeError:
        return False


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
_INTEGER = re.compile(rb"-?[1-9][0-9]{0,14}")  # also beyond any float's precision, it stays exact


def _whitespace(text: bytes) -> bytes:
    return b" " + b"\r\n\t ".join(token[0] for token in _TOKEN.finditer(text)) + b"\n"


def _escapes(text: bytes) -> bytes:
    return _TOKEN.sub(lambda token: _escaped(token[0]), text)


def _escaped(token: bytes) -> bytes:
    if not token.startswith(b'"'):
        return token
    units = json.loads(token).encode("utf-16-be", "surrogatepass").hex()
    return b'"%s"' % "".join(f"\\u{units[n : n + 4]}" for n in range(0, len(units), 4)).encode()


def _reversed_keys(text: bytes) -> bytes:
    tree = json.loads(text, object_pairs_hook=_reversed, parse_int=_as_it_is, parse_float=_as_it_is)
    return encode_json(tree)


def _reversed(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return dict(reversed(list(dict(pairs).items())))


def _as_it_is(number: str) -> msgspec.Raw:
    return msgspec.Raw(number.encode())


def _repeated_key(text: bytes) -> bytes:
    first = re.match(rb'\s*\{\s*("(?:[^"\\]|\\.)*")\s*:', text)
    if first is None:
        return text
    inside = text.index(b"{") + 1
    return text[:inside] + first[1] + b":null," + text[inside:]


def _exponent_numbers(text: bytes) -> bytes:
    return _TOKEN.sub(lambda token: _with_exponent(token[0]), text)


def _with_exponent(token: bytes) -> bytes:
    if _INTEGER.fullmatch(token) is None:
        return token
    digits = token.rstrip(b"0")
    return b"%se%d" % (digits, len(token) - len(digits))


_ODDITIES: dict[str, Callable[[bytes], bytes]] = {
    "whitespace": _whitespace,
    "escapes": _escapes,
    "reversed_keys": _reversed_keys,
    "repeated_key": _repeated_key,
    "exponent_numbers": _exponent_numbers,
}

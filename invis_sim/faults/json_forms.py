"""JSON text, broken or in an unusual form: what the faults of text do to it."""

import json
import re
from collections.abc import Callable
from typing import Any, Literal, NoReturn, TypeAlias

import msgspec

from invis_sim.protocol.json_text import TOKEN
from invis_sim.protocol.packets import encode_json

__all__ = ["Breakage", "UnusualForm", "break_json", "rewrite_json"]

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
"""What is wrong with malformed JSON; the manual of `malformed_json` says what each is."""

UnusualForm: TypeAlias = Literal[
    "whitespace", "escapes", "reversed_keys", "repeated_key", "exponent_numbers"
]
"""What is unusual about valid JSON; the manual of `unusual_json` says what each is."""


def break_json(text: bytes, how: Breakage) -> bytes:
    """The text as something that is not JSON, whatever it was before."""
    broken = _BREAKAGES[how](text)
    # Two faults can mend each other, such as a missing brace and an extra one.
    return b"}" + broken if _is_json(broken) else broken


def rewrite_json(text: bytes, how: UnusualForm) -> bytes:
    """The text as JSON in UTF-8 with the same meaning; unchanged if it is not such JSON."""
    return _UNUSUAL_FORMS[how](text) if _is_plain_json(text) else text


_STRING = rb'"((?:[^"\\]|\\.)*+)"'
# A string without an end is matched as a whole, or each quote in it would be tried: quadratic time.
_UNENDING = rb'|"(?:[^"\\]|\\.)*+\\?\Z'
_STRINGS = re.compile(_STRING + _UNENDING, re.DOTALL)
_STRINGS_AND_COLONS = re.compile(_STRING + rb"(\s*+:)?" + _UNENDING, re.DOTALL)
_FIRST_VALUE = re.compile(
    rb"\s*\{\s*" + _STRING + rb'\s*:\s*("(?:[^"\\]|\\.)*"|[^,{}\[\]"\s]+)', re.DOTALL
)


def _truncate(text: bytes) -> bytes:
    half = len(text.rstrip()) // 2
    while (
        half > 1 and text[half] & 0xC0 == 0x80
    ):  # inside a character: the rest must be valid UTF-8
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


_BREAKAGES: dict[Breakage, Callable[[bytes], bytes]] = {
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
    """Whether Python's json accepts it as one JSON document: as bytes also in UTF-16 or with a
    byte-order mark.
    """
    try:
        json.loads(text, parse_constant=_reject, parse_int=str)
    except (ValueError, RecursionError):
        return False
    return True


def _is_plain_json(text: bytes) -> bool:
    """Whether it is one JSON document in UTF-8."""
    try:
        return _is_json(text.decode())
    except UnicodeDecodeError:
        return False


def _reject(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


# At most 15 digits: parsers that read "2e1" as a float must get exactly the same integer.
_INTEGER = re.compile(rb"-?[1-9][0-9]{0,14}")


def _whitespace(text: bytes) -> bytes:
    return b" " + b"\r\n\t ".join(token[0] for token in TOKEN.finditer(text)) + b"\n"


def _escapes(text: bytes) -> bytes:
    return TOKEN.sub(lambda token: _escaped(token[0]), text)


def _escaped(token: bytes) -> bytes:
    if not token.startswith(b'"'):
        return token
    units = json.loads(token).encode("utf-16-be", "surrogatepass").hex()
    return b'"%s"' % "".join(f"\\u{units[n : n + 4]}" for n in range(0, len(units), 4)).encode()


def _reversed_keys(text: bytes) -> bytes:
    # Numbers stay the text that they are: 1.10 must not become 1.1, nor 10**400 infinity.
    tree = json.loads(text, object_pairs_hook=_reversed, parse_int=_raw, parse_float=_raw)
    return encode_json(tree)


def _reversed(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return dict(reversed(list(dict(pairs).items())))


def _raw(number: str) -> msgspec.Raw:
    return msgspec.Raw(number.encode())


def _repeated_key(text: bytes) -> bytes:
    first = re.match(rb'\s*\{\s*("(?:[^"\\]|\\.)*")\s*:', text)
    if first is None:
        return text
    inside = text.index(b"{") + 1
    return text[:inside] + first[1] + b":null," + text[inside:]


def _exponent_numbers(text: bytes) -> bytes:
    return TOKEN.sub(lambda token: _with_exponent(token[0]), text)


def _with_exponent(token: bytes) -> bytes:
    if _INTEGER.fullmatch(token) is None:
        return token
    digits = token.rstrip(b"0")
    return b"%se%d" % (digits, len(token) - len(digits))


_UNUSUAL_FORMS: dict[UnusualForm, Callable[[bytes], bytes]] = {
    "whitespace": _whitespace,
    "escapes": _escapes,
    "reversed_keys": _reversed_keys,
    "repeated_key": _repeated_key,
    "exponent_numbers": _exponent_numbers,
}

"""Faults of text: the outlet means the right thing, and the bytes are not the JSON that says so.

On WebSocket they act on the text of the message; the frame around it stays good.
"""

import json
import re
from collections.abc import Callable
from typing import Literal, NoReturn, TypeAlias

from invis_sim.faults.fault import Context, TextFault

__all__ = ["MalformedJson"]

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

    def corrupt(self, text: bytes, at: Context) -> bytes:
        at.did(self.how)
        broken = _BREAKAGES[self.how](text)
        return b"}" + broken if _is_json(broken) else broken  # two of these can mend each other


_STRING = rb'"((?:[^"\\]|\\.)*)"'
_STRINGS = re.compile(_STRING, re.DOTALL)
_STRINGS_AND_COLONS = re.compile(_STRING + rb"(\s*:)?", re.DOTALL)
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
    "single_quotes": lambda text: _STRINGS.sub(rb"'\1'", text),
    "unquoted_keys": _unquoted_keys,
    "comment": _comment,
    "nan": lambda text: _insert_before_end(text, b',"rssi":NaN'),
    "bare_word": _bare_word,
    "two_values": lambda text: text + b"null",
}


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text, parse_constant=_refuse, parse_int=str)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")

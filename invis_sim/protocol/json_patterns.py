"""The patterns of `json_stream`: what it passes in one match, and where runs of bytes end.

Each pattern for JSON matches nothing that the automaton there would not accept. Possessive
quantifiers: a mismatch is found in one pass, without backtracking.
"""

import re
from functools import cache

__all__ = [
    "BETWEEN",
    "CLOSINGS",
    "CLOSING_BRACKETS",
    "FLAT",
    "MIN_RUN_BYTES",
    "NO_OPENINGS",
    "OPENING_BRACKETS",
    "REQUEST_START",
    "RUN_DEPTH",
    "SCALAR_RUN",
    "SKIPPED",
    "SKIPPED_STRING",
    "SKIPPED_TOP",
    "STRINGS",
    "STRING_RUN",
    "WHITESPACE",
    "end_of_run",
    "items",
    "members",
    "openings",
    "skipped_values",
]

_W = rb"[ \t\r\n]*+"
_OTHER_SCALAR = rb'[^\s\x00-\x1f{}\[\],:"]++'

# A document of at most two levels, and flat lists in them, whose strings have no escapes.
_STRING = rb'"[^"\\\x00-\x1f]*+"'
_SCALAR = rb"(?:%s|%s)" % (_STRING, _OTHER_SCALAR)
_PAIR = _W + _STRING + _W + b":" + _W
_LIST = rb"\[(?:%s%s%s(?:,%s%s%s)*+|%s)\]" % (_W, _SCALAR, _W, _W, _SCALAR, _W, _W)
_MEMBER = _PAIR + rb"(?:%s|%s)" % (_SCALAR, _LIST) + _W
_INNER = rb"\{(?:%s(?:,%s)*+|%s)\}" % (_MEMBER, _MEMBER, _W)
_OUTER = _PAIR + rb"(?:%s|%s)" % (_SCALAR, _INNER) + _W
FLAT = re.compile(rb"\{%s(?:,%s)*+\}" % (_OUTER, _OUTER))

MIN_RUN_BYTES = 512
"""Fewer bytes are not worth the patterns for several tokens, which take 20 ms to compile."""

RUN_DEPTH = 3
"""How deep a value may be nested that is passed in one match with others. Where it is deeper, the
match is in vain, and tried again behind each bracket: so there is a small limit."""

_IN_STRING = rb'[^"\\\x00-\x1f]*+(?:\\[^\x00-\x1f][^"\\\x00-\x1f]*+)*+'
_ANY_SCALAR = rb'(?:"%s"|%s)' % (_IN_STRING, _OTHER_SCALAR)
_KEY = rb'%s"%s"%s:%s' % (_W, _IN_STRING, _W, _W)


@cache
def items() -> re.Pattern[bytes]:
    """The pattern for items of an array that are whole, each with the comma after it."""
    return re.compile(rb"(?:%s%s%s,)++" % (_W, _nested(), _W))


@cache
def members() -> re.Pattern[bytes]:
    """The same for members of an object."""
    return re.compile(rb"(?:%s%s%s,)++" % (_KEY, _nested(), _W))


def _nested() -> bytes:
    """The pattern for a value that is nested as deep as RUN_DEPTH."""
    value = _ANY_SCALAR
    for _ in range(RUN_DEPTH):
        # One that is followed by another, or by the end: so each level has the value in it twice
        # and not four times.
        following = _W + rb"(?:,(?!%s[\]}])|(?=[\]}]))" % _W
        array = rb"\[%s(?:%s%s%s)*+\]" % (_W, _W, value, following)
        members = rb"\{%s(?:%s%s%s)*+\}" % (_W, _KEY, value, following)
        value = rb"(?:%s|%s|%s)" % (_ANY_SCALAR, array, members)
    return value


@cache
def openings(*, key_first: bool) -> re.Pattern[bytes]:
    """The pattern for brackets that open, each with the key before its first value, and then a
    value without any, with the comma after it: three groups.

    key_first: whether a key comes first.
    """
    opening = rb"(?:\[%s(?!\])|\{%s)" % (_W, _KEY)
    value = rb"(?:%s|\[%s\]|\{%s\})" % (_ANY_SCALAR, _W, _W)
    pattern = rb"(%s*+)(?:(%s)%s(?:(,)|(?=[\]}])))?+" % (opening, value, _W)
    return re.compile(_KEY + pattern if key_first else pattern)


NO_OPENINGS = bytes(set(range(256)) - set(b"[{"))
STRINGS = re.compile(rb'"%s"' % _IN_STRING)
# Brackets that close, and the comma after them.
CLOSINGS = re.compile(rb"((?:[\]}]%s)++)(,)?+" % _W)
BETWEEN = re.compile(rb"[ \t\r\n\x00]*+")
# What does not matter at the top of garbage, inside brackets there, and inside a string there.
SKIPPED_TOP = re.compile(rb"[^\n{\[]*+")
SKIPPED = re.compile(rb'[^\n"{}\[\]]*+')
OPENING_BRACKETS, CLOSING_BRACKETS = re.compile(rb"[{\[]++"), re.compile(rb"[}\]]++")
_SKIPPED_STRING = rb'[^\n"\\]*+(?:\\[^\n][^\n"\\]*+)*+'
SKIPPED_STRING = re.compile(_SKIPPED_STRING)


@cache
def skipped_values() -> re.Pattern[bytes]:
    """The same as SKIPPED, with whole strings, and brackets that are closed, two in one another."""
    value = rb'(?:[^\n"{}\[\]]++|"%s")' % _SKIPPED_STRING
    for _ in range(2):
        value = rb"(?:%s|\[%s*+\]|\{%s*+\})" % (value, value, value)
    return re.compile(value + rb"*+")


# No other object of a request has these keys, so a chunk that begins so does not continue a
# document. [documentation of the envelope]
REQUEST_START = re.compile(rb'\{[ \t\r\n]*+"(?:packetID|payload)"')
WHITESPACE = re.compile(rb"[ \t\r\n]*+")
STRING_RUN = re.compile(_IN_STRING)
SCALAR_RUN = re.compile(_OTHER_SCALAR)


def end_of_run(pattern: re.Pattern[bytes], buffer: bytearray, position: int) -> int:
    """Return the end of the run that starts at `position` and matches the pattern."""
    match = pattern.match(buffer, position)
    return position if match is None else match.end()

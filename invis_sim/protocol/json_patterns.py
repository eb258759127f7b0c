"""The patterns of `json_stream`: what it passes in one match, and where runs of bytes end.

Each pattern for JSON matches nothing that the automaton there would not accept. Possessive
quantifiers: a mismatch is found in one pass, without backtracking.
"""

import re
from functools import cache

__all__ = [
    "BETWEEN",
    "FLAT",
    "MIN_RUN_BYTES",
    "MIN_RUN_DISTANCE",
    "REQUEST_START",
    "RUN_DEPTH",
    "SCALAR_RUN",
    "SKIPPED",
    "SKIPPED_STRING",
    "SKIPPED_TOP",
    "STRING_RUN",
    "WHITESPACE",
    "items",
    "members",
]

# A document of at most two levels, and flat lists in them, whose strings have no escapes.
_W = rb"[ \t\r\n]*+"
_STRING = rb'"[^"\\\x00-\x1f]*+"'
_SCALAR = rb'(?:%s|[^\s\x00-\x1f{}\[\],:"]++)' % _STRING
_PAIR = _W + _STRING + _W + b":" + _W
_LIST = rb"\[(?:%s%s%s(?:,%s%s%s)*+|%s)\]" % (_W, _SCALAR, _W, _W, _SCALAR, _W, _W)
_MEMBER = _PAIR + rb"(?:%s|%s)" % (_SCALAR, _LIST) + _W
_INNER = rb"\{(?:%s(?:,%s)*+|%s)\}" % (_MEMBER, _MEMBER, _W)
_OUTER = _PAIR + rb"(?:%s|%s)" % (_SCALAR, _INNER) + _W
FLAT = re.compile(rb"\{%s(?:,%s)*+\}" % (_OUTER, _OUTER))

RUN_DEPTH = 3
"""How deep an item of an array may be nested that is passed in one match. Where it is deeper, the
match is in vain, and tried again behind each bracket: so there is a small limit."""


MIN_RUN_BYTES = 512
"""Fewer bytes are not worth the patterns for many values, which take 10 ms to compile."""

MIN_RUN_DISTANCE = 16
"""How far behind a place where there were none many values are looked for again."""


@cache
def items() -> re.Pattern[bytes]:
    """The pattern for items of an array that are whole, each with the comma after it."""
    item = rb"(?:%s|%s)" % (_SCALAR, _INNER)
    for _ in range(RUN_DEPTH):
        several = rb"%s%s%s(?:,%s%s%s)*+" % (_W, item, _W, _W, item, _W)
        item = rb"(?:%s|%s|\[(?:%s|%s)\])" % (_SCALAR, _INNER, several, _W)
    return re.compile(rb"(?:%s%s,%s)++" % (item, _W, _W))


@cache
def members() -> re.Pattern[bytes]:
    """The same for members of an object; their values may be flat lists."""
    return re.compile(rb"(?:%s,%s)++" % (_MEMBER, _W))


BETWEEN = re.compile(rb"[ \t\r\n\x00]*+")
# What matters at the top of garbage, inside brackets there, and inside a string there.
SKIPPED_TOP = re.compile(rb"[^\n{\[]*+")
SKIPPED = re.compile(rb'[^\n"{}\[\]]*+')
SKIPPED_STRING = re.compile(rb'[^\n"\\]*+')
# No other object of a request has these keys, so a chunk that begins so does not continue a
# document. [documentation of the envelope]
REQUEST_START = re.compile(rb'\{[ \t\r\n]*+"(?:packetID|payload)"')
WHITESPACE = re.compile(rb"[ \t\r\n]*+")
STRING_RUN = re.compile(rb'[^"\\\x00-\x1f]*+')
SCALAR_RUN = re.compile(rb'[^\s\x00-\x1f{}\[\],:"]++')

"""Faults of JSON: text that does not parse, parses to something else, or looks odd.

On WebSocket they act on the text of the message; the frame around it stays valid.
"""

from typing import Literal

from invis_sim.faults.case import Case
from invis_sim.faults.fault import Context, TextFault
from invis_sim.faults.json_forms import (
    Breakage,
    UnusualForm,
    break_json,
    rewrite_json,
)

__all__ = ["MalformedJson", "NoObject", "UnusualJson"]


class MalformedJson(TextFault, frozen=True, tag="malformed_json"):
    """Sends the packet as malformed JSON.

    What a client sees: a parse error, or, on TCP, an object that never ends and swallows what comes
    after it.
    Stands for: a buffer too small, a wrong format string, JSON put together by hand in firmware.

    how: "truncate": the second half is missing. "missing_brace", "extra_brace": one `}` too few,
    one too many. "trailing_comma", "single_quotes", "unquoted_keys", "comment": JavaScript rather
    than JSON. "nan": an extra member with the value NaN (Python's own json accepts it).
    "bare_word": the first value is `undefined`. "two_values": a second value in the same packet.
    """

    example = """
        kind = "malformed_json"
        how = "truncate"
        when = { callback = 20, nth = 3 }
    """
    cases = (
        *Case.each(
            "notice",
            "how",
            ("truncate", "missing_brace", "bare_word"),
            "A part of the reply is missing, and nothing may be made up for it.",
        ),
        *Case.each(
            "either",
            "how",
            ("trailing_comma", "single_quotes", "unquoted_keys", "comment", "nan"),
            "RFC 8259 allows parsers to accept other forms: the reply is whole, for those that do.",
        ),
        *Case.each(
            "either",
            "how",
            ("extra_brace", "two_values"),
            "The reply is whole, and more text follows: use the reply, or say so.",
        ),
        *Case.once(
            "how",
            ("truncate", "missing_brace", "extra_brace"),
            "Only the first reply is broken: ask again, or say so.",
        ),
    )

    how: Breakage = "truncate"

    def corrupt(self, text: bytes, ctx: Context) -> bytes:
        ctx.detail(self.how)
        return break_json(text, self.how)


class UnusualJson(TextFault, frozen=True, tag="unusual_json"):
    """Sends the packet as equivalent JSON in an unusual form.

    What a client sees: no difference, if it parses JSON; a client that searches the text for
    patterns fails.
    Stands for: another JSON library in the next firmware.

    how: "whitespace": newlines, tabs and spaces everywhere they are allowed. "escapes": every
    character of every string as \\uXXXX. "reversed_keys": the members of every object from last to
    first. "repeated_key": the first key twice, of which the last counts, in nearly all parsers.
    "exponent_numbers": 2e1 for 20. A packet that is not JSON any more, or has nothing to write in
    another form, is not changed.
    """

    example = """
        kind = "unusual_json"
        how = "whitespace"
    """
    cases = (
        *Case.each(
            "survive",
            "how",
            ("whitespace", "escapes", "reversed_keys"),
            "It is the same JSON, in another form.",
        ),
        Case(
            "either",
            "repeated_key",
            "RFC 8259 leaves open what a repeated key means.",
            {"how": "repeated_key"},
        ),
        Case(
            "either",
            "exponent_numbers",
            "Many parsers make a float of it, which strict clients refuse.",
            {"how": "exponent_numbers"},
        ),
    )

    how: UnusualForm = "whitespace"

    def corrupt(self, text: bytes, ctx: Context) -> bytes:
        ctx.detail(self.how)
        unusual = rewrite_json(text, self.how)
        if unusual == text:
            ctx.skip()
        return unusual


class NoObject(TextFault, frozen=True, tag="no_object"):
    """Sends JSON that is not an object.

    What a client sees: a packet that can be parsed, and has no fields to look up.
    Stands for: an error path of the firmware that was never tried, another service on the port.

    how: "array": `[]`. "null": `null`. "number": `5`. "string": `"OK"`. "boolean": `true`.
    "wrapped": the packet as the only item of an array.
    """

    example = """
        kind = "no_object"
        how = "null"
        when = { callback = 20 }
    """
    cases = (
        *Case.each(
            "notice",
            "how",
            ("array", "null", "number", "string", "boolean", "wrapped"),
            "There is no reply in it.",
        ),
        Case(
            "either",
            "once",
            "Only the first reply is not an object: ask again, or say so.",
            when={"first": 1},
        ),
    )

    how: Literal["array", "null", "number", "string", "boolean", "wrapped"] = "array"

    def corrupt(self, text: bytes, ctx: Context) -> bytes:
        ctx.detail(self.how)
        return b"[%b]" % text if self.how == "wrapped" else _NO_OBJECTS[self.how]


_NO_OBJECTS = {
    "array": b"[]",
    "null": b"null",
    "number": b"5",
    "string": b'"OK"',
    "boolean": b"true",
}

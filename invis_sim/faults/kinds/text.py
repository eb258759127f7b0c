"""Faults of text: the right content in the wrong bytes.

On WebSocket they act on the text of the message; the frame around it stays valid.
"""

from typing import Annotated, Literal, TypeAlias

import msgspec

from invis_sim.faults.case import Case
from invis_sim.faults.fault import Context, TextFault
from invis_sim.faults.json_forms import (
    Breakage,
    UnusualForm,
    break_json,
    rewrite_json,
)

__all__ = [
    "BitFlip",
    "Bom",
    "Empty",
    "Garbage",
    "InvalidUtf8",
    "MalformedJson",
    "NoObject",
    "Pad",
    "UnusualJson",
    "Utf16",
]

Text: TypeAlias = bytes
"""`Pad` has a field `bytes`, so in its class that name is no type."""


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
            "The reply is whole, and followed by what is none: use the reply, or say so.",
        ),
        *(
            Case(
                "either",
                f"{how}-once",
                "Only the first reply is broken: ask again, or say so.",
                {"how": how},
                when={"first": 1},
            )
            for how in ("truncate", "missing_brace", "extra_brace")
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
    Stands for: an error path of the firmware that nobody tried, another service on the port.

    how: "array": `[]`. "null": `null`. "number": `5`. "string": `"OK"`. "boolean": `true`.
    "wrapped": the packet as the only item of an array.
    """

    layer = "text"
    example = """
        kind = "no_object"
        how = "null"
        when = { callback = 20 }
    """

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


class Empty(TextFault, frozen=True, tag="empty"):
    """Sends empty text instead of the packet.

    What a client sees: on TCP no reply, on WebSocket an empty text message.
    Stands for: a buffer that was cleared too early.
    """

    example = """
        kind = "empty"
        when = { transport = "ws" }
    """
    cases = (
        Case("notice", "always", "There is no reply."),
        Case(
            "either",
            "once",
            "Only the first reply is empty: ask again, or say so.",
            when={"first": 1},
        ),
    )

    def corrupt(self, text: bytes, ctx: Context) -> bytes:
        return b""


class Garbage(TextFault, frozen=True, tag="garbage"):
    """Sends random bytes instead of the packet.

    What a client sees: neither JSON nor text; on WebSocket a text message that is not UTF-8, for
    which it must fail the connection (code 1007).
    Stands for: uninitialised memory, a wrong baud rate, an encrypted stream.

    size: how many bytes, from 1; if omitted, as many as the packet has.
    """

    example = """
        kind = "garbage"
        size = 64
        when = { nth = 2 }
    """
    cases = (
        *(
            Case("notice", label, "There is no reply.", keys)
            for label, keys in (
                ("packet", {}),
                ("1-byte", {"size": 1}),
                ("4096-bytes", {"size": 4096}),
            )
        ),
        Case(
            "either",
            "once",
            "Only the first reply is garbage: ask again, or say so.",
            when={"first": 1},
        ),
    )

    size: Annotated[int, msgspec.Meta(ge=1, le=2**20)] | None = None

    def corrupt(self, text: bytes, ctx: Context) -> bytes:
        size = self.size or max(1, len(text))
        ctx.detail(f"{size} bytes")
        # No character, byte-order mark or JSON starts with this byte: random bytes alone could be
        # valid.
        return b"\xf8" + ctx.random.randbytes(size - 1)


class InvalidUtf8(TextFault, frozen=True, tag="invalid_utf8"):
    """Puts invalid UTF-8 into the packet.

    What a client sees: text that cannot be decoded, or replacement characters; on WebSocket a
    message for which it must fail the connection (code 1007).
    Stands for: names in another encoding, a character that was cut by a fixed-size buffer.

    how: "byte": 0xFF. "cut": the first two bytes of a three-byte character. "overlong": a slash in
    two bytes. "surrogate": half of a surrogate pair (Python's own json accepts it in bytes). It
    is in the first string.
    """

    example = """
        kind = "invalid_utf8"
        how = "cut"
    """
    cases = (
        *Case.each(
            "either",
            "how",
            ("byte", "cut", "overlong", "surrogate"),
            "JSON must be UTF-8; a lenient client reads the rest of the reply.",
            transports=("tcp",),
        ),
        *Case.each(
            "notice",
            "how",
            ("byte", "cut", "overlong", "surrogate"),
            "A client must fail a WebSocket whose text is not UTF-8 (RFC 6455, 8.1).",
            transports=("ws",),
        ),
    )

    how: Literal["byte", "cut", "overlong", "surrogate"] = "byte"

    def corrupt(self, text: bytes, ctx: Context) -> bytes:
        ctx.detail(self.how)
        inside = text.find(b'"') + 1
        wrong = _NOT_UTF8[self.how]
        if self.how == "cut" and text[inside : inside + 1] in _CONTINUATIONS:
            wrong += wrong[:1]  # the text's own next byte would complete the character
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
    cases = (
        Case(
            "either",
            "always",
            "RFC 8259 allows parsers to ignore a byte-order mark, or to refuse it.",
        ),
    )

    def corrupt(self, text: bytes, ctx: Context) -> bytes:
        return b"\xef\xbb\xbf" + text


class Utf16(TextFault, frozen=True, tag="utf16"):
    """Sends the packet in UTF-16 (little-endian, with a byte-order mark).

    What a client sees: bytes that are not UTF-8 (Python's own json detects UTF-16 in bytes); on
    WebSocket a message for which it must fail the connection (code 1007).
    Stands for: a library configured for the wrong encoding.
    """

    example = """
        kind = "utf16"
        when = { probability = 0.5 }
    """
    cases = (
        Case(
            "either",
            "always",
            "JSON must be UTF-8; some parsers detect UTF-16 by themselves.",
            transports=("tcp",),
        ),
        Case(
            "notice",
            "always",
            "A client must fail a WebSocket whose text is not UTF-8 (RFC 6455, 8.1).",
            transports=("ws",),
        ),
    )

    def corrupt(self, text: bytes, ctx: Context) -> bytes:
        try:
            return b"\xff\xfe" + text.decode().encode("utf-16-le")
        except UnicodeDecodeError:
            ctx.skip()
            return text


class Pad(TextFault, frozen=True, tag="pad"):
    """Pads the packet with spaces inside the object.

    What a client sees: valid JSON with the same content, which may not fit into its buffer or its
    read.
    Stands for: firmware that reports more than the version a client was written for. The vendor's
    app reads 1024 bytes at a time.

    bytes: the length of the padded packet, 2 to 8388608. A packet that is longer already is not
    changed.
    """

    example = """
        kind = "pad"
        bytes = 1025
    """
    cases = (
        *(
            Case("survive", f"{size}-bytes", "A longer reply is still a reply.", {"bytes": size})
            for size in (1024, 1025, 4096, 16_384, 65_537)
        ),
        Case(
            "either",
            "1-mib",
            "A client may bound what it reads, if it says so.",
            {"bytes": 2**20},
        ),
    )

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
    """Flips random bits of the packet.

    What a client sees: nearly its reply: a wrong digit, a wrong letter, or no JSON at all.
    Stands for: bad memory, a radio link whose checksum misses an error.

    bits: how many, from 1, all different; at most all of the packet's.
    """

    example = """
        kind = "bit_flip"
        bits = 3
        when = { every = 10 }
    """
    cases = (
        *(
            Case("either", label, "What is wrong cannot be seen in every bit.", {"bits": bits})
            for label, bits in (("1-bit", 1), ("8-bits", 8), ("64-bits", 64))
        ),
    )

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

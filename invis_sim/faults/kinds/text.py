"""Faults of text: the right content in the wrong bytes.

On WebSocket they act on the text of the message; the frame around it stays valid.
"""

from typing import Annotated, Literal, TypeAlias

import msgspec

from invis_sim.faults.case import Case
from invis_sim.faults.fault import Context, TextFault

__all__ = [
    "BitFlip",
    "Bom",
    "Empty",
    "Garbage",
    "InvalidUtf8",
    "Pad",
    "Utf16",
]

Text: TypeAlias = bytes
"""`Pad` has a field `bytes`, so in its class that name is no type."""


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

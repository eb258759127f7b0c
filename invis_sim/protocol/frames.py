"""WebSocket frames (RFC 6455, section 5), as a server writes them, and as faults distort them."""

import struct
from typing import Any, Self

import msgspec

__all__ = [
    "BINARY",
    "CLOSE",
    "CONTINUATION",
    "FIN",
    "MASK_BIT",
    "PING",
    "PONG",
    "RESERVED_BITS",
    "TEXT",
    "Frame",
    "apply_mask",
    "close_frame",
    "frame",
    "text_frame",
    "unframe_text",
]

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
FIN = 0x80
"""The bit of the first byte that marks the last frame of a message."""

MASK_BIT = 0x80
"""The bit of the second byte that says that the payload is masked, as a client's must be."""

RESERVED_BITS = 0x70
"""The bits of the first byte that only extensions set; the outlet negotiates none."""


# The head of a frame without a mask: first byte, length; the latter in its three forms.
_pack_7, _pack_16, _pack_64 = (struct.Struct(form).pack for form in (">BB", ">BBH", ">BBQ"))
_to_integer = int.from_bytes


def frame(first_byte: int, payload: bytes) -> bytes:
    """Encode a frame as a server sends it, unmasked.

    first_byte: FIN, reserved bits and opcode.
    """
    size = len(payload)
    if size < 126:
        return _pack_7(first_byte, size) + payload
    if size < 0x10000:
        return _pack_16(first_byte, 126, size) + payload
    return _pack_64(first_byte, 127, size) + payload


def apply_mask(payload: bytes, mask: bytes) -> bytes:
    """Mask the payload, or unmask it; the operation is its own inverse (RFC 6455, section 5.3).

    mask: four bytes, or b"": the payload is returned unchanged.
    """
    if not mask:
        return payload
    size = len(payload)
    pattern = (mask * (size // 4 + 1))[:size]
    # One operation on two long integers: many times faster than a loop over bytes.
    masked = _to_integer(payload, "little") ^ _to_integer(pattern, "little")
    return masked.to_bytes(size, "little")


def text_frame(text: bytes) -> bytes:
    """Encode a text message as one frame.

    text: UTF-8; a fault may hand in bytes that are not.
    """
    return frame(FIN | TEXT, text)


def unframe_text(frames: bytes) -> bytes | None:
    """Return the text of a frame that `text_frame` made; None if the bytes are anything else."""
    # The second byte says how long a header without a mask is.
    start = {126: 4, 127: 10}.get(frames[1], 2) if len(frames) > 1 else 2
    text = frames[start:]
    return text if text_frame(text) == frames else None


def close_frame(code: int, reason: str = "") -> bytes:
    """Encode a close frame (RFC 6455, section 5.5.1).

    code: 1000-4999. reason: at most 123 bytes in UTF-8, as a control frame carries
    125 bytes and the code takes two.
    """
    return frame(FIN | CLOSE, code.to_bytes(2, "big") + reason.encode())


class Frame(msgspec.Struct, frozen=True):
    """A frame of any kind, including those that a server must not send.

    first: the first byte: FIN, reserved bits and opcode.
    payload: what it carries, before masking.
    mask: four bytes, or b"": not masked, as a server must send it.
    length: the value of the length field, which is then 64 bits wide; None: the actual size in the
    shortest form.
    """

    first: int
    payload: bytes
    mask: bytes = b""
    length: int | None = None

    @property
    def is_text(self) -> bool:
        """Whether it is, or starts, a text message."""
        return self.first & 0x0F == TEXT

    @property
    def is_message(self) -> bool:
        """Whether it is a whole text or binary message."""
        return bool(self.first & FIN) and self.first & 0x0F in (TEXT, BINARY)

    def replaced(self, **changes: Any) -> Self:
        """Return a copy with other values for some fields."""
        return msgspec.structs.replace(self, **changes)

    def encode(self) -> bytes:
        """Return the bytes of the frame."""
        encoded = frame(self.first, self.payload)
        if not self.mask and self.length is None:
            return encoded
        header = encoded[: len(encoded) - len(self.payload)]
        if self.length is not None:
            header = bytes((self.first, 127)) + self.length.to_bytes(8, "big")
        if self.mask:
            header = header[:1] + bytes((header[1] | MASK_BIT,)) + header[2:] + self.mask
        return header + apply_mask(self.payload, self.mask)

"""WebSocket frames (RFC 6455, section 5): writing ours, and sorting a client's into two lanes.

A client's stream, once the handshake is over, is sorted frame by frame:

- **fast**: a whole text message as nearly every client sends it: one final, masked text frame
  without reserved bits, of ASCII, not long. It is unmasked here and answered at once.
- **slow**: everything else, from pings to protocol errors, byte for byte as it came, for a complete
  WebSocket implementation to deal with.

The rules of this file:

- The sorting never judges. Whatever is odd goes to the slow lane, as soon as its oddness shows, so
  that the implementation there sees what it would see without the fast lane.
- Order holds. While a fragmented message is under way, or the slow lane owes the answer to a
  message, data frames go to the slow lane too. Behind a close frame or anything that must end the
  connection, everything does.
- Memory is bounded: only a frame that may become a fast one is kept back, and that is short.
"""

from dataclasses import dataclass, replace
from typing import Any, Self

__all__ = [
    "FAST_PAYLOAD_BYTES",
    "FIN",
    "Chunk",
    "FastPathFilter",
    "Frame",
    "apply_mask",
    "close_frame",
    "frame",
    "text_frame",
    "unframe_text",
]

FAST_PAYLOAD_BYTES = 1024
"""The longest payload that takes the fast lane. Requests of the protocol are shorter."""

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
FIN = 0x80
_MASK, _RESERVED_BITS = 0x80, 0x70
_FINAL_TEXT = FIN | TEXT


def frame(first_byte: int, payload: bytes) -> bytes:
    """A frame as a server sends it, unmasked.

    first_byte: FIN, reserved bits and opcode.
    """
    size = len(payload)
    if size < 126:
        return bytes((first_byte, size)) + payload
    if size < 0x10000:
        return bytes((first_byte, 126)) + size.to_bytes(2, "big") + payload
    return bytes((first_byte, 127)) + size.to_bytes(8, "big") + payload


def apply_mask(payload: bytes, mask: bytes) -> bytes:
    """The payload with the mask laid over it, or taken off.

    mask: four bytes, or none: the payload as it is.
    """
    if not payload or not mask:
        return payload
    size = len(payload)
    pattern = (mask * (size // 4 + 1))[:size]
    laid = int.from_bytes(payload, "little") ^ int.from_bytes(pattern, "little")
    return laid.to_bytes(size, "little")


def text_frame(text: bytes) -> bytes:
    """A text message in one frame.

    text: UTF-8, unless somebody wants it broken.
    """
    return frame(_FINAL_TEXT, text)


def unframe_text(frames: bytes) -> bytes | None:
    """The text of a whole frame that `text_frame` made; None where the bytes are anything else."""
    for start in (2, 4, 10):
        if text_frame(frames[start:]) == frames:
            return frames[start:]
    return None


def close_frame(code: int, reason: str = "") -> bytes:
    """A close frame.

    code: 1000-4999. reason: at most 123 bytes in UTF-8.
    """
    return frame(FIN | CLOSE, code.to_bytes(2, "big") + reason.encode())


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame of any kind, also of those that must not be sent.

    first: the first byte: FIN, reserved bits and opcode.
    payload: what it carries, before masking.
    mask: four bytes, or none, as it must be from a server.
    length: what the length field says, always in its 64-bit form; None: the truth in its shortest
    form.
    """

    first: int
    payload: bytes
    mask: bytes = b""
    length: int | None = None

    @property
    def is_text(self) -> bool:
        """Whether it is, or begins, a text message."""
        return self.first & 0x0F == TEXT

    @property
    def is_message(self) -> bool:
        """Whether it is a whole message of text or bytes."""
        return bool(self.first & FIN) and self.first & 0x0F in (TEXT, BINARY)

    def replaced(self, **changes: Any) -> Self:
        """The frame with other values for some fields."""
        return replace(self, **changes)

    def encode(self) -> bytes:
        """The frame's bytes."""
        encoded = frame(self.first, self.payload)
        if not self.mask and self.length is None:
            return encoded
        header = encoded[: len(encoded) - len(self.payload)]
        if self.length is not None:
            header = bytes((self.first, 127)) + self.length.to_bytes(8, "big")
        if self.mask:
            header = header[:1] + bytes((header[1] | _MASK,)) + header[2:] + self.mask
        return header + apply_mask(self.payload, self.mask)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of the client's stream.

    fast: whether `data` is the text of a message for the fast lane; otherwise it is raw bytes of
    the stream.
    """

    fast: bool
    data: bytes


_MORE_NEEDED = Chunk(fast=True, data=b"")


class FastPathFilter:
    """Sorts the bytes that a client sends after the handshake; see the top of this file for the
    rules.

    longest: the longest payload that takes the fast lane.
    owed: messages that went to the slow lane and are not yet answered. Whoever answers one counts
    it down.
    message: what has gone to the slow lane of the newest message there, unmasked.
    fragments: of how many frames that message is so far.
    closing: whether a close frame has gone to the slow lane.
    """

    def __init__(self, longest: int = FAST_PAYLOAD_BYTES) -> None:
        self.owed = 0
        self.message = bytearray()
        self.fragments = 0
        self.closing = False
        self._longest = longest
        self._buffer = b""
        self._header = b""  # of a slow frame: what has gone on of a header that is not yet whole
        self._passing = 0  # bytes of a slow frame's payload that are still to come
        self._mask = b""  # of those bytes, turned to the first of them; b"" in a control frame
        self._fragmented = False
        self._all_slow = False

    def feed(self, chunk: bytes) -> None:
        """More bytes from the client, cut anywhere. `next` then has the pieces."""
        self._buffer = self._buffer + chunk if self._buffer else chunk

    def all_slow(self) -> None:
        """Nothing is fast any more, for example because a close frame was sent."""
        self._all_slow = True

    @property
    def between_frames(self) -> bool:
        """Whether the next piece is the start of a frame."""
        return not (self._all_slow or self._passing or self._header)

    def next(self) -> Chunk | None:
        """The next piece; None where more bytes are needed."""
        buffer = self._buffer
        if not buffer:
            return None
        if self._all_slow:
            return self._pass(len(buffer))
        if self._passing:
            size = min(self._passing, len(buffer))
            self._passing -= size
            if self._mask:
                self.message += apply_mask(buffer[:size], self._mask)
                turn = size % 4
                self._mask = self._mask[turn:] + self._mask[:turn]
            return self._pass(size)
        if buffer[0] == _FINAL_TEXT and not (self._fragmented or self.owed or self._header):
            piece = self._fast()
            if piece is _MORE_NEEDED:
                return None
            if piece is not None:
                return piece
        return self._slow()

    def _pass(self, size: int) -> Chunk:
        piece = Chunk(fast=False, data=self._buffer[:size])
        self._buffer = self._buffer[size:]
        return piece

    def _fast(self) -> Chunk | None:
        """The fast message that the buffer starts with; None where a slow frame does.

        `_MORE_NEEDED` where that does not show yet.
        """
        buffer = self._buffer
        if len(buffer) < 2:
            return _MORE_NEEDED
        size, start = buffer[1] & 0x7F, 6
        if not buffer[1] & _MASK or size == 127:
            return None
        if size == 126:
            if len(buffer) < 4:
                return _MORE_NEEDED
            size, start = int.from_bytes(buffer[2:4], "big"), 8
            if size < 126:
                return None
        if size > self._longest:
            return None
        end = start + size
        payload = buffer[start:end]
        if payload:
            payload = apply_mask(payload, buffer[start - 4 : start])
            if not payload.isascii():
                return None
        if len(buffer) < end:
            return _MORE_NEEDED
        self._buffer = buffer[end:]
        return Chunk(fast=True, data=payload)

    def _slow(self) -> Chunk:
        """What there is of the frame's header; its payload follows as it comes."""
        known = len(self._header)
        header = self._header + self._buffer[: 14 - known]
        size = _header_size(header)
        if len(header) < size:
            self._header = header
            return self._pass(len(header) - known)
        self._header = b""
        header = header[:size]
        self._passing = _payload_size(header)
        self._note(header)
        return self._pass(size - known)

    def _note(self, header: bytes) -> None:
        """Draws from the header of a slow frame what it means for those behind it."""
        opcode, final = header[0] & 0x0F, bool(header[0] & FIN)
        data = opcode in (CONTINUATION, TEXT, BINARY)
        sound = bool(header[1] & _MASK) and not header[0] & _RESERVED_BITS
        self._mask = b""
        if data:
            sound = sound and (opcode == CONTINUATION) == self._fragmented and _shortest(header)
            self._fragmented = not final
            self.owed += final
            if opcode != CONTINUATION:
                self.message.clear()
                self.fragments = 0
            self.fragments += 1
            if header[1] & _MASK:
                self._mask = header[-4:]
        else:
            self.closing = opcode == CLOSE
            sound = sound and opcode in (PING, PONG) and final and header[1] & 0x7F < 126
        if not sound:  # a close frame, or the end of the connection in another way
            self._all_slow = True


def _header_size(header: bytes) -> int:
    """How long the header is that starts like this, in bytes; where unknown, more than there is."""
    if len(header) < 2:
        return 2
    extended = {126: 2, 127: 8}.get(header[1] & 0x7F, 0)
    return 2 + extended + (4 if header[1] & _MASK else 0)


def _payload_size(header: bytes) -> int:
    size = header[1] & 0x7F
    if size == 126:
        return int.from_bytes(header[2:4], "big")
    if size == 127:
        return int.from_bytes(header[2:10], "big")
    return size


def _shortest(header: bytes) -> bool:
    """Whether the header gives the payload's size in the shortest form, and in one that may be."""
    form, size = header[1] & 0x7F, _payload_size(header)
    return form < 126 or (size >= 126 if form == 126 else 0x10000 <= size < 2**63)

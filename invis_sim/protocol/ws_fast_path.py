"""Which of a client's WebSocket frames the server answers itself.

After the handshake, `FastPathFilter` takes the client's stream apart, frame by frame:

- **fast path**: a whole text message as nearly every client sends it: one final, masked text frame
  without reserved bits, of ASCII, and short. It is unmasked here and answered at once.
- **slow path**: everything else, from pings to protocol errors, byte for byte as it arrived, for a
  complete WebSocket implementation.

The rules:

- The filter never judges. An unusual frame takes the slow path from the byte on that shows that it
  is unusual, so that the implementation there sees what it would see without the fast path.
- Order is kept. Inside a fragmented message, and while a message of the slow path is unanswered,
  data frames take the slow path too. After a close frame, or anything else that must end the
  connection, everything does.
- Memory is bounded: only a frame that may still become a fast one is buffered, and that is short.
"""

from typing import TypeAlias

import msgspec

from invis_sim.protocol.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FIN,
    MASK_BIT,
    PING,
    PONG,
    RESERVED_BITS,
    TEXT,
    apply_mask,
)

__all__ = ["FAST_PAYLOAD_BYTES", "Chunk", "FastPathFilter", "SlowBytes"]

FAST_PAYLOAD_BYTES = 1024
"""The longest payload that takes the fast path. The protocol's requests are shorter, and a frame
that may become a fast one is buffered whole.
"""

_FINAL_TEXT = FIN | TEXT


class SlowBytes(msgspec.Struct, frozen=True, gc=False):
    """Raw bytes for the slow path."""

    data: bytes


Chunk: TypeAlias = bytes | SlowBytes
"""A chunk of the client's stream: the text of a message to answer at once, or raw bytes."""


class FastPathFilter:
    """Splits what a client sends after the handshake into fast messages and everything else; the
    rules are at the top of this file.

    longest: the longest payload that takes the fast path, in bytes.
    buffered: what has come and is in no chunk yet.
    unanswered: messages on the slow path that are not yet answered. The caller subtracts 1 for each
    one that it answers.
    message: the payload so far, unmasked, of the newest message on the slow path.
    fragments: the number of frames of that message so far.
    closing: whether a close frame has taken the slow path.
    """

    def __init__(self, longest: int = FAST_PAYLOAD_BYTES) -> None:
        self.buffered = b""
        self.unanswered = 0
        self.message = bytearray()
        self.fragments = 0
        self.closing = False
        self._longest = longest
        self._header = b""  # of a slow frame: the part already passed through
        self._passing = 0  # bytes of a slow frame's payload not yet passed through
        self._mask = b""  # of those bytes, rotated to the first of them; b"" in a control frame
        self._fragmented = False
        self._fast_path_disabled = False

    def feed(self, data: bytes) -> None:
        """Add bytes from the client, cut anywhere. `next` returns the chunks of them."""
        self.buffered += data

    def disable_fast_path(self) -> None:
        """Use the slow path alone from now on, for example after a close frame was sent."""
        self._fast_path_disabled = True

    @property
    def between_frames(self) -> bool:
        """Whether the next chunk starts a frame."""
        return not (self._fast_path_disabled or self._passing or self._header)

    def next(self) -> Chunk | None:
        """Return the next chunk; None if more bytes are needed."""
        buffer = self.buffered
        if not buffer:
            return None
        if self._fast_path_disabled:
            return self._pass_through(len(buffer))
        if self._passing:
            size = min(self._passing, len(buffer))
            self._passing -= size
            if self._mask:
                self.message += apply_mask(buffer[:size], self._mask)
                turn = size % 4
                self._mask = self._mask[turn:] + self._mask[:turn]
            return self._pass_through(size)
        if buffer[0] == _FINAL_TEXT and not (self._fragmented or self.unanswered or self._header):
            return self._take_text()
        return self._take_slow()

    def _pass_through(self, size: int) -> SlowBytes:
        chunk = SlowBytes(self.buffered[:size])
        self.buffered = self.buffered[size:]
        return chunk

    def _take_text(self) -> Chunk | None:
        """Take the message at the start of the buffer if it is a fast one, and pass its header
        through if it is not; None: more bytes have to decide.
        """
        buffer = self.buffered
        if len(buffer) < 2:
            return None
        size, start = buffer[1] - MASK_BIT, 6
        if size < 0 or size == 127:  # not masked, which is invalid, or much too long
            return self._take_slow()
        if size == 126:
            if len(buffer) < 4:
                return None
            size, start = int.from_bytes(buffer[2:4], "big"), 8
            if size < 126:  # not in the shortest form
                return self._take_slow()
        if size > self._longest:
            return self._take_slow()
        end = start + size
        payload = buffer[start:end]
        if payload:
            payload = apply_mask(payload, buffer[start - 4 : start])
            if not payload.isascii():
                return self._take_slow()
        if len(buffer) < end:
            return None
        self.buffered = buffer[end:]
        return payload

    def _take_slow(self) -> SlowBytes:
        """Pass through what is buffered of the frame's header; `next` passes the payload."""
        known = len(self._header)
        header = self._header + self.buffered[: 14 - known]
        size = _header_size(header)
        if len(header) < size:
            self._header = header
            return self._pass_through(len(header) - known)
        self._header = b""
        header = header[:size]
        self._passing = _payload_size(header)
        self._track_header(header)
        return self._pass_through(size - known)

    def _track_header(self, header: bytes) -> None:
        """Update the state that decides about later frames, from the header of a slow frame."""
        opcode, final = header[0] & 0x0F, bool(header[0] & FIN)
        data = opcode in (CONTINUATION, TEXT, BINARY)
        valid = bool(header[1] & MASK_BIT) and not header[0] & RESERVED_BITS
        self._mask = b""
        if data:
            valid = valid and (opcode == CONTINUATION) == self._fragmented and _shortest(header)
            self._fragmented = not final
            self.unanswered += final
            if opcode != CONTINUATION:
                self.message.clear()
                self.fragments = 0
            self.fragments += 1
            if header[1] & MASK_BIT:
                self._mask = header[-4:]
        else:
            self.closing = opcode == CLOSE
            valid = valid and opcode in (PING, PONG) and final and header[1] & 0x7F < 126
        if not valid:  # a close frame, or a violation that fails the connection
            self._fast_path_disabled = True


def _header_size(header: bytes) -> int:
    """Return the size of the header in bytes; more than `header` has if it does not show yet."""
    if len(header) < 2:
        return 2
    extended = {126: 2, 127: 8}.get(header[1] & 0x7F, 0)
    return 2 + extended + (4 if header[1] & MASK_BIT else 0)


def _payload_size(header: bytes) -> int:
    size = header[1] & 0x7F
    if size == 126:
        return int.from_bytes(header[2:4], "big")
    if size == 127:
        return int.from_bytes(header[2:10], "big")
    return size


def _shortest(header: bytes) -> bool:
    """Whether the length field has the shortest form, as RFC 6455, section 5.2, demands."""
    form, size = header[1] & 0x7F, _payload_size(header)
    return form < 126 or (size >= 126 if form == 126 else 0x10000 <= size < 2**63)

"""A stream taken apart without a loss, for those who hand it on: the packets in it, and all else.

    bytes ─▶ JsonPieces, FramePieces ─▶ Piece, Piece, …        b"".join(piece.raw) == bytes

Each works in either direction, and judges nothing: what is no packet is a piece as well. Only what
may still become a packet is held back, up to `max_bytes` of it, until it is whole, until it shows
that it is none, or until the caller gives it up.
"""

import msgspec

from invis_sim.protocol.frames import (
    BINARY,
    CONTINUATION,
    FIN,
    MASK_BIT,
    RESERVED_BITS,
    TEXT,
    apply_mask,
    frame,
)
from invis_sim.protocol.json_stream import JsonFramer, Malformed

__all__ = ["FramePieces", "JsonPieces", "Piece", "RawPieces"]

_BLANKS = b" \t\r\n\0"
"""What may be between two packets on TCP."""


class Piece(msgspec.Struct, gc=False):
    """A piece of a stream.

    raw: its bytes as they came.
    text: the packet in it; None: it is none.
    after: what follows the packet in `raw`: blanks, on TCP.
    problem: what is wrong with a piece that should have been a packet, on TCP.
    opcode: of the frame, or of the message's first one; None on TCP, and within a long frame.
    payload: of a control frame.
    """

    raw: bytes
    text: bytes | None = None
    after: bytes = b""
    problem: Malformed | None = None
    opcode: int | None = None
    payload: bytes = b""

    @property
    def blank(self) -> bool:
        """Whether it is nothing but what may be between packets."""
        return self.text is None and self.opcode is None and not self.raw.strip(_BLANKS)

    def encode(self, text: bytes) -> bytes:
        """Return the bytes of this packet with another text; with its own, the bytes as they came.

        text: UTF-8; a fault may hand in bytes that are not.
        """
        if text == self.text:
            return self.raw
        if self.opcode is None:
            return text + self.after
        return frame(FIN | self.opcode, text)


class JsonPieces:
    """Takes apart what comes over TCP.

    max_bytes: the longest packet; from a longer one on, nothing in the stream is a packet.
    """

    def __init__(self, max_bytes: int) -> None:
        self._framer = JsonFramer(max_bytes)
        self._held = bytearray()

    @property
    def idle(self) -> bool:
        """Whether nothing is held back, and the next byte is the first of something new."""
        return not self._held and self._framer.between_documents

    def feed(self, data: bytes) -> list[Piece]:
        """Return the pieces that this completes, in order. data: cut from the stream anywhere."""
        self._held += data
        pieces: list[Piece] = []
        for found in self._framer.feed(data):
            raw = found if isinstance(found, bytes) else found.raw
            # What comes before it are blanks, or the rest of something that was broken.
            start = max(self._held.find(raw), 0)
            self._add_other(pieces, start)
            text, problem = (raw, None) if isinstance(found, bytes) else (None, found)
            pieces.append(Piece(self._take(len(raw)), text, problem=problem))
        self._add_other(pieces, len(self._held) - self._framer.unfinished)
        return pieces

    def give_up(self, reason: str) -> list[Piece]:
        """Return what is held back: nothing more of it comes. reason: why, for a person."""
        problem = self._framer.give_up(reason)
        raw = self._take(len(self._held))
        return [Piece(raw, problem=problem)] if raw else []

    def _add_other(self, pieces: list[Piece], size: int) -> None:
        """Add so many bytes that are no packet; blanks belong to the packet before them."""
        if size <= 0:
            return
        raw = self._take(size)
        if pieces and pieces[-1].text is not None and not raw.strip(_BLANKS):
            pieces[-1].raw += raw
            pieces[-1].after = raw
        else:
            pieces.append(Piece(raw))

    def _take(self, size: int) -> bytes:
        taken = bytes(self._held[:size])
        del self._held[:size]
        return taken


class FramePieces:
    """Takes apart the frames of a WebSocket, masked or not.

    A packet is a text or binary message, in one frame or in several that follow each other. A
    frame with reserved bits or with another opcode, and one that is too long, is no packet.

    max_bytes: the longest message that may be a packet.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._held = bytearray()  # the beginning of a frame
        self._passing = 0  # how many bytes of a frame are still to come that are no packet
        self._fragments = bytearray()  # the frames of an unfinished message, as they came
        self._message = bytearray()  # and what is in them
        self._first: int | None = None  # the opcode of that message
        self._lost = False  # whether it is unknown where the next frame begins

    @property
    def idle(self) -> bool:
        """Whether nothing is held back, and the next byte is the first of something new."""
        return not (self._held or self._passing or self._fragments)

    def feed(self, data: bytes) -> list[Piece]:
        """Return the pieces that this completes, in order. data: cut from the stream anywhere."""
        if self._lost:
            return [Piece(data)]
        pieces: list[Piece] = []
        if self._passing:
            passed = data[: self._passing]
            self._passing -= len(passed)
            pieces.append(Piece(passed))
            data = data[len(passed) :]
        # Nearly always, nothing is held back, and the data is a whole frame.
        held, at = self._held, 0
        source: bytes | bytearray = data
        if held:
            held += data
            source = held
        while at < len(source) and (end := self._next(source, at, pieces)) is not None:
            at = end
        if held:
            del held[:at]
        else:
            held += data[at:]
        return pieces

    def give_up(self, reason: str) -> list[Piece]:
        """Return what is held back: nothing more of it comes. reason: why, for a person."""
        pieces: list[Piece] = []
        self._give_up_message(pieces)
        head = _Head.of(self._held, 0)
        if head is not None:
            self._passing = head.size + head.length - len(self._held)
        if self._held:  # where even the head is not whole, what follows cannot be read any more
            self._lost = head is None
            pieces.append(Piece(bytes(self._held)))
            self._held.clear()
        return pieces

    def _next(self, source: bytes | bytearray, at: int, pieces: list[Piece]) -> int | None:
        """Add what the frame at this place makes, if that is known by now; return where it ends, or
        the end of the source; None: it is not known.
        """
        head = _Head.of(source, at)
        if head is None:
            return None
        opcode, first, end = head.opcode, self._first, at + head.size + head.length
        control = bool(opcode & 0x08)
        fits = head.length <= (125 if control else self._max_bytes - len(self._message))
        in_order = opcode in (TEXT, BINARY) if first is None else opcode == CONTINUATION
        if head.reserved or not fits or not (control or in_order):
            self._give_up_message(pieces)  # so that the order stays
            raw = bytes(source[at:end])
            self._passing = end - at - len(raw)
            pieces.append(Piece(raw, opcode=opcode))
            return at + len(raw)
        if len(source) < end:
            return None
        raw = bytes(source[at:end])
        payload = apply_mask(raw[head.size :], raw[head.size - 4 : head.size] if head.mask else b"")
        if control:
            self._give_up_message(pieces)  # so that the order stays, and a ping need not wait
            pieces.append(Piece(raw, opcode=opcode, payload=payload))
        elif first is None and head.final:
            pieces.append(Piece(raw, payload, opcode=opcode))
        else:
            self._add_fragment(pieces, raw, payload, head)
        return end

    def _add_fragment(self, pieces: list[Piece], raw: bytes, payload: bytes, head: "_Head") -> None:
        if self._first is None:
            self._first = head.opcode
        self._fragments += raw
        self._message += payload
        # Empty fragments count too, or there could be any number of them.
        if len(self._fragments) > 2 * self._max_bytes:
            self._give_up_message(pieces)
        elif head.final:
            fragments, message = bytes(self._fragments), bytes(self._message)
            pieces.append(Piece(fragments, message, opcode=self._first))
            self._forget_message()

    def _give_up_message(self, pieces: list[Piece]) -> None:
        if self._fragments:
            pieces.append(Piece(bytes(self._fragments), opcode=self._first))
        self._forget_message()

    def _forget_message(self) -> None:
        self._fragments.clear()
        self._message.clear()
        self._first = None


class RawPieces:
    """Takes nothing apart: there are no packets in the stream."""

    idle = True

    def feed(self, data: bytes) -> list[Piece]:
        """Return the bytes as one piece."""
        return [Piece(data)]

    def give_up(self, reason: str) -> list[Piece]:
        """Return nothing: nothing is held back."""
        return []


class _Head(msgspec.Struct, frozen=True, gc=False):
    """The head of a frame.

    opcode, final, mask: as it says.
    reserved: whether an extension or a later version of the protocol is needed to read the frame.
    size: of the head. length: of the payload.
    """

    opcode: int
    final: bool
    mask: bool
    reserved: bool
    size: int
    length: int

    @classmethod
    def of(cls, data: bytes | bytearray, at: int) -> "_Head | None":
        """Read the head that begins at this place; None if it is not whole."""
        known = len(data) - at
        if known < 2:
            return None
        first, length, extended = data[at], data[at + 1] & 0x7F, 0
        if length > 125:
            extended = 2 if length == 126 else 8
        mask = data[at + 1] >= MASK_BIT
        size = 2 + extended + 4 * mask
        if known < size:
            return None
        if extended:
            length = int.from_bytes(data[at + 2 : at + 2 + extended], "big")
        opcode = first & 0x0F
        reserved = bool(first & RESERVED_BITS) or opcode & 0x07 > 2
        return cls(opcode, first >= FIN, mask, reserved, size, length)

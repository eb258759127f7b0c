"""Bytes from a TCP stream → JSON documents.

The stream has no delimiter: the vendor's app writes bare objects, the published client adds a
newline, several requests may share a segment and one may be spread over many. So a document ends
with the brace that closes it, and the framer must find that brace.

Requirements:

- return a document as soon as its last byte has arrived, whatever the chunking, in time linear in
  the bytes (even for a megabyte fed byte by byte) and with memory bounded by `max_packet_bytes`;
- never take an object inside something else for a request: neither in an array, nor in a document
  that is broken;
- lose only the malformed piece: a later valid request is found;
- report each malformed piece once, with the byte that is wrong.

Method: a *structural* automaton. It follows strings, braces, brackets, colons and commas, so it
detects a byte that can never become JSON in its place (`{` where a key belongs, a newline inside a
string). It accepts any scalar (`12`, `true`, `NaN`); checking those is the parser's work. The other
rules:

- `{` at the top starts a document; whitespace, NULs between documents are skipped;
- `[` at the top starts an array, which is followed to its end and is one malformed piece;
- anything else at the top is garbage up to the next newline or `{`, except that brackets and a
  string at its beginning are skipped with all that is in them;
- a broken document ends where its brackets, as far as they match, are closed;
- where they never are, and where a document is unfinished (a client has crashed in the middle of
  it), the next request is found all the same: as a `{` in the first column of a line; as a chunk
  that begins like a request; or after `give_up`, which the caller calls when nothing has come for a
  while;
- a document that is nested too deep is followed to its end and is one malformed piece;
- a document must not be longer than `max_packet_bytes`: then the framer reports `PacketTooLarge`
  and stops reading.

Nearly every real request is small, whole and flat. `FLAT` recognises those in one
regular-expression match; the automaton handles the rest. It goes byte by byte through what is
unusual, and over values that are whole and plain in one match for many (`items`, `members`). The
tests check that all agree.
"""

import re
from typing import TypeAlias

from invis_sim.protocol import json_patterns as patterns
from invis_sim.protocol.malformed import (
    Malformed,
    PacketTooLarge,
    format_byte,
    garbage_reason,
    without_line_end,
)

__all__ = ["MAX_DEPTH", "MAX_PACKET_BYTES", "Framed", "JsonFramer", "Malformed", "PacketTooLarge"]

MAX_PACKET_BYTES = 64 * 1024
"""Default of the longest document that a client may send, in bytes. The protocol's requests are
much shorter; this bounds the memory that a client can use.
"""

MAX_DEPTH = 128
"""How deep the objects and arrays of a document may be nested. The protocol itself needs six, and
arguments that are nested by mistake are to be answered as other wrong ones are; this is far below
the depth at which Python's JSON parser raises RecursionError.
"""

MAX_SKIPPED_DEPTH = 1024
"""How many open brackets of a broken document are remembered; those inside are only counted."""


Framed: TypeAlias = bytes | Malformed
"""What `JsonFramer.feed` finds: a document's bytes, from `{` to `}`, or a malformed piece."""

# What the automaton expects next inside a document.
_KEY_OR_END, _KEY, _COLON, _VALUE, _VALUE_OR_END, _COMMA_OR_END = range(6)
_EXPECTED = (
    "a key in double quotes or '}'",
    "a key in double quotes",
    "':'",
    "a value",
    "a value or ']'",
    "',' or the closing bracket",
)
# Where the end of a chunk may interrupt the automaton.
_STRUCTURE, _IN_STRING, _ESCAPED, _IN_SCALAR = range(4)

_BRACE, _BRACKET, _QUOTE, _BACKSLASH, _NEWLINE = b'{["\\\n'
_COMMA, _COLON_BYTE, _END_BRACE, _END_BRACKET = b",:}]"
# What each closing bracket closes, and the state in which it closes an empty container.
_CLOSES = {_END_BRACE: (_BRACE, _KEY_OR_END), _END_BRACKET: (_BRACKET, _VALUE_OR_END)}


class JsonFramer:
    """Finds the JSON objects in a stream of bytes; see the top of this file for the rules.

    max_packet_bytes: the longest document to accept, in bytes (≥ 1).
    """

    def __init__(self, max_packet_bytes: int = MAX_PACKET_BYTES) -> None:
        self._limit = max_packet_bytes
        self._buffer = bytearray()  # from the start of the current document on
        self._scanned = 0  # how far into the buffer the automaton has looked
        self._containers = bytearray()  # opening brackets, outermost first; empty between documents
        self._within = _STRUCTURE
        self._expect = _KEY_OR_END
        self._too_deep_at: int | None = None  # where in the document the limit on depth was passed
        # Inside a malformed piece that has been reported. Its open brackets are in `_containers`,
        # and `_uncounted` more are open inside those.
        self._skipping = False
        self._at_line_start = False
        self._uncounted = 0
        self._closed = False

    @property
    def between_documents(self) -> bool:
        """Whether the next byte is the first of something new."""
        return not (self._containers or self._skipping or self._closed)

    @property
    def unfinished(self) -> int:
        """How many bytes of a document have come whose end has not."""
        return len(self._buffer)

    def feed(self, chunk: bytes) -> list[Framed]:
        """Return what this chunk completes, in order.

        chunk: any number of bytes, cut from the stream anywhere.
        """
        if self._closed:
            return []
        interrupted: list[Framed] = []
        if (self._containers or self._skipping) and patterns.REQUEST_START.match(chunk):
            unfinished = self._reset("another request begins inside this document")
            interrupted = [] if unfinished is None else [unfinished]
        if not self._containers and not self._skipping:
            whole = patterns.FLAT.match(chunk)
            if (
                whole is not None
                and len(chunk) <= self._limit
                and chunk[whole.end() :] in (b"", b"\n")
            ):
                return [*interrupted, whole[0]]
        self._buffer += chunk
        return [*interrupted, *self._scan()]

    def give_up(self, reason: str) -> Malformed | None:
        """Wait no longer for the end of what has begun: the next byte is the first of something
        new. Returns the document that stays unfinished, if there is one.

        reason: why, for the author of the client.
        """
        return None if self._closed else self._reset(reason)

    def finish(self) -> Malformed | None:
        """Return the document that the end of the stream leaves unfinished, if there is one."""
        unfinished = self.give_up("the connection ended inside this document")
        self._closed = True
        return unfinished

    def _reset(self, reason: str) -> Malformed | None:
        """Forget the unfinished document, or the rest of a malformed piece; return the former."""
        raw = bytes(self._buffer)
        unfinished = bool(self._containers) and not self._skipping
        self._containers.clear()
        self._buffer.clear()
        self._scanned = 0
        self._end_skipping()
        return Malformed(raw, reason, len(raw)) if unfinished else None

    def _scan(self) -> list[Framed]:
        found: list[Framed] = []
        buffer = self._buffer
        start, position = 0, self._scanned
        while True:
            if self._skipping or not self._containers:
                start = position = self._next_start(found, position)
                if position == len(buffer):
                    break
                flat = patterns.FLAT.match(buffer, position)
                if flat is not None and flat.end() - start <= self._limit:
                    position = flat.end()
                    found.append(bytes(buffer[start:position]))
                    continue
                self._begin(buffer[position])
                position += 1
            position, malformed = self._follow(start, position)
            if position - start > self._limit:
                found.append(self._reject_too_large(start))
                return found
            if malformed:
                report, position = self._abandon(start, position)
                found.append(report)
            elif self._containers:
                break  # the end of the buffer, not of the document
            else:
                found.append(self._complete(start, position))
        del buffer[:start]
        self._scanned = position - start
        return found

    def _next_start(self, found: list[Framed], position: int) -> int:
        """Return where the next document starts, or the end of the buffer; report garbage that
        comes before it.
        """
        buffer = self._buffer
        while True:
            if self._skipping:
                position = self._skip(position)
            if not self._skipping:  # or it continues in the next chunk
                position = _end(patterns.BETWEEN, buffer, position)
            if position == len(buffer):
                return position
            first = buffer[position]
            if first in (_BRACE, _BRACKET):
                return position
            start = position
            self._skipping, self._within = True, _STRUCTURE
            if first == _QUOTE:  # nothing in it starts a document
                self._within = _IN_STRING
                position += 1
            position = self._skip(position)
            raw = without_line_end(buffer[start : min(position, start + self._limit)], 1)
            found.append(Malformed(raw, garbage_reason(first), 0))

    def _skip(self, position: int) -> int:
        """Skip the rest of a malformed piece that was reported. Returns where it ends, or the end
        of the buffer, where it may continue.
        """
        buffer, containers = self._buffer, self._containers
        length = len(buffer)
        while position < length:
            if self._at_line_start:
                if buffer[position] in b"\r\x00":  # but not a space: it may indent what is nested
                    position += 1
                    continue
                self._at_line_start = False
                if buffer[position] == _BRACE:
                    break
            if self._within == _ESCAPED:
                self._within = _IN_STRING
                position += buffer[position] != _NEWLINE
            elif self._within == _IN_STRING:
                position = _end(patterns.SKIPPED_STRING, buffer, position)
                if position < length:
                    byte = buffer[position]
                    self._within = _ESCAPED if byte == _BACKSLASH else _STRUCTURE
                    position += byte != _NEWLINE  # which no string has in it, so it is structure
            elif containers:
                position = _end(patterns.SKIPPED, buffer, position)
                if position < length:
                    self._skip_byte(buffer[position])
                    position += 1
            else:
                position = _end(patterns.SKIPPED_TOP, buffer, position)
                if position < length:
                    if buffer[position] != _BRACKET:
                        break
                    containers.append(_BRACKET)
                    position += 1
        else:
            return length
        containers.clear()
        self._end_skipping()
        return position

    def _skip_byte(self, byte: int) -> None:
        """Process a byte of a malformed piece that matters inside its brackets."""
        containers = self._containers
        if byte == _NEWLINE:
            self._at_line_start = True
        elif byte == _QUOTE:
            self._within = _IN_STRING
        elif byte in (_BRACE, _BRACKET):
            if len(containers) < MAX_SKIPPED_DEPTH:
                containers.append(byte)
            else:
                self._uncounted += 1
        elif self._uncounted:
            self._uncounted -= 1
        elif containers[-1] == _CLOSES[byte][0]:  # any other closes nothing, to be on the safe side
            containers.pop()

    def _end_skipping(self) -> None:
        self._skipping = self._at_line_start = False
        self._uncounted = 0

    def _begin(self, opening: int) -> None:
        self._containers.append(opening)
        self._within = _STRUCTURE
        self._expect = _KEY_OR_END if opening == _BRACE else _VALUE_OR_END
        self._too_deep_at = None

    def _complete(self, start: int, end: int) -> Framed:
        raw = bytes(self._buffer[start:end])
        if raw[0] == _BRACKET:
            return Malformed(raw, garbage_reason(_BRACKET), 0)
        if self._too_deep_at is None:
            return raw
        return Malformed(raw, f"nested deeper than {MAX_DEPTH} levels", self._too_deep_at)

    def _abandon(self, start: int, position: int) -> tuple[Malformed, int]:
        """Give up the document that is malformed at this byte. Returns what to report, and where
        its end is, as far as that has come.
        """
        byte = self._buffer[position]
        if self._within == _STRUCTURE:
            reason = f"expected {_EXPECTED[self._expect]}, found {format_byte(byte)}"
        else:
            reason = f"a raw {format_byte(byte)} inside a string"
        self._skipping = True
        self._at_line_start = self._buffer[position - 1] == _NEWLINE
        end = self._skip(position)
        raw = self._buffer[start : min(end, start + self._limit)]
        return Malformed(without_line_end(raw, position - start + 1), reason, position - start), end

    def _reject_too_large(self, start: int) -> PacketTooLarge:
        raw = bytes(self._buffer[start : start + self._limit])
        self._closed = True
        self._buffer.clear()
        return PacketTooLarge(raw, f"longer than {self._limit} bytes", self._limit)

    def _follow(self, start: int, position: int) -> tuple[int, bool]:
        """Continue through the document that began at `start`.

        Returns where it stopped, and whether that is a byte that can never become JSON there. If
        not, it is the end of the document (then no container is open) or of the buffer.
        """
        buffer = self._buffer
        length = len(buffer)
        run_from = position
        while position < length:
            if self._within == _STRUCTURE:
                position = _end(patterns.WHITESPACE, buffer, position)
                if position == length:
                    break
                if run_from <= position <= length - patterns.MIN_RUN_BYTES:
                    pattern = self._plain_values()
                    if pattern is not None and (end := _end(pattern, buffer, position)) > position:
                        self._expect = _VALUE if self._containers[-1] == _BRACKET else _KEY
                        position = end
                        continue
                    if pattern is not None:
                        run_from = position + patterns.MIN_RUN_DISTANCE
                if not self._process(buffer[position]):
                    return position, True
                position += self._within != _IN_SCALAR
                if not self._containers:
                    break
                if self._too_deep_at is None and len(self._containers) > MAX_DEPTH:
                    self._too_deep_at = position - 1 - start
            elif self._within == _IN_STRING:
                position = _end(patterns.STRING_RUN, buffer, position)
                if position == length:
                    break
                byte = buffer[position]
                if byte < 0x20:
                    return position, True
                self._within = _STRUCTURE if byte == _QUOTE else _ESCAPED
                position += 1
            elif self._within == _ESCAPED:
                if buffer[position] < 0x20:
                    return position, True
                self._within = _IN_STRING
                position += 1
            else:
                position = _end(patterns.SCALAR_RUN, buffer, position)
                if position < length:
                    self._within = _STRUCTURE
        return position, False

    def _plain_values(self) -> re.Pattern[bytes] | None:
        """Return the pattern for many values, whole and plain, where they may come now."""
        if len(self._containers) + patterns.RUN_DEPTH > MAX_DEPTH:
            return None
        if self._containers[-1] == _BRACKET:
            return patterns.items() if self._expect in (_VALUE, _VALUE_OR_END) else None
        return patterns.members() if self._expect in (_KEY, _KEY_OR_END) else None

    def _process(self, byte: int) -> bool:
        """Process one byte of structure; return False if it can never become JSON there."""
        expect = self._expect
        value_expected = expect in (_VALUE, _VALUE_OR_END)
        if byte == _QUOTE:
            if expect in (_KEY, _KEY_OR_END):
                self._expect = _COLON
            elif value_expected:
                self._expect = _COMMA_OR_END
            else:
                return False
            self._within = _IN_STRING
        elif byte == _COLON_BYTE:
            if expect != _COLON:
                return False
            self._expect = _VALUE
        elif byte == _COMMA:
            if expect != _COMMA_OR_END:
                return False
            self._expect = _KEY if self._containers[-1] == _BRACE else _VALUE
        elif byte in _CLOSES:
            opening, empty = _CLOSES[byte]
            if self._containers[-1] != opening or expect not in (_COMMA_OR_END, empty):
                return False
            self._containers.pop()
            self._expect = _COMMA_OR_END
        elif byte < 0x20 or not value_expected:
            return False
        elif byte in (_BRACE, _BRACKET):
            self._containers.append(byte)
            self._expect = _KEY_OR_END if byte == _BRACE else _VALUE_OR_END
        else:
            self._within = _IN_SCALAR
            self._expect = _COMMA_OR_END
        return True


def _end(pattern: re.Pattern[bytes], buffer: bytearray, position: int) -> int:
    """Return the end of the run that starts at `position` and matches the pattern."""
    match = pattern.match(buffer, position)
    return position if match is None else match.end()

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

The automaton is `json_structure.py`. Nearly every real request is small, whole and flat. `FLAT`
recognises those in one regular-expression match; the automaton handles the rest.
"""

from typing import TypeAlias

from invis_sim.protocol import json_patterns as patterns
from invis_sim.protocol.json_patterns import end_of_run
from invis_sim.protocol.json_structure import (
    CLOSES,
    ESCAPED,
    IN_STRING,
    MAX_DEPTH,
    STRUCTURE,
    JsonStructure,
    opened_by,
)
from invis_sim.protocol.malformed import (
    Malformed,
    PacketTooLarge,
    garbage_reason,
    without_line_end,
)

__all__ = ["MAX_PACKET_BYTES", "Framed", "JsonFramer", "Malformed", "PacketTooLarge"]

MAX_PACKET_BYTES = 64 * 1024
"""Default of the longest document that a client may send, in bytes. The protocol's requests are
much shorter; this bounds the memory that a client can use.
"""

MAX_SKIPPED_DEPTH = 1024
"""How many open brackets of a broken document are remembered; those inside are only counted."""


Framed: TypeAlias = bytes | Malformed
"""What `JsonFramer.feed` finds: a document's bytes, from `{` to `}`, or a malformed piece."""

_BRACE, _BRACKET, _QUOTE, _BACKSLASH, _NEWLINE = b'{["\\\n'


class JsonFramer:
    """Finds the JSON objects in a stream of bytes; see the top of this file for the rules.

    max_packet_bytes: the longest document to accept, in bytes (≥ 1).
    """

    def __init__(self, max_packet_bytes: int = MAX_PACKET_BYTES) -> None:
        self._limit = max_packet_bytes
        self._buffer = bytearray()  # from the start of the current document on
        self._scanned = 0  # how far into the buffer the automaton has looked
        self._structure = JsonStructure()
        # Inside a malformed piece that has been reported. Its open brackets are in the structure,
        # and `_uncounted` more are open inside those.
        self._skipping = False
        self._at_line_start = False
        self._uncounted = 0
        self._closed = False

    @property
    def between_documents(self) -> bool:
        """Whether the next byte is the first of something new."""
        return not (self._structure.containers or self._skipping or self._closed)

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
        if (self._structure.containers or self._skipping) and patterns.REQUEST_START.match(chunk):
            unfinished = self._reset("another request begins inside this document")
            interrupted = [] if unfinished is None else [unfinished]
        if not self._structure.containers and not self._skipping:
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
        unfinished = bool(self._structure.containers) and not self._skipping
        self._structure.containers.clear()
        self._buffer.clear()
        self._scanned = 0
        self._end_skipping()
        return Malformed(raw, reason, len(raw)) if unfinished else None

    def _scan(self) -> list[Framed]:
        found: list[Framed] = []
        buffer = self._buffer
        start, position = 0, self._scanned
        while True:
            if self._skipping or not self._structure.containers:
                start = position = self._next_start(found, position)
                if position == len(buffer):
                    break
                flat = patterns.FLAT.match(buffer, position)
                if flat is not None and flat.end() - start <= self._limit:
                    position = flat.end()
                    found.append(bytes(buffer[start:position]))
                    continue
                self._structure.begin(buffer[position])
                position += 1
            position, malformed = self._structure.follow(buffer, start, position)
            if position - start > self._limit:
                found.append(self._reject_too_large(start))
                return found
            if malformed:
                report, position = self._abandon(start, position)
                found.append(report)
            elif self._structure.containers:
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
                position = end_of_run(patterns.BETWEEN, buffer, position)
            if position == len(buffer):
                return position
            first = buffer[position]
            if first in (_BRACE, _BRACKET):
                return position
            start = position
            self._skipping, self._structure.within = True, STRUCTURE
            if first == _QUOTE:  # nothing in it starts a document
                self._structure.within = IN_STRING
                position += 1
            position = self._skip(position)
            raw = without_line_end(buffer[start : min(position, start + self._limit)], 1)
            found.append(Malformed(raw, garbage_reason(first), 0))

    def _skip(self, position: int) -> int:
        """Skip the rest of a malformed piece that was reported. Returns where it ends, or the end
        of the buffer, where it may continue.
        """
        buffer, structure = self._buffer, self._structure
        containers, length = structure.containers, len(buffer)
        while position < length:
            if self._at_line_start:
                if buffer[position] in b"\r\x00":  # but not a space: it may indent what is nested
                    position += 1
                    continue
                self._at_line_start = False
                if buffer[position] == _BRACE:
                    break
            if structure.within == ESCAPED:
                structure.within = IN_STRING
                position += buffer[position] != _NEWLINE
            elif structure.within == IN_STRING:
                position = end_of_run(patterns.SKIPPED_STRING, buffer, position)
                if position < length:
                    byte = buffer[position]
                    structure.within = ESCAPED if byte == _BACKSLASH else STRUCTURE
                    position += byte != _NEWLINE  # which no string has in it, so it is structure
            elif containers:
                long = length - position >= patterns.MIN_RUN_BYTES
                pattern = patterns.skipped_values() if long else patterns.SKIPPED
                position = end_of_run(pattern, buffer, position)
                if position < length:
                    position = self._skip_structure(position)
            else:
                position = end_of_run(patterns.SKIPPED_TOP, buffer, position)
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

    def _skip_structure(self, position: int) -> int:
        """Process what matters at this place inside the brackets of a malformed piece. Returns
        where it ends.
        """
        buffer, containers = self._buffer, self._structure.containers
        byte = buffer[position]
        if byte == _NEWLINE:
            self._at_line_start = True
        elif byte == _QUOTE:
            self._structure.within = IN_STRING
        elif byte in (_BRACE, _BRACKET):
            end = end_of_run(patterns.OPENING_BRACKETS, buffer, position)
            counted = min(end - position, MAX_SKIPPED_DEPTH - len(containers))
            containers += buffer[position : position + counted]
            self._uncounted += end - position - counted
            return end
        elif self._uncounted:
            self._uncounted -= 1
        elif containers[-1] == CLOSES[byte]:  # any other closes nothing, to be on the safe side
            end = end_of_run(patterns.CLOSING_BRACKETS, buffer, position)
            opened = opened_by(buffer[position:end])
            if containers.endswith(opened):
                del containers[-len(opened) :]
                return end
            for opening in reversed(opened):
                if not containers:
                    return position
                if containers[-1] == opening:
                    containers.pop()
                position += 1
            return position
        return position + 1

    def _end_skipping(self) -> None:
        self._skipping = self._at_line_start = False
        self._uncounted = 0

    def _complete(self, start: int, end: int) -> Framed:
        raw = bytes(self._buffer[start:end])
        if raw[0] == _BRACKET:
            return Malformed(raw, garbage_reason(_BRACKET), 0)
        too_deep_at = self._structure.too_deep_at
        if too_deep_at is None:
            return raw
        return Malformed(raw, f"nested deeper than {MAX_DEPTH} levels", too_deep_at)

    def _abandon(self, start: int, position: int) -> tuple[Malformed, int]:
        """Give up the document that is malformed at this byte. Returns what to report, and where
        its end is, as far as that has come.
        """
        reason = self._structure.malformed_reason(self._buffer[position])
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

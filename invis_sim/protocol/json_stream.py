"""Bytes from a TCP stream → JSON documents.

The stream has no delimiter: the vendor's app writes bare objects, the published client adds a
newline, several requests may share a segment and one may be spread over many. So a document ends
with the brace that closes it, and the framer must find that brace.

Requirements:

- return a document as soon as its last byte has arrived, whatever the chunking, in time linear in
  the bytes (even for a megabyte fed byte by byte) and with memory bounded by `max_packet_bytes`;
- lose only the malformed piece: the next valid request after it is found;
- report each malformed piece once, with the byte that is wrong.

Method: a *structural* automaton. It follows strings, braces, brackets, colons and commas, so it
detects a byte that can never become JSON in its place (`{` where a key belongs, a newline inside a
string) and looks for the next document from that byte on. It accepts any scalar (`12`, `true`,
`NaN`); checking those is the parser's work. The other rules:

- `{` at the top starts a document; whitespace, NULs between documents are skipped;
- anything else at the top, and what follows a malformed piece, is garbage up to the next newline
  or `{`;
- a document that is nested too deep is followed to its end and is one malformed piece;
- a document may arrive as slowly as it likes, but not be longer than `max_packet_bytes`: then the
  framer reports `PacketTooLarge` and stops reading.

Nearly every real request is small, whole and flat. `_FLAT` recognises those in one
regular-expression match; the automaton handles the rest. The tests check that both agree.
"""

import re
from typing import TypeAlias

import msgspec

__all__ = ["MAX_DEPTH", "MAX_PACKET_BYTES", "Framed", "JsonFramer", "Malformed", "PacketTooLarge"]

MAX_PACKET_BYTES = 64 * 1024
"""Default of the longest document that a client may send, in bytes. The protocol's requests are
much shorter; this bounds the memory that a client can use.
"""

MAX_DEPTH = 64
"""How deep the objects and arrays of a document may be nested. The protocol itself needs six;
this is far below the depth at which Python's JSON parser raises RecursionError.
"""


class Malformed(msgspec.Struct, frozen=True):
    """A piece of input that is not a JSON object.

    raw: the piece, as far as it had arrived when it was recognised.
    reason: what is wrong with it, for the author of the client.
    offset: the byte of `raw`, from 0, that is wrong.
    """

    raw: bytes
    reason: str
    offset: int


class PacketTooLarge(Malformed, frozen=True):
    """A piece over `max_packet_bytes`. The framer stops reading; close the connection."""


Framed: TypeAlias = bytes | Malformed
"""What `JsonFramer.feed` finds: a document's bytes, from `{` to `}`, or a malformed piece."""

# A document of at most two levels whose strings have no escapes, and which the automaton would
# accept. Possessive quantifiers: a mismatch is found in one pass, without backtracking.
_W = rb"[ \t\r\n]*+"
_STRING = rb'"[^"\\\x00-\x1f]*+"'
_SCALAR = rb'(?:%s|[^\s\x00-\x1f{}\[\],:"]++)' % _STRING
_PAIR = _W + _STRING + _W + b":" + _W
_MEMBER = _PAIR + _SCALAR + _W
_INNER = rb"\{(?:%s(?:,%s)*+|%s)\}" % (_MEMBER, _MEMBER, _W)
_OUTER = _PAIR + rb"(?:%s|%s)" % (_SCALAR, _INNER) + _W
_FLAT = re.compile(rb"\{%s(?:,%s)*+\}" % (_OUTER, _OUTER))

_BETWEEN = re.compile(rb"[ \t\r\n\x00]*+")
_GARBAGE = re.compile(rb"[^\n{]*+")
_WHITESPACE = re.compile(rb"[ \t\r\n]*+")
_STRING_RUN = re.compile(rb'[^"\\\x00-\x1f]*+')
_SCALAR_RUN = re.compile(rb'[^\s\x00-\x1f{}\[\],:"]++')

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

_BRACE, _BRACKET, _QUOTE, _BACKSLASH = b'{["\\'
_COMMA, _COLON_BYTE, _END_BRACE, _END_BRACKET = b",:}]"
# What each closing bracket closes, and the state in which it closes an empty container.
_CLOSES = {_END_BRACE: (_BRACE, _KEY_OR_END), _END_BRACKET: (_BRACKET, _VALUE_OR_END)}

# First letters of HTTP methods. Only one byte can decide: the next may be in another chunk.
_HTTP_INITIALS = b"CDGHOPT"


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
        self._skipping = False  # inside garbage that has been reported
        self._closed = False

    @property
    def between_documents(self) -> bool:
        """Whether the next byte is the first of something new."""
        return not (self._containers or self._skipping or self._closed)

    def feed(self, chunk: bytes) -> list[Framed]:
        """Return what this chunk completes, in order.

        chunk: any number of bytes, cut from the stream anywhere.
        """
        if self._closed:
            return []
        if not self._containers and not self._skipping:
            whole = _FLAT.match(chunk)
            if whole is not None and len(chunk) <= self._limit:
                end = whole.end()
                if end == len(chunk):
                    return [chunk]
                if chunk[end:] == b"\n":
                    return [chunk[:end]]
        self._buffer += chunk
        return self._scan()

    def finish(self) -> Malformed | None:
        """Return the document that the end of the stream leaves unfinished, if there is one."""
        if not self._containers or self._closed:
            return None
        self._closed = True
        raw = bytes(self._buffer)
        return Malformed(raw, "the connection ended inside this document", len(raw))

    def _scan(self) -> list[Framed]:
        found: list[Framed] = []
        buffer = self._buffer
        start, position = 0, self._scanned
        while True:
            if not self._containers:
                start = position = self._skip(found, position)
                if position == len(buffer):
                    break
                flat = _FLAT.match(buffer, position)
                if flat is not None and flat.end() - start <= self._limit:
                    position = flat.end()
                    found.append(bytes(buffer[start:position]))
                    continue
                self._begin()
                position += 1
            position, malformed = self._follow(start, position)
            if position - start > self._limit:
                found.append(self._reject_too_large(start))
                return found
            if malformed:
                found.append(self._abandon(start, position))
            elif self._containers:
                break  # the end of the buffer, not of the document
            else:
                found.append(self._complete(start, position))
        del buffer[:start]
        self._scanned = position - start
        return found

    def _skip(self, found: list[Framed], position: int) -> int:
        """Skip what is between documents, and report garbage where it starts."""
        buffer = self._buffer
        while True:
            if not self._skipping:
                position = _end(_BETWEEN, buffer, position)
            if position == len(buffer):
                return position
            if buffer[position] == _BRACE:
                self._skipping = False
                return position
            end = _end(_GARBAGE, buffer, position)
            if not self._skipping:
                raw = bytes(buffer[position : min(end, position + self._limit)])
                found.append(Malformed(raw, _garbage_reason(raw[0]), 0))
            self._skipping = end == len(buffer)
            position = end

    def _begin(self) -> None:
        self._containers.append(_BRACE)
        self._within = _STRUCTURE
        self._expect = _KEY_OR_END
        self._too_deep_at = None

    def _complete(self, start: int, end: int) -> Framed:
        raw = bytes(self._buffer[start:end])
        if self._too_deep_at is None:
            return raw
        return Malformed(raw, f"nested deeper than {MAX_DEPTH} levels", self._too_deep_at)

    def _abandon(self, start: int, position: int) -> Malformed:
        """Report the document as malformed at this byte, and search for the next one from there."""
        byte = self._buffer[position]
        if self._within == _STRUCTURE:
            reason = f"expected {_EXPECTED[self._expect]}, found {_format_byte(byte)}"
        else:
            reason = f"a raw {_format_byte(byte)} inside a string"
        self._containers.clear()
        self._skipping = True
        end = _end(_GARBAGE, self._buffer, position)
        raw = bytes(self._buffer[start : min(end, start + self._limit)])
        return Malformed(raw, reason, position - start)

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
        while position < length:
            if self._within == _STRUCTURE:
                position = _end(_WHITESPACE, buffer, position)
                if position == length:
                    break
                if not self._process(buffer[position]):
                    return position, True
                position += self._within != _IN_SCALAR
                if not self._containers:
                    break
                if self._too_deep_at is None and len(self._containers) > MAX_DEPTH:
                    self._too_deep_at = position - 1 - start
            elif self._within == _IN_STRING:
                position = _end(_STRING_RUN, buffer, position)
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
                position = _end(_SCALAR_RUN, buffer, position)
                if position < length:
                    self._within = _STRUCTURE
        return position, False

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


def _format_byte(byte: int) -> str:
    return repr(chr(byte)) if 0x20 <= byte < 0x7F else f"byte 0x{byte:02x}"


def _garbage_reason(first: int) -> str:
    reason = f"expected '{{', found {_format_byte(first)}"
    if first in _HTTP_INITIALS:
        reason += " (looks like HTTP; the WebSocket is on another port)"
    return reason

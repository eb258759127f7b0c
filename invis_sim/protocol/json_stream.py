"""Bytes from a TCP stream → JSON documents.

The stream has no delimiter: the vendor's app writes bare objects, the published client adds a
newline, several requests may share a segment and one may come in many. So a document ends with the
brace that closes it, and the framer must find that brace.

What the framer must do:

- hand out a document as soon as its last byte is there, whatever the chunking, in time linear in
  the bytes (a megabyte fed byte by byte included) and with memory bounded by `max_packet_bytes`;
- lose nothing beside the broken piece: after it, the next good request is found;
- report each broken piece once, with the byte that gave it away.

How: a *structural* automaton. It follows strings, braces, brackets, colons and commas, so it
notices a byte that can never become JSON at that place (`{` where a key belongs, a newline inside a
string) and looks for the next document from that very byte. Scalars (`12`, `true`, `NaN`) it takes
as they come; judging them is the parser's work. The rest of the rules:

- `{` at the top starts a document; whitespace, NULs between documents are skipped;
- anything else at the top, and whatever follows a broken piece, is rubbish up to the next newline
  or `{`;
- a document that is nested too deep is followed to its end and is one broken piece;
- a document may take as long as it likes to arrive, but not be longer than `max_packet_bytes`: then
  the framer says so (`PacketTooLarge`) and hears no more.

Nearly every request in real life is small, whole and flat. `_FLAT` recognises those in one
regular-expression match; the automaton sees the rest. Both give the same answer, which the tests
hold them to.
"""

import re
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["MAX_DEPTH", "MAX_PACKET_BYTES", "Framed", "JsonFramer", "Malformed", "PacketTooLarge"]

MAX_PACKET_BYTES = 64 * 1024
"""Default of the longest document that a client may send, in bytes."""

MAX_DEPTH = 64
"""How deep the objects and arrays of a document may be nested. The protocol itself needs six."""


@dataclass(frozen=True, slots=True)
class Malformed:
    """A piece of input that is no JSON object.

    raw: the piece, as far as it had arrived when it was recognised.
    reason: what is wrong with it, for the author of the client.
    offset: the byte of `raw`, from 0, that gave it away.
    """

    raw: bytes
    reason: str
    offset: int


@dataclass(frozen=True, slots=True)
class PacketTooLarge(Malformed):
    """A piece over `max_packet_bytes`. The framer hears no more; close the connection."""


Framed: TypeAlias = bytes | Malformed
"""What `JsonFramer.feed` finds: a document's bytes, from `{` to `}`, or a malformed piece."""

# A document of at most two levels whose strings have no escapes, with nothing questionable about
# it.
# Possessive quantifiers: a mismatch is found in one pass, without backtracking.
_W = rb"[ \t\r\n]*+"
_STRING = rb'"[^"\\\x00-\x1f]*+"'
_SCALAR = rb'(?:%s|[^\s\x00-\x1f{}\[\],:"]++)' % _STRING
_PAIR = _W + _STRING + _W + b":" + _W
_MEMBER = _PAIR + _SCALAR + _W
_INNER = rb"\{(?:%s(?:,%s)*+|%s)\}" % (_MEMBER, _MEMBER, _W)
_OUTER = _PAIR + rb"(?:%s|%s)" % (_SCALAR, _INNER) + _W
_FLAT = re.compile(rb"\{%s(?:,%s)*+\}" % (_OUTER, _OUTER))

_BETWEEN = re.compile(rb"[ \t\r\n\x00]*+")
_RUBBISH = re.compile(rb"[^\n{]*+")
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
# Within what the scanner may be cut off by the end of a chunk.
_STRUCTURE, _IN_STRING, _ESCAPED, _IN_SCALAR = range(4)

_BRACE, _BRACKET, _QUOTE, _BACKSLASH = b'{["\\'
_COMMA, _COLON_BYTE, _END_BRACE, _END_BRACKET = b",:}]"
# What a closing bracket closes, and what is expected where that may be empty.
_CLOSES = {_END_BRACE: (_BRACE, _KEY_OR_END), _END_BRACKET: (_BRACKET, _VALUE_OR_END)}

# How HTTP methods begin. One byte must do: what follows may be in the next chunk.
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
        self._skipping = False  # inside rubbish that is already reported
        self._closed = False

    @property
    def between_documents(self) -> bool:
        """Whether the next byte is the first of something new."""
        return not (self._containers or self._skipping or self._closed)

    def feed(self, chunk: bytes) -> list[Framed]:
        """What this chunk completes, in order.

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
        """The document that the end of the stream leaves unfinished, if there is one."""
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
            position, broken = self._follow(start, position)
            if position - start > self._limit:
                found.append(self._refuse(start))
                return found
            if broken:
                found.append(self._abandon(start, position))
            elif self._containers:
                break  # the end of the buffer, not of the document
            else:
                found.append(self._complete(start, position))
        del buffer[:start]
        self._scanned = position - start
        return found

    def _skip(self, found: list[Framed], position: int) -> int:
        """Passes over what lies between documents; reports rubbish where it starts."""
        buffer = self._buffer
        while True:
            if not self._skipping:
                position = _end(_BETWEEN, buffer, position)
            if position == len(buffer):
                return position
            if buffer[position] == _BRACE:
                self._skipping = False
                return position
            end = _end(_RUBBISH, buffer, position)
            if not self._skipping:
                raw = bytes(buffer[position : min(end, position + self._limit)])
                found.append(Malformed(raw, _rubbish_reason(raw[0]), 0))
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
        """The document is broken at this byte; the search for the next one begins there."""
        byte = self._buffer[position]
        if self._within == _STRUCTURE:
            reason = f"expected {_EXPECTED[self._expect]}, found {_show(byte)}"
        else:
            reason = f"a raw {_show(byte)} inside a string"
        self._containers.clear()
        self._skipping = True
        end = _end(_RUBBISH, self._buffer, position)
        raw = bytes(self._buffer[start : min(end, start + self._limit)])
        return Malformed(raw, reason, position - start)

    def _refuse(self, start: int) -> PacketTooLarge:
        raw = bytes(self._buffer[start : start + self._limit])
        self._closed = True
        self._buffer.clear()
        return PacketTooLarge(raw, f"longer than {self._limit} bytes", self._limit)

    def _follow(self, start: int, position: int) -> tuple[int, bool]:
        """Goes on through the document that began at `start`.

        Returns where it stopped, and whether that is a byte that can never become JSON there.
        Otherwise it is the end of the document (then no container is open) or of the buffer.
        """
        buffer = self._buffer
        length = len(buffer)
        while position < length:
            if self._within == _STRUCTURE:
                position = _end(_WHITESPACE, buffer, position)
                if position == length:
                    break
                if not self._take(buffer[position]):
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

    def _take(self, byte: int) -> bool:
        """Moves on by one byte of structure; False where that byte can never become JSON."""
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
    """Where a run of what the pattern describes, starting at `position`, is over."""
    match = pattern.match(buffer, position)
    return position if match is None else match.end()


def _show(byte: int) -> str:
    return repr(chr(byte)) if 0x20 <= byte < 0x7F else f"byte 0x{byte:02x}"


def _rubbish_reason(first: int) -> str:
    reason = f"a request is a JSON object and starts with '{{', this starts with {_show(first)}"
    if first in _HTTP_INITIALS:
        reason += " (an HTTP request? this is the raw TCP port, the WebSocket has another)"
    return reason

"""The structure of one JSON document, followed while its bytes arrive.

The automaton goes byte by byte through what is unusual. What is usual it passes in one match of a
pattern, at the speed of the `re` module: many whole values, several brackets that open or close, a
plain scalar, a string with escapes. Where no pattern matches, nothing is lost: the byte is
processed by itself.
"""

from invis_sim.protocol import json_patterns as patterns
from invis_sim.protocol.json_patterns import end_of_run
from invis_sim.protocol.malformed import format_byte

__all__ = ["CLOSES", "ESCAPED", "IN_STRING", "MAX_DEPTH", "STRUCTURE", "JsonStructure", "opened_by"]

MAX_DEPTH = 128
"""How deep the objects and arrays of a document may be nested. The protocol itself needs six, and
arguments that are nested by mistake are to be answered as other wrong ones are; this is far below
the depth at which Python's JSON parser raises RecursionError.
"""

# What may come next inside a document.
_KEY_OR_END, _KEY, _COLON, _VALUE, _VALUE_OR_END, _COMMA_OR_END = range(6)
_EXPECTED = (
    "a key in double quotes or '}'",
    "a key in double quotes",
    "':'",
    "a value",
    "a value or ']'",
    "',' or the closing bracket",
)

_BRACE, _BRACKET, _QUOTE = b'{["'
_COMMA, _COLON_BYTE, _END_BRACE, _END_BRACKET = b",:}]"
_OPENINGS = bytes.maketrans(b"}]", b"{[")

CLOSES = {_END_BRACE: _BRACE, _END_BRACKET: _BRACKET}
"""What each closing bracket closes."""

_EMPTY = {_BRACE: _KEY_OR_END, _BRACKET: _VALUE_OR_END}


STRUCTURE, IN_STRING, ESCAPED, IN_SCALAR = range(4)
"""Where the end of a chunk may interrupt the automaton."""


class JsonStructure:
    """Follows one document at a time.

    containers: opening brackets, outermost first; empty between documents.
    within: where in a token it is: STRUCTURE, IN_STRING, ESCAPED or IN_SCALAR.
    too_deep_at: where in the document the limit on depth was passed.
    """

    def __init__(self) -> None:
        self.containers = bytearray()
        self.within = STRUCTURE
        self.too_deep_at: int | None = None
        self._expect = _KEY_OR_END
        self._single_until = 0  # where in the buffer several tokens may be passed at once again

    def begin(self, opening: int) -> None:
        """Follow a new document, whose first byte is this bracket."""
        self.containers.append(opening)
        self.within = STRUCTURE
        self.too_deep_at = None
        self._expect = _EMPTY[opening]

    def follow(self, buffer: bytearray, start: int, position: int) -> tuple[int, bool]:
        """Continue through the document that began at `start`.

        Returns where it stopped, and whether that is a byte that can never become JSON there. If
        not, it is the end of the document (then no container is open) or of the buffer.
        """
        length = len(buffer)
        self._single_until = position
        while position < length:
            if self.within == STRUCTURE:
                position = end_of_run(patterns.WHITESPACE, buffer, position)
                if position == length:
                    break
                if self._single_until <= position <= length - patterns.MIN_RUN_BYTES:
                    passed = self._pass_run(buffer, position)
                    if passed > position:
                        position = passed
                        continue
                if not self._process(buffer[position]):
                    return position, True
                position += self.within != IN_SCALAR
                if not self.containers:
                    break
                if self.too_deep_at is None and len(self.containers) > MAX_DEPTH:
                    self.too_deep_at = position - 1 - start
            elif self.within == IN_STRING:
                position = end_of_run(patterns.STRING_RUN, buffer, position)
                if position == length:
                    break
                byte = buffer[position]
                if byte < 0x20:
                    return position, True
                self.within = STRUCTURE if byte == _QUOTE else ESCAPED
                position += 1
            elif self.within == ESCAPED:
                if buffer[position] < 0x20:
                    return position, True
                self.within = IN_STRING
                position += 1
            else:
                position = end_of_run(patterns.SCALAR_RUN, buffer, position)
                if position < length:
                    self.within = STRUCTURE
        return position, False

    def malformed_reason(self, byte: int) -> str:
        """Return what is wrong with this byte, at which the document cannot go on."""
        if self.within == STRUCTURE:
            return f"expected {_EXPECTED[self._expect]}, found {format_byte(byte)}"
        return f"a raw {format_byte(byte)} inside a string"

    def _pass_run(self, buffer: bytearray, position: int) -> int:
        """Pass several tokens at once. Returns where they end; `position` if there are none."""
        if self._expect == _COMMA_OR_END:
            return self._pass_closings(buffer, position)
        if self._expect == _COLON:
            return position
        if len(self.containers) + patterns.RUN_DEPTH <= MAX_DEPTH:
            in_array = self.containers[-1] == _BRACKET
            # Behind a colon, a value belongs to a key, so no other values may follow.
            if in_array or self._expect != _VALUE:
                pattern = patterns.items() if in_array else patterns.members()
                end = end_of_run(pattern, buffer, position)
                if end > position:
                    self._expect = _VALUE if in_array else _KEY
                    return end
        return self._pass_openings(buffer, position)

    def _pass_openings(self, buffer: bytearray, position: int) -> int:
        """Pass a key, brackets that open, with their first keys, and a value without any, as far as
        they are there.
        """
        key_first = self._expect in (_KEY, _KEY_OR_END)
        match = patterns.openings(key_first=key_first).match(buffer, position)
        if match is None or match.end() == position:
            return position
        openings, value, comma = match.groups()
        brackets = patterns.STRINGS.sub(b"", openings).translate(None, patterns.NO_OPENINGS)
        depth = len(self.containers) + len(brackets) + (value is not None)
        if self.too_deep_at is None and depth > MAX_DEPTH:
            # Where exactly it is too deep shows byte by byte. To match as often as there are bytes
            # would take a time that is quadratic in them.
            self._single_until = position + MAX_DEPTH
            return position
        self.containers += brackets
        if comma is not None:
            self._expect_next()
        elif value is not None:
            self._expect = _COMMA_OR_END
        elif brackets.endswith(b"["):
            self._expect = _VALUE_OR_END
        else:
            self._expect = _VALUE
        return match.end()

    def _pass_closings(self, buffer: bytearray, position: int) -> int:
        """Pass brackets that close, but for one that ends the document, and a comma after them."""
        match = patterns.CLOSINGS.match(buffer, position)
        if match is None:
            return position
        closings, comma = match.groups()
        opened = opened_by(closings)
        outside = len(self.containers) - len(opened)
        if outside <= 0 or not self.containers.endswith(opened):
            self._single_until = match.end()  # as where it is too deep
            return position
        del self.containers[outside:]
        if comma is not None:
            self._expect_next()
        return match.end()

    def _expect_next(self) -> None:
        """Expect what follows a comma."""
        self._expect = _KEY if self.containers[-1] == _BRACE else _VALUE

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
            self.within = IN_STRING
        elif byte == _COLON_BYTE:
            if expect != _COLON:
                return False
            self._expect = _VALUE
        elif byte == _COMMA:
            if expect != _COMMA_OR_END:
                return False
            self._expect_next()
        elif byte in CLOSES:
            opening = CLOSES[byte]
            if self.containers[-1] != opening or expect not in (_COMMA_OR_END, _EMPTY[opening]):
                return False
            self.containers.pop()
            self._expect = _COMMA_OR_END
        elif byte < 0x20 or not value_expected:
            return False
        elif byte in (_BRACE, _BRACKET):
            self.containers.append(byte)
            self._expect = _EMPTY[byte]
        else:
            self.within = IN_SCALAR
            self._expect = _COMMA_OR_END
        return True


def opened_by(closings: bytes | bytearray) -> bytes | bytearray:
    """Return the brackets that these closing ones close, outermost first.

    closings: in their order, perhaps with whitespace.
    """
    return closings.translate(_OPENINGS, b" \t\r\n")[::-1]

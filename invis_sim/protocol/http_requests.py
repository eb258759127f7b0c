"""HTTP requests that come where JSON is expected.

Any web page can make a browser send one to any port, with a body that the page has chosen. So a
request at the beginning of a stream, and those that follow it, are each one malformed piece, from
the first byte of the head to the last one of the body: no JSON in it is obeyed.
"""

import math
import re

from invis_sim.protocol.malformed import Malformed

__all__ = ["HttpRequests"]

MAX_HEAD_BYTES = 16 * 1024
"""How long the head of a request may be: what most servers allow, more than browsers send."""

_METHODS = (b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT")
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # no brace is in it, and no quote [RFC 9110, 5.6.2]
_REQUEST_LINE = re.compile(rb"[A-Z]+ [^\r\n]* HTTP/[0-9.]+\r?\n")
_HEADERS = re.compile(rb"(?:%b:[^\n]*\n)*" % _TOKEN)
_BEGUN_HEADER = re.compile(rb"\r?|%b(?::[^\n]*)?" % _TOKEN)
_EMPTY_LINE = re.compile(rb"\r?\n")
_LENGTH = re.compile(rb"\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*\r?\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\ntransfer-encoding:", re.IGNORECASE)

_REASON = "this looks like HTTP; the port speaks JSON, one object after the other"


class HttpRequests:
    """Takes the HTTP requests from the beginning of a stream."""

    def __init__(self) -> None:
        self._buffer = bytearray()  # the beginning of a head
        self._body: float = 0  # how much of a body is still to come; infinite: there is no end

    @property
    def in_head(self) -> bool:
        """Whether the rest of what may be the head of a request is still to come."""
        return bool(self._buffer)

    def feed(self, chunk: bytes) -> tuple[list[Malformed], bytes | None]:
        """Return the requests whose heads this chunk completes, and what comes after the last one,
        which is no HTTP; None: what comes next may still be.
        """
        found: list[Malformed] = []
        buffer = self._buffer
        buffer += chunk
        while True:
            skipped = int(min(self._body, len(buffer)))
            del buffer[:skipped]
            self._body -= skipped
            if not buffer:
                return found, None
            if not _may_be_request(buffer):
                return found, self.rest()
            end = _head_end(buffer)
            if end is None and len(buffer) <= MAX_HEAD_BYTES:
                return found, None
            head = bytes(buffer[: MAX_HEAD_BYTES if end is None else end])
            del buffer[: len(head)]
            found.append(Malformed(head, _REASON, 0))
            self._body = math.inf if end is None else _body_length(head)

    def rest(self) -> bytes:
        """Return the beginning of what may be a request, and forget it: nothing more of it comes,
        or it is none.
        """
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest


def _may_be_request(begun: bytearray) -> bool:
    line, newline, _ = begun.partition(b"\n")
    if newline:
        return _REQUEST_LINE.match(begun) is not None
    method, space, _ = line.partition(b" ")
    if space:
        return bytes(method) in _METHODS and len(line) <= MAX_HEAD_BYTES
    return any(one.startswith(bytes(method)) for one in _METHODS)


def _head_end(begun: bytearray) -> int | None:
    """Return where the head ends: after an empty line, or before one that is no header; None: it
    may go on.
    """
    line = _REQUEST_LINE.match(begun)
    if line is None:
        return None
    headers = _HEADERS.match(begun, line.end())
    assert headers is not None
    empty = _EMPTY_LINE.match(begun, headers.end())
    if empty is not None:
        return empty.end()
    return None if _BEGUN_HEADER.fullmatch(begun, headers.end()) else headers.end()


def _body_length(head: bytes) -> float:
    if _CHUNKED.search(head) is not None:
        return math.inf
    length = _LENGTH.search(head)
    return 0 if length is None else int(length[1])

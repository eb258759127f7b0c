"""The little HTTP that a WebSocket port speaks to those who send no WebSocket handshake."""

import re
from http import HTTPStatus

__all__ = [
    "HEAD_END",
    "MAX_HEAD_BYTES",
    "REQUEST_LINE",
    "UPGRADE",
    "error_for",
    "http_response",
    "phrase",
]

MAX_HEAD_BYTES = 16 * 1024
"""How long the head of a request may be: what most servers allow, far more than clients need."""

HEAD_END = re.compile(rb"\n\r?\n")
REQUEST_LINE = re.compile(rb"([A-Z]+) (\S+) HTTP/1\.[01]\r?\n")
_ORIGIN = re.compile(rb"\norigin:", re.IGNORECASE)
UPGRADE = re.compile(rb"\nupgrade:[ \t]*websocket[ \t]*\r?\n", re.IGNORECASE)


def error_for(head: bytes, path: str, *, takes_origins: bool = True) -> bytes | None:
    """Return the HTTP response to what is not a WebSocket handshake; None where it looks like one.

    head: the head of the request. path: of the WebSocket.
    takes_origins: whether web pages may open one.
    """
    place = f"This is a simulated InvisOutlet. It speaks WebSocket at the path {path} of this port"
    line = REQUEST_LINE.match(head)
    if line is None or not line[0].isascii():
        return http_response("400 Bad Request", f"{place}; that was not an HTTP request.\n")
    if UPGRADE.search(head) is not None:
        if takes_origins or _ORIGIN.search(head) is None:
            return None
        words = "This outlet is set to take no WebSocket from web pages: [protocol] origins.\n"
        return http_response("403 Forbidden", words)
    if line[2].partition(b"?")[0].decode() == path:
        answer = http_response(
            "426 Upgrade Required", f"{place}, and nothing else.\n", "Upgrade: websocket"
        )
    else:
        answer = http_response("404 Not Found", f"{place}, and has nothing else to show.\n")
    # A response to HEAD has no body.
    return answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if line[1] == b"HEAD" else answer


def http_response(status: str, text: str, *headers: str) -> bytes:
    """Return a response with a plain text body, after which the connection ends."""
    body = text.encode()
    head = (
        f"HTTP/1.1 {status}",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *headers,
    )
    return "\r\n".join((*head, "", "")).encode() + body


def phrase(status: int) -> str:
    """Return the reason phrase of an HTTP status; "Unknown" for one that has none."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"

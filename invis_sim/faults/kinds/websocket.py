"""Faults of the WebSocket protocol itself, of its frames and of its handshake. TCP has none.

Frame faults act on the frames of a packet, handshake faults and `no_pong` on new connections.
"""

import re
from collections.abc import Callable
from itertools import pairwise
from typing import Annotated, Literal, TypeAlias, get_args

import msgspec

from invis_sim.faults.case import Case
from invis_sim.faults.connection_plan import ConnectionPlan, HandshakeResponse
from invis_sim.faults.delivery import even_cuts
from invis_sim.faults.fault import ConnectionFault, Context, FrameFault, Seconds
from invis_sim.protocol.frames import BINARY, CONTINUATION, FIN, PING, Frame

__all__ = [
    "BadFrame",
    "BadHandshake",
    "Binary",
    "Fragment",
    "NoPong",
    "RejectHandshake",
    "SlowHandshake",
]


class Binary(FrameFault, frozen=True, tag="binary"):
    """Sends the packet as a binary message.

    What a client sees: bytes instead of text; many clients ignore them.
    Stands for: a WebSocket library whose default is binary.
    """

    layer = "websocket"
    example = """
        kind = "binary"
        when = { callback = 20 }
    """
    cases = (
        Case(
            "either",
            "always",
            "The text is right and its type is not: clients take it, or ignore it.",
        ),
    )

    def reframe(self, frames: tuple[Frame, ...], ctx: Context) -> tuple[Frame, ...]:
        if not any(frame.is_text for frame in frames):
            ctx.skip()
        return tuple(
            frame.replaced(first=frame.first & 0xF0 | BINARY) if frame.is_text else frame
            for frame in frames
        )


class Fragment(FrameFault, frozen=True, tag="fragment"):
    """Sends the packet in several frames.

    What a client sees: a valid message, in a form that clients rarely get.
    Stands for: a server that sends from a small buffer.

    pieces: how many frames, from 2, all but the first continuations; of a short packet some are
    empty. Characters may be cut in two. A packet that is in several frames already is not changed.
    ping: whether a ping comes between the first and the second, as the protocol allows; a client
    answers it.
    """

    layer = "websocket"
    example = """
        kind = "fragment"
        pieces = 3
        ping = true
    """
    cases = (
        *(
            Case(
                "survive",
                label,
                "A message may come in any number of frames (RFC 6455, 5.4).",
                keys,
            )
            for label, keys in (
                ("2-frames", {"pieces": 2}),
                ("3-frames-ping", {"pieces": 3, "ping": True}),
                ("100-frames", {"pieces": 100}),
                ("1000-frames", {"pieces": 1000}),
            )
        ),
    )

    pieces: Annotated[int, msgspec.Meta(ge=2, le=10_000)] = 2
    ping: bool = False

    def reframe(self, frames: tuple[Frame, ...], ctx: Context) -> tuple[Frame, ...]:
        if not any(frame.is_message for frame in frames):
            ctx.skip()
        ctx.detail(f"{self.pieces} frames" + (", a ping between" if self.ping else ""))
        return tuple(piece for frame in frames for piece in self._split(frame))

    def _split(self, frame: Frame) -> list[Frame]:
        if not frame.is_message:
            return [frame]
        cuts = even_cuts(len(frame.payload), self.pieces)
        parts = [frame.payload[start:end] for start, end in pairwise(cuts)]
        pieces = [Frame(CONTINUATION, part) for part in parts]
        pieces[0] = frame.replaced(first=frame.first & ~FIN, payload=parts[0])
        pieces[-1] = Frame(FIN | CONTINUATION, parts[-1])
        if self.ping:
            pieces.insert(1, Frame(FIN | PING, b"invis"))
        return pieces


WrongFrame: TypeAlias = Literal[
    "reserved_bits",
    "unknown_opcode",
    "masked",
    "fragmented_control",
    "long_control",
    "stray_continuation",
    "bad_length",
]


class BadFrame(FrameFault, frozen=True, tag="bad_frame"):
    """Sends the packet in an invalid frame.

    What a client sees: a protocol error, for which it must fail the connection (code 1002).
    Stands for: a WebSocket server written by hand, or bytes lost in transit.

    how: "reserved_bits": RSV1 is set though no extension was negotiated. "unknown_opcode": 3.
    "masked": as only a client's frames are. "fragmented_control": a ping without FIN.
    "long_control": a ping of 126 bytes. "stray_continuation": a continuation of nothing.
    "bad_length": the 64-bit length form, its highest bit set.
    """

    layer = "websocket"
    example = """
        kind = "bad_frame"
        how = "reserved_bits"
        when = { nth = 2 }
    """
    cases = (
        *Case.each(
            "notice",
            "how",
            get_args(WrongFrame),
            "A client must fail a WebSocket that breaks the protocol (RFC 6455, 5).",
        ),
    )

    how: WrongFrame = "reserved_bits"

    def reframe(self, frames: tuple[Frame, ...], ctx: Context) -> tuple[Frame, ...]:
        ctx.detail(self.how)
        return (_WRONG_FRAMES[self.how](frames[0]), *frames[1:])


_WRONG_FRAMES: dict[WrongFrame, Callable[[Frame], Frame]] = {
    "reserved_bits": lambda frame: frame.replaced(first=frame.first | 0x40),
    "unknown_opcode": lambda frame: frame.replaced(first=frame.first & 0xF0 | 0x3),
    "masked": lambda frame: frame.replaced(mask=b"\x01\x02\x03\x04"),
    "fragmented_control": lambda frame: Frame(PING, frame.payload[:125]),
    "long_control": lambda frame: Frame(FIN | PING, frame.payload[:126].ljust(126)),
    "stray_continuation": lambda frame: Frame(FIN | CONTINUATION, frame.payload),
    "bad_length": lambda frame: frame.replaced(length=(2**63 + len(frame.payload))),
}


class RejectHandshake(ConnectionFault, frozen=True, tag="reject_handshake"):
    """Rejects the WebSocket handshake with an HTTP status.

    What a client sees: an HTTP error instead of a WebSocket.
    Stands for: an outlet in setup mode, a proxy in between, too many clients.

    status: the HTTP status code, 300-599.
    body: the text that comes with it.
    """

    layer = "websocket"
    transports = ("ws",)
    example = """
        kind = "reject_handshake"
        status = 503
        body = "busy"
        when = { first = 2 }
    """
    cases = (
        *(
            Case("notice", str(status), "There is no WebSocket.", {"status": status})
            for status in (302, 400, 401, 403, 404, 426, 500, 503)
        ),
        Case(
            "notice",
            "503-body",
            "There is no WebSocket.",
            {"status": 503, "body": "<h1>Too many clients</h1>"},
        ),
        Case(
            "either",
            "503-once",
            "Only the first handshake is rejected: try again, or say so.",
            {"status": 503},
            when={"first": 1},
        ),
    )

    status: Annotated[int, msgspec.Meta(ge=300, le=599)] = 503
    body: Annotated[str, msgspec.Meta(max_length=65_536)] = ""

    def admit(self, plan: ConnectionPlan, ctx: Context) -> ConnectionPlan:
        ctx.detail(f"HTTP {self.status}")
        return msgspec.structs.replace(plan, http_rejection=(self.status, self.body))


class BadHandshake(ConnectionFault, frozen=True, tag="bad_handshake"):
    """Sends a wrong response to the WebSocket handshake.

    What a client sees: a response that it must not accept: the handshake fails.
    Stands for: another web server on the port, a handshake written by hand.

    how: "wrong_accept": the wrong Sec-WebSocket-Accept. "missing_header": none at all. "plain_200":
    a web page.
    """

    layer = "websocket"
    transports = ("ws",)
    example = """
        kind = "bad_handshake"
        how = "wrong_accept"
    """
    cases = (
        *Case.each(
            "notice",
            "how",
            ("wrong_accept", "missing_header", "plain_200"),
            "What answers is not a WebSocket server (RFC 6455, 4.1).",
        ),
        Case(
            "either",
            "wrong_accept-once",
            "Only the first handshake is wrong: try again, or say so.",
            {"how": "wrong_accept"},
            when={"first": 1},
        ),
    )

    how: Literal["wrong_accept", "missing_header", "plain_200"] = "wrong_accept"

    def admit(self, plan: ConnectionPlan, ctx: Context) -> ConnectionPlan:
        ctx.detail(self.how)
        return msgspec.structs.replace(plan, handshake_response=self.how)


# The header's name in any case, since the WebSocket library writes the response, not the simulator.
_ACCEPT = re.compile(rb"(?i)(sec-websocket-accept:[ \t]*)([^\r\n]*)\r\n")
_PAGE = b"<!doctype html><title>InvisOutlet</title><p>It works.</p>\n"
_PLAIN_200 = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    % len(_PAGE)
) + _PAGE


def corrupt_handshake(response: bytes, how: HandshakeResponse) -> bytes:
    """What is sent instead of the right response to a handshake.

    response: the right one, an HTTP head with status 101.
    how: what is wrong with it; "right": nothing.
    """
    if how == "wrong_accept":
        return _ACCEPT.sub(rb"\1AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n", response)
    if how == "missing_header":
        return _ACCEPT.sub(b"", response)
    return _PLAIN_200 if how == "plain_200" else response


class SlowHandshake(ConnectionFault, frozen=True, tag="slow_handshake"):
    """Delays the response to the WebSocket handshake.

    What a client sees: a TCP connection at once, and a WebSocket after a while, or after the client
    has timed out.
    Stands for: a busy outlet, which computes the accept key when it gets to it.

    seconds: how much later, from 0.
    """

    layer = "websocket"
    transports = ("ws",)
    example = """
        kind = "slow_handshake"
        seconds = 2
    """
    cases = (
        Case("survive", "short", "A third of a second is within any time-out.", {"seconds": 0.3}),
        Case("notice", "hour", "The handshake needs a time-out.", {"seconds": 3600}),
        Case(
            "either",
            "hour-once",
            "Only the first handshake takes for ever: try again, or say so.",
            {"seconds": 3600},
            when={"first": 1},
        ),
    )

    seconds: Seconds

    def admit(self, plan: ConnectionPlan, ctx: Context) -> ConnectionPlan:
        ctx.detail(f"{self.seconds:g} s")
        waits = plan.handshake_wait + self.seconds
        return msgspec.structs.replace(plan, handshake_wait=waits)


class NoPong(ConnectionFault, frozen=True, tag="no_pong"):
    """Never answers a ping.

    What a client sees: a connection that seems alive and fails the client's heartbeat.
    Stands for: a WebSocket server that ignores control frames, a connection whose other end has
    gone.
    """

    layer = "websocket"
    transports = ("ws",)
    lasts = True
    example = """
        kind = "no_pong"
        when = { connection = 1 }
    """
    cases = (Case("survive", "always", "The outlet answers requests, and so it is alive."),)

    def admit(self, plan: ConnectionPlan, ctx: Context) -> ConnectionPlan:
        return msgspec.structs.replace(plan, answers_pings=False)

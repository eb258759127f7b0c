"""Whatever a client sends, the two paths answer as bare trio-websocket would.

The same frames go to our stream and to trio-websocket without it, and what the client sees is
compared. What may differ, and why:

- trio-websocket's reader runs ahead of whoever answers its messages, so that answers to messages
  right before the end of a connection may be lost there. We answer all of them. So its messages are
  the beginning of ours; and ours are exactly the answers to the messages that it has read, or
  begin with them where it throws away what it has read (a message that is too long follows).
- When the client breaks the protocol, trio-websocket ends the stream without a close frame,
  although it knows the code. We send that code.
- It may crash when a ping follows a message that is too long. That is an end like any other here.
- Pongs come in the order of the pings on both sides, and messages in that of the requests, but a
  pong may overtake a message there.
"""

import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import memory_stream_pair, wait_all_tasks_blocked
from trio_websocket import ConnectionClosed, wrap_server_stream

from invis_sim.device.effects import Effect
from invis_sim.device.outlet import Outlet
from invis_sim.device.state import Quirks
from invis_sim.faults.outage import Outage
from invis_sim.faults.pipeline import Pipeline
from invis_sim.journal import Journal
from invis_sim.protocol.packets import MalformedPacket, parse_request
from invis_sim.scenario.model import Protocol, Scenario
from invis_sim.server.clock import Clock
from invis_sim.server.session.connection import Connection
from invis_sim.server.session.context import ServerContext
from invis_sim.server.session.serve import OUTLET_SERVERS, serve_client
from invis_sim.server.session.silence import Silence
from tests.cases import examples
from tests.server.frames import (
    BINARY,
    CLOSE,
    HANDSHAKE,
    PING,
    PONG,
    TEXT,
    Frame,
    client_frame,
    close_payload,
    frames_in,
)
from tests.support import TIMEOUT, make_request

MAX_BYTES = 4096
"""The longest message in these tests."""

SCENARIO = Scenario(quirks=Quirks(binary_messages="answered"))  # which take the slow path


def new_outlet() -> Outlet:
    return Outlet(SCENARIO.state)


def answer(outlet: Outlet, document: bytes) -> bytes | None:
    """What the outlet says to a message; None: nothing."""
    try:
        reply = outlet.handle(parse_request(document), 0.0).reply
    except MalformedPacket:
        return None
    return None if reply is None else reply.encode()


@dataclass
class View:
    """What a client saw, or would have seen by what the server knows.

    messages: the data messages.
    pongs: the payloads of the pongs.
    closed: the code of the close frame, in a list; [None]: one without a code; []: no close frame.
    """

    messages: list[bytes] = field(default_factory=list)
    answers_pings: list[bytes] = field(default_factory=list)
    closed: list[int | None] = field(default_factory=list)

    @classmethod
    def of(cls, stream: bytes) -> "View":
        """Of what came from the server, which ends behind the close frame if there is one."""
        head, _, rest = stream.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        view = cls()
        for frame in frames_in(rest):
            assert not view.closed, f"{frame} behind the close frame"
            view.take(frame)
        return view

    def take(self, frame: Frame) -> None:
        if frame.first == TEXT:
            self.messages.append(frame.payload)
        elif frame.first == PONG:
            self.answers_pings.append(frame.payload)
        else:
            self.closed.append(frame.close_code)


# --- the two servers ---


@dataclass
class Bare:
    """trio-websocket, with a loop that answers its messages.

    view: what the client saw.
    heard: the messages that were read, answered or not.
    discarded: whether it may have thrown messages away unread.
    """

    view: View
    heard: list[bytes]
    discarded: bool


def never(outage: Outage | Exception) -> None:
    raise AssertionError("nothing here goes away")


async def converse_with_bare(chunks: list[bytes]) -> Bare:
    client, server = memory_stream_pair()
    outlet = new_outlet()
    heard: list[bytes] = []
    code: int | None = None

    async def serve() -> None:
        nonlocal code
        async with trio.open_nursery() as nursery:
            opening = await wrap_server_stream(nursery, server, max_message_size=MAX_BYTES)
            connection = await opening.accept()
            while True:
                try:
                    message = await connection.get_message()
                except ConnectionClosed:
                    break
                document = message if isinstance(message, bytes) else message.encode()
                heard.append(document)
                reply = answer(outlet, document)
                if reply is not None:
                    with suppress(ConnectionClosed):
                        await connection.send_message(reply.decode())
            assert connection.closed is not None
            code = connection.closed.code
            nursery.cancel_scope.cancel()

    async def serve_to_the_end() -> None:
        try:
            await serve()
        except* Exception:
            pass  # it crashed; the end of the stream is all that the client sees of that
        await server.aclose()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve_to_the_end)
        seen = await talk(client, chunks)
    view = View.of(seen)
    if not view.closed and code in (1002, 1007):
        view.closed.append(code)
    return Bare(view, heard, discarded=view.closed == [1009])


async def converse_with_ours(chunks: list[bytes]) -> View:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        plain = socket.create_connection(listener.getsockname())
        served, _ = listener.accept()
    outlet = new_outlet()
    clock = Clock()
    context = ServerContext(
        outlet=outlet,
        silence=Silence(outlet),
        backend=outlet,
        servers=OUTLET_SERVERS,
        faults=Pipeline((), seed=0),
        journal=Journal(),
        timeline=clock.timeline(outlet.schedule, lambda effects: None),
        protocol=Protocol(max_packet_bytes=MAX_BYTES),
        websocket_path="/ws",
        started=clock.real(),
        owner=NoOwner(),
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve_client, context, served, "ws", 1)
        client = trio.SocketStream(trio.socket.from_stdlib_socket(plain))
        async with client:
            return View.of(await talk(client, chunks))


class NoOwner:
    """What connections report to when no simulator is there: nothing comes of their requests."""

    def apply_effects(self, effects: Iterable[Effect], spared: Connection | None = None) -> None:
        pass

    def start_outage(self, outage: Outage) -> None:
        raise AssertionError(outage)

    def connection_opened(self, connection: Connection) -> None:
        pass

    def request_answered(self, callback: int | None) -> None:
        pass

    def report_internal_error(self, error: Exception) -> None:
        raise error


async def talk(client: trio.abc.HalfCloseableStream, chunks: list[bytes]) -> bytes:
    """Does the handshake, sends all, ends the sending, and returns all that came until the end."""
    received = bytearray()

    async def send() -> None:
        # Who is hung up on while still talking may be told so in any way.
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            for chunk in chunks:
                await client.send_all(chunk)
                await wait_all_tasks_blocked()
            await client.send_eof()

    with trio.fail_after(TIMEOUT):
        await client.send_all(HANDSHAKE)
        while b"\r\n\r\n" not in received:  # trio-websocket loses what comes before it answers
            received += await client.receive_some()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            while chunk := await client.receive_some():
                received += chunk
            nursery.cancel_scope.cancel()
    return bytes(received)


# --- what clients send ---

ASCII = make_request()
OTHER = make_request(packet_id=221041, name="étage \U0001f50c")
LONG = make_request(packet_id=221042, padding="x" * 1500)
NO_REQUESTS = ["", "no JSON", "é", "[1]", '{"packetID":"7"}']
GOOD_DOCUMENTS = st.one_of(
    st.sampled_from([ASCII, OTHER, LONG]),
    st.builds(make_request, st.sampled_from([20, 20, 99]), packet_id=st.integers(100_000, 999_999)),
    st.sampled_from(NO_REQUESTS).map(str.encode),
)
MASKS = st.binary(min_size=4, max_size=4)
FRAMES = st.builds(client_frame, st.sampled_from([TEXT, TEXT, BINARY]), GOOD_DOCUMENTS, MASKS)
PINGS = st.builds(client_frame, st.just(PING), st.binary(max_size=9) | st.just(b"p" * 125), MASKS)
PONGS = st.builds(client_frame, st.just(PONG), st.binary(max_size=9), MASKS)


@st.composite
def fragmented(draw: st.DrawFn) -> bytes:
    """A message in fragments, some of them empty perhaps, with pings between."""
    document = draw(GOOD_DOCUMENTS)
    places = draw(st.lists(st.integers(0, len(document)), min_size=1, max_size=4).map(sorted))
    bounds = [0, *places, len(document)]
    opcode = draw(st.sampled_from([TEXT, BINARY])) & 0x0F
    found = b""
    for n, (start, end) in enumerate(pairwise(bounds)):
        final = 0x80 if n == len(bounds) - 2 else 0
        found += client_frame(final | (0 if n else opcode), document[start:end], draw(MASKS))
        if not final and draw(st.booleans()):
            found += draw(PINGS)
    return found


TOO_LONG = make_request(packet_id=221043, padding="x" * MAX_BYTES)
CLOSES = st.builds(
    lambda payload: client_frame(CLOSE, payload),
    st.one_of(
        st.just(b""),
        st.builds(
            close_payload,
            st.sampled_from([1000, 1001, 1002, 1007, 1009, 1011, 3000, 4999]),
            st.sampled_from([b"", b"bye", "é".encode(), b"x" * 123]),
        ),
    ),
)
ENDS = {
    "not masked": client_frame(TEXT, ASCII, mask=None),
    "a ping that is not masked": client_frame(PING, b"p", mask=None),
    "reserved bit": client_frame(TEXT | 0x40, ASCII),
    "reserved bit of a ping": client_frame(PING | 0x10, b"p"),
    "unknown opcode": client_frame(0x83, ASCII),
    "unknown control opcode": client_frame(0x8B, b""),
    "16 bits for a short size": client_frame(TEXT, b"{}", form=16),
    "64 bits for a short size": client_frame(TEXT, b"{}", form=64),
    "64 bits for a medium size": client_frame(TEXT, LONG, form=64),
    "a size of 2**63": client_frame(TEXT, b"{}", form=64, size=2**63),
    "16 bits for the size of a ping": client_frame(PING, b"p", form=16),
    "a ping that is too long": client_frame(PING, b"p" * 126),
    "a fragmented ping": client_frame(PING & 0x0F, b"p"),
    "a fragmented close": client_frame(CLOSE & 0x0F, close_payload(1000)),
    "a close that is too long": client_frame(CLOSE, close_payload(1000, b"x" * 124)),
    "a continuation of nothing": client_frame(0x80, ASCII),
    "text amid fragments": client_frame(0x01, b"{") + client_frame(TEXT, ASCII),
    "binary amid fragments": client_frame(0x02, b"{") + client_frame(BINARY, ASCII),
    "no UTF-8": client_frame(TEXT, b'{"packetID":\xff}'),
    "no UTF-8 in a long text": client_frame(TEXT, LONG + b"\xff"),
    "half a character": client_frame(TEXT, b"\xc3"),
    "no UTF-8 in the second fragment": client_frame(0x01, b"\xc3") + client_frame(0x80, b"\xc3"),
    "close with one byte": client_frame(CLOSE, b"\x03"),
    "close with code 999": client_frame(CLOSE, close_payload(999)),
    "close with code 1005": client_frame(CLOSE, close_payload(1005)),
    "close with code 1016": client_frame(CLOSE, close_payload(1016)),
    "close with code 5000": client_frame(CLOSE, close_payload(5000)),
    "close with a reason that is no UTF-8": client_frame(CLOSE, close_payload(1000, b"\xff")),
    "too long": client_frame(TEXT, TOO_LONG),
    "too long, binary": client_frame(BINARY, TOO_LONG),
    "too long, not ASCII": client_frame(TEXT, "é".encode() * (MAX_BYTES + 1)),
    "too long in sum": client_frame(0x01, LONG) * 1
    + client_frame(0x00, LONG) * 2
    + client_frame(0x80, LONG),
    "less than a header": client_frame(TEXT, ASCII)[:5],
    "less than a fast frame": client_frame(TEXT, ASCII)[:-1],
    "less than a slow frame": client_frame(BINARY, ASCII)[:-1],
    "less than a ping": client_frame(PING, b"pingping")[:-1],
    "less than a message": client_frame(0x01, ASCII),
}
"""What a connection does not survive, whatever may follow."""

GOOD = st.one_of(FRAMES, FRAMES, fragmented(), PINGS, PONGS)


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Good frames; then perhaps something that ends the connection, and more behind it."""
    found = b"".join(draw(st.lists(GOOD, max_size=6)))
    if draw(st.booleans()):
        found += draw(st.sampled_from(list(ENDS.values())))
        found += b"".join(draw(st.lists(GOOD, max_size=2)))
    if draw(st.booleans()):
        found += draw(CLOSES)
        found += b"".join(draw(st.lists(GOOD, max_size=2)))
    return found


def cut(data: bytes, places: list[int]) -> list[bytes]:
    bounds = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(bounds)]


def compare(chunks: list[bytes]) -> View:
    """Compares the two servers, and returns what ours said."""

    async def converse() -> tuple[Bare, View]:
        return await converse_with_bare(chunks), await converse_with_ours(chunks)

    bare, ours = trio.run(converse)
    outlet = new_outlet()
    expected = [said for document in bare.heard if (said := answer(outlet, document)) is not None]
    assert ours.messages[: len(bare.view.messages)] == bare.view.messages
    if bare.discarded:
        assert ours.messages[: len(expected)] == expected
    else:
        assert ours.messages == expected
    assert ours.answers_pings == bare.view.answers_pings
    assert ours.closed == bare.view.closed
    return ours


@settings(max_examples=examples(4))
@given(streams(), st.lists(st.integers(0, 20_000), max_size=6))
def test_a_client_sees_what_bare_trio_websocket_would_show_it(
    stream: bytes, places: list[int]
) -> None:
    compare(cut(stream, places))


def cuts(stream: bytes) -> Iterator[list[bytes]]:
    """Whole, in single bytes (a long one: in its last 40), and in halves."""
    yield [stream]
    yield cut(stream, list(range(max(0, len(stream) - 40), len(stream))))
    yield cut(stream, [len(stream) // 2])


@pytest.mark.parametrize("name", ENDS)
def test_what_ends_a_connection_ends_it_alike_behind_answered_messages(name: str) -> None:
    before = client_frame(TEXT, OTHER) + client_frame(TEXT, ASCII) + client_frame(PING, b"before")
    behind = client_frame(PING, b"behind") + client_frame(TEXT, ASCII)
    for chunks in cuts(before + ENDS[name] + behind):
        view = compare(chunks)
        assert len(view.messages) >= 2
        assert view.answers_pings[0] == b"before"


@given(CLOSES, st.lists(GOOD, max_size=3))
def test_a_close_frame_is_answered_alike(close: bytes, before: list[bytes]) -> None:
    view = compare([*before, close])
    assert len(view.closed) == 1


@given(st.lists(FRAMES | fragmented(), min_size=1, max_size=8))
def test_all_messages_before_a_close_frame_are_answered_whichever_path_they_take(
    frames: list[bytes],
) -> None:
    closing = client_frame(CLOSE, close_payload(1000))
    at_once = compare([b"".join(frames) + closing])
    in_turn = compare([*frames, closing])
    assert at_once == in_turn

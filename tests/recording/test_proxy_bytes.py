"""A proxy without faults changes nothing: bytes, order, ends. The device is a plain socket here."""

import gc
import select
import socket
import struct
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invis_sim import faults
from invis_sim.protocol.frames import BINARY, CLOSE, FIN, PING, PONG, TEXT, Frame
from invis_sim.testing.handle import SimulatorHandle
from invis_sim.testing.proxy import start_proxy
from tests.server.frames import HANDSHAKE, client_frame
from tests.server.peers import Peer, TcpPeer, WebSocketPeer
from tests.server.support import applied_faults, reply_text, wait_for_end, wait_until
from tests.support import TIMEOUT, make_request, refusing_port

SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nX-Odd:  yes\r\n\r\n"

MAX_UNREAD = 32 * 2**20
"""More than the kernel and a proxy may hold of what is not read."""


class Between:
    """A proxy, and the device behind it."""

    def __init__(self, proxy: SimulatorHandle, listener: socket.socket) -> None:
        self.proxy = proxy
        self._listener = listener

    @contextmanager
    def pair(self, receive_buffer: int | None = None) -> Iterator[tuple[TcpPeer, TcpPeer]]:
        """A client that is connected over TCP, and the device's end of its connection."""
        with (
            TcpPeer.connected(self.proxy.tcp_address, receive_buffer) as client,
            TcpPeer(self._listener.accept()[0]) as device,
        ):
            yield client, device

    @contextmanager
    def web_pair(self, handshake: bool = True) -> Iterator[tuple[WebSocketPeer, TcpPeer]]:
        """The same over WebSocket. handshake: whether that is done."""
        with (
            WebSocketPeer.connected(self.proxy.ws_url) as client,
            TcpPeer(self._listener.accept()[0]) as device,
        ):
            if handshake:
                client.send(HANDSHAKE)
                device.expect(HANDSHAKE)
                device.send(SWITCHING)
                client.expect(SWITCHING)
            yield client, device


@pytest.fixture(scope="module")
def between() -> Iterator[Between]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(TIMEOUT)
        host, port = listener.getsockname()
        with start_proxy(host, tcp_port=port, ws_port=port) as proxy:
            yield Between(proxy, listener)
            assert not proxy.journal.events(kind="error")


REPLY = reply_text(1)
PUSH = b'{ "sn":"x", "packetID" : 5,\n"payload":{"callbackName":9,"callbackArgs":[1.0,1e2]}}'
CLIENT_WORDS = (
    make_request(packet_id=1),
    make_request(10, [1, 1], packet_id=2),
    *(b" \r\n", b"\0", b"GET / HTTP/1.1\r\n\r\n", b'{"packetID": "x"}', b'[{"packetID": 1}]'),
    *(
        b'{"packetID": 1,',
        b"\xff\xfe",
        b'"',
        b"}",
        b"{{",
        b'{"packetID": 3, "payload": {"a": "\xff"}}',
    ),
)
DEVICE_WORDS = (
    REPLY,
    REPLY + b"\n",
    PUSH,
    b"\r\n",
    b"rubbish\n",
    b"\xff",
    b'{"sn":',
    b"[1]",
    b"{}",
    b"}",
)
FRAMES = (
    Frame(FIN | TEXT, REPLY),
    Frame(FIN | TEXT, PUSH),
    Frame(FIN | TEXT, b"rubbish"),
    Frame(FIN | TEXT, b"\xff"),
    Frame(FIN | TEXT, REPLY, length=len(REPLY)),
    Frame(FIN | BINARY, REPLY),
    Frame(TEXT, b'{"sn"'),
    Frame(FIN, b":1}"),
    Frame(FIN | PING, b"?"),
    Frame(FIN | PONG, b"!"),
    Frame(FIN | TEXT | 0x40, b"compressed"),
    Frame(FIN | 0x0B, b"reserved"),
)


def streams(words: tuple[bytes, ...]) -> st.SearchStrategy[list[bytes]]:
    return st.lists(st.sampled_from(words), max_size=6)


def check_every_byte_arrives(
    client: Peer, device: Peer, said: list[bytes], answered: list[bytes]
) -> None:
    """Send in both directions, end both, and see that each end gets what the other one sent."""
    for piece in said:
        client.send(piece)
    for piece in answered:
        device.send(piece)
    client.half_close()
    assert device.read_to_end() == b"".join(said)
    device.close()
    assert client.read_to_end() == b"".join(answered)


@given(streams(CLIENT_WORDS), streams(DEVICE_WORDS))
def test_every_byte_arrives_over_tcp(
    between: Between, said: list[bytes], answered: list[bytes]
) -> None:
    with between.pair() as (client, device):
        check_every_byte_arrives(client, device, said, answered)


@given(
    streams(tuple(Frame(one.first, one.payload, b"mask", one.length).encode() for one in FRAMES)),
    streams(tuple(one.encode() for one in FRAMES)),
)
def test_every_frame_arrives_over_websocket(
    between: Between, said: list[bytes], answered: list[bytes]
) -> None:
    with between.web_pair() as (client, device):
        check_every_byte_arrives(client, device, said, answered)


@pytest.mark.parametrize("depth", [200, 2000])
def test_a_packet_that_is_nested_too_deep_to_be_read_arrives(between: Between, depth: int) -> None:
    deep = b'{"sn":"x","packetID":1,"PUBACK":1,"payload":%b%b}' % (b"[" * depth, b"]" * depth)
    with between.pair() as (client, device):
        for packet in (deep, REPLY):
            device.send(packet)
            client.expect(packet)


def test_what_is_unfinished_arrives_at_the_end(between: Between) -> None:
    with between.pair() as (client, device):
        client.send(b'{"packetID": 7, "pay')
        client.half_close()
        assert device.read_to_end() == b'{"packetID": 7, "pay'
        device.send(REPLY[:20])
        device.close()
        assert client.read_to_end() == REPLY[:20]


def test_either_side_may_end_first_and_still_hear_the_other(between: Between) -> None:
    with between.pair() as (client, device):
        device.send(REPLY)
        device.half_close()
        assert client.read_to_end() == REPLY
        client.send(make_request(packet_id=3))
        client.half_close()
        assert device.read_to_end() == make_request(packet_id=3)
    with between.pair() as (client, device):
        client.half_close()
        assert device.read_to_end() == b""
        device.send(PUSH)
        device.close()
        assert client.read_to_end() == PUSH


def test_a_reset_of_either_side_reaches_the_other(between: Between) -> None:
    with between.pair() as (client, device):
        device.send(REPLY)
        client.expect(REPLY)
        device.reset()
        assert client.end() == (b"", "RST")
    with between.pair() as (client, device):
        client.send(make_request())
        device.expect(make_request())
        client.reset()
        assert device.end() == (b"", "RST")


def test_a_device_that_refuses_connections_resets_those_of_the_clients() -> None:
    with (
        refusing_port() as port,
        start_proxy("127.0.0.1", tcp_port=port, ws_port=port) as proxy,
    ):
        for where in (proxy.tcp_address, proxy.ws_url):
            # The reset may be there before the client knows that it is connected.
            with suppress(ConnectionResetError), TcpPeer.connected(where) as client:
                assert client.end() == (b"", "RST")
        for reason in wait_for_end(proxy, 2):
            assert "no connection to the device: " in reason


def flood(sock: socket.socket, data: bytes) -> int:
    """Send for as long as the other side takes it; how many bytes it took."""
    sock.setblocking(False)
    taken = 0
    while taken < MAX_UNREAD and select.select([], [sock], [], 0.3)[1]:
        taken += sock.send(data)
    sock.settimeout(TIMEOUT)
    return taken


def long(word: bytes) -> bytes:
    """The word with blanks in it: a flood of such packets is no flood of work."""
    return word.replace(b":", b":" + b" " * 3000, 1)


@pytest.mark.parametrize("word", [long(PUSH), b"x" * 3000], ids=["packets", "rubbish"])
def test_a_device_that_floods_waits_for_a_client_that_does_not_read(
    between: Between, word: bytes
) -> None:
    with between.pair(receive_buffer=4096) as (client, device):
        taken = flood(device.socket, word * 10)
        assert taken < MAX_UNREAD
        assert client.receive(taken) == (word * (taken // len(word) + 1))[:taken]


def test_a_client_that_floods_waits_for_a_device_that_does_not_read(between: Between) -> None:
    word = long(make_request(packet_id=1))
    with between.pair() as (client, device):
        taken = flood(client.socket, word * 10)
        assert taken < MAX_UNREAD
        assert device.receive(taken) == (word * (taken // len(word) + 1))[:taken]


def test_a_handshake_and_its_refusal_are_those_of_the_device(between: Between) -> None:
    head = HANDSHAKE.replace(b"\r\n\r\n", b"\r\nX-Odd: \xff\r\n\r\n")
    with between.web_pair(handshake=False) as (client, device):
        client.send(head)
        device.expect(head)
        refusal = b"HTTP/1.1 404 Not Here\r\nContent-Length: 2\r\n\r\nno"
        device.send(refusal)
        client.expect(refusal)
        client.send(b"and another thing")
        device.expect(b"and another thing")
        device.close()
        assert client.read_to_end() == b""


def test_what_is_no_handshake_reaches_the_device_as_it_comes(between: Between) -> None:
    with between.web_pair(handshake=False) as (client, device):
        client.send(b"hello\n")
        device.expect(b"hello\n")
        device.send(b"what?")
        client.expect(b"what?")


def test_a_client_need_not_wait_for_the_answer_to_its_handshake(between: Between) -> None:
    request = client_frame(FIN | TEXT, make_request())
    with between.web_pair(handshake=False) as (client, device):
        client.send(HANDSHAKE + request)
        device.expect(HANDSHAKE)
        answer = SWITCHING + Frame(FIN | TEXT, PUSH).encode()
        device.send(answer)
        client.expect(answer)
        device.expect(request)


@pytest.mark.parametrize("payload", [b"", b"\x03\xe8", struct.pack("!H", 4321) + b"bye"])
def test_close_frames_pass_in_both_directions(between: Between, payload: bytes) -> None:
    close = Frame(FIN | CLOSE, payload)
    with between.web_pair() as (client, device):
        device.send(close.encode())
        client.expect(close.encode())
        answer = Frame(FIN | CLOSE, payload, b"mask").encode()
        client.send(answer)
        device.expect(answer)
        device.close()
        assert client.read_to_end() == b""


def test_the_journal_has_what_passed_and_says_what_was_odd(between: Between) -> None:
    with between.pair() as (client, device):
        wait_until(between.proxy, lambda journal: journal.events(kind="connected") != [])
        between.proxy.journal.clear()
        client.send(make_request(packet_id=1) + make_request(packet_id=2) + b"oops\n")
        device.receive(len(make_request(packet_id=1)) * 2 + 5)
        device.send(PUSH + REPLY + reply_text(9) + b"rubbish\n")
        client.receive(len(PUSH + REPLY + reply_text(9) + b"rubbish\n"))
        device.close()
        client.close()
    wait_for_end(between.proxy)
    found = [
        (one.outcome, one.callback, one.packet_id, [str(note)[:30] for note in one.notes])
        for one in between.proxy.journal.exchanges()
    ]
    assert found == [
        ("malformed", None, None, ["expected '{', found 'o' (at by"]),
        ("push", 9, None, []),
        ("success", 20, 1, []),
        ("push", 20, None, ["a reply that no request waits "]),
        ("push", None, None, ["the device sent no packet: exp"]),
        ("no reply", 20, 2, []),
    ]
    replied = between.proxy.journal.exchanges()[2]
    assert replied.sent == (REPLY,)
    assert replied.latency > 0


def serve_replies(client: Peer, device: TcpPeer, *replies: bytes) -> None:
    for reply in replies:
        client.send_request(20, packet_id=1)
        device.expect(make_request(packet_id=1))
        device.send(reply)
        client.expect(reply)


def test_a_connection_that_is_over_keeps_no_packets(between: Between) -> None:
    reply, number = b'{"packetID":1,"PUBACK":1,"x":"%b"}' % (b"x" * 10_000), 64
    between.proxy.journal.clear()
    gc.collect()
    gc.disable()  # a cycle of references would be collected at some time, but when?
    tracemalloc.start()
    try:
        with between.pair() as (client, device):
            serve_replies(client, device, *[reply] * number)
        wait_for_end(between.proxy)
        between.proxy.journal.clear()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()
    assert kept < len(reply) * number / 2


def test_long_replies_are_not_kept_to_be_repeated(between: Between) -> None:
    with between.proxy.inject(faults.Stale()), between.pair() as (client, device):
        serve_replies(
            client, device, *[b'{"packetID":1,"PUBACK":1,"x":"%b"}' % (b"x" * 20_000)] * 2
        )
        serve_replies(client, device, b'{"packetID":1,"PUBACK":1,"x":"y"}')
    replies = between.proxy.journal.exchanges(callback=20)[-3:]
    assert [applied_faults(one) for one in replies] == [[], [], []]

"""A client connects to an outlet over TCP and WebSocket, and notices how the connection ends."""

import json
import pickle
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import trio

from invis_sim.client.connection import MAX_PACKET_BYTES, check_address, connect
from invis_sim.client.errors import (
    AddressError,
    ClientError,
    ConnectError,
    ConnectionLost,
    HandshakeError,
    NoReply,
)
from invis_sim.journal.text import summary
from invis_sim.protocol.frames import FIN, PING, Frame, close_frame, text_frame
from invis_sim.testing.block import start_simulator
from tests.cases import for_each
from tests.client.support import (
    TRANSPORTS,
    accept_websocket,
    address_of,
    read_to_end,
    reset,
    run,
    server,
)
from tests.support import SN, TIMEOUT, make_request, refusing_port

# Addresses


@for_each(
    ("address", "expected"),
    [
        ("outlet.local", ("outlet.local", 3333)),
        ("127.0.0.1:9", ("127.0.0.1", 9)),
        ("[::1]:9", ("::1", 9)),
        ("[::1]", ("::1", 3333)),
        ("4444", ("127.0.0.1", 4444)),
        ("[fe80::1%eth0]:9", ("fe80::1%eth0", 9)),
        ("ws://[fe80::1%25eth0]:9/ws", ("fe80::1%eth0", 9)),
        ("ws://[fe80::1%eth0]:9/ws", ("fe80::1%eth0", 9)),
        ("ws://outlet.local/ws", ("outlet.local", 80)),
        ("ws://127.0.0.1:8080", ("127.0.0.1", 8080)),
        ("ws://[::1]:8080/ws?a=1", ("::1", 8080)),
    ],
)
def test_an_address_has_a_host_and_a_port(address: str, expected: tuple[str, int]) -> None:
    assert check_address(address) == expected


@for_each(
    "address", ["", "0", ":1", "h:0", "h:x", "h:99999", "99999", "http://h/ws", "ws://", "ws://["]
)
def test_what_is_not_an_address_says_what_was_expected(address: str) -> None:
    with pytest.raises(AddressError) as caught:
        check_address(address)
    assert caught.value.address == address
    assert (
        str(caught.value) == f"expected HOST[:PORT], PORT or ws://HOST[:PORT]/ws, found {address!r}"
    )


# Connections to an outlet


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_requests_and_packets_pass_in_order(transport: str) -> None:
    async def converse() -> list[Any]:
        async with connect(address, TIMEOUT) as client:
            assert client.address == address
            for packet_id in (1, 2, 3):
                await client.send(make_request(packet_id=packet_id))
            return [json.loads(await client.receive() or b"") for _ in range(3)]

    with start_simulator() as sim:
        address = address_of(sim, transport)
        replies = run(converse)
    assert [(reply["sn"], reply["packetID"]) for reply in replies] == [(SN, n) for n in (1, 2, 3)]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_packets_end_when_the_outlet_closes_the_connection(transport: str) -> None:
    fault = '[[faults]]\nkind = "close"\nreason = "so there"\nwhen.nth = 2'

    async def converse() -> tuple[int, str, str]:
        async with connect(address) as client:
            await client.send(make_request())
            await client.send(make_request())
            number = len([packet async for packet in client.packets()])
            assert await client.receive() is None
            return number, client.noun, client.close_detail

    with start_simulator(fault) as sim:
        address = address_of(sim, transport)
        number, noun, detail = run(converse)
    assert number == 1
    assert (noun, detail) == {
        "tcp": ("the connection", ""),
        "ws": ("the WebSocket", ": code 1011, so there"),
    }[transport]


@for_each("transport", TRANSPORTS)
@for_each("error", [None, ZeroDivisionError, OSError])
def test_the_block_ends_the_connection_in_an_orderly_way(
    transport: str, error: type[Exception] | None
) -> None:
    async def leave() -> None:
        async with connect(address) as client:
            await client.send(make_request())
            await client.receive()
            if error is not None:
                raise error

    with start_simulator() as sim:
        address = address_of(sim, transport)
        if error is None:
            run(leave)
        else:
            with pytest.raises(error):
                run(leave)
        deadline = time.monotonic() + TIMEOUT
        while not (closed := sim.journal.events(kind="closed")):
            assert time.monotonic() < deadline
    assert [summary(event).removeprefix("closed ") for event in closed] == [
        {"tcp": "by the client", "ws": "by the client, with code 1000"}[transport]
    ]


def test_packets_of_one_chunk_are_returned_one_by_one_by_one_client() -> None:
    async def converse() -> list[bytes | None]:
        async with connect(address) as client:
            await client.send(b"{}")
            first = await client.receive()
            await client.send(b"{}")
            return [first, *[await client.receive() for _ in range(4)]]

    def answer(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b'{"a":1}{"a":2}oops\n{"a":')
        connection.recv(4096)

    with server(answer) as address:
        assert run(converse) == [b'{"a":1}', b'{"a":2}', b"oops", b'{"a":', None]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_receive_that_is_cancelled_loses_nothing(transport: str) -> None:
    async def converse() -> bytes | None:
        async with connect(address) as client:
            with trio.move_on_after(0.01):
                await client.receive()
            await client.send(make_request())
            return await client.receive()

    with start_simulator() as sim:
        address = address_of(sim, transport)
        assert json.loads(run(converse) or b"")["packetID"] == 221_040


# Connections that break


def error_of(address: str, timeout: float = TIMEOUT) -> ClientError:
    """What connecting, sending a request and reading to the end raises."""

    async def converse() -> None:
        async with connect(address, timeout) as client:
            await client.send(b"{}")
            while await client.receive() is not None:
                pass

    with pytest.raises(ClientError) as caught:
        run(converse)
    assert caught.value.address == address
    return caught.value


@pytest.mark.parametrize("address", ["127.0.0.1:{}", "ws://127.0.0.1:{}/ws"])
def test_a_port_on_which_nothing_listens(address: str) -> None:
    with refusing_port() as port:
        address = address.format(port)
        error = error_of(address)
    assert type(error) is ConnectError
    assert error.reason == "Connection refused"
    assert str(error) == f"cannot connect to {address}: Connection refused"


def test_a_host_name_that_is_not_valid() -> None:
    error = error_of("a..b")
    assert type(error) is ConnectError
    assert error.reason == "not a valid host name"


def receive_request_and_reset(connection: socket.socket) -> None:
    connection.recv(4096)
    reset(connection)


def test_a_connection_that_is_reset() -> None:
    with server(receive_request_and_reset) as address:
        error = error_of(address)
    assert type(error) is ConnectionLost
    assert str(error) == f"{address} broke the connection: Connection reset by peer"


def test_a_websocket_that_ends_without_a_close_frame() -> None:
    with server(accept_websocket) as place:
        error = error_of(f"ws://{place}/ws")
    assert type(error) is ConnectionLost
    assert error.reason == "broke the connection"


def test_a_websocket_that_is_closed_right_after_the_handshake() -> None:
    def close(connection: socket.socket) -> None:
        accept_websocket(connection)
        connection.sendall(text_frame(b"{}") + close_frame(1001, "\x1b"))
        connection.shutdown(socket.SHUT_WR)
        read_to_end(connection)

    async def converse() -> tuple[list[bytes], str]:
        async with connect(f"ws://{place}/ws") as client:
            packets = [packet async for packet in client.packets()]
            with pytest.raises(ConnectionLost) as caught:
                await client.send(b"{}")
            assert caught.value.reason == "closed the WebSocket: code 1001, \\u001b"
            return packets, client.close_detail

    with server(close) as place:
        assert run(converse) == ([b"{}"], ": code 1001, \\u001b")


@pytest.mark.parametrize("error", [None, NoReply("", "")])
def test_a_ping_that_comes_after_the_close_frame_does_no_harm(error: ClientError | None) -> None:
    def ping(connection: socket.socket) -> None:
        accept_websocket(connection)
        assert connection.recv(1)  # of the client's close frame
        connection.sendall(Frame(FIN | PING, b"?").encode())
        read_to_end(connection)

    async def converse() -> None:
        async with connect(f"ws://{place}/ws"):
            if error is not None:
                raise error

    with server(ping) as place:
        if error is None:
            run(converse)
        else:
            with pytest.raises(NoReply):
                run(converse)


def test_an_outlet_that_does_not_hang_up_is_not_waited_for() -> None:
    over = threading.Event()

    def close(connection: socket.socket) -> None:
        accept_websocket(connection)
        connection.sendall(close_frame(1001))
        over.wait(TIMEOUT)

    async def converse() -> bytes | None:
        async with connect(f"ws://{place}/ws") as client:
            return await client.receive()

    with server(close) as place:
        try:
            assert run(converse) is None
        finally:
            over.set()


def test_a_packet_without_end() -> None:
    def flood(connection: socket.socket) -> None:
        connection.sendall(b'{}{"a": "' + b"x" * MAX_PACKET_BYTES)
        read_to_end(connection)

    with server(flood) as address:
        error = error_of(address)
    assert type(error) is ConnectionLost
    assert error.reason == "sends a packet of more than 1048576 bytes"


# Handshakes that fail


def hang_up(sent: bytes) -> Callable[[socket.socket], None]:
    def handle(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(sent)

    return handle


@for_each(
    ("sent", "received"),
    [
        (b"", ""),
        (b"HTTP/1.1 101 Swi", "HTTP/1.1 101 Swi"),
        (b"HTTP/1.1 101 OK\r\nUpgrade: web", "HTTP/1.1 101 OK"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nabc", "HTTP/1.1 404 Not Found"),
        (b"HTTP/1.1 404 Not Found\r\n\r\nabc", "HTTP/1.1 404 Not Found"),
        (b"hello?\x1b\n", "hello?\\u001b"),
        (b"x" * 500, "x" * 60),
    ],
)
def test_a_server_that_hangs_up_in_the_handshake_is_noticed_at_once(
    sent: bytes, received: str
) -> None:
    with server(hang_up(sent)) as place:
        error = error_of(f"ws://{place}/ws", timeout=10_000)  # else `run` ends it
    assert type(error) is HandshakeError
    detail = f"; received: {received}" if received else ""
    assert error.reason == f"closed the connection during the WebSocket handshake{detail}"


def test_a_server_that_resets_in_the_handshake_is_noticed_at_once() -> None:
    with server(receive_request_and_reset) as place:
        error = error_of(f"ws://{place}/ws", timeout=10_000)
    assert type(error) is HandshakeError
    assert error.reason == "broke the connection during the WebSocket handshake"


def test_a_server_that_speaks_something_else_and_stays_is_noticed_at_once() -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b'{"packetID":1}\r\n\r\n')
        read_to_end(connection)

    with server(talk) as place:
        error = error_of(f"ws://{place}/ws", timeout=10_000)
    assert type(error) is HandshakeError
    assert error.reason.startswith("sent an invalid WebSocket handshake")


@pytest.mark.parametrize("how", ["wrong_accept", "missing_header"])
def test_an_invalid_handshake_says_what_is_wrong_with_it(how: str) -> None:
    with start_simulator(f'[[faults]]\nkind = "bad_handshake"\nhow = "{how}"') as sim:
        error = error_of(sim.ws_url)
    assert type(error) is HandshakeError
    assert error.reason == "sent an invalid WebSocket handshake: Bad accept token"


def test_a_rejected_handshake_says_why() -> None:
    with start_simulator() as sim:
        error = error_of(sim.ws_url + "s")
    assert type(error) is HandshakeError
    assert error.reason.startswith("refused: HTTP 404 ")
    assert "/ws" in error.reason


def test_a_handshake_that_is_never_answered_times_out() -> None:
    with server(read_to_end) as place:
        error = error_of(f"ws://{place}/ws", timeout=0.05)
    assert type(error) is ConnectError
    assert str(error) == f"cannot connect to ws://{place}/ws: no connection within 0.05 s"


def test_a_handshake_may_be_cancelled() -> None:
    over = threading.Event()

    async def give_up() -> bool:
        with trio.move_on_after(0.05) as scope:
            async with connect(f"ws://{place}/ws"):
                raise AssertionError("there is no answer to the handshake")
        return scope.cancelled_caught

    def ignore(connection: socket.socket) -> None:
        read_to_end(connection)
        over.set()

    with server(ignore) as place:
        assert run(give_up)
        assert over.wait(TIMEOUT)


# Errors


@for_each(
    "error",
    [
        AddressError("x"),
        ConnectError("x", "{} failed"),
        ConnectionLost("x", "broke"),
        NoReply("x", "closed", (b"1",), 2),
    ],
)
def test_an_error_can_be_copied(error: ClientError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert (str(copy), vars(copy)) == (str(error), vars(error))

"""A request is answered by the reply with its packetID; everything else is handed to the caller."""

import socket
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from invis_sim.client.ask import MAX_OTHER_BYTES, AskResult, ask
from invis_sim.client.connection import connect
from invis_sim.client.errors import ConnectionLost, NoReply
from invis_sim.protocol.frames import text_frame
from invis_sim.protocol.packets import Reply
from invis_sim.testing.block import start_simulator
from tests.client.support import TRANSPORTS, accept_websocket, address_of, reset, run, server
from tests.support import SN, TIMEOUT

REPLY = b'{"sn":"1","packetID":123456,"PUBACK":1,"more":null}'
PUSH = b'{"sn":"1","packetID":123456,"payload":{"callbackName":9,"callbackArgs":[0,1]}}'


def asked(
    address: str, callback: int = 20, args: Any = msgspec.UNSET, timeout: float = TIMEOUT
) -> AskResult:
    async def converse() -> AskResult:
        async with connect(address) as client:
            return await ask(client, callback, args, packet_id=123_456, timeout=timeout)

    return run(converse)


def answer(*parts: bytes) -> Callable[[socket.socket], None]:
    def handle(connection: socket.socket) -> None:
        connection.recv(4096)
        for part in parts:
            connection.sendall(part)

    return handle


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_the_reply_is_returned(transport: str) -> None:
    with start_simulator() as sim:
        result = asked(address_of(sim, transport))
    assert (result.reply.sn, result.reply.packet_id, result.reply.ok) == (SN, 123_456, True)
    assert result.reply.callback == 20
    assert result.reply.args["IM"]["fw_rev"] == "0.0.1"
    assert (result.others, result.omitted) == ((), 0)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_failure_is_a_reply(transport: str) -> None:
    with start_simulator() as sim:
        result = asked(address_of(sim, transport), 4711)
    assert result.reply == Reply.failure(SN, 123_456)


@pytest.mark.parametrize("args", [None, [], [1, {"a": "é"}]])
def test_arguments_are_sent_as_they_are(args: Any) -> None:
    with start_simulator() as sim:
        asked(address_of(sim, "tcp"), 20, args)
        asked(address_of(sim, "tcp"), 20)
        first, second = (exchange.request for exchange in sim.journal.exchanges())
    assert first is not None
    assert second is not None
    assert first.args == args
    assert second.args is msgspec.UNSET


def test_what_comes_before_the_reply_is_handed_to_the_caller() -> None:
    other = REPLY.replace(b"123456", b"654321")
    wrong_type = REPLY.replace(b"123456", b'"123456"')
    others = (PUSH, b"oops", other, wrong_type)
    with server(answer(PUSH + b"oops\n" + other + wrong_type + REPLY + PUSH)) as address:
        result = asked(address)
    assert result == AskResult(
        Reply({"sn": "1", "packetID": 123456, "PUBACK": 1, "more": None}), REPLY, others
    )


def test_two_requests_on_one_connection_lose_nothing() -> None:
    async def converse() -> tuple[AskResult, AskResult]:
        async with connect(address) as client:
            first = await ask(client, 20, packet_id=1)
            return first, await ask(client, 20, packet_id=2)

    one, two = (REPLY.replace(b"123456", packet_id) for packet_id in (b"1", b"2"))

    with server(answer(one + PUSH + two)) as address:
        first, second = run(converse)
    assert (first.reply.packet_id, first.others) == (1, ())
    assert (second.reply.packet_id, second.others) == (2, (PUSH,))


def no_reply(address: str, timeout: float = TIMEOUT) -> NoReply:
    with pytest.raises(NoReply) as caught:
        asked(address, timeout=timeout)
    assert caught.value.address == address
    return caught.value


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_no_reply_in_time(transport: str) -> None:
    with start_simulator('[[faults]]\nkind = "wrong_packet_id"\nhow = "zero"') as sim:
        error = no_reply(address_of(sim, transport), timeout=0.3)
    assert error.reason == "sent no reply within 0.3 s"
    (other,) = error.others
    assert other.startswith(b'{"sn":"0003C44076","packetID":0,"PUBACK":1')


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_connection_that_is_closed_without_a_reply(transport: str) -> None:
    with start_simulator('[[faults]]\nkind = "close"\nreason = "so there"') as sim:
        error = no_reply(address_of(sim, transport))
    assert (
        error.reason
        == {
            "tcp": "closed the connection without a reply",
            "ws": "closed the WebSocket without a reply: code 1011, so there",
        }[transport]
    )


def test_what_came_before_a_connection_broke_is_handed_to_the_caller() -> None:
    def push_and_end(connection: socket.socket) -> None:
        accept_websocket(connection)
        connection.recv(4096)
        connection.sendall(text_frame(PUSH) + text_frame(b"nonsense"))

    with server(push_and_end) as place:
        error = no_reply(f"ws://{place}/ws")
    assert error.reason == "broke the connection"
    assert error.others == (PUSH, b"nonsense")


def test_a_flood_before_the_reply_is_counted_and_not_kept() -> None:
    number = MAX_OTHER_BYTES // len(PUSH)
    with server(answer(PUSH * (number + 7) + REPLY)) as address:
        result = asked(address)
    assert (len(result.others), result.omitted) == (number, 7)


def test_a_request_that_cannot_be_sent() -> None:
    async def converse() -> None:
        async with connect(address) as client:
            await client.send(b"{}")
            with pytest.raises(ConnectionLost):
                await client.receive()
            await ask(client, 20, packet_id=1)

    def receive_and_reset(connection: socket.socket) -> None:
        connection.recv(4096)
        reset(connection)

    with server(receive_and_reset) as address, pytest.raises(ConnectionLost):
        run(converse)

"""A back end may answer now or later; faults, delivery and journal know no difference."""

import contextlib
import json
from typing import Any

import pytest
import trio
import trio.testing

from invis_sim import When, faults, open_simulator
from invis_sim.device.effects import Answer
from invis_sim.journal import Closed
from invis_sim.protocol.packets import Reply, Request
from invis_sim.protocol.transport import Transport
from invis_sim.server.session.backend import PendingAnswer
from tests.server.frames import HANDSHAKE, TEXT, client_frame
from tests.server.peers import address_of
from tests.support import SN, make_request


class Later:
    """Answers each request when it is asked to, or at once where there is nothing to wait for."""

    def __init__(self) -> None:
        self.pending: list[tuple[Request, PendingAnswer]] = []

    def handle(self, request: Request, now: float) -> Answer | PendingAnswer:
        if request.callback == 9:
            return self.answer(request)
        pending = PendingAnswer()
        self.pending.append((request, pending))
        return pending

    def resolve(self, index: int) -> None:
        request, pending = self.pending[index]
        pending.resolve(self.answer(request))

    def answer(self, request: Request) -> Answer:
        return Answer(Reply.success(SN, request.packet_id, request.callback or 0, ["me"]))


class Defective(Later):
    """Raises where it is asked for callback 20."""

    def handle(self, request: Request, now: float) -> Answer | PendingAnswer:
        if request.callback == 20:
            raise ZeroDivisionError
        return self.answer(request)


async def packets(stream: trio.SocketStream, number: int) -> list[Any]:
    text = ""
    found: list[Any] = []
    decoder = json.JSONDecoder()
    while len(found) < number:
        text += (await stream.receive_some()).decode()
        while text:
            one, end = decoder.raw_decode(text)
            text = text[end:]
            found.append(one)
    return found


def test_answers_that_come_later_are_sent_when_they_come() -> None:
    async def run() -> None:
        backend = Later()
        async with open_simulator(make_backend=lambda outlet: backend) as sim:
            stream = await trio.open_tcp_stream(*sim.tcp_address)
            async with stream:
                await stream.send_all(
                    make_request(20, packet_id=1)
                    + make_request(3, packet_id=2)
                    + make_request(9, packet_id=3)
                )
                (first,) = await packets(stream, 1)
                assert first["packetID"] == 3  # which did not have to wait
                backend.resolve(1)
                (second,) = await packets(stream, 1)
                backend.resolve(0)
                backend.resolve(0)  # only the first answer counts
                (third,) = await packets(stream, 1)
                assert [second["packetID"], third["packetID"]] == [2, 1]
                assert third["payload"]["callbackArgs"] == ["me"]
            outcomes = [(one.packet_id, one.outcome) for one in sim.journal.exchanges()]
            assert outcomes == [(3, "success"), (2, "success"), (1, "success")]

    trio.run(run)


def test_faults_touch_an_answer_that_comes_later() -> None:
    async def run() -> None:
        backend = Later()
        async with open_simulator(make_backend=lambda outlet: backend) as sim:
            sim.inject(faults.WrongPacketId(when=When(callback=20)))
            sim.inject(faults.Fail(when=When(callback=21)))
            async with await trio.open_tcp_stream(*sim.tcp_address) as stream:
                await stream.send_all(make_request(20, packet_id=1) + make_request(21, packet_id=2))
                (vetoed,) = await packets(stream, 1)
                assert (vetoed["packetID"], vetoed["PUBACK"]) == (2, 0)
                assert len(backend.pending) == 1  # what is vetoed is not asked
                backend.resolve(0)
                (reply,) = await packets(stream, 1)
                assert reply["packetID"] != 1

    trio.run(run)


SPOILED = make_request(20, packet_id=1)


@pytest.mark.parametrize(
    ("transport", "said"),
    [
        ("tcp", SPOILED),
        ("tcp", SPOILED[:9]),  # whose rest follows
        ("ws", client_frame(TEXT, SPOILED)),
        ("ws", client_frame(0x01, SPOILED[:9]) + client_frame(0x80, SPOILED[9:])),
    ],
    ids=["tcp", "tcp-in-pieces", "ws", "ws-in-fragments"],
)
def test_a_defect_in_answering_one_client_costs_the_others_nothing(
    transport: Transport, said: bytes
) -> None:
    async def run() -> None:
        defects: list[Exception] = []
        async with (
            open_simulator(
                make_backend=lambda outlet: Defective(), on_internal_error=defects.append
            ) as sim,
            await trio.open_tcp_stream(*sim.tcp_address) as other,
        ):
            address = sim.tcp_address if transport == "tcp" else address_of(sim.ws_url)
            async with await trio.open_tcp_stream(*address) as stream:
                if transport == "ws":
                    await stream.send_all(HANDSHAKE)
                    await stream.receive_some()
                await stream.send_all(said)
                if said == SPOILED[:9]:
                    await trio.testing.wait_all_tasks_blocked()
                    await stream.send_all(SPOILED[9:])
                with contextlib.suppress(trio.BrokenResourceError):
                    assert await stream.receive_some() == b""
            while not (closed := sim.journal.events(kind="closed")):
                await trio.sleep(0)
            assert isinstance(closed[0], Closed)
            assert closed[0].reason == "internal error: ZeroDivisionError()"
            assert [type(one) for one in defects] == [ZeroDivisionError]
            await other.send_all(make_request(9, packet_id=2))
            assert (await packets(other, 1))[0]["packetID"] == 2

    trio.run(run)


def test_an_answer_after_the_end_of_its_connection_harms_nothing() -> None:
    async def run() -> None:
        backend = Later()
        async with open_simulator(make_backend=lambda outlet: backend) as sim:
            stream = await trio.open_tcp_stream(*sim.tcp_address)
            await stream.send_all(make_request(20, packet_id=1))
            await sim.wait_for_connection()
            while not backend.pending:
                await trio.sleep(0)
            await stream.aclose()
            while not sim.journal.events(kind="closed"):
                await trio.sleep(0)
            backend.resolve(0)
            async with await trio.open_tcp_stream(*sim.tcp_address) as other:
                await other.send_all(make_request(9, packet_id=2))
                assert (await packets(other, 1))[0]["packetID"] == 2

    trio.run(run)

"""A back end may answer now or later; faults, delivery and journal know no difference."""

import json
from typing import Any

import trio

from invis_sim import When, faults, open_simulator
from invis_sim.device.effects import Answer
from invis_sim.protocol.packets import Reply, Request
from invis_sim.server.session.backend import PendingAnswer
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

"""Whatever goes wrong on some outlets of a fleet, the others do not feel it.

A client of the others is compared, byte for byte, with the pure model of its outlet: replies,
pushes, and the order of both.
"""

from contextlib import AsyncExitStack, suppress
from typing import Any

import trio
from hypothesis import given
from hypothesis import strategies as st

from invis_sim import CommandError, Fleet, Simulator, open_fleet
from invis_sim.commands.command import Command
from invis_sim.commands.inject import InjectFault
from invis_sim.device.outlet import Outlet
from invis_sim.faults.fault import Fault
from invis_sim.protocol.frames import text_frame
from invis_sim.protocol.packets import Push, Request
from invis_sim.protocol.transport import Transport
from invis_sim.scenario.from_keys import parse_commands
from invis_sim.testing import strategies
from tests.server.frames import HANDSHAKE, TEXT, client_frame
from tests.server.support import TRANSPORTS
from tests.support import TIMEOUT, make_request

# No pushes but those of what a client changes, so that the model knows when each comes.
FLEET = """
[firmware.PM]
available_fw_rev = "0.5.1"
[timing]
sensor_seconds = 0
reconnect_seconds = 0
restart_seconds = 0.01
[fleet]
count = 4
"""
TROUBLED, UNTROUBLED = ("0003C400001", "0003C400002"), ("0003C400003", "0003C400004")

REQUESTS: list[tuple[int, Any]] = [
    *((callback, []) for callback in (1, 3, 9, 11, 12, 15, 20, 99)),
    *((10, [outlet, state]) for outlet in (1, 2) for state in (0, 1)),
    (14, [5, 1, 50]),
    (10, [9, 9]),
]

COMMANDS: list[dict[str, Any]] = [
    {"reboot": True},
    {"reboot": {"seconds": 60, "how": "blackhole"}},
    {"disconnect": "reset"},
    {"faceplate": "off"},
    {"push": {"callback": 99, "args": [1]}},
    {"set": {"names": {"outlet1": "Lamp"}, "outlets": {"states": [1, 1]}}},
    {"update": "PM"},
    {"reset": "all"},
]


async def trouble(outlet: Simulator) -> None:
    """Ask the outlet again and again, whatever comes of it, until cancelled."""
    while True:
        for host, port in outlet.addresses.values():
            try:
                async with await trio.open_tcp_stream(host, port) as client:
                    for callback, args in REQUESTS[:4]:
                        await client.send_all(make_request(callback, args))
                    await client.receive_some()
            except (OSError, trio.BrokenResourceError):
                await trio.lowlevel.checkpoint()


class ModelClient:
    """A client that knows what its outlet sends."""

    def __init__(self, outlet: Simulator, transport: Transport, stream: trio.SocketStream) -> None:
        self._model = Outlet(outlet.scenario.state, seed=outlet.seed)
        self._over_tcp = transport == "tcp"
        self._stream = stream
        self._packet_id = 100_000

    async def open(self) -> None:
        if self._over_tcp:
            return
        await self._stream.send_all(HANDSHAKE)
        head = b""
        while b"\r\n\r\n" not in head:
            head += await self._stream.receive_some()
        assert head.startswith(b"HTTP/1.1 101")

    async def ask(self, callback: int, args: Any) -> None:
        """Ask, and receive exactly what the model says."""
        self._packet_id += 1
        request = Request(packet_id=self._packet_id, callback=callback, args=args)
        answer = self._model.handle(request, 0.0)
        assert answer.reply is not None
        packets = [answer.reply, *(one for one in answer.effects if isinstance(one, Push))]
        texts = [packet.encode() for packet in packets]
        expected = b"".join(texts if self._over_tcp else map(text_frame, texts))
        data = make_request(callback, args, self._packet_id)
        await self._stream.send_all(data if self._over_tcp else client_frame(TEXT, data))
        received = b""
        while len(received) < len(expected):
            piece = await self._stream.receive_some()
            assert piece, (expected, received)
            received += piece
        assert received == expected


@given(
    st.lists(strategies.faults(), min_size=1, max_size=4),
    st.lists(st.sampled_from(COMMANDS), max_size=4),
    st.lists(st.sampled_from(REQUESTS), min_size=1, max_size=8),
)
def test_what_happens_to_some_is_not_felt_by_a_client_of_another(
    wrong: list[Fault], commands: list[dict[str, Any]], asked: list[tuple[int, Any]]
) -> None:
    async def main() -> None:
        with trio.fail_after(TIMEOUT):
            async with open_fleet(scenario=FLEET, seed=5) as fleet:
                await compare(fleet)

    async def compare(fleet: Fleet) -> None:
        troubled = fleet.select(lambda outlet: outlet.sn in TROUBLED)
        async with AsyncExitStack() as closing, trio.open_nursery() as nursery:
            for outlet in troubled.values():
                nursery.start_soon(trouble, outlet)
            clients = []
            for sn, transport in zip(UNTROUBLED, TRANSPORTS, strict=True):
                stream = await trio.open_tcp_stream(*fleet[sn].addresses[transport])
                closing.push_async_callback(trio.aclose_forcefully, stream)
                clients.append(ModelClient(fleet[sn], transport, stream))
                await clients[-1].open()
            happening: list[Command] = [InjectFault(fault) for fault in wrong]
            happening += [one for command in commands for one in parse_commands(command)]
            for callback, args in asked:
                for client in clients:
                    await client.ask(callback, args)
                    if happening:
                        with suppress(CommandError):  # what some of them do, others cannot follow
                            troubled.do(happening.pop(0))
            nursery.cancel_scope.cancel()
        for sn in UNTROUBLED:
            journal = fleet[sn].journal
            assert len(journal.exchanges()) >= len(asked)
            assert not any(exchange.faults for exchange in journal.exchanges())
            assert {event.kind for event in journal.events()} == {"connected"}
            assert len(fleet[sn].faults) == 0

    trio.run(main)

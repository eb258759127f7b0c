"""Clients that connect, ask, are told, break off and come back while faults come and go, against a
model.

The model knows what each client must receive, in order, and how its connection ends; so no test
waits for something that may not come. A reset may overtake what was sent before it, so there, and
only there, the client may get less.
"""

import json
import math
import socket
import struct
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from typing import Any, Literal, TypeAlias, TypeVar
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from invis_sim.device.firmware import FirmwareInventory, OutletFirmware
from invis_sim.faults import (
    CloseConnection,
    Delay,
    Drop,
    Duplicate,
    Fail,
    Fault,
    ResetConnection,
    Split,
    When,
    WrongPacketId,
)
from invis_sim.journal import Journal
from invis_sim.journal.text import summary
from invis_sim.protocol.transport import Transport
from invis_sim.server.fault_handle import FaultHandle
from invis_sim.testing.block import start_simulator
from invis_sim.testing.handle import SimulatorHandle
from tests.cases import examples
from tests.server.frames import CLOSE, HANDSHAKE, TEXT, client_frame, close_payload, frame_at
from tests.server.support import failure_reply, push, success_reply, wait_until
from tests.support import TIMEOUT, make_request

SCENARIO = """
    [firmware.IM]
    fw_rev = "1.0.0"
    www_fw_rev = "2.0.0"
"""
STATUS, CONTROL, UPDATES, UNKNOWN = 9, 10, 20, 999

T = TypeVar("T")
DisconnectMode: TypeAlias = Literal["close", "reset"]


# The model


def report(available: str) -> dict[str, Any]:
    """What it says of its firmware. available: the newest application."""
    application = {"fw_rev": "1.0.0", "available_fw_rev": available}
    pages = {"www_fw_rev": "2.0.0", "available_www_fw_rev": "2.0.0"}
    return {"IM": {**application, **pages}}


def foreseen(
    packet_id: int, callback: int, available: str, transport: Transport, faults: list[Fault]
) -> tuple[list[dict[str, Any]], DisconnectMode | None]:
    """What a request leads to, and how the outlet ends the connection behind it, if it does.

    faults: all that are enabled, oldest first.
    """
    reply = success_reply(packet_id) if callback == CONTROL else failure_reply(packet_id)
    if callback == UPDATES:
        payload = {"callbackName": callback, "callbackArgs": report(available)}
        reply = {**reply, "PUBACK": 1, "payload": payload}
    applying = [
        fault
        for fault in faults
        if fault.when.transport in (None, transport) and fault.when.callback in (None, callback)
    ]
    for fault in applying:
        match fault:
            case Fail():
                reply = {**reply, "PUBACK": 0}
                reply.pop("payload", None)
            case WrongPacketId(how="missing"):
                reply.pop("packetID", None)
            case WrongPacketId(how="zero"):
                reply["packetID"] = 0
            case WrongPacketId(how="string"):
                reply["packetID"] = str(packet_id)
    copies = 1
    ends: list[DisconnectMode] = []
    for fault in applying:
        match fault:
            case Drop():
                copies = 0
            case Duplicate(copies=factor):
                copies *= factor
            case CloseConnection(moment=moment) | ResetConnection(moment=moment):
                ends.append("close" if isinstance(fault, CloseConnection) else "reset")
                copies *= moment == "after"
    return [reply] * copies, ends[0] if ends else None


def conditions() -> st.SearchStrategy[When]:
    """Such that it can be told from a request alone whether they hold."""
    return st.builds(
        When,
        callback=st.sampled_from((None, None, UPDATES)),
        transport=st.sampled_from((None, None, "tcp", "ws")),
    )


moments = st.sampled_from(("before", "after"))
foreseeable_faults: st.SearchStrategy[Fault] = st.one_of(
    st.builds(Drop, when=conditions()),
    st.builds(Duplicate, when=conditions(), copies=st.integers(2, 3)),
    st.builds(Fail, when=conditions()),
    st.builds(WrongPacketId, when=conditions(), how=st.sampled_from(("missing", "zero", "string"))),
    st.builds(Delay, when=conditions(), seconds=st.floats(0, 3600)),
    st.builds(Split, when=conditions(), pieces=st.integers(2, 9), gap=st.floats(0, 3600)),
    st.builds(CloseConnection, when=conditions(), moment=moments),
    st.builds(ResetConnection, when=conditions(), moment=moments),
)


@dataclass
class Injected:
    """A fault that is in force, or would be if it were enabled."""

    fault: Fault
    handle: FaultHandle
    enabled: bool = True


# The clients


class Client:
    """A client on a plain socket, and what the model knows of it.

    ordinal: of its connection: each client is there before the next one comes.
    expected: packets that it is still to receive, in order.
    end: how the outlet ends the connection behind them; None: not at all.
    asked: how many of its requests the outlet must have heard before anything else changes.
    half: the rest of a request of which it has said only a part, and what that is.
    """

    def __init__(self, simulator: SimulatorHandle, transport: Transport, ordinal: int) -> None:
        self.transport: Transport = transport
        self.expected: list[dict[str, Any]] = []
        self.end: DisconnectMode | None = None
        self.asked = 0
        self.half: tuple[bytes, int, int] | None = None
        self._received = b""
        where = urlsplit(simulator.ws_url)
        port = simulator.tcp_address[1] if transport == "tcp" else where.port
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.ordinal = ordinal

        def is_connected(journal: Journal) -> bool:
            return any(event.connection == ordinal for event in journal.events())

        wait_until(simulator, is_connected)
        if transport == "ws":
            self.say(HANDSHAKE)
            while b"\r\n\r\n" not in self._received:
                assert self._more()
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 101 ")

    def __repr__(self) -> str:
        return f"<{self.transport} #{self.ordinal}>"

    def packed(self, packet_id: int, callback: int, args: Any = None) -> bytes:
        """A request as it goes on the wire. args: None: none."""
        document = make_request(callback, packet_id=packet_id)
        if args is not None:
            payload = {"callbackName": callback, "callbackArgs": args}
            document = json.dumps({"packetID": packet_id, "payload": payload}).encode()
        return client_frame(TEXT, document) if self.transport == "ws" else document

    def say(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read(self) -> Any:
        """The next packet, which must come."""
        while (packet := self._packet()) is None:
            assert self._more(), f"{self.expected} should come, {self._received!r} came"
        return packet

    def read_to_the_end(self) -> list[Any]:
        """The packets up to the end of the stream, which must come, on WebSocket behind a close
        frame.
        """
        self._all_there_is()
        packets = self._packets()
        if self.transport == "ws":
            found = frame_at(self._received)
            assert found is not None, self._received
            assert found[0].first == CLOSE, found
            self._received = self._received[found[1] :]
        assert self._received == b""
        return packets

    def read_to_the_reset(self) -> list[Any]:
        """The packets up to a reset, which must come."""
        with pytest.raises(ConnectionResetError):
            self._all_there_is()
        return self._packets()

    def break_off(self) -> None:
        """Ends the connection with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def _packets(self) -> list[Any]:
        """All packets that have arrived."""
        return list(iter(self._packet, None))

    def _packet(self) -> Any:
        """A packet that has arrived whole; None where there is none."""
        if self.transport == "ws":
            found = frame_at(self._received)
            if found is None or found[0].first != TEXT:
                return None
            packet, end = found[0].json, found[1]
        else:
            try:
                packet, end = json.JSONDecoder().raw_decode(self._received.decode())
            except json.JSONDecodeError:
                return None
        self._received = self._received[end:]
        return packet

    def _all_there_is(self) -> None:
        while self._more():
            pass

    def _more(self) -> bool:
        chunk = self.socket.recv(65536)
        self._received += chunk
        return bool(chunk)


# The rules


def one_of_its(choices: Callable[["Clients"], Sequence[T]]) -> st.SearchStrategy[T]:
    """One of what the machine has, of which there must be some."""
    return st.runner().flatmap(lambda machine: st.sampled_from(choices(machine)))


any_client = one_of_its(lambda machine: machine.here)
open_client = one_of_its(lambda machine: machine.open)
any_fault = one_of_its(lambda machine: machine.injected)
callbacks = st.sampled_from((UPDATES, UPDATES, UNKNOWN))


class Clients(RuleBasedStateMachine):
    """What clients, and whoever tests one, may do."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.simulator = self.stack.enter_context(start_simulator(SCENARIO, speed=math.inf))
        self.here: list[Client] = []
        self.injected: list[Injected] = []
        self.ordinals = count(1)
        self.packet_ids = count(100_000)
        self.available = "1.0.0"
        self.states = [0, 0]

    @property
    def open(self) -> list[Client]:
        """The clients that the outlet still listens to."""
        return [client for client in self.here if client.end is None]

    def teardown(self) -> None:
        with self.stack:
            for client in self.open:
                self.ask(client, [UPDATES, UNKNOWN, UPDATES])
            for client in tuple(self.here):
                self.leave(client, comes_back=False)
            why = [summary(event) for event in self.simulator.journal.events()]
            assert not [detail for detail in why if "internal error" in detail]

    # Faults

    @precondition(lambda self: len(self.injected) < 3)
    @rule(fault=foreseeable_faults)
    def inject(self, fault: Fault) -> None:
        self.all_is_heard()
        self.injected.append(Injected(fault, self.simulator.inject(fault)))

    @precondition(lambda self: self.injected)
    @rule(injected=any_fault)
    def remove(self, injected: Injected) -> None:
        self.all_is_heard()
        injected.handle.remove()
        self.injected.remove(injected)

    @precondition(lambda self: self.injected)
    @rule(injected=any_fault)
    def switch(self, injected: Injected) -> None:
        self.all_is_heard()
        injected.enabled = not injected.enabled
        injected.handle.enabled = injected.enabled

    @rule(available=st.sampled_from(("1.0.0", "1.1.0", "9.9.9")))
    def offer(self, available: str) -> None:
        """Another firmware."""
        self.all_is_heard()
        im = OutletFirmware(fw_rev="1.0.0", available_fw_rev=available, www_fw_rev="2.0.0")
        self.simulator.set(firmware=FirmwareInventory(IM=im))
        self.available = available

    # Pushes

    @rule(number=st.integers(0, 9))
    def push(self, number: int) -> None:
        """Something that all are told who are still listened to."""
        self.all_is_heard()
        self.simulator.push(UNKNOWN, [number])
        self.all_are_told(UNKNOWN, [number])

    @precondition(lambda self: self.open)
    @rule(client=open_client, outlet=st.integers(1, 2), state=st.integers(0, 1))
    def control(self, client: Client, outlet: int, state: int) -> None:
        """A request that all are told of, the one that asks behind its reply."""
        self.say_the_rest(client)
        self.all_is_heard()
        if client.end is not None:
            return
        packet_id = next(self.packet_ids)
        enabled = [injected.fault for injected in self.injected if injected.enabled]
        prevented = any(
            isinstance(fault, Fail)
            and fault.when.transport in (None, client.transport)
            and fault.when.callback in (None, CONTROL)
            for fault in enabled
        )
        self.foresee(client, packet_id, CONTROL)
        client.say(client.packed(packet_id, CONTROL, [outlet, state]))
        self.all_is_heard()
        if not prevented and self.states[outlet - 1] != state:
            self.states[outlet - 1] = state
            self.all_are_told(STATUS, list(self.states))

    def all_are_told(self, callback: int, args: Any) -> None:
        for client in self.open:
            client.expected.append(push(callback, args))

    def all_is_heard(self) -> None:
        """Waits until what clients have asked so far is answered, under the faults of that time."""

        def heard(journal: Journal) -> bool:
            asked = Counter(e.connection for e in journal.exchanges() if e.request is not None)
            return all(asked[client.ordinal] >= client.asked for client in self.here)

        wait_until(self.simulator, heard)

    # Clients

    @initialize()
    def begin(self) -> None:
        self.connect("tcp")
        self.connect("ws")

    @precondition(lambda self: len(self.here) < 4)
    @rule(transport=st.sampled_from(("tcp", "ws")))
    def connect(self, transport: Transport) -> None:
        client = Client(self.simulator, transport, next(self.ordinals))
        self.stack.enter_context(client.socket)
        self.here.append(client)

    @precondition(lambda self: self.open)
    @rule(client=open_client, several=st.lists(callbacks, min_size=1, max_size=6))
    def ask(self, client: Client, several: list[int]) -> None:
        """All of it in one write."""
        self.say_the_rest(client)
        if client.end is not None:
            return
        data = b""
        for callback in several:
            packet_id = next(self.packet_ids)
            data += client.packed(packet_id, callback)
            self.foresee(client, packet_id, callback)
        client.say(data)

    @precondition(lambda self: self.open)
    @rule(client=open_client, callback=callbacks, share=st.floats(0, 1))
    def ask_half(self, client: Client, callback: int, share: float) -> None:
        self.say_the_rest(client)
        if client.end is not None:
            return
        packet_id = next(self.packet_ids)
        data = client.packed(packet_id, callback)
        cut = 1 + int(share * (len(data) - 2))
        client.half = data[cut:], packet_id, callback
        client.say(data[:cut])

    @precondition(lambda self: self.open)
    @rule(client=open_client)
    def say_the_rest(self, client: Client) -> None:
        if client.half is not None:
            rest, packet_id, callback = client.half
            client.half = None
            self.foresee(client, packet_id, callback)
            client.say(rest)

    def foresee(self, client: Client, packet_id: int, callback: int) -> None:
        """The client asks, or is about to."""
        if client.end is None:
            faults = [injected.fault for injected in self.injected if injected.enabled]
            replies, client.end = foreseen(
                packet_id, callback, self.available, client.transport, faults
            )
            client.expected += replies
            client.asked += 1

    @precondition(lambda self: self.open)
    @rule(client=open_client)
    def read(self, client: Client) -> None:
        if client.expected:
            assert client.read() == client.expected.pop(0)

    @precondition(lambda self: self.here)
    @rule(client=any_client, comes_back=st.booleans())
    def leave(self, client: Client, comes_back: bool) -> None:
        """Takes what is still to come, and leaves in an orderly way, if it may."""
        if client.transport == "ws":
            self.say_the_rest(client)  # on TCP, the end may come in the middle of a request
        self.here.remove(client)
        with client.socket:
            self.take_leave(client)
        if comes_back:
            self.connect(client.transport)

    def take_leave(self, client: Client) -> None:
        if client.end == "reset":
            came = client.read_to_the_reset()  # which may overtake what was sent before it
            assert came == client.expected[: len(came)]
            return
        if client.end is None and client.transport == "tcp":
            client.socket.shutdown(socket.SHUT_WR)
        elif client.end is None:
            while client.expected:
                assert client.read() == client.expected.pop(0)
            client.say(client_frame(CLOSE, close_payload(1000)))
        assert client.read_to_the_end() == client.expected

    @precondition(lambda self: self.here)
    @rule(client=any_client, comes_back=st.booleans())
    def break_off(self, client: Client, comes_back: bool) -> None:
        self.here.remove(client)
        client.break_off()
        if comes_back:
            self.connect(client.transport)

    @precondition(lambda self: any(client.transport == "tcp" for client in self.open))
    @rule(client=open_client, noise=st.sampled_from((b"hello\n", b"{]\n", b"[1]\n", b" \n\0")))
    def say_something_silly(self, client: Client, noise: bytes) -> None:
        """Which is answered with nothing, and disturbs nothing."""
        self.say_the_rest(client)
        if client.end is None and client.transport == "tcp":
            client.say(noise)


TestClients = Clients.TestCase
TestClients.settings = settings(
    max_examples=examples(1.5), stateful_step_count=25, suppress_health_check=[HealthCheck.too_slow]
)

"""The outlet does what its transports must do; and whatever does not is found."""

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from invis_sim.protocol.transport import Transport
from invis_sim.testing.block import start_simulator
from invis_sim.testing.handle import SimulatorHandle
from tests.server.conformance import Check, Endpoint, check_transport, checks_of
from tests.server.peers import Address, Peer, TcpPeer, WebSocketPeer, address
from tests.server.support import TRANSPORTS, on_both, outlet
from tests.support import TIMEOUT

CASES = [(transport, check) for transport in TRANSPORTS for check in checks_of(transport)]


def connected_to(where: Address, transport: Transport) -> Peer:
    return (TcpPeer if transport == "tcp" else WebSocketPeer).opened(where)


@pytest.fixture(scope="module", name="sim")
def one_outlet() -> Iterator[SimulatorHandle]:
    with start_simulator(outlet()) as sim:
        yield sim


@pytest.mark.parametrize(
    ("transport", "check"), CASES, ids=[f"{one}-{check.__name__}" for one, check in CASES]
)
def test_the_outlet_conforms(sim: SimulatorHandle, transport: Transport, check: Check) -> None:
    check(Endpoint(transport, lambda: connected_to(address(sim, transport), transport), sim.push))
    assert not sim.journal.events(kind="error")


# What something between the outlet and the client may do to it

Change = Callable[[bytes], bytes]


@contextmanager
def proxy(where: Address, change: Change = bytes) -> Iterator[Address]:
    """Something that passes bytes on, both ways. change: what it does to each piece that the outlet
    sends.
    """

    def forward(source: socket.socket, target: socket.socket, change: Change) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(change(data))
            target.shutdown(socket.SHUT_WR)
            return
        for sock in (source, target):  # a reset is passed on as an end, which is near enough
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    with ExitStack() as stack, socket.create_server(("127.0.0.1", 0), backlog=100) as listener:

        def accept() -> None:
            with suppress(OSError):  # the listener is shut down
                while True:
                    client = stack.enter_context(listener.accept()[0])
                    server = stack.enter_context(socket.create_connection(where, TIMEOUT))
                    for sock in (client, server):
                        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    for pair in ((client, server, bytes), (server, client, change)):
                        threads.append(threading.Thread(target=forward, args=pair, daemon=True))
                        threads[-1].start()

        threads = [threading.Thread(target=accept, daemon=True)]
        threads[0].start()
        try:
            yield listener.getsockname()
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            threads[0].join(TIMEOUT)


@on_both
def test_what_passes_all_on_conforms(sim: SimulatorHandle, transport: Transport) -> None:
    with proxy(address(sim, transport)) as where:
        check_transport(transport, lambda: connected_to(where, transport), sim.push)


def numbers_swapped(data: bytes) -> bytes:
    return re.sub(
        rb'"packetID":(100001|100002)\b',
        lambda found: b'"packetID":%d' % (200003 - int(found[1])),
        data,
    )


SPOILED: dict[str, tuple[Transport, Change]] = {
    "another packetID": (
        "tcp",
        lambda data: data.replace(b'"packetID":221040', b'"packetID":221041'),
    ),
    "another order": ("tcp", numbers_swapped),
    "a line's end behind each packet": ("tcp", lambda data: data + b"\n"),
    "a reply twice": ("tcp", lambda data: data * 2 if b'"PUBACK":0' in data else data),
    "a push twice": ("tcp", lambda data: data * 2 if b'"news"' in data else data),
    "a push that is another": ("ws", lambda data: data.replace(b'"news"', b'"newt"')),
    "pongs that hold something else": ("ws", lambda data: data.replace(b"1234", b"1243")),
    "binary replies": ("ws", lambda data: data.replace(b"\x81\x7e", b"\x82\x7e")),
    "another code": ("ws", lambda data: data.replace(b"\x03\xf1", b"\x03\xf0")),
}


@pytest.mark.parametrize("name", SPOILED)
def test_what_spoils_something_does_not_conform(sim: SimulatorHandle, name: str) -> None:
    transport, change = SPOILED[name]
    with proxy(address(sim, transport), change) as where, pytest.raises(AssertionError) as raised:
        check_transport(transport, lambda: connected_to(where, transport), sim.push)
    assert "in the check" in raised.value.__notes__[0]

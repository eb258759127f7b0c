"""The ports of an outlet come back after a restart, and nothing is left of them at the end."""

import os
import socket
import sys
import time
from contextlib import ExitStack
from typing import Any

import pytest
import trio
import trio.testing

from invis_sim.journal import Connected, ServerError
from invis_sim.protocol.transport import Transport
from invis_sim.server.acceptor import Acceptor
from invis_sim.server.net.listeners import ListenerGroup, StartError, host_in, open_listeners
from tests.server.peers import connected
from tests.server.support import faulty, wait_until
from tests.support import TIMEOUT, connect


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


linux = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="descriptors are not listed")


def taken(address: tuple[str, int]) -> socket.socket:
    """Listen at the address of a paused outlet, as a server does that reuses addresses."""
    other = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
    other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    other.bind(address)
    other.listen()
    return other


@linux
def test_a_port_that_is_taken_leaks_nothing() -> None:
    async def run() -> None:
        first = (await open_listeners("tcp", "127.0.0.1", 0)).sockets
        second = (await open_listeners("tcp", "127.0.0.2", 0)).sockets
        group = ListenerGroup("tcp", (*first, *second))
        addresses = [sock.getsockname() for sock in group.sockets]
        group.pause()
        with taken(addresses[1]):
            with pytest.raises(OSError, match="in use"):
                group.resume()
            before = descriptors()
            for _ in range(5):
                with pytest.raises(OSError, match="in use"):
                    group.resume()
            assert descriptors() == before
            with pytest.raises(ConnectionRefusedError):  # neither of them listens
                socket.create_connection(addresses[0], TIMEOUT)
        group.resume()
        for address in addresses:
            socket.create_connection(address, TIMEOUT).close()
        group.close()

    trio.run(run)


@pytest.mark.skipif(sys.platform != "linux", reason="others cannot shut down what listens")
@pytest.mark.parametrize("how", ["pause", "close"])
def test_a_port_is_closed_also_where_another_process_has_a_copy_of_the_socket(how: str) -> None:
    async def run() -> None:
        group = await open_listeners("tcp", "127.0.0.1", 0)
        copy = os.dup(group.sockets[0].fileno())
        getattr(group, how)()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((group.host, group.port), TIMEOUT)
        group.close()
        os.close(copy)

    trio.run(run)


@linux
def test_a_group_that_is_closed_stays_so() -> None:
    async def run() -> None:
        before = descriptors()
        for paused in (False, True):
            group = await open_listeners("tcp", "127.0.0.1", 0)
            if paused:
                group.pause()
            group.close()
            group.pause()
            group.resume()
            group.close()
            assert not group.sockets
        assert descriptors() == before

    trio.run(run)


@pytest.mark.parametrize("missing", ["192.0.2.1", "2001:db8::1"])
@pytest.mark.parametrize("first", [True, False])
def test_of_the_addresses_of_a_name_those_are_used_that_this_machine_has(
    missing: str, first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve = socket.getaddrinfo
    hosts = [missing, "127.0.0.1"] if first else ["127.0.0.1", missing]

    def getaddrinfo(host: str, *more: Any, **options: Any) -> Any:
        if host != "outlet.invalid":
            return resolve(host, *more, **options)
        return [info for one in hosts for info in resolve(one, 0, type=socket.SOCK_STREAM)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    async def run() -> None:
        group = await open_listeners("tcp", "outlet.invalid", 0)
        assert [sock.getsockname() for sock in group.sockets] == [("127.0.0.1", group.port)]
        group.close()
        hosts.remove("127.0.0.1")
        with pytest.raises(StartError, match=r"host outlet\.invalid, port 0: "):
            await open_listeners("tcp", "outlet.invalid", 0)

    trio.run(run)


def test_a_link_local_address_keeps_its_interface() -> None:
    index, name = socket.if_nameindex()[0]
    assert host_in(("fe80::1", 3333, 0, index)) == f"fe80::1%{name}"
    assert host_in(("::1", 3333, 0, 0)) == "::1"
    assert host_in(("127.0.0.1", 3333)) == "127.0.0.1"


def test_a_client_that_has_gone_before_it_is_accepted_ends_nothing() -> None:
    """To one of two acceptors that hear of each client, it has gone when it looks."""
    served: list[Transport] = []
    errors: list[str] = []

    async def serve(sock: socket.socket, transport: Transport) -> None:
        served.append(transport)
        sock.close()

    async def run() -> None:
        group = await open_listeners("tcp", "127.0.0.1", 0)
        twin = ListenerGroup("ws", [group.sockets[0].dup()])
        async with trio.open_nursery() as nursery:
            acceptors = [Acceptor(nursery, [one], serve, errors.append) for one in (group, twin)]
            for acceptor in acceptors:
                acceptor.start()
            for number in range(1, 6):
                await trio.testing.wait_all_tasks_blocked()
                socket.create_connection((group.host, group.port), TIMEOUT).close()
                with trio.fail_after(TIMEOUT):
                    while len(served) < number:
                        await trio.sleep(0)
            for acceptor in acceptors:
                acceptor.close()  # which ends the tasks

    trio.run(run)
    assert (len(served), errors) == (5, [])


def test_clients_that_dial_in_one_turn_are_numbered_in_their_order() -> None:
    with faulty() as sim, ExitStack() as stack:

        def dial() -> list[str]:
            # In the event loop, which accepts none of them meanwhile.
            clients = [stack.enter_context(connect(sim.tcp_address)) for _ in range(50)]
            return ["{}:{}".format(*client.getsockname()) for client in clients]

        dialled = sim.call(dial)
        wait_until(sim, lambda journal: len(journal.events(kind="connected")) == len(dialled))
        found = [event for event in sim.journal.events() if isinstance(event, Connected)]
        assert [event.peer for event in found] == dialled
        assert [event.connection for event in found] == list(range(1, 51))


def test_an_acceptor_may_be_closed_in_the_turn_in_which_a_client_comes() -> None:
    errors: list[str] = []

    async def serve(sock: socket.socket, transport: Transport) -> None:
        sock.close()

    async def run() -> None:
        group = await open_listeners("tcp", "127.0.0.1", 0)
        reader, writer = socket.socketpair()
        with reader, writer:
            async with trio.open_nursery() as nursery:
                acceptor = Acceptor(nursery, [group], serve, errors.append)
                acceptor.start()

                async def close() -> None:
                    await trio.lowlevel.wait_readable(reader)
                    acceptor.close()

                nursery.start_soon(close)
                await trio.testing.wait_all_tasks_blocked()
                # Both tasks are woken in one turn, in an order that trio chooses at random.
                socket.create_connection((group.host, group.port), TIMEOUT).close()
                writer.send(b"!")

    for _ in range(20):
        trio.run(run)
    assert errors == []


def test_a_port_taken_during_a_restart_comes_back_when_it_is_free() -> None:
    with faulty() as sim:
        sim.clock.pause()
        sim.reboot(1)
        with taken(sim.tcp_address):
            sim.clock.advance(2)
            (error,) = [one for one in sim.journal.events() if isinstance(one, ServerError)]
            place = "{} port {}".format(*sim.tcp_address)
            assert error.text.startswith(f"cannot listen on {place} any more: ")
            with connected(sim, "ws") as client:  # the other port is not concerned
                assert client.is_served()

        def is_back() -> bool:
            try:
                socket.create_connection(sim.tcp_address, TIMEOUT).close()
            except ConnectionRefusedError:
                return False
            return True

        deadline = time.monotonic() + TIMEOUT
        while not is_back() and time.monotonic() < deadline:
            time.sleep(0.02)
        with connected(sim, "tcp") as client:
            assert client.is_served()


def test_a_port_taken_over_several_restarts_comes_back_once() -> None:
    with faulty() as sim:
        sim.clock.pause()
        sim.reboot(1)
        with taken(sim.tcp_address):
            for _ in range(3):
                sim.clock.advance(2)
                sim.reboot(1)
            sim.clock.advance(2)
        sim.reboot(1)  # the port is ours again, and refuses
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(sim.tcp_address, TIMEOUT)
        sim.clock.advance(2)
        with connected(sim, "tcp") as client:
            assert client.is_served()

"""One connected socket, and the hub that listens to many."""

import select
import socket

import pytest
import trio
import trio.testing

from invis_sim.server.net.client_socket import ClientSocket
from invis_sim.server.net.poller import Poller


@pytest.mark.skipif(not hasattr(select, "epoll"), reason="there is no epoll here")
def test_a_socket_that_gets_the_number_of_a_closed_one_is_heard() -> None:
    heard: list[bytes] = []

    def take(chunk: bytes) -> bool:
        heard.append(chunk)
        return bool(chunk)

    async def hear(wire: ClientSocket) -> None:
        try:
            await wire.read_loop(take)
        except trio.ClosedResourceError:
            heard.append(b"closed")

    async def live() -> None:
        hub = Poller()
        async with trio.open_nursery() as nursery:
            one, other = socket.socketpair()
            number = one.fileno()
            first = ClientSocket(one, 1, hub)
            nursery.start_soon(hear, first)
            await trio.testing.wait_all_tasks_blocked()
            first.close()
            again, peer = socket.socketpair()
            assert again.fileno() == number

            async def speak() -> None:
                await trio.testing.wait_all_tasks_blocked()
                peer.send(b"hello")
                peer.close()

            nursery.start_soon(speak)
            with trio.fail_after(5):
                await hear(ClientSocket(again, 1, hub))  # before the first one's task has noticed
            await hub.close()
            again.close()
            other.close()

    trio.run(live)
    assert heard == [b"closed", b"hello", b""]

"""One connected socket, and the hub that listens to many."""

import select
import socket
import struct
from contextlib import suppress

import pytest
import trio
import trio.testing

from invis_sim.server.net.client_socket import ClientSocket
from invis_sim.server.net.poller import Poller

has_epoll = pytest.mark.skipif(not hasattr(select, "epoll"), reason="there is no epoll here")


@has_epoll
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


@pytest.mark.parametrize("hub", [None, pytest.param(Poller, marks=has_epoll)])
def test_a_reset_that_the_sender_has_noticed_does_not_look_like_an_end(
    hub: type[Poller] | None,
) -> None:
    async def live() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            client = socket.create_connection(listener.getsockname())
            poller = None if hub is None else hub()
            wire = ClientSocket(listener.accept()[0], 1, poller)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        with suppress(trio.BrokenResourceError):
            while True:  # the reset may still be on its way
                wire.send_now(b"hello")
                await trio.lowlevel.checkpoint()
        with pytest.raises(trio.BrokenResourceError):
            await wire.read_loop(bool)
        wire.close()
        if poller is not None:
            await poller.close()

    trio.run(live)

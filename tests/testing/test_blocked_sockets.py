"""An outlet of a wider scope beside pytest-socket, which blocks sockets for the time of a test."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from invis_sim import start_proxy, start_simulator
from invis_sim.protocol.transport import Transport
from tests.server.peers import TcpPeer, WebSocketPeer, address, address_of
from tests.server.support import on_both, outlet, wait_for_end
from tests.support import TIMEOUT, connect, exchange

# It warns whenever it blocks something.
pytestmark = pytest.mark.filterwarnings("ignore:A test tried to use:UserWarning")


@contextmanager
def blocked() -> Iterator[None]:
    """A block in which no socket can be made."""
    pytest_socket: Any = pytest.importorskip("pytest_socket")
    pytest_socket.disable_socket()
    try:
        with pytest.raises(pytest_socket.SocketBlockedError):
            socket.socket()
        yield
    finally:
        pytest_socket.enable_socket()


@on_both
def test_a_client_that_connects_while_sockets_are_blocked_is_served(transport: Transport) -> None:
    with start_simulator(outlet()) as sim:
        for _ in range(3):
            client = socket.socket()  # made before, as that of a fixture or of a background thread
            with client, blocked():
                client.connect(address(sim, transport))
                sim.wait_for_connection()
                peer = (TcpPeer if transport == "tcp" else WebSocketPeer)(client)
                peer.handshake()
                assert peer.is_served()


def test_an_outlet_that_restarts_while_sockets_are_blocked_comes_back() -> None:
    with start_simulator(outlet()) as sim:
        place = sim.tcp_address
        with blocked():
            sim.reboot(3600)
            sim.clock.settle()
        with connect(place) as client:
            assert exchange(client)["PUBACK"] == 1


def test_a_control_server_and_a_proxy_go_on_when_sockets_are_no_longer_blocked() -> None:
    with start_simulator(outlet()) as device, start_simulator(outlet(), control=True) as sim:
        tcp, ws = (port for _, port in device.addresses.values())
        with start_proxy("127.0.0.1", tcp_port=tcp, ws_port=ws) as proxy:
            asks, proxied = socket.socket(), socket.socket()
            asks.settimeout(TIMEOUT)
            with asks, proxied:
                with blocked():
                    asks.connect(address_of(str(sim.control_url)))
                    asks.sendall(b"GET /api/version HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
                    proxied.connect(proxy.tcp_address)
                    (reason,) = wait_for_end(proxy)
                assert asks.recv(100).startswith(b"HTTP/1.1 ")
            assert "no connection to the device: A test tried to use socket." in reason
            with connect(proxy.tcp_address) as client:
                assert exchange(client)["PUBACK"] == 1


def test_where_some_hosts_are_allowed_clients_of_these_come_and_go() -> None:
    """As Home Assistant's test tools set it up."""
    pytest_socket: Any = pytest.importorskip("pytest_socket")
    with start_simulator(outlet()) as sim:
        pytest_socket.socket_allow_hosts(["127.0.0.1"])
        try:
            for _ in range(2):
                with connect(sim.tcp_address) as client:
                    assert exchange(client)["PUBACK"] == 1
                sim.reboot(3600)
                sim.clock.settle()
        finally:
            pytest_socket._remove_restrictions()

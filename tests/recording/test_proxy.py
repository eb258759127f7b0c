"""A proxy hands everything on, and does to it what faults do to a simulated outlet."""

from collections.abc import Iterator
from typing import Any

import pytest

from invis_sim.protocol.transport import Transport
from invis_sim.testing.block import SimulatorContext, start_simulator
from invis_sim.testing.handle import SimulatorHandle
from invis_sim.testing.proxy import start_proxy
from tests.server.conformance import Check, Endpoint, checks_of
from tests.server.peers import TcpPeer, WebSocketPeer, address, address_of
from tests.server.support import TRANSPORTS, outlet

CASES = [(transport, check) for transport in TRANSPORTS for check in checks_of(transport)]


def proxy_of(device: SimulatorHandle, *args: Any, **options: Any) -> SimulatorContext:
    """A proxy in front of an outlet, which is a simulated one."""
    host, tcp_port = device.tcp_address
    _, ws_port = address_of(device.ws_url)
    return start_proxy(host, *args, tcp_port=tcp_port, ws_port=ws_port, **options)


@pytest.fixture(scope="module", name="device")
def one_device() -> Iterator[SimulatorHandle]:
    with start_simulator(outlet()) as device:
        yield device


@pytest.fixture(scope="module", name="proxy")
def one_proxy(device: SimulatorHandle) -> Iterator[SimulatorHandle]:
    with proxy_of(device) as proxy:
        yield proxy


@pytest.mark.parametrize(
    ("transport", "check"), CASES, ids=[f"{one}-{check.__name__}" for one, check in CASES]
)
def test_what_passes_a_proxy_conforms(
    device: SimulatorHandle, proxy: SimulatorHandle, transport: Transport, check: Check
) -> None:
    kind = TcpPeer if transport == "tcp" else WebSocketPeer
    check(Endpoint(transport, lambda: kind.opened(address(proxy, transport)), device.push))
    assert not proxy.journal.events(kind="error")

"""The client's methods through a proxy, which the client takes for the outlet. All but `set_host`,
which goes to another outlet.
"""

import asyncio
from urllib.parse import urlsplit

import pytest

from invis_sim import SimulatorHandle, start_proxy, start_simulator
from invis_sim.protocol.transport import Transport
from tests.real_client.support import TRANSPORTS, both_connected
from tests.real_client.test_methods import METHODS, Visit


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("name", [name for name in METHODS if name != "set_host"])
def test_a_method_does_what_it_says_through_a_proxy(
    name: str, transport: Transport, request: pytest.FixtureRequest
) -> None:
    method = METHODS[name]
    product = method.fits[0]
    if method.reconnects:
        request.getfixturevalue("quick_reconnection")

    async def visiting(device: SimulatorHandle, proxy: SimulatorHandle) -> None:
        async with both_connected(proxy, transport) as (client, other):
            await method.check(Visit(device, product, transport, client, other))

    scenario = f'device.product = "{product}"\n{method.scenario}'
    with start_simulator(scenario, speed=method.speed) as device:
        host, port = device.tcp_address
        ws_port = urlsplit(device.ws_url).port
        assert ws_port is not None
        with start_proxy(host, tcp_port=port, ws_port=ws_port) as proxy:
            asyncio.run(visiting(device, proxy))

"""The real client finds the outlet on the network, by mDNS, while it is there."""

import asyncio
import random
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

from invis_sim import SimulatorHandle, start_simulator
from invis_sim.device.state import Product
from tests.real_client.support import PRODUCTS, on_an_address_of_its_own

SCAN_SECONDS = 0.5

SCANS = 40
"""How often a test looks for what must come to be, at the most: the network takes its time."""


def a_serial_number() -> str:
    """One that no outlet of another test has: all of them share the network."""
    return f"{random.randrange(16**10):010X}"


def scan(wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Scans until what is found is as wanted: by serial number, the devices."""
    from invisoutlet import discover

    found: dict[str, Any] = {}
    for _ in range(SCANS):
        found = {one.serial_number: one for one in asyncio.run(discover(SCAN_SECONDS))}
        if wanted(found):
            return found
    raise AssertionError(f"still found: {', '.join(found) or 'nothing'}")


FACEPLATE_SN = "1003C44077"

EXPECTED: dict[Product, tuple[str | None, ...]] = {
    "bare": (None, None, None),
    "pro": ("Pro", "InvisDeco", FACEPLATE_SN),
    "aura": ("Aura", "InvisDeco", FACEPLATE_SN),
}
"""The product → what is told of its faceplate: type, device and serial number."""


def test_every_product_is_found_with_all_that_it_tells_of_itself() -> None:
    with ExitStack() as stack:
        outlets: dict[Product, SimulatorHandle] = {}
        for product in PRODUCTS:
            scenario = f'[device]\nproduct = "{product}"\nsn = "{a_serial_number()}"\n'
            if product != "bare":
                scenario += f'[faceplate]\nsn = "{FACEPLATE_SN}"\n'
            block = on_an_address_of_its_own(scenario, mdns=True)
            outlets[product] = stack.enter_context(block)
        named = {one.sn for one in outlets.values()}
        found = scan(lambda found: named <= found.keys())
        for product, outlet in outlets.items():
            device = found[outlet.sn]
            assert device.name == f"{outlet.sn}.local."
            assert device.host == urlsplit(outlet.ws_url).hostname
            assert device.port == outlet.tcp_address[1]
            assert device.device_type == "InvisOutlet"
            faceplate = (device.sub_type, device.sub_device, device.sub_sn)
            assert faceplate == EXPECTED[product]


def test_what_is_found_can_be_connected_to() -> None:
    from invisoutlet import InvisOutletClient

    async def visit(device: Any) -> str:
        async with InvisOutletClient(device.host, tcp_port=device.port) as client:
            info = await client.get_device_info()
        serial_number: str = info.serial_number
        return serial_number

    scenario = f'device.sn = "{a_serial_number()}"\n'
    with start_simulator(scenario, mdns=True) as outlet:
        device = scan(lambda found: outlet.sn in found)[outlet.sn]
        assert asyncio.run(visit(device)) == outlet.sn


def test_it_is_gone_while_it_is_away_and_there_when_it_is_back_and_gone_at_the_end() -> None:
    from invisoutlet import InvisOutletClient

    async def lose_the_network(host: str, port: int) -> None:
        async with InvisOutletClient(host, tcp_port=port) as client:
            await client.reset_network()

    with start_simulator(f'device.sn = "{a_serial_number()}"\n', mdns=True) as outlet:
        sn = outlet.sn
        scan(lambda found: sn in found)
        asyncio.run(lose_the_network(*outlet.tcp_address))
        scan(lambda found: sn not in found)
        outlet.join_network()
        scan(lambda found: sn in found)
    assert sn not in scan(lambda found: True)


def test_neither_one_that_is_not_announced_nor_one_that_restarts_is_found() -> None:
    scenario = f'device.sn = "{a_serial_number()}"\n'
    announced = f'device.sn = "{a_serial_number()}"\n'
    with start_simulator(scenario) as silent, start_simulator(announced, mdns=True) as other:
        found = scan(lambda found: other.sn in found)
        assert silent.sn not in found
        other.reboot(1e6)
        scan(lambda found: other.sn not in found)

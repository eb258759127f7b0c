"""The real client finds outlets from another host, each at an address of its own, wherever that
is at the moment."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from invis_sim import SimulatorHandle, faults, start_fleet
from tests.namespaces import inside, two_hosts
from tests.real_client.test_discovery import a_serial_number, scan
from tests.server.mdns import shorten_pauses

HOSTS = ("192.0.2.1", "192.0.2.2", "192.0.2.3")
"""Where the outlets are at first; the host has further addresses."""

SPARE = ("192.0.2.11", "192.0.2.12")


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten_pauses(monkeypatch)


@pytest.fixture(name="hosts")
def two_hosts_with_outlets() -> Iterator[tuple[str, list[SimulatorHandle]]]:
    """The other host, and the outlets of this one, with the ports of real ones."""
    with two_hosts(here=HOSTS + SPARE) as (here, there), ExitStack() as stack:
        with inside(here):
            fleet = stack.enter_context(
                start_fleet(
                    len(HOSTS),
                    sn=f"{a_serial_number()[:7]}{{n:03d}}",
                    address=HOSTS[0],
                    tcp_port=3333,
                    ws_port=80,
                    mdns=True,
                )
            )
        yield there, list(fleet.values())


def wait_until_found(there: str, expected: dict[str, str | None]) -> None:
    """Scan from a host until outlets are found at these addresses. None: until one is not found."""

    def is_as_expected(found: dict[str, Any]) -> bool:
        return {sn: found[sn].host if sn in found else None for sn in expected} == expected

    with inside(there):
        scan(is_as_expected)


async def serial_number_at(host: str) -> str:
    from invisoutlet import InvisOutletClient

    async with InvisOutletClient(host) as client:
        info = await client.get_device_info()
    serial_number: str = info.serial_number
    return serial_number


def test_each_is_found_at_its_own_address_gone_while_it_restarts_and_back_afterwards(
    hosts: tuple[str, list[SimulatorHandle]],
) -> None:
    there, outlets = hosts
    expected: dict[str, str | None] = {
        outlet.sn: host for outlet, host in zip(outlets, HOSTS, strict=True)
    }
    wait_until_found(there, expected)
    with inside(there):
        for sn, host in expected.items():
            assert asyncio.run(serial_number_at(str(host))) == sn
    restarting = outlets[0]
    restarting.clock.pause()
    restarting.reboot(seconds=10)
    wait_until_found(there, {**expected, restarting.sn: None})
    restarting.clock.advance(10)
    wait_until_found(there, expected)


def test_one_that_moves_is_found_at_its_new_address_and_at_no_other(
    hosts: tuple[str, list[SimulatorHandle]],
) -> None:
    there, (stays, moves, comes_back_elsewhere) = hosts
    wait_until_found(there, dict.fromkeys([moves.sn], HOSTS[1]))
    moves.set(listen={"host": SPARE[0]})
    # The next address of this host that is free, as the other outlet has taken the one before.
    comes_back_elsewhere.inject(faults.Readdress(seconds=0.1))
    expected = {stays.sn: HOSTS[0], moves.sn: SPARE[0], comes_back_elsewhere.sn: SPARE[1]}
    wait_until_found(there, dict(expected))
    with inside(there):
        for sn, host in expected.items():
            assert asyncio.run(serial_number_at(host)) == sn

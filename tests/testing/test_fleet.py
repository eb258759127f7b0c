"""A fleet in a thread, steered from any other, and as a fixture."""

import asyncio
import json
import socket
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from invis_sim import (
    CommandError,
    FleetHandle,
    ScenarioError,
    SimulatorHandle,
    SimulatorStopped,
    StartError,
    faults,
    start_fleet,
)
from tests.cases import for_each
from tests.support import TIMEOUT, connect, exchange, make_request

PRO = "[firmware.PM]\n"


def sn_of(outlet: SimulatorHandle) -> str:
    """What the outlet says its serial number is."""
    with connect(outlet.tcp_address) as client:
        sn: str = exchange(client)["sn"]
        return sn


def test_outlets_are_reached_by_serial_number_and_have_the_usual_handles() -> None:
    with start_fleet(3, "pro") as fleet:
        assert isinstance(fleet, FleetHandle)
        assert len(fleet) == 3
        for sn, outlet in fleet.items():
            assert isinstance(outlet, SimulatorHandle)
            assert sn_of(outlet) == outlet.sn == sn
            outlet.wait_for_request(callback=20)


def test_a_fleet_is_one_thread() -> None:
    before = threading.active_count()
    with start_fleet(20):
        assert threading.active_count() == before + 1
    assert threading.active_count() == before


def test_a_block_of_asyncio_has_a_fleet() -> None:
    async def main() -> None:
        async with start_fleet(2) as fleet:
            first, _ = fleet.values()
            reader, writer = await asyncio.open_connection(*first.tcp_address)
            writer.write(make_request())
            await first.async_wait_for_request(callback=20)
            assert json.loads(await reader.read(4096))["sn"] == first.sn
            writer.close()

    asyncio.run(main())


def test_commands_are_for_all_for_some_or_for_one() -> None:
    with start_fleet(4, PRO) as fleet:
        fleet.set(sensors={"lux": 5})
        odd = fleet.select(lambda outlet: outlet.sn[-1] in "13" and outlet.state.sensors.lux == 5)
        assert list(odd) == ["0003C400001", "0003C400003"]
        odd.set(sensors={"lux": 6})
        fleet["0003C400004"].set(sensors={"lux": 7})
        assert [outlet.state.sensors.lux for outlet in fleet.values()] == [6, 5, 6, 7]
        with pytest.raises(CommandError, match=r"set\.sensors\.lux"):
            fleet.set(sensors={"lux": {}})
        fleet.reset()
        assert {outlet.state.sensors.lux for outlet in fleet.values()} == {None}


def test_a_client_that_has_just_connected_gets_what_comes_of_a_command() -> None:
    with start_fleet(3) as fleet:
        clients = [connect(outlet.tcp_address) for outlet in fleet.values()]
        fleet.push(99, 5)
        for client in clients:
            with client:
                assert json.loads(client.recv(4096))["payload"]["callbackArgs"] == 5


def test_a_fault_is_in_all_for_the_time_of_a_block() -> None:
    with start_fleet(2) as fleet:
        with fleet.inject(faults.Fail()) as fault:
            for outlet in fleet.values():
                with connect(outlet.tcp_address) as client:
                    assert exchange(client)["PUBACK"] == 0
            assert fault.applied == 2
        assert [len(outlet.faults) for outlet in fleet.values()] == [0, 0]


def test_time_is_that_of_all() -> None:
    with start_fleet(2) as fleet:
        fleet.clock.pause()
        fleet.reboot(seconds=60)
        assert all(outlet.offline for outlet in fleet.values())
        fleet.clock.advance(60)
        assert not any(outlet.offline for outlet in fleet.values())


def test_many_threads_use_one_fleet() -> None:
    with start_fleet(8) as fleet, ThreadPoolExecutor(8) as pool:
        assert list(pool.map(sn_of, fleet.values())) == list(fleet)


def test_a_scenario_is_reloaded_by_all() -> None:
    with start_fleet(2, PRO) as fleet:
        assert fleet.reload(f"{PRO}[sensors]\nlux = 9\n").changed == ("sensors.lux = 9.0",)
        assert {outlet.state.sensors.lux for outlet in fleet.values()} == {9}
        assert fleet.scenario.sensors.lux == 9


def test_they_are_steered_over_http_together() -> None:
    with start_fleet(2, control=True) as fleet:
        assert {outlet.control_url for outlet in fleet.values()} == {fleet.control_url}
        with urllib.request.urlopen(f"{fleet.control_url}api/outlets", timeout=TIMEOUT) as answer:
            assert [outlet["sn"] for outlet in json.load(answer)] == list(fleet)


def test_after_the_end_calls_fail_and_what_was_is_readable() -> None:
    with start_fleet(2) as fleet:
        first, second = fleet.values()
        first.stop()  # the thread, and with it the others
        with pytest.raises(SimulatorStopped):
            second.push(9)
        with pytest.raises(SimulatorStopped):
            fleet.push(9)
    assert list(fleet.select(lambda outlet: True)) == ["0003C400001", "0003C400002"]


@for_each(
    ("arguments", "error", "problem"),
    [
        ({}, ScenarioError, "count: expected a number of outlets; the scenario has no"),
        ({"count": "fleet-of-fifty"}, ScenarioError, "count: expected a whole number"),
        ({"count": 2, "sn": "0003C44076"}, ScenarioError, "sn: .* gives each outlet the same"),
        ({"count": 2, "speed": 0}, ValueError, "speed: expected a number above 0"),
        ({"count": 2, "prots": "free"}, TypeError, "did you mean 'ports'"),
    ],
)
def test_wrong_arguments_are_found_at_the_call(
    arguments: dict[str, object], error: type[Exception], problem: str
) -> None:
    with pytest.raises(error, match=problem):
        start_fleet(**arguments)  # type: ignore[arg-type]


def test_what_selects_outlets_is_a_function() -> None:
    with start_fleet(2) as fleet, pytest.raises(ValueError, match="condition: expected a function"):
        fleet.select(["0003C400001"])  # type: ignore[arg-type]


def test_a_fleet_that_cannot_listen_raises_at_the_beginning_of_the_block() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(StartError, match=r"127\.0\.0\.1"),
        start_fleet(2, address="127.0.0.1", tcp_port=taken.getsockname()[1]),
    ):
        pass


def test_a_block_is_entered_once() -> None:
    block = start_fleet(1)
    with block:
        pass
    with pytest.raises(RuntimeError, match="call start_fleet again"), block:
        pass

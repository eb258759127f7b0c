"""Restarts and resets, as the real client lives through them: it comes back by itself."""

import asyncio
import math
from collections.abc import Callable
from typing import Any, get_args

import pytest

from invis_sim import SimulatorHandle, start_simulator
from invis_sim.protocol.transport import DisconnectMode, Transport
from tests.real_client.support import (
    LIGHT,
    TRANSPORTS,
    Heard,
    both_connected,
    connected,
    known,
    refused,
)

pytestmark = [
    pytest.mark.usefixtures("quick_reconnection"),
    pytest.mark.parametrize("transport", TRANSPORTS),
]

SPEED = 100
"""A restart takes some hundredths of a second."""

PRO = '[device]\nproduct = "pro"\n'


class Attendance:
    """Whether clients are connected, as they hear of it themselves."""

    def __init__(self, *clients: Any) -> None:
        self.gone = [Heard(one.on_disconnect) for one in clients]
        self.back = [Heard(one.on_connect) for one in clients]

    async def lost_and_regained(self) -> None:
        for heard in (*self.gone, *self.back):
            await heard.next()


async def set_all(client: Any) -> None:
    """Patch something of everything that a client can set on a Pro."""
    from invisoutlet import AccessoryName

    await client.set_config(magic_touch_ctrl=True, mqtt_broker_url="mqtt://broker.example")
    await client.set_accessory_names([AccessoryName(1, "Kettle"), AccessoryName(3, "Glow")])
    await client.set_outlet(1, True)
    await client.set_nightlight(1, 33)
    await client.calibrate_temp_humidity(25.5, 61.25)


async def read_all(client: Any) -> list[Any]:
    sensors = await client.get_sensor_data()
    return [
        await client.get_config(),
        await client.get_accessory_names(),
        await client.get_outlet_status(),
        await client.get_nightlight(),
        (sensors.temperature, sensors.humidity),
    ]


def by_the_client(client: Any, simulator: SimulatorHandle) -> Any:
    return client.restart()


async def by_its_power(client: Any, simulator: SimulatorHandle) -> None:
    simulator.reboot()


@pytest.mark.parametrize("restart", [by_the_client, by_its_power])
def test_after_a_restart_it_is_told_who_the_outlet_is_and_finds_everything_as_it_was(
    restart: Callable[[Any, SimulatorHandle], Any], transport: Transport
) -> None:
    async def living(simulator: SimulatorHandle) -> None:
        async with both_connected(simulator, transport) as (client, other):
            await set_all(client)
            before = await read_all(client)
            attendance = Attendance(client, other)
            information = [Heard(one.on_message, 12) for one in (client, other)]
            await restart(client, simulator)
            await attendance.lost_and_regained()
            for heard in information:
                args = await heard.next_args()
                assert args["IM"]["sn"] == simulator.sn
                assert "PM" in args
            assert client.transport_name == transport
            assert await read_all(client) == await read_all(other) == before
            assert [len(heard.everything) for heard in information] == [1, 1]  # told once

    with start_simulator(PRO, speed=SPEED) as simulator:
        asyncio.run(living(simulator))


def test_a_factory_reset_brings_back_what_was_there_at_the_start(transport: Transport) -> None:
    scenario = PRO + '[names]\noutlet1 = "Lamp"\n[nightlight]\nmode = 1\nbrightness = 5\n'

    async def living(simulator: SimulatorHandle) -> None:
        async with both_connected(simulator, transport) as (client, other):
            first = await read_all(other)
            await set_all(client)
            then = await read_all(other)
            assert all(one != two for one, two in zip(first, then, strict=True))
            attendance = Attendance(client, other)
            information = Heard(other.on_message, 12)
            await client.factory_reset()
            await attendance.lost_and_regained()
            await information.next()
            assert await read_all(client) == await read_all(other) == first

    with start_simulator(scenario, speed=SPEED) as simulator:
        asyncio.run(living(simulator))


def test_a_factory_reset_of_an_aura_resets_its_light(transport: Transport) -> None:
    async def living(simulator: SimulatorHandle) -> None:
        async with connected(simulator, transport) as client:
            first = await client.get_color(LIGHT)
            await client.set_color_effect_pixels(LIGHT, [(7, 8)], 5, 6, True, 90)
            assert await client.get_color(LIGHT) != first
            attendance = Attendance(client)
            await client.factory_reset()
            await attendance.lost_and_regained()
            assert await client.get_color(LIGHT) == first

    with start_simulator('[device]\nproduct = "aura"\n', speed=SPEED) as simulator:
        asyncio.run(living(simulator))


def test_after_a_network_reset_it_stays_away_until_it_may_join_again(transport: Transport) -> None:
    from invisoutlet import InvisOutletClient
    from invisoutlet.exceptions import InvisOutletConnectionError

    async def living(simulator: SimulatorHandle) -> None:
        async with connected(simulator, transport) as client:
            await client.set_outlet(2, True)
            attendance = Attendance(client)
            information = Heard(client.on_message, 12)
            await client.reset_network()
            await attendance.gone[0].next()
            for _ in range(20):  # each restart would be over by now: nothing takes any time
                stranger = InvisOutletClient(client.host, client.port, client.tcp_port)
                with pytest.raises(InvisOutletConnectionError):
                    await stranger.connect()
            assert simulator.offline
            assert attendance.back[0].everything == []
            simulator.join_network()
            await attendance.back[0].next()
            assert (await information.next_args())["IM"]["sn"] == simulator.sn
            assert (await client.get_outlet_status()).outlets == [False, True]

    with start_simulator(PRO, speed=math.inf) as simulator:
        asyncio.run(living(simulator))


@pytest.mark.parametrize("ending", get_args(DisconnectMode))
def test_it_comes_back_however_its_connection_ended(
    ending: DisconnectMode, transport: Transport
) -> None:
    async def living(simulator: SimulatorHandle) -> None:
        async with both_connected(simulator, transport) as (client, other):
            for start in (client.restart, other.restart):
                attendance = Attendance(client, other)
                await start()
                await attendance.lost_and_regained()
                await client.set_outlet(1, True)
                assert (await other.get_outlet_status()).is_on(1)

    scenario = f'[quirks]\nrestart_disconnect = "{ending}"\n'
    with start_simulator(scenario, speed=SPEED) as simulator:
        asyncio.run(living(simulator))


def test_pushes_go_on_after_it_is_back(transport: Transport) -> None:
    async def living(simulator: SimulatorHandle) -> None:
        async with both_connected(simulator, transport) as (client, other):
            outlets = Heard(client.on_outlet_status)
            attendance = Attendance(client, other)
            await client.restart()
            await attendance.lost_and_regained()
            await known(client)
            await other.set_outlet(1, True)
            assert (await outlets.next()).outlets == [True, False]

    with start_simulator(speed=SPEED) as simulator:
        asyncio.run(living(simulator))


def test_a_faceplate_that_restarts_is_back_by_itself(transport: Transport) -> None:
    async def living(simulator: SimulatorHandle) -> None:
        async with both_connected(simulator, transport) as (client, other):
            gone = Heard(client.on_disconnect)
            for restart in (client.restart_invisdeco, client.reset_invisdeco):
                await client.calibrate_temp_humidity(25.5, 61.25)
                await restart()
                await known(other)  # so whatever was pushed before has arrived
                readings = Heard(other.on_sensor_data)
                data = await readings.next()
                # A restart keeps what was calibrated, and a reset forgets it.
                kept = restart == client.restart_invisdeco
                assert data.temperature == (25.5 if kept else 21.5)
                info = await client.get_device_info()
                assert info.sub_device.online
            assert gone.everything == []

    with start_simulator(PRO, speed=SPEED) as simulator:
        asyncio.run(living(simulator))


def test_a_request_that_comes_while_the_outlet_is_away_fails_at_once(transport: Transport) -> None:
    from invisoutlet.exceptions import InvisOutletConnectionError

    async def living(simulator: SimulatorHandle) -> None:
        async with connected(simulator, transport) as client:
            attendance = Attendance(client)
            simulator.reboot(1e6)
            await attendance.gone[0].next()
            with pytest.raises(InvisOutletConnectionError):
                await client.get_outlet_status()

    with start_simulator() as simulator:
        asyncio.run(living(simulator))


def test_a_faceplate_that_is_away_is_refused_and_keeps_its_settings(transport: Transport) -> None:
    async def living(simulator: SimulatorHandle) -> None:
        async with both_connected(simulator, transport) as (client, other):
            await client.set_nightlight(1, 12)
            simulator.faceplate("off")
            await refused(other.get_nightlight())
            await refused(other.set_nightlight(0, 1))
            assert [one.accessory for one in await other.get_accessory_names()] == [1, 2]
            simulator.faceplate("on")
            assert (await other.get_nightlight()).to_raw() == [1, 12]

    with start_simulator(PRO) as simulator:
        asyncio.run(living(simulator))

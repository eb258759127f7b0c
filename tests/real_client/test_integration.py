"""The simulator as an integration of home automation uses it, over a longer time."""

import asyncio
from typing import Any

import pytest

from invis_sim import SimulatorHandle, start_simulator
from invis_sim.device.state import Product
from invis_sim.protocol.transport import Transport
from tests.real_client.support import LIGHT, PRODUCTS, TRANSPORTS, Heard, connected, known, refused

SPEED = 50
"""A reading each tenth of a second."""

SILENCE_SECONDS = 15.0
"""After so long without a reading, an integration calls the faceplate offline."""


class Integration:
    """What Home Assistant's integration does with a client: it sets itself up by product, listens
    to pushes, and looks after the faceplate.

    faceplate: hears "online" and "offline".
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._silence: asyncio.TimerHandle | None = None
        self._say: Any = None
        self.online: bool | None = None
        self.outlets: list[bool] = []
        self.entities: set[str] = set()
        self.readings = Heard(client.on_sensor_data)
        self.faceplate = Heard(self._listen)
        client.on_sensor_data(self._reading)
        client.on_outlet_status(self._switched)

    async def set_up(self) -> None:
        """Asks what there is, and makes entities of it."""
        info = await self._client.get_device_info()
        self.outlets = (await self._client.get_outlet_status()).outlets
        self.entities = {"outlet 1", "outlet 2"}
        await self._client.get_config()
        await self._client.get_accessory_names()
        await self._client.get_available_updates()
        if info.sub_device is None:
            return
        if info.sub_device.device_type == "Aura":
            light = await self._client.get_color(LIGHT)
            self.entities |= {f"light of {len(light.leds)}"}
        else:
            await self._client.get_nightlight()
            self.entities |= {"nightlight"}
        data = await self._client.get_sensor_data()
        self.entities |= {name for name, value in vars(data).items() if value is not None}
        self._heard_of_it()

    def _listen(self, say: Any) -> None:
        self._say = say

    def _reading(self, data: Any) -> None:
        self._heard_of_it()

    def _switched(self, status: Any) -> None:
        self.outlets = status.outlets

    def _heard_of_it(self) -> None:
        if self._silence is not None:
            self._silence.cancel()
        loop = asyncio.get_running_loop()
        self._silence = loop.call_later(SILENCE_SECONDS / SPEED, self._lost)
        if not self.online:
            self.online = True
            self._say("online")

    def _lost(self) -> None:
        self.online = False
        self._say("offline")


OUTLETS = {"outlet 1", "outlet 2"}


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("product", PRODUCTS)
def test_it_is_set_up_by_product(product: Product, transport: Transport) -> None:
    async def living(simulator: SimulatorHandle) -> None:
        async with connected(simulator, transport) as client:
            integration = Integration(client)
            await integration.set_up()
            if product == "bare":
                assert integration.entities == OUTLETS
            elif product == "aura":
                light = {"light of 9", "illuminance", "lux_valid"}
                assert integration.entities == OUTLETS | light
            else:
                assert OUTLETS | {"nightlight", "temperature", "co2"} <= integration.entities
                assert len(integration.entities) == 23

    with start_simulator(f'device.product = "{product}"') as simulator:
        asyncio.run(living(simulator))


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("product", ["pro", "aura"])
def test_a_faceplate_that_is_taken_off_falls_silent_until_it_is_put_back(
    product: Product, transport: Transport
) -> None:
    async def living(simulator: SimulatorHandle) -> None:
        async with connected(simulator, transport) as client:
            integration = Integration(client)
            await integration.set_up()
            assert await integration.faceplate.next() == "online"
            for _ in range(3):  # it tells of itself, in a rhythm
                await integration.readings.next()
            simulator.faceplate("off")
            await known(client)  # whatever was pushed before has arrived
            readings = len(integration.readings.everything)
            await integration.faceplate.until(lambda word: word == "offline")
            assert (await client.get_device_info()).sub_device is None
            await refused(client.get_sensor_data())
            assert len(integration.readings.everything) == readings
            # The outlet itself is as it was.
            await client.set_outlet(2, True)
            assert (await client.get_outlet_status()).outlets == [False, True]
            assert integration.outlets == [False, True]
            assert integration.online is False
            simulator.faceplate("on")
            await integration.faceplate.until(lambda word: word == "online")
            assert (await client.get_device_info()).sub_device.online
            assert len(integration.readings.everything) > readings

    with start_simulator(f'device.product = "{product}"', speed=SPEED) as simulator:
        asyncio.run(living(simulator))


@pytest.mark.usefixtures("quick_reconnection")
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_faceplate_that_is_offline_is_shown_so_and_sends_nothing(transport: Transport) -> None:
    async def living(simulator: SimulatorHandle) -> None:
        async with connected(simulator, transport) as client:
            integration = Integration(client)
            await integration.set_up()
            await integration.readings.next()
            simulator.set(faceplate={"online": False})
            await known(client)
            readings = len(integration.readings.everything)
            await integration.faceplate.until(lambda word: word == "offline")
            info = await client.get_device_info()
            assert info.sub_device.online is False
            assert len(integration.readings.everything) == readings

    shown = '[device]\nproduct = "pro"\n[quirks]\nabsent_faceplate = "offline"'
    with start_simulator(shown, speed=SPEED) as simulator:
        asyncio.run(living(simulator))

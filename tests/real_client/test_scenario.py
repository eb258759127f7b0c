"""What a scenario says of the outlet is what the real client reads, in whichever form."""

import asyncio

import pytest

from invis_sim import SimulatorHandle, start_simulator
from invis_sim.protocol.transport import Transport
from tests.real_client.support import LIGHT, TRANSPORTS, attempt, connected, refused

pytestmark = pytest.mark.parametrize("transport", TRANSPORTS)

EVERY_FIELD = """
    [device]
    product = "pro"
    sn = "ABCDEF0123"
    hw_rev = "revB"
    MAC = "02:11:22:33:44:55"
    device = "Unknown"
    [faceplate]
    sn = "FEDCBA9876"
    MAC = "02:66:77:88:99:AA"
    hw_rev = "revC"
    device = ""
    type = "Prototype"
    radar = { fw_ver = "9.8.7", hw_type = "R1", MAC = "02:BB:CC:DD:EE:FF" }
    [firmware.IM]
    fw_rev = ""
    available_fw_rev = "2.0.0"
    www_fw_rev = "1.0"
    available_www_fw_rev = "1.1"
    [firmware.PM]
    fw_rev = "7.0.0"
    available_fw_rev = "7.0.1"
    [outlets]
    states = [1, 0]
    [nightlight]
    mode = 1
    brightness = 42
    [names]
    outlet1 = "one"
    outlet2 = "two"
    nightlight = "three"
    [preferences.acc_prefs]
    pmIndicatorBrightness = 99
    homeAwayMode = { enabled = 1, minOnDuration = 123 }
    [preferences.sys_prefs]
    mqtt = { enabled = 1, user = "me", pass = "secret", qos = 1 }
    internet = { ip = "198.51.100.7", mainDNS = "198.51.100.1", backupDNS = "198.51.100.2" }
    [sensors]
    temp_valid = 0
    aqi_valid = 0
    temp_celsius = -12.5
    humidity = 99.25
    temphumidity_accuracy = 2
    AQI = 321
    AQI_accuracy = 1
    pressure = 98765
    gas = 4321
    co2_equiv = 1500
    co2_peak_lvl = 2500
    co2_accuracy = 2
    bvoc_equiv = 3.25
    bvoc_accuracy = 0
    lux_valid = 0
    lux = 0.5
    occupancy_valid = 0
    occupancy_state = 0
    distance = 321
    movement_energy = 0
    omit = ["stationary_energy"]
"""


def test_what_a_scenario_says_of_the_outlet_is_what_is_read(transport: Transport) -> None:
    async def reading(simulator: SimulatorHandle) -> None:
        async with connected(simulator, transport) as client:
            info = vars(await client.get_device_info())
            sub = vars(info.pop("sub_device"))
            del info["host"], info["port"]
            assert list(info.values()) == [
                "ABCDEF0123",
                "02:11:22:33:44:55",
                "Unknown",
                "revB",
                "",
            ]
            assert list(sub.values()) == [
                "FEDCBA9876",
                "02:66:77:88:99:AA",
                "",
                "Prototype",
                "revC",
                "7.0.0",
                True,
                "9.8.7",
                "R1",
                "02:BB:CC:DD:EE:FF",
            ]
            updates = await client.get_available_updates()
            assert list(vars(updates.im).values()) == ["", "2.0.0", "1.0", "1.1"]
            assert list(vars(updates.pm).values()) == ["7.0.0", "7.0.1", None, None]
            assert (await client.get_outlet_status()).outlets == [True, False]
            assert (await client.get_nightlight()).to_raw() == [1, 42]
            names = await client.get_accessory_names()
            assert [(one.accessory, one.name) for one in names] == [
                (1, "one"),
                (2, "two"),
                (3, "three"),
            ]
            config = await client.get_config()
            assert (config.pm_indicator_brightness, config.home_away_enabled) == (99, True)
            assert config.home_away_min_on_duration == 123
            assert (config.mqtt_enabled, config.mqtt_user) == (True, "me")
            assert (config.mqtt_password, config.mqtt_qos) == ("secret", 1)
            internet = (config.internet_ip, config.internet_main_dns, config.internet_backup_dns)
            # Integers with the first octet in the lowest byte, which the client passes on.
            assert internet == (0x076433C6, 0x016433C6, 0x026433C6)
            data = await client.get_sensor_data()
            assert vars(data) == {
                "temperature": -12.5,
                "humidity": 99.25,
                "air_quality_index": 321,
                "co2": 1500,
                "voc": 3.25,
                "pressure": 98765,
                "illuminance": 0.5,
                "distance": 321,
                "occupancy_state": 0,
                "movement_energy": 0,
                "stationary_energy": None,
                "gas": 4321,
                "aqi_accuracy": 1,
                "temp_humidity_accuracy": 2,
                "co2_peak": 2500,
                "co2_accuracy": 2,
                "voc_accuracy": 0,
                "temp_valid": False,
                "aqi_valid": False,
                "lux_valid": False,
                "occupancy_valid": False,
            }

    with start_simulator(EVERY_FIELD) as simulator:
        asyncio.run(reading(simulator))


def test_the_client_takes_the_documented_forms_as_well(transport: Transport) -> None:
    quirks = '[quirks]\nnames_list = "wrapped"\nradar_key = "fw_rev"\ndecimals = "numbers"\n'
    quirks += 'color_light_without_aura = "short"\nabsent_faceplate = "offline"\n'

    async def reading(simulator: SimulatorHandle) -> None:
        async with connected(simulator, transport) as client:
            names = await client.get_accessory_names()
            assert [one.name for one in names] == ["Outlet 1", "Outlet 2", "Nightlight"]
            data = await client.get_sensor_data()
            assert (data.temperature, data.illuminance) == (21.5, 120.0)
            await refused(client.get_color(LIGHT))  # which the client says by itself
            (asked,) = simulator.journal.exchanges(callback=18)
            assert asked.outcome == "success"
            info = await client.get_device_info()
            assert info.sub_device.radar_fw_ver is None  # it reads another key
            assert info.sub_device.radar_hw_type == "LD2410"
            simulator.faceplate("off")
            assert (await client.get_device_info()).sub_device.online is False

    with start_simulator(f'device.product = "pro"\n{quirks}') as simulator:
        asyncio.run(reading(simulator))


def test_early_forms_are_an_empty_configuration_and_the_end_of_the_connection(
    transport: Transport,
) -> None:
    from invisoutlet.exceptions import InvisOutletConnectionError

    quirks = '[quirks]\nconfiguration_form = "early"\nnames_list = "early"\n'

    async def reading(simulator: SimulatorHandle) -> None:
        async with connected(simulator, transport) as client:
            configuration = await client.get_config()
            assert set(vars(configuration).values()) == {None}
            assert (await client.get_outlet_status()).outlets == [False, False]
            with pytest.raises(InvisOutletConnectionError):
                await client.get_accessory_names()

    with start_simulator(f'device.product = "pro"\n{quirks}') as simulator:
        asyncio.run(reading(simulator))


def test_a_part_that_is_missing_may_be_answered_by_silence(transport: Transport) -> None:
    quirks = 'missing_parts = "ignored"\nbare_preferences = "refuse"\ntcp_reads = "one_request"\n'

    async def reading(simulator: SimulatorHandle) -> None:
        async with connected(simulator, transport) as client:
            assert await attempt(client.get_nightlight, 0.1) == (None, "InvisOutletTimeoutError")
            # The client sends preferences in a list, and one request at a time.
            await client.set_config(home_away_enabled=True)
            assert (await client.get_config()).home_away_enabled is True

    with start_simulator(f'device.product = "bare"\n[quirks]\n{quirks}') as simulator:
        asyncio.run(reading(simulator))

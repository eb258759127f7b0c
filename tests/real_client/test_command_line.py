"""The real client's command-line tool, `invis`, run against an outlet as a user runs it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from invis_sim import SimulatorHandle
from invis_sim.journal.text import summary
from tests.real_client.support import on_an_address_of_its_own
from tests.real_client.test_discovery import a_serial_number
from tests.support import TIMEOUT

TCP_PORT = 3333
"""Where the tool looks for every outlet."""

BENCH = """
import os, signal, sys
from invisoutlet.cli.app import app

for line in sys.stdin:
    written, *words = line.rstrip("\\n").split("\\0")
    child = os.fork()
    if not child:
        signal.alarm(60)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
        os.dup2(1, 2)
        app(words, prog_name="invis")  # and that is the end of this process
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""Runs the tool in a process of its own for each line that it reads, which is where to write what
it says, and its arguments. What it imports takes much longer than what it does, and is imported
once.
"""


@dataclass
class Tool:
    """The tool, for one outlet."""

    simulator: SimulatorHandle
    bench: "subprocess.Popen[str]"
    written: Path

    def run(self, *words: str, status: int = 0, options: tuple[str, ...] = ()) -> str:
        """What the tool prints, each run of blanks as one.

        status: with which it is to end.
        """
        host, _ = self.simulator.tcp_address
        line = "\0".join((str(self.written), "--host", host, *options, *words))
        assert self.bench.stdin is not None
        assert self.bench.stdout is not None
        self.bench.stdin.write(f"{line}\n")
        self.bench.stdin.flush()
        ended = self.bench.stdout.readline().strip()
        said = self.written.read_text(encoding="utf-8")
        assert ended == str(status), said
        assert "Traceback" not in said
        return " ".join(said.split())

    def asked(self, callback: int) -> Any:
        """The `callbackArgs` of the newest request with this callback."""
        return self.simulator.journal.requests(callback=callback)[-1].args


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator["subprocess.Popen[str]"]:
    """Where the tool is run."""
    environment = {
        **os.environ,
        "INVIS_CLI_CONFIG": str(tmp_path_factory.mktemp("tool") / "invis.json"),
        "COLUMNS": "200",
        "NO_COLOR": "1",
        "PYTHONIOENCODING": "utf-8",
    }
    with subprocess.Popen(
        [sys.executable, "-c", BENCH],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture
def tool(
    request: pytest.FixtureRequest, bench: "subprocess.Popen[str]", tmp_path: Path
) -> Iterator[Tool]:
    """The tool, for an outlet as `product` has it: a scenario and its speed."""
    scenario, speed = request.param
    with on_an_address_of_its_own(scenario, tcp_port=TCP_PORT, speed=speed) as simulator:
        yield Tool(simulator, bench, tmp_path / "said")


def product(name: str, more: str = "", speed: float = 1.0) -> pytest.MarkDecorator:
    """The outlet of a test."""
    scenario = f'device.product = "{name}"\n{more}'
    return pytest.mark.parametrize("tool", [(scenario, speed)], indirect=True, ids=[name])


@product("pro", 'device.sn = "0123456789A"\n')
def test_it_shows_who_the_outlet_is(tool: Tool) -> None:
    shown = tool.run("device", "info")
    assert "Serial number 0123456789A MAC 02:12:34:56:78:9A Device InvisOutlet" in shown
    assert "Hardware rev revA Firmware rev 0.0.1" in shown
    assert "Device InvisDeco (Pro) Serial number 1123456789A Online yes" in shown
    assert "Radar LD2410 fw 1.0.0" in shown
    tool.simulator.faceplate("off")
    assert "InvisDeco" not in tool.run("device", "info")


@product("aura", "[preferences.acc_prefs]\npmIndicatorBrightness = 77\nmagicTouchCtrl = 1\n")
def test_it_shows_the_configuration(tool: Tool) -> None:
    tool.simulator.set(
        preferences={"sys_prefs": {"mqtt": {"mqtt_broker_url": "mqtt://broker", "qos": 2}}}
    )
    shown = tool.run("device", "config")
    assert "PM indicator brightness 77" in shown
    # What an Aura lacks, the tool shows as a dash.
    assert "Magic touch control yes AQI color RGB — Motion away —" in shown
    assert "Adaptive brightness 5\N{EN DASH}80" in shown
    assert "Broker mqtt://broker User mqttuser QoS 2" in shown
    assert "IP 167903424 Main DNS 16908480 Backup DNS 134744072" in shown


@product("bare")
def test_it_switches_the_outlets(tool: Tool) -> None:
    assert "✓ Outlet 2 turned on." in tool.run("outlet", "on", "2")
    assert tool.simulator.state.outlets.states == (0, 1)
    assert "1 off 2 on" in tool.run("outlet", "status")
    tool.simulator.set(outlets={"states": [1, 1]})
    assert "✓ Outlet 2 turned off." in tool.run("outlet", "off", "2")
    assert tool.simulator.state.outlets.states == (1, 0)
    assert tool.asked(10) == [2, 0]


@product("pro")
def test_it_names_the_accessories(tool: Tool) -> None:
    assert "1 Outlet 1 2 Outlet 2 3 Nightlight" in tool.run("name", "list")
    assert "renamed to 'Käse'" in tool.run("name", "set", "3", "Käse")
    names = tool.simulator.state.names
    assert (names.outlet1, names.outlet2, names.nightlight) == ("Outlet 1", "Outlet 2", "Käse")
    assert "3 Käse" in tool.run("name", "list")
    shown = tool.run("name", "set", "4", "nothing", status=1)
    assert "Device reported failure for callbackName=4" in shown
    assert tool.simulator.state.names == names


@product("pro")
def test_it_sets_the_nightlight_of_a_pro(tool: Tool) -> None:
    assert "✓ Nightlight brightness 40." in tool.run("nightlight", "pro", "brightness", "40")
    assert "On yes Mode 1 Brightness 40" in tool.run("nightlight", "pro", "status")
    tool.run("nightlight", "pro", "off")
    assert tool.simulator.state.nightlight.to_wire() == [0, 40]
    tool.run("nightlight", "pro", "on")
    assert tool.simulator.state.nightlight.to_wire() == [1, 40]
    shown = tool.run("nightlight", "aura", "status", status=1)
    assert "Device reported failure for callbackName=18" in shown


@product("aura")
def test_it_sets_the_nightlight_of_an_aura(tool: Tool) -> None:
    tool.run("nightlight", "aura", "color", "300", "60", "--bri", "55")
    leds = tool.simulator.state.color_light.with_all_leds().leds
    assert [(led.state, led.brightness, led.color) for led in leds] == [(1, 55, (300, 60))] * 9
    shown = tool.run("nightlight", "aura", "status")
    assert "Color light 5 (mode 1)" in shown
    for index in range(9):
        assert f"{index} yes 55 300 60 4000K" in shown
    tool.run("nightlight", "aura", "temp", "2700", "--off")
    light = tool.simulator.state.color_light
    assert light.mode == 2
    assert [(led.state, led.kelvin) for led in light.leds] == [(0, 2700), *[(1, 4000)] * 8]
    shown = tool.run("nightlight", "pro", "status", status=1)
    assert "Device reported failure for callbackName=15" in shown


@product("pro", "[timing]\nfaceplate_restart_seconds = 1e6\n")
def test_it_restarts_and_calibrates_the_faceplate(tool: Tool) -> None:
    tool.run("deco", "calibrate", "climate", "25.25", "61.5")
    tool.run("deco", "calibrate", "occupancy", "45")
    assert tool.asked(28) == [25_250, 61_500]
    assert tool.asked(26) == [45]
    assert "✓ InvisDeco restart command sent." in tool.run("deco", "restart")
    assert not tool.simulator.faceplate_online
    shown = tool.run("deco", "reset", options=("--yes",), status=1)
    assert "Device reported failure for callbackName=25" in shown


@product("pro", "[timing]\nfaceplate_restart_seconds = 1e6\n")
def test_it_resets_the_faceplate(tool: Tool) -> None:
    assert "✓ InvisDeco reset command sent." in tool.run("deco", "reset", options=("--yes",))
    assert not tool.simulator.faceplate_online


@product("bare")
def test_it_is_refused_what_an_outlet_without_faceplate_has_not(tool: Tool) -> None:
    shown = tool.run("nightlight", "pro", "on", status=1)
    assert "Device reported failure for callbackName=15" in shown
    shown = tool.run("nightlight", "aura", "color", "1", "1", status=1)
    assert "Device reported failure for callbackName=17" in shown


UPDATES = """
    [firmware.IM]
    available_fw_rev = "1.0.0"
    www_fw_rev = "0.1.2"
    available_www_fw_rev = "0.3.0"
    [firmware.PM]
    available_fw_rev = "0.5.1"
    [timing]
    sensor_seconds = 0
"""


@product("pro", UPDATES, speed=100)
def test_it_updates_the_faceplate_and_then_the_outlet(tool: Tool) -> None:
    shown = tool.run("ota", "check")
    assert "InvisOutlet 0.0.1 1.0.0 InvisDeco 0.5.0 0.5.1 Update available: yes" in shown
    shown = tool.run("ota", "update", "deco", "--method", "via-outlet")
    assert tool.asked(21) == [2, 1]
    assert "device 2: 0% device 2: 10%" in shown
    assert shown.endswith("device 2: 100% ✓ OTA result for device 2.")
    tool.simulator.wait_for_request(callback=21)
    wait_until_faceplate_is_back(tool)
    shown = tool.run("ota", "update", "outlet")
    assert "device 3: 0%" in shown
    assert "device 3: 100% device 1: 0%" in shown
    assert shown.endswith("device 1: 100% ✓ OTA result for device 1.")
    wait_until_back(tool, callback=21)
    shown = tool.run("ota", "check")
    assert "InvisOutlet 1.0.0 1.0.0 InvisDeco 0.5.1 0.5.1 Update available: no" in shown


@product(
    "pro",
    f'{UPDATES}[updates]\nIM = {{ outcome = "fails", at_percent = 35, steps = 20, seconds = 5 }}\n',
    speed=100,
)
def test_it_tells_of_an_update_that_fails(tool: Tool) -> None:
    shown = tool.run("ota", "update", "outlet")
    assert shown.endswith("device 1: 35% ✗ OTA result for device 1.")
    tool.simulator.set(firmware={"update_check": "fail"})
    shown = tool.run("ota", "check", status=1)
    assert "Device reported failure for callbackName=20" in shown


def wait_until_back(tool: Tool, callback: int) -> None:
    """Returns once the outlet has been asked to restart by this callback, and has restarted."""
    tool.simulator.wait_for_request(callback=callback)
    deadline = time.monotonic() + TIMEOUT
    while tool.simulator.offline:
        assert time.monotonic() < deadline


def wait_until_faceplate_is_back(tool: Tool) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not tool.simulator.faceplate_online:
        assert time.monotonic() < deadline


def restarts(tool: Tool) -> list[str]:
    """What the outlet has done of these, in the journal's words."""
    events = tool.simulator.journal.events()
    return [summary(one) for one in events if one.kind in ("outage_started", "outage_ended")]


@product("pro", "[timing]\nrestart_seconds = 1e6\n")
def test_it_restarts_the_outlet(tool: Tool) -> None:
    assert "✓ Restart command sent." in tool.run("device", "restart")
    tool.simulator.wait_for_request(callback=5)
    assert tool.simulator.offline
    assert restarts(tool) == ["restart: offline for 1e+06 s"]


@product("pro", speed=1000)
def test_it_resets_the_outlet(tool: Tool) -> None:
    tool.run("name", "set", "1", "Lamp")
    assert tool.run("device", "reset", "factory", status=1)  # nobody has agreed
    assert tool.simulator.state.names.outlet1 == "Lamp"
    shown = tool.run("device", "reset", "factory", options=("--yes",))
    assert "✓ Factory reset command sent." in shown
    wait_until_back(tool, callback=7)
    assert "1 Outlet 1" in tool.run("name", "list")
    assert restarts(tool) == ["factory reset: offline for 3 s", "factory reset: back online"]
    shown = tool.run("device", "reset", "network", options=("--yes",))
    assert "✓ Network reset command sent." in shown
    tool.simulator.wait_for_request(callback=6)
    shown = tool.run("device", "info", status=1)
    assert "Error: Cannot connect" in shown
    assert tool.simulator.offline
    tool.simulator.join_network()
    assert tool.simulator.sn in tool.run("device", "info")


def test_it_remembers_an_outlet_and_finds_it_on_the_network(
    bench: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    scenario = f'device.sn = "{a_serial_number()}"\n'
    with on_an_address_of_its_own(scenario, tcp_port=TCP_PORT, mdns=True) as simulator:
        tool = Tool(simulator, bench, tmp_path / "said")
        host, _ = simulator.tcp_address
        shown = tool.run("default", "select", "--host", host)
        assert f"Default device set: InvisOutlet ({host})." in shown
        assert f"Host: {host} Name: InvisOutlet Serial: {simulator.sn}" in tool.run(
            "default", "show"
        )
        for _ in range(10):  # the network takes its time
            shown = tool.run("discover", "--timeout", "1")
            if simulator.sn in shown:
                break
        _, port = simulator.tcp_address
        assert f"{simulator.sn}.local. {host}:{port} {simulator.sn} InvisOutlet" in shown

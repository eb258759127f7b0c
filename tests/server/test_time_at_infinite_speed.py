"""What has a time happens in its order however fast time goes; at an infinite speed, before anybody
can look.
"""

import json
import math
import socket
from typing import Any

import pytest

from invis_sim import start_simulator
from invis_sim.journal.text import summary
from invis_sim.protocol.transport import Transport
from invis_sim.testing.handle import SimulatorHandle
from tests.cases import for_each
from tests.server.peers import Peers
from tests.server.support import on_both, wait_until
from tests.support import TIMEOUT

REPEATED = pytest.mark.parametrize("attempt", range(10))
"""What is decided by chance shows by and by."""


def answer(simulator: SimulatorHandle, callback: int) -> Any:
    with socket.create_connection(simulator.tcp_address, TIMEOUT) as client:
        packet = {"packetID": 1, "payload": {"callbackName": callback}}
        client.sendall(json.dumps(packet).encode())
        text = ""
        while True:
            text += client.recv(4096).decode()
            decoder = json.JSONDecoder()
            while text:
                try:
                    found, end = decoder.raw_decode(text)
                except ValueError:
                    break
                text = text[end:]
                if found.get("PUBACK") is not None:
                    return found["payload"]["callbackArgs"]


READINGS = {"payload": {"callbackName": 11, "callbackArgs": [1, {"lux_valid": 1, "lux": "3.00"}]}}
AURA = "device = { product = 'aura' }\nsensors = { lux = [3, 4, 5] }\n"


@on_both
def test_each_client_gets_the_readings_when_it_connects(transport: Transport) -> None:
    """At any other speed they come within seconds, and clients wait for them."""
    with start_simulator(AURA, speed=math.inf) as sim, Peers(sim) as peers:
        for _ in range(2):
            found = peers.connect(transport).packet()
            assert {**found, **READINGS} == found


def test_the_readings_come_with_a_faceplate_that_comes_back() -> None:
    with start_simulator(AURA, speed=math.inf) as sim, Peers(sim) as peers:
        peer = peers.listen("tcp")
        sim.faceplate("off")
        sim.faceplate("on")
        packets = peer.packets(3)
        assert [packet["payload"]["callbackName"] for packet in packets] == [11, 12, 11]


@pytest.mark.parametrize("scenario", ["bare", AURA + "timing = { sensor_seconds = 0 }"])
def test_an_outlet_that_samples_nothing_sends_no_readings(scenario: str) -> None:
    with start_simulator(scenario, speed=math.inf) as sim:
        answer(sim, 9)
        assert [one.outcome for one in sim.journal.exchanges()] == ["success"]


@REPEATED
def test_steps_come_before_the_first_client(attempt: int) -> None:
    steps = """
        [[steps]]
        after_seconds = 60
        set = { outlets = { states = [1, 1] } }

        [[steps]]
        after_seconds = 30
        set = { outlets = { states = [1, 0] } }
    """
    with start_simulator(steps, speed=math.inf) as sim:
        assert answer(sim, 9) == [1, 1]


@REPEATED
def test_an_outlet_that_reboots_at_once_is_back_before_the_first_client(attempt: int) -> None:
    steps = """
        [[steps]]
        after_seconds = 1
        reboot = true

        [[steps]]
        after_seconds = 10
        reboot = { seconds = 5, how = "reset" }
    """
    with start_simulator(steps, speed=math.inf) as sim:
        assert answer(sim, 9) == [0, 0]
        begun = [summary(one) for one in sim.journal.events() if one.kind.startswith("outage")]
        assert begun == [
            "reboot: offline for 3 s",
            "reboot: back online",
            "reboot: offline for 5 s",
            "reboot: back online",
        ]


@REPEATED
def test_an_update_that_a_step_starts_is_done_before_the_first_client(attempt: int) -> None:
    scenario = """
        [firmware.IM]
        available_fw_rev = "0.9.0"

        [[steps]]
        after_seconds = 1
        update = "IM"
    """
    with start_simulator(scenario, speed=math.inf) as sim:
        assert answer(sim, 12)["IM"]["fw_rev"] == "0.9.0"


@for_each("speed", [1000, 1e5, math.inf])
def test_an_outage_ends_in_its_time_and_not_in_that_of_the_machine(speed: float) -> None:
    steps = """
        [[steps]]
        after_seconds = 100
        reboot = { seconds = 3 }

        [[steps]]
        after_seconds = 104
        set = { names = { outlet1 = "Lamp" } }
    """
    with start_simulator(steps, speed=speed) as sim:
        wait_until(sim, lambda journal: len(journal.events(kind="command")) == 2)
        details = [
            summary(one)
            for one in sim.journal.events()
            if one.kind in ("command", "outage_started", "outage_ended")
        ]
        assert details == [
            "step 1: reboot { seconds = 3.0 }",
            "reboot: offline for 3 s",
            "reboot: back online",
            'step 2: set names.outlet1 = "Lamp"',
        ]


@REPEATED
def test_who_comes_back_at_once_after_a_restart_is_served(attempt: int) -> None:
    with start_simulator("bare", speed=math.inf) as sim:
        for _ in range(10):
            with socket.create_connection(sim.tcp_address, TIMEOUT) as client:
                client.sendall(b'{"packetID": 1, "payload": {"callbackName": 5}}')
                while client.recv(4096):
                    pass
        assert answer(sim, 9) == [1, 0]

"""What can be done to an outlet in a thread can be done under trio, with the same effect."""

import json

import pytest
import trio

from invis_sim import Simulator, SimulatorHandle, faults, open_simulator
from invis_sim.testing.block import start_simulator
from tests.support import connect, exchange, make_request

ONLY_IN_A_THREAD = {"call", "stop", "fail_waiters"}
ONLY_UNDER_TRIO = {"call_when_up"}


def public(kind: type) -> set[str]:
    """The methods that everybody may call; those that wait have a twin for other event loops."""
    names = (name for name in dir(kind) if not name.startswith(("_", "async_")))
    return {name for name in names if callable(getattr(kind, name))}


def test_both_have_the_same_methods() -> None:
    assert public(SimulatorHandle) - ONLY_IN_A_THREAD <= public(Simulator)
    commands = {"do", "inject", "at", "set", "push", "update", "faceplate", "enable", "reboot"}
    assert commands <= public(SimulatorHandle)
    assert public(Simulator) >= ONLY_UNDER_TRIO


def test_a_fault_that_is_injected_under_trio_acts_without_a_block() -> None:
    async def run() -> None:
        async with open_simulator() as sim:
            sim.inject(faults.Fail())
            stream = await trio.open_tcp_stream(*sim.tcp_address)
            async with stream:
                await stream.send_all(make_request())
                assert json.loads(await stream.receive_some())["PUBACK"] == 0

    trio.run(run)


@pytest.mark.parametrize("by", ["step", "command", "handle"])
def test_a_name_means_all_faults_of_that_name_whoever_says_it(by: str) -> None:
    with start_simulator() as sim, connect(sim.tcp_address) as client:
        for callback in (9, 20):
            when = faults.When(callback=callback)
            sim.inject(faults.Fail(name="lost", when=when))
        assert [exchange(client, callback=one)["PUBACK"] for one in (9, 20)] == [0, 0]
        if by == "step":
            sim.at(after_seconds=1, disable="lost")
            sim.clock.advance(1)
        elif by == "command":
            sim.disable("lost")
        else:
            sim.faults["lost"].enabled = False
        assert [exchange(client, callback=one)["PUBACK"] for one in (9, 20)] == [1, 1]


def test_what_is_done_later_counts_from_then() -> None:
    scenario = """
        firmware.IM.available_fw_rev = "0.9.0"
        [updates.IM]
        silence_seconds = 0
        www_seconds = 10
        steps = 10
        [timing]
        sensor_seconds = 0
    """
    with start_simulator(scenario) as sim, connect(sim.tcp_address) as client:
        exchange(client)
        sim.clock.pause()
        sim.clock.advance(3)
        sim.update("IM")
        sim.clock.advance(0.5)
        before = len(sim.journal.pushes(callback=22))
        sim.clock.advance(3)
        assert len(sim.journal.pushes(callback=22)) - before == 3


def test_a_listener_that_raises_costs_no_client_anything() -> None:
    def on_ready() -> None:
        raise LookupError("a listener's own mistake")

    with start_simulator() as sim, connect(sim.tcp_address) as client:
        subscription = sim.journal.subscribe(on_ready=on_ready)
        for packet_id in (100_001, 100_002):
            assert exchange(client, packet_id)["packetID"] == packet_id
        assert isinstance(subscription.error, LookupError)
        assert subscription.closed

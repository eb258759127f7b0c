"""Faults that never applied make a test fail, with the nearest packets."""

import pytest
import trio

from invis_sim import When, faults, open_simulator, start_simulator
from tests.server.support import outlet
from tests.support import connect, exchange


def test_a_fault_that_has_applied_passes_and_another_says_why_not() -> None:
    with start_simulator(outlet()) as sim, connect(sim.tcp_address) as client:
        sim.inject(faults.Fail(when=When(callback=9)))
        sim.inject(faults.Drop(name="lost", when=When(callback=20, transport="ws")))
        sim.inject(faults.Drop(name="off", enabled=False))
        exchange(client, callback=9)
        exchange(client, callback=20)
        sim.assert_faults_applied("fail")
        with pytest.raises(AssertionError) as caught:
            sim.assert_faults_applied()
        lines = str(caught.value).splitlines()
        assert lines[0] == "faults that have not applied:"
        assert lines[1] == '  lost#1 (drop) when { callback = 20, transport = "ws" }: matched 0'
        assert lines[2].endswith("(transport: expected ws, found tcp)")
        assert "callback: expected 20, found 9 outlet status" in lines[3]
        with pytest.raises(AssertionError, match=r"off#1 .drop.: matched 0; it is disabled"):
            sim.assert_faults_applied("off")
        with pytest.raises(KeyError, match="nope"):
            sim.assert_faults_applied("nope")
    with pytest.raises(AssertionError):  # after the end too
        sim.assert_faults_applied("lost")


def test_one_that_matched_and_was_not_applied_is_counted() -> None:
    with start_simulator(outlet(faults.Drop(when=When(nth=5)))) as sim:
        with connect(sim.tcp_address) as client:
            exchange(client)
        with pytest.raises(AssertionError, match=r"drop#1 .drop. when { nth = 5 }: matched 1$"):
            sim.assert_faults_applied()


def test_under_trio_too() -> None:
    async def run() -> None:
        async with open_simulator(outlet(faults.Drop())) as sim:
            with pytest.raises(AssertionError, match="drop#1"):
                sim.assert_faults_applied()

    trio.run(run)

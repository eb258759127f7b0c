"""An outlet in a thread of its own, for tests and programs of any kind."""

import asyncio
import gc
import json
import math
import os
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import pytest
import trio
import websockets.exceptions
import websockets.sync.client

import invis_sim
from invis_sim.device.firmware import FaceplateFirmware, FirmwareInventory, OutletFirmware
from invis_sim.faults import Context, Delay, Fail
from invis_sim.faults.fault import TextFault
from invis_sim.journal import EntryFilter, Subscription
from invis_sim.journal.entries import EventKind
from invis_sim.journal.text import summary
from invis_sim.testing.block import start_simulator
from invis_sim.testing.handle import SimulatorHandle
from invis_sim.testing.thread import SimulatorStopped
from tests.cases import for_each
from tests.support import TIMEOUT, connect, exchange, make_request


class InjectedError(Exception):
    """Something that goes wrong."""


def packets(client: socket.socket, number: int) -> list[Any]:
    """The next packets that come, which must be whole, and JSON."""
    found: list[Any] = []
    unread = ""
    while len(found) < number:
        try:
            packet, end = json.JSONDecoder().raw_decode(unread)
        except ValueError:
            chunk = client.recv(4096).decode()
            assert chunk, f"the stream ended after {found} and {unread!r}"
            unread += chunk
        else:
            found.append(packet)
            unread = unread[end:]
    assert not unread
    return found


def happens(sim: SimulatorHandle, kind: EventKind) -> Subscription:
    """A subscription to events of this kind from now on."""
    return sim.journal.subscribe(EntryFilter(kinds=(kind,)))


def break_down(sim: SimulatorHandle) -> None:
    """Lets something go wrong in a task of the simulator, a moment later."""

    def fail() -> None:
        raise InjectedError("inside")

    def reboot() -> None:
        sim._simulator.reboot(0.01)
        sim._simulator.call_when_up(fail)

    sim.call(reboot)


def test_the_package_hands_it_out() -> None:
    assert invis_sim.start_simulator is start_simulator


def test_it_says_who_it_is_and_where_and_what_has_happened() -> None:
    with start_simulator(seed=7, sn="1111111111") as sim:
        assert (sim.seed, sim.sn) == (7, "1111111111")
        with connect(sim.tcp_address) as client:
            client.sendall(make_request())
            reply = json.loads(client.recv(4096))
        assert (reply["sn"], reply["PUBACK"]) == ("1111111111", 1)
        assert [exchange.packet_id for exchange in sim.journal.exchanges()] == [221040]


def test_it_serves_a_client_in_asyncio_in_the_same_test() -> None:
    async def ask(address: tuple[str, int]) -> Any:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(make_request())
        reply = json.loads(await asyncio.wait_for(reader.read(4096), TIMEOUT))
        writer.close()
        await writer.wait_closed()
        return reply

    with start_simulator() as sim:
        assert asyncio.run(ask(sim.tcp_address))["PUBACK"] == 1


def test_it_may_be_used_from_many_threads() -> None:
    def use(turn: int) -> int:
        with sim.inject(Fail()), connect(sim.tcp_address) as client:
            client.sendall(make_request())
            return int(json.loads(client.recv(4096))["PUBACK"])

    with start_simulator() as sim, ThreadPoolExecutor(8) as pool:
        assert list(pool.map(use, range(50))) == [0] * 50
        with connect(sim.tcp_address) as client:
            client.sendall(make_request())
            assert json.loads(client.recv(4096))["PUBACK"] == 1


def test_after_stop_the_outlet_is_gone_at_the_end_of_the_block() -> None:
    with start_simulator() as sim:
        address = sim.tcp_address
        sim.stop()
        sim.stop()  # once more is no error
    with pytest.raises(OSError, match="refused"):
        connect(address)


def test_a_fault_may_be_injected_for_a_block_in_which_the_outlet_stops() -> None:
    with start_simulator() as sim, sim.inject(Fail()):
        sim.stop()


def test_a_function_is_called_in_the_thread_of_the_outlet_and_its_error_comes_back() -> None:
    def fail() -> None:
        raise InjectedError(threading.current_thread().name)

    with start_simulator() as sim, pytest.raises(InjectedError, match=r"^invis-sim$"):
        sim.call(fail)


# Beside event loops


def run_in_asyncio(function: Callable[[], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        return await asyncio.wait_for(function(), TIMEOUT)

    return asyncio.run(main())


def run_in_trio(function: Callable[[], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        with trio.fail_after(TIMEOUT):
            return await function()

    return trio.run(main)


both_loops = pytest.mark.parametrize("run", [run_in_asyncio, run_in_trio], ids=["asyncio", "trio"])


async def ask_in_asyncio(sim: SimulatorHandle) -> Any:
    reader, writer = await asyncio.open_connection(*sim.tcp_address)
    writer.write(make_request())
    reply = json.loads(await reader.read(4096))
    writer.close()
    await writer.wait_closed()
    return reply


def test_a_plain_block_inside_a_running_loop_serves_a_client_in_that_loop() -> None:
    async def live() -> Any:
        with start_simulator() as sim, sim.inject(Fail()):
            return await ask_in_asyncio(sim)

    assert run_in_asyncio(live)["PUBACK"] == 0


@both_loops
def test_as_an_asynchronous_block_it_is_there_in_it_and_gone_behind_it(run: Any) -> None:
    async def live() -> tuple[str, int]:
        async with start_simulator(sn="1111111111") as sim:
            with connect(sim.tcp_address) as client:
                assert exchange(client)["sn"] == "1111111111"
            return sim.tcp_address

    threads = set(threading.enumerate())
    address = run(live)
    with pytest.raises(OSError, match="refused"):
        connect(address)
    assert set(threading.enumerate()) == threads


def test_an_asynchronous_block_lets_the_loop_go_on_while_it_starts_and_ends() -> None:
    async def live() -> list[int]:
        turns = 0
        over = False

        async def go_on() -> None:
            nonlocal turns
            while not over:
                turns += 1
                await asyncio.sleep(0)

        other = asyncio.create_task(go_on())
        seen = [turns]
        async with start_simulator():
            seen.append(turns)
        seen.append(turns)
        over = True
        await other
        return seen

    before, started, ended = run_in_asyncio(live)
    assert before < started < ended


@both_loops
def test_what_the_asynchronous_block_raises_comes_out_as_itself(run: Any) -> None:
    async def live() -> None:
        async with start_simulator():
            raise InjectedError("in the block")

    with pytest.raises(InjectedError, match="in the block"):
        run(live)


@both_loops
def test_a_start_that_fails_raises_the_error_itself_in_an_asynchronous_block(run: Any) -> None:
    async def live() -> None:
        async with start_simulator(host="a..b"):
            pytest.fail("it cannot start")

    with pytest.raises(invis_sim.StartError):
        run(live)


def test_a_task_that_is_cancelled_while_the_outlet_starts_or_runs_leaves_no_thread() -> None:
    threads = set(threading.enumerate())

    async def hold(started: asyncio.Event) -> None:
        async with start_simulator():
            started.set()
            await asyncio.Event().wait()

    async def live() -> None:
        for wait_for_start in (False, True):
            started = asyncio.Event()
            task = asyncio.create_task(hold(started))
            await (started.wait() if wait_for_start else asyncio.sleep(0))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert set(threading.enumerate()) == threads

    run_in_asyncio(live)


def test_a_trio_scope_that_is_cancelled_ends_the_outlet() -> None:
    threads = set(threading.enumerate())

    async def live() -> bool:
        with trio.CancelScope() as scope:
            async with start_simulator():
                scope.cancel()
                await trio.Event().wait()
        return scope.cancelled_caught

    assert run_in_trio(live)
    assert set(threading.enumerate()) == threads


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="/proc is Linux's")
def test_asynchronous_blocks_leave_no_descriptor() -> None:
    async def live() -> tuple[int, int]:
        counts = []
        for _ in range(20):
            async with start_simulator() as sim:
                await ask_in_asyncio(sim)
                await sim.async_wait_for_request(callback=20)
            gc.collect()
            counts.append(len(os.listdir("/proc/self/fd")))
        return counts[0], counts[-1]

    first, last = run_in_asyncio(live)
    assert first == last


# Faults


def test_an_injected_fault_stays_until_it_is_removed() -> None:
    with start_simulator() as sim, connect(sim.tcp_address) as client:
        fault = sim.inject(Fail(name="no"))
        assert (fault.name, fault.fault) == ("no", Fail(name="no"))
        assert [exchange(client)["PUBACK"] for _ in range(2)] == [0, 0]
        assert [(one.name, one.applied) for one in sim.faults] == [("no", 2)]
        fault.remove()
        fault.remove()  # once more is no error
        assert exchange(client)["PUBACK"] == 1
        assert len(sim.faults) == 0


def test_a_fault_of_the_scenario_is_switched_by_its_name() -> None:
    scenario = '[[faults]]\nkind = "fail"\nname = "no"\nenabled = false'
    with start_simulator(scenario) as sim, connect(sim.tcp_address) as client:
        answers = []
        for enabled in (True, False):
            assert sim.faults["no"].enabled is not enabled
            sim.faults["no"].enabled = enabled
            answers.append(exchange(client)["PUBACK"])
        assert answers == [0, 1]
        with pytest.raises(KeyError, match=r"no fault is called .*nope.*; there are: .*no"):
            sim.faults["nope"]


def test_a_fault_with_a_value_out_of_range_is_refused() -> None:
    with start_simulator() as sim:
        with pytest.raises(ValueError, match="seconds"):
            sim.inject(Delay(seconds=-1.0))
        assert len(sim.faults) == 0


# The device


def test_firmware_may_change_while_it_runs() -> None:
    newer = FirmwareInventory(
        IM=OutletFirmware(available_fw_rev="9.9.9"), PM=FaceplateFirmware(fw_rev="1.2.3")
    )
    with start_simulator() as sim, connect(sim.tcp_address) as client:
        before = exchange(client)["payload"]["callbackArgs"]
        sim.set(firmware=newer)
        after = exchange(client)["payload"]["callbackArgs"]
        assert sim.state.firmware == newer
    assert before["IM"]["available_fw_rev"] != "9.9.9"
    assert after["IM"]["available_fw_rev"] == "9.9.9"
    assert after["PM"]["fw_rev"] == "1.2.3"


def test_firmware_that_no_scenario_could_have_is_refused_and_nothing_changes() -> None:
    wrong = {"IM": {"fw_rev": 7}}
    with start_simulator() as sim:
        before = sim.state.firmware
        with pytest.raises(ValueError, match=r"IM\.fw_rev"):
            sim.set(firmware=wrong)
        assert sim.state.firmware == before


# What the outlet is and knows

PRO = """
    device.product = "pro"
    timing.sensor_seconds = 0
    firmware.IM.available_fw_rev = "9.9.9"
    firmware.PM.available_fw_rev = "8.8.8"
"""
"""An outlet that says nothing unless something happens to it."""


def faceplate_online(sim: SimulatorHandle) -> bool:
    return sim.faceplate_online


def updating(sim: SimulatorHandle) -> bool:
    return sim.updating


def down(sim: SimulatorHandle) -> bool:
    return sim.offline


def is_told(client: socket.socket, callback: int) -> Any:
    """The arguments of the push that comes next, which is about this."""
    (packet,) = packets(client, 1)
    assert "PUBACK" not in packet
    assert packet["payload"]["callbackName"] == callback
    return packet["payload"]["callbackArgs"]


def test_what_is_changed_is_known_to_the_state_told_to_clients_and_read_by_them() -> None:
    with start_simulator(PRO) as sim, connect(sim.tcp_address) as client:
        exchange(client)
        sim.set(outlets={"states": [1, 0]}, mqtt={"connected": True})
        assert sim.state.outlets.states == (1, 0)
        assert sim.state.mqtt.connected
        assert is_told(client, 9) == [1, 0]
        assert exchange(client, callback=9)["payload"]["callbackArgs"] == [1, 0]
        sim.set(outlets={"states": [1, 0]})  # as it is already
        sim.set(nightlight={"mode": 1, "brightness": 7})
        assert is_told(client, 15) == [1, 7]


@for_each(
    ("changes", "message"),
    [
        ({"outlets": {"states": [1, 2]}}, r"outlets\.states"),
        ({"outlets": {"states": [1]}}, r"outlets\.states"),
        ({"outlets": 3}, "outlets"),
        ({"outlet": {}}, "outlet: unknown key"),
        ({"sensors": {"luxx": 1}}, r"sensors\.luxx: unknown key; did you mean 'lux'"),
        ({"sensors": {"lux": {"start": 1, "min": 2}}}, "min"),
        ({"color_light": {"leds": [[2]]}}, r"color_light\.leds"),
        ({"preferences": {"sys_prefs": {"mqtt": {"password": ""}}}}, "password: unknown key"),
    ],
)
def test_a_change_that_no_scenario_could_have_is_refused_and_nothing_of_it_is_done(
    changes: dict[str, Any], message: str
) -> None:
    with start_simulator(PRO) as sim, connect(sim.tcp_address) as client:
        exchange(client)
        before = sim.state
        first = {"nightlight": {"mode": 1}, "names": {"outlet1": "Lamp"}}
        with pytest.raises(ValueError, match=message):
            sim.set(**first, **changes)
        assert sim.state == before
        assert exchange(client, callback=15)["payload"]["callbackArgs"] == [0, 100]
        assert sim.journal.pushes() == []


def test_anything_may_be_pushed_and_of_what_has_a_state_the_present_one() -> None:
    with start_simulator(PRO) as sim, connect(sim.tcp_address) as client:
        exchange(client)
        sim.push(99, {"any": ["thing", None]})
        sim.push(9)
        sim.push(9, [7])
        assert pushed_packets(client, 3) == [(99, {"any": ["thing", None]}), (9, [0, 0]), (9, [7])]
        with pytest.raises(
            ValueError, match=r"push\.callback: expected one of 9, 11, 12, 15, 18, or "
        ):
            sim.push(22)
        with pytest.raises(
            ValueError, match=r"nothing to push for callback 18: .*no InvisDeco Aura"
        ):
            sim.push(18)
        assert sim.state == sim.scenario.state.with_product()


def pushed_packets(client: socket.socket, number: int) -> list[tuple[int, Any]]:
    """The pushes that come next: callback and arguments."""
    payloads = [packet["payload"] for packet in packets(client, number)]
    return [(payload["callbackName"], payload["callbackArgs"]) for payload in payloads]


def test_a_measurement_is_the_next_sample_and_is_told() -> None:
    scenario = f"{PRO}sensors.lux = [1, 2.5, 'inf']"
    with start_simulator(scenario) as sim, connect(sim.tcp_address) as client:
        exchange(client)
        seen = []
        for _ in range(3):
            sim.sample()
            seen.append(is_told(client, 11)[1]["lux"])
        assert seen == ["2.50", "inf", "1.00"]


def test_a_faceplate_is_taken_off_and_put_back() -> None:
    with start_simulator(PRO) as sim, connect(sim.tcp_address) as client:
        assert faceplate_online(sim) is True
        sim.faceplate("off")
        assert faceplate_online(sim) is False
        assert not sim.state.faceplate.attached
        assert exchange(client, callback=11)["PUBACK"] == 0
        assert "PM" not in exchange(client)["payload"]["callbackArgs"]
        sim.sample()
        with pytest.raises(ValueError, match="faceplate offline"):
            sim.faceplate("restart")
        sim.faceplate("on")
        assert faceplate_online(sim) is True
        (announced,) = packets(client, 1)
        assert announced["payload"]["callbackName"] == 12
        assert exchange(client, callback=11)["PUBACK"] == 1
        assert len(sim.journal.pushes()) == 1  # none by the measurement


def test_a_bare_outlet_stays_without_a_faceplate() -> None:
    with start_simulator("device.product = 'bare'") as sim:
        sim.faceplate("on")
        assert faceplate_online(sim) is False
        with pytest.raises(ValueError, match="no InvisDeco"):
            sim.faceplate("restart")
        with pytest.raises(ValueError, match="no InvisDeco"):
            sim.update("PM")


def test_a_faceplate_that_restarts_is_away_and_comes_back() -> None:
    with start_simulator(f"{PRO}timing.faceplate_restart_seconds = 3600") as sim:
        sim.faceplate("restart")
        assert faceplate_online(sim) is False
        assert sim.state.faceplate.attached
        assert down(sim) is False
    with start_simulator(PRO, speed=math.inf) as sim:
        sim.faceplate("restart")
        with connect(sim.tcp_address) as client:
            ask_until(client, lambda: sim.faceplate_online)


def ask_until(client: socket.socket, condition: Callable[[], bool]) -> None:
    """Asks again and again until something has come about that nobody is told of."""
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline
        exchange(client)


def test_an_update_is_started_told_and_done() -> None:
    with start_simulator(PRO, speed=math.inf) as sim, connect(sim.tcp_address) as client:
        exchange(client)
        sim.update("PM")
        *pushed, announced = pushed_packets(client, 1 + 11 + 1 + 1)
        assert pushed[0] == (23, [2, 0])  # which means nothing
        assert pushed[1:-1] == [(22, [2, 10 * n]) for n in range(11)]
        assert pushed[-1] == (23, [2, 1])
        assert announced[0] == 12  # it is back
        assert updating(sim) is False
        assert exchange(client)["payload"]["callbackArgs"]["PM"]["fw_rev"] == "8.8.8"


def test_an_update_that_cannot_be_is_refused_with_the_reason() -> None:
    target: Any = "XX"
    with start_simulator(PRO) as sim:
        with pytest.raises(ValueError, match='update: expected one of "IM", "PM", found "XX"'):
            sim.update(target)
        assert updating(sim) is False
        sim.update("IM")
        assert updating(sim) is True
        with pytest.raises(ValueError, match="already in progress"):
            sim.update("PM")
    with start_simulator() as sim:
        sim.set(firmware={"PM": {"available_fw_rev": None}})
        with pytest.raises(ValueError, match="no update available"):
            sim.update("PM")


def test_an_outlet_that_restarts_is_down_and_then_no_more() -> None:
    with start_simulator(PRO) as sim:
        assert down(sim) is False
        back = happens(sim, "outage_ended")
        sim.reboot(0.05)
        assert down(sim) is True
        assert back.wait(TIMEOUT)
        assert down(sim) is False


def test_a_reboot_lasts_and_ends_connections_as_the_scenario_says_unless_it_is_said_otherwise() -> (
    None
):
    scenario = f"{PRO}timing.restart_seconds = 3600\nquirks.restart_disconnect = 'reset'"
    with start_simulator(scenario) as sim, connect(sim.tcp_address) as client:
        exchange(client)
        sim.reboot()
        assert [summary(event) for event in sim.journal.events(kind="outage_started")] == [
            "reboot: offline for 3600 s"
        ]
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    with start_simulator(scenario) as sim, connect(sim.tcp_address) as client:
        exchange(client)
        back = happens(sim, "outage_ended")
        sim.reboot(0, "close")
        assert client.recv(1) == b""
        assert back.wait(TIMEOUT)


def test_after_a_network_reset_the_outlet_is_away_until_it_joins_again() -> None:
    with start_simulator(PRO, speed=math.inf) as sim, connect(sim.tcp_address) as client:
        sim.join_network()  # it is there, which is no error
        begun = happens(sim, "outage_started")
        client.sendall(make_request(6, packet_id=100001))
        assert client.recv(1) == b""
        assert begun.wait(TIMEOUT)
        assert down(sim) is True
        with pytest.raises(ConnectionRefusedError):
            connect(sim.tcp_address)
        sim.join_network()
        assert down(sim) is False
        with connect(sim.tcp_address) as again:
            assert is_told(again, 12)["IM"]["sn"] == sim.sn
            assert exchange(again)["PUBACK"] == 1


def test_a_reboot_is_not_ended_by_joining_the_network() -> None:
    with start_simulator(PRO) as sim:
        sim.reboot(3600)
        sim.join_network()
        assert down(sim) is True


def test_the_outlet_may_be_changed_from_many_threads() -> None:
    def change(number: int) -> None:
        sim.set(nightlight={"brightness": number})
        sim.push(99, number)
        assert sim.state.nightlight.brightness <= 50

    with (
        start_simulator(PRO) as sim,
        connect(sim.tcp_address) as client,
        ThreadPoolExecutor(8) as pool,
    ):
        exchange(client)
        list(pool.map(change, range(1, 51)))
        pushed = pushed_packets(client, 100)
        assert sorted(args for callback, args in pushed if callback == 99) == list(range(1, 51))
        last = [args for callback, args in pushed if callback == 15][-1]
        assert last == [0, sim.state.nightlight.brightness]


def test_after_the_end_the_state_can_be_read_and_no_command_is_taken() -> None:
    with start_simulator(PRO) as sim:
        sim.set(outlets={"states": [0, 1]})
        sim.stop()
        assert sim.state.outlets.states == (0, 1)
        assert (sim.faceplate_online, sim.updating, sim.offline) == (True, False, False)
        for act in (
            lambda: sim.set(outlets={"states": [1, 1]}),
            lambda: sim.push(9),
            sim.sample,
            lambda: sim.update("IM"),
            lambda: sim.faceplate("restart"),
            lambda: sim.at(after_seconds=1, push=9),
            sim.clock.pause,
            lambda: sim.clock.advance(1),
        ):
            with pytest.raises(SimulatorStopped):
                act()
        assert sim.state.outlets.states == (0, 1)


def test_under_trio_what_is_changed_is_told_as_well() -> None:
    async def live() -> list[Any]:
        async with invis_sim.open_simulator(PRO) as simulator:
            stream = await trio.open_tcp_stream(*simulator.tcp_address)
            async with stream:
                await stream.send_all(make_request())
                await stream.receive_some()
                pushed: list[Any] = []
                simulator.set(outlets={"states": [1, 1]})
                pushed.append(json.loads(await stream.receive_some()))
                simulator.push(99, "x")
                pushed.append(json.loads(await stream.receive_some()))
                simulator.sample()
                pushed.append(json.loads(await stream.receive_some()))
                assert simulator.state.outlets.states == (1, 1)
                return pushed

    pushed = [packet["payload"] for packet in run_in_trio(live)]
    assert [one["callbackName"] for one in pushed] == [9, 99, 11]
    assert [one["callbackArgs"] for one in pushed[:2]] == [[1, 1], "x"]


@for_each("how", ["close", "close_frame", "reset"])
def test_disconnect_all_ends_every_connection_and_new_ones_are_served(
    how: Literal["close", "close_frame", "reset"],
) -> None:
    with start_simulator() as sim:
        with connect(sim.tcp_address) as one, connect(sim.tcp_address) as two:
            exchange(one)
            exchange(two)
            sim.disconnect(how)
            for client in (one, two):
                if how == "reset":
                    with pytest.raises(ConnectionResetError):
                        client.recv(1)
                else:
                    assert client.recv(1) == b""
        with connect(sim.tcp_address) as three:
            assert exchange(three)["PUBACK"] == 1


def test_after_reboot_connections_are_gone_and_refused_until_it_is_back_at_the_same_port() -> None:
    with start_simulator() as sim, connect(sim.tcp_address) as client:
        exchange(client)
        back = happens(sim, "outage_ended")
        sim.reboot(0.2)
        with pytest.raises(ConnectionRefusedError):
            connect(sim.tcp_address)
        assert client.recv(1) == b""
        assert back.wait(TIMEOUT)
        with connect(sim.tcp_address) as again:
            again.sendall(make_request())
            greeting, reply = packets(again, 2)
            assert greeting["payload"]["callbackName"] == 12
            assert reply["PUBACK"] == 1


def test_a_reboot_goes_on_whatever_faults_come_and_go_meanwhile() -> None:
    with start_simulator() as sim:
        sim.reboot(3600)
        with sim.inject(Fail()), pytest.raises(ConnectionRefusedError):
            connect(sim.tcp_address)
        with pytest.raises(ConnectionRefusedError):
            connect(sim.tcp_address)


def test_speed_divides_the_time_of_a_reboot() -> None:
    with start_simulator(speed=float("inf")) as sim:
        back = happens(sim, "outage_ended")
        sim.reboot(3600)
        assert back.wait(TIMEOUT)


@for_each("seconds", [-1.0, float("nan"), float("inf")])
def test_a_reboot_takes_a_time_that_ends(seconds: float) -> None:
    with start_simulator() as sim, pytest.raises(ValueError, match="seconds"):
        sim.reboot(seconds)


def test_a_reboot_ends_connections_in_a_way_that_there_is() -> None:
    how: Any = "politely"
    with start_simulator() as sim, pytest.raises(ValueError, match="politely"):
        sim.reboot(0, how)


# Waiting for what comes


def test_a_request_is_waited_for_and_returned() -> None:
    with (
        start_simulator() as sim,
        connect(sim.tcp_address) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        found = pool.submit(sim.wait_for_request, callback=20, timeout=TIMEOUT)
        client.sendall(make_request(8, packet_id=100001) + make_request(packet_id=100002))
        assert found.result(TIMEOUT).packet_id == 100002


def test_a_request_that_has_come_before_is_returned_once_and_the_oldest_first() -> None:
    with start_simulator() as sim, connect(sim.tcp_address) as client:
        for packet_id in (1, 2, 3):
            exchange(client, packet_id)
        assert sim.wait_for_request(packet_id=2).packet_id == 2
        assert [sim.wait_for_request(callback=20).packet_id for _ in range(2)] == [1, 3]
        with pytest.raises(AssertionError):
            sim.wait_for_request(timeout=0)


def test_a_request_is_known_when_it_comes_and_not_when_it_is_answered() -> None:
    with (
        start_simulator('[[faults]]\nkind = "delay"\nseconds = 3600') as sim,
        connect(sim.tcp_address) as client,
    ):
        client.sendall(make_request())
        assert sim.wait_for_request(timeout=TIMEOUT).packet_id == 221040


def test_what_the_journal_has_forgotten_is_waited_for_no_more() -> None:
    with start_simulator() as sim, connect(sim.tcp_address) as client:
        exchange(client, 1)
        sim.journal.clear()
        exchange(client, 2)
        assert sim.wait_for_request().packet_id == 2


def test_many_who_wait_get_each_request_once() -> None:
    with (
        start_simulator() as sim,
        connect(sim.tcp_address) as client,
        ThreadPoolExecutor(20) as pool,
    ):
        found = [pool.submit(sim.wait_for_request, timeout=TIMEOUT) for _ in range(20)]
        for packet_id in range(20):
            exchange(client, packet_id)
        assert sorted(one.result(TIMEOUT).packet_id for one in found) == list(range(20))


def test_the_filters_of_waiting_are_those_of_the_journal() -> None:
    with (
        start_simulator() as sim,
        connect(sim.tcp_address) as one,
        connect(sim.tcp_address) as two,
    ):
        exchange(one, 1)
        exchange(two, 2)
        second = sim.journal.exchanges(packet_id=2)[0].connection
        assert sim.wait_for_request(connection=second).packet_id == 2
        assert sim.wait_for_request(transport="tcp").packet_id == 1


def test_who_waits_in_vain_is_told_what_came_instead() -> None:
    with start_simulator() as sim:
        with pytest.raises(AssertionError, match="no client connected"):
            sim.wait_for_request(timeout=0)
        with connect(sim.tcp_address) as client:
            exchange(client, 100001)
            exchange(client, 100002, callback=17)
            sim.wait_for_request(callback=17)
            with pytest.raises(AssertionError) as caught:
                sim.wait_for_request(callback=17, transport="tcp", timeout=0.01)
    message = str(caught.value)
    first, nearest, again, other, heading, connected, *others = message.splitlines()
    assert (
        first
        == "timed out after 0.01 s waiting for a request for callback 17 (control color light)"
        " on tcp"
    )
    assert nearest == "nearest:"
    assert "17 control color light -> PUBACK 0: " in again
    assert again.endswith("  (an earlier call has returned it)")
    assert other.endswith("(callback: expected 17, found 20 available updates)")
    assert heading == "received:"
    assert "tcp #1   connected from 127.0.0.1:" in connected
    assert "20 available updates -> PUBACK 1 " in others[0]
    assert "17 control color light -> PUBACK 0: " in others[1]
    assert ["(already waited for)" in line for line in others] == [False, True]


def test_a_connection_is_waited_for_on_the_transport_that_is_asked_for() -> None:
    with (
        start_simulator() as sim,
        connect(sim.tcp_address),
        connect(("127.0.0.1", int(sim.ws_url.split(":")[2].removesuffix("/ws")))),
    ):
        event = sim.wait_for_connection("ws", timeout=TIMEOUT)
        assert (event.kind, event.transport) == ("connected", "ws")
        assert sim.wait_for_connection(timeout=TIMEOUT).transport == "tcp"
        with pytest.raises(AssertionError, match=r"^timed out .* waiting for a connection on tcp"):
            sim.wait_for_connection("tcp", timeout=0)


@both_loops
def test_in_a_loop_time_is_moved_and_what_falls_due_has_happened(run: Any) -> None:
    async def live() -> list[int]:
        async with start_simulator("bare") as sim:
            sim.clock.pause()
            for seconds, callback in ((10, 91), (20, 92)):
                sim.at(after_seconds=seconds, push={"callback": callback, "args": []})
            with connect(sim.tcp_address) as client:
                await sim.async_wait_for_connection("tcp", timeout=TIMEOUT)
                await sim.clock.async_advance(15)
                seen = [len(sim.journal.pushes(callback=91)), len(sim.journal.pushes(callback=92))]
                await sim.clock.async_settle()
                seen.append(len(sim.journal.pushes(callback=92)))
                client.close()
            with pytest.raises(ValueError, match="seconds"):
                await sim.clock.async_advance(-1)
            return seen

    assert run(live) == [1, 0, 1]


@both_loops
def test_in_a_loop_others_run_while_a_request_is_waited_for(run: Any) -> None:
    async def live() -> list[int]:
        async with start_simulator() as sim:
            with connect(sim.tcp_address) as client:
                connection = await sim.async_wait_for_connection("tcp", timeout=TIMEOUT)
                client.sendall(make_request(packet_id=5))
                found = await sim.async_wait_for_request(callback=20, timeout=TIMEOUT)
                with pytest.raises(AssertionError, match=r"timed out after 0\.01 s"):
                    await sim.async_wait_for_request(timeout=0.01)
            return [connection.connection or 0, found.packet_id]

    assert run(live) == [1, 5]


@both_loops
def test_who_waits_in_vain_in_the_thread_of_a_loop_is_told_how_to_wait_there(run: Any) -> None:
    async def live() -> None:
        async with start_simulator() as sim:
            sim.wait_for_request(timeout=0)

    with pytest.raises(AssertionError, match=r"`await` async_wait_for_request"):
        run(live)


# When something goes wrong inside


def test_an_error_inside_comes_out_as_itself_at_the_end_of_the_block() -> None:
    with pytest.raises(InjectedError, match="inside"), start_simulator() as sim:  # noqa: PT012
        broken = happens(sim, "outage_ended")
        break_down(sim)
        assert broken.wait(TIMEOUT)


@both_loops
def test_an_error_inside_comes_out_as_itself_at_the_end_of_an_asynchronous_block(run: Any) -> None:
    async def live() -> None:
        async with start_simulator() as sim:
            break_down(sim)
            await sim.async_wait_for_request(timeout=TIMEOUT)

    with pytest.raises(InjectedError, match="inside"):
        run(live)


def test_who_waits_when_something_goes_wrong_inside_gets_the_error_at_once() -> None:
    with pytest.raises(InjectedError), start_simulator() as sim:  # noqa: PT012
        break_down(sim)
        with pytest.raises(InjectedError, match="inside"):
            sim.wait_for_request(timeout=TIMEOUT)
        with pytest.raises(InjectedError, match="inside"):
            sim.wait_for_connection(timeout=TIMEOUT)
        with pytest.raises(InjectedError, match="inside"):
            sim.inject(Fail())


def test_the_error_inside_is_told_when_the_block_fails_because_of_it() -> None:
    with pytest.raises(InjectedError, match="inside") as caught, start_simulator() as sim:  # noqa: PT012
        broken = happens(sim, "outage_ended")
        break_down(sim)
        assert broken.wait(TIMEOUT)
        raise KeyError("the test's own")
    assert isinstance(caught.value.__context__, KeyError)


def test_an_interrupt_is_not_hidden_by_an_error_inside() -> None:
    with pytest.raises(KeyboardInterrupt), start_simulator() as sim:  # noqa: PT012
        broken = happens(sim, "outage_ended")
        break_down(sim)
        assert broken.wait(TIMEOUT)
        raise KeyboardInterrupt


# After the end


def test_who_waits_when_the_outlet_is_stopped_is_told() -> None:
    with start_simulator() as sim, ThreadPoolExecutor(1) as pool:
        waits = threading.Event()

        def wait() -> None:
            waits.set()
            sim.wait_for_request(timeout=TIMEOUT)

        waiting = pool.submit(wait)
        assert waits.wait(TIMEOUT)
        sim.stop()
        with pytest.raises(SimulatorStopped, match="the outlet has been stopped"):
            waiting.result(TIMEOUT)


def test_after_stop_what_happened_can_be_read_and_nothing_done() -> None:
    with start_simulator('[[faults]]\nkind = "fail"') as sim:
        with connect(sim.tcp_address) as client:
            exchange(client)
        address = sim.tcp_address
        sim.stop()
        with pytest.raises(OSError, match="refused"):  # at once, and not only behind the block
            connect(address)
        assert sim.wait_for_request().packet_id == 221040  # it had come
        assert [one.name for one in sim.faults] == ["fail"]
        assert sim.faults["fail"].applied == 1
        assert sim.state.firmware == FirmwareInventory()
        for action in (
            sim.reboot,
            sim.disconnect,
            sim.wait_for_request,
            lambda: sim.inject(Fail()),
        ):
            with pytest.raises(SimulatorStopped):
                action()
        sim.faults["fail"].remove()  # it is gone, with the outlet


def test_the_outlet_may_be_asked_in_its_own_thread_but_not_waited_for() -> None:
    found: list[Any] = []

    def ask_and_stop() -> None:
        found.append(len(sim.faults))
        with pytest.raises(RuntimeError, match="would deadlock"):
            sim.wait_for_request()
        sim.stop()
        found.append("stopped")

    with start_simulator() as sim:
        sim.journal.subscribe(EntryFilter(kinds=("connected",)), on_ready=ask_and_stop)
        with connect(sim.tcp_address) as client:
            assert client.recv(1) == b""
    assert found == [0, "stopped"]


class Defective(TextFault, frozen=True, tag="defective"):
    """A fault with a defect, as one of ours might have."""

    def corrupt(self, text: bytes, at: Context) -> bytes:
        raise InjectedError("a defect")


def ask_over_tcp(sim: SimulatorHandle) -> None:
    with connect(sim.tcp_address) as client:
        client.sendall(make_request())
        assert client.recv(1) == b""


def ask_over_websocket(sim: SimulatorHandle, message: str = make_request().decode()) -> None:
    with websockets.sync.client.connect(sim.ws_url) as client:
        client.send(message)
        with pytest.raises(websockets.exceptions.ConnectionClosed):
            client.recv(timeout=TIMEOUT)


def ask_over_the_slow_lane(sim: SimulatorHandle) -> None:
    ask_over_websocket(sim, '{"é": 1, "packetID": 1, "payload": {"callbackName": 20}}')


@pytest.mark.parametrize("ask", [ask_over_tcp, ask_over_websocket, ask_over_the_slow_lane])
def test_a_defect_that_costs_a_connection_ends_the_outlet_and_comes_out_as_itself(
    ask: Callable[[SimulatorHandle], None],
) -> None:
    def live() -> None:
        with start_simulator() as sim:
            sim.inject(Defective())
            ask(sim)
            sim.wait_for_request(callback=99)

    with pytest.raises(InjectedError, match=r"^a defect$"):
        live()


# In a trio program


def test_open_simulator_waits_disconnects_reboots_and_changes_firmware_too() -> None:
    async def live() -> None:
        async with invis_sim.open_simulator() as sim:
            client = await trio.open_tcp_stream(*sim.tcp_address)
            assert (await sim.wait_for_connection("tcp")).connection == 1
            await client.send_all(make_request(packet_id=100001))
            assert (await sim.wait_for_request(callback=20)).packet_id == 100001
            with pytest.raises(
                AssertionError, match=r"^timed out after .* waiting for a request for callback 20 "
            ):
                await sim.wait_for_request(callback=20, timeout=0.01)
            sim.set(firmware=FirmwareInventory(IM=OutletFirmware(fw_rev="7.7.7")))
            await client.receive_some()
            await client.send_all(make_request(packet_id=100002))
            assert b'"7.7.7"' in await client.receive_some()
            sim.disconnect()
            assert await client.receive_some() == b""
            sim.reboot(3600)
            with pytest.raises(OSError, match="all attempts to connect"):
                await trio.open_tcp_stream(*sim.tcp_address)
            await client.aclose()

    run_in_trio(live)


def change_until_it_ends(sim: SimulatorHandle, ends: list[BaseException]) -> None:
    try:
        while True:
            sim.set(outlets={"states": [1, 0]})
    except BaseException as error:
        ends.append(error)


def test_who_changes_something_while_it_stops_does_not_disturb_its_end() -> None:
    for _ in range(20):
        ends: list[BaseException] = []
        with start_simulator("bare") as sim:
            threads = [
                threading.Thread(target=change_until_it_ends, args=(sim, ends)) for _ in range(3)
            ]
            for thread in threads:
                thread.start()
        for thread in threads:
            thread.join()
        assert [type(error) for error in ends] == [SimulatorStopped] * 3


def test_nobody_is_left_waiting_for_an_outlet_that_is_away_for_ever() -> None:
    async def wait_for_it(sim: SimulatorHandle) -> None:
        for _ in range(3):
            with pytest.raises(AssertionError, match="has not come back within"):
                await sim.async_wait_until_up(timeout=0.01)
        cancelled = asyncio.create_task(sim.async_wait_until_up(timeout=TIMEOUT))
        while not sim._simulator._waiting_for_up:
            await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.wait([cancelled])
        assert sim._simulator._waiting_for_up == []
        waiting = asyncio.create_task(sim.async_wait_until_up(timeout=TIMEOUT))
        while not sim._simulator._waiting_for_up:
            await asyncio.sleep(0)
        sim.stop()
        with pytest.raises(SimulatorStopped):
            await waiting

    with start_simulator("bare") as sim:
        sim.reboot(seconds=1e6)
        with pytest.raises(AssertionError, match="has not come back within"):
            sim.wait_until_up(timeout=0.01)
        asyncio.run(wait_for_it(sim))

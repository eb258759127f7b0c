"""What a caller gives from Python is checked at the call, in the words of a scenario file."""

import math
import re
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest
import trio

from invis_sim import (
    CommandError,
    Journal,
    OutletFirmware,
    Scenario,
    ScenarioError,
    SimulatorHandle,
    StartError,
    capture,
    faults,
    open_simulator,
    start_proxy,
    start_replay,
)
from invis_sim.commands.push import PushPacket
from invis_sim.device.outlet import Outlet
from invis_sim.device.preferences import AccPrefs, Preferences
from invis_sim.device.sensors import Drift, Sensors
from invis_sim.device.state import Device, OutletState, Timing
from invis_sim.scenario.listen import Listen
from invis_sim.testing.block import start_simulator
from invis_sim.testing.gauntlet_tests import GauntletMarker
from tests.cases import for_each

Call = Callable[[Any], object]


@pytest.fixture(scope="module")
def sim() -> Iterator[SimulatorHandle]:
    with start_simulator() as sim:
        yield sim


@for_each("speed", [0, -1, math.nan, -math.inf, "2", None, True])
def test_a_speed_that_cannot_be_is_refused_at_the_call(speed: Any, sim: SimulatorHandle) -> None:
    async def run() -> None:
        async with open_simulator(speed=speed):
            raise AssertionError("it has started")

    def set_speed() -> None:
        sim.clock.speed = speed

    for call in (lambda: start_simulator(speed=speed), lambda: trio.run(run), set_speed):
        with pytest.raises(ValueError, match=r"^speed: expected a number above 0, or inf"):
            call()
    assert sim.clock.speed == 1


WRONG: list[tuple[Call, str]] = [
    (
        lambda sim: sim.wait_for_request(callback="20"),
        'callback: expected a whole number, found "20"',
    ),
    (
        lambda sim: sim.wait_for_request(connection=0),
        "connection: expected a whole number from 1, found 0",
    ),
    (
        lambda sim: sim.wait_for_request(transport="udp"),
        'transport: expected one of "tcp", "ws", found "udp"',
    ),
    (
        lambda sim: sim.wait_for_request(packet_id=1.5),
        "packet_id: expected a whole number, found 1.5",
    ),
    (lambda sim: sim.wait_for_request(args={1}), "args: expected a JSON value, found set"),
    (
        lambda sim: sim.wait_for_request(timeout="1"),
        'timeout: expected a number from 0, or inf, found "1"',
    ),
    (
        lambda sim: sim.wait_for_request(timeout=None),
        "timeout: expected a number from 0, or inf, found None",
    ),
    (
        lambda sim: sim.wait_for_connection("udp"),
        'transport: expected one of "tcp", "ws", found "udp"',
    ),
    (
        lambda sim: sim.wait_for_connection(timeout=math.nan),
        "timeout: expected a number from 0, or inf, found nan",
    ),
    (lambda sim: sim.wait_until_up(-1), "timeout: expected a number from 0, or inf, found -1"),
    (lambda sim: sim.clock.advance("1"), 'seconds: expected a number from 0 to 1e9, found "1"'),
    (lambda sim: sim.clock.advance(-1), "seconds: expected a number from 0 to 1e9, found -1"),
    (
        lambda sim: sim.clock.advance(math.inf),
        "seconds: expected a number from 0 to 1e9, found inf",
    ),
    (lambda sim: sim.do("push"), 'expected a command, found "push"; write do(push=…)'),
    (lambda sim: sim.do(faults.Drop), "expected a command, found the class Drop"),
    (lambda sim: sim.do(push=9, by=5), "by: expected text, found 5"),
    (lambda sim: sim.do(psh=9), "psh: unknown key; did you mean 'push'?"),
    (
        lambda sim: sim.inject("drop"),
        'inject: expected a fault: a table with a kind, found "drop"; write { kind = "drop" }, or ',
    ),
    (
        lambda sim: sim.inject(faults.Delay),
        "inject: expected a fault: a table with a kind, found the class Delay; write Delay(",
    ),
    (lambda sim: sim.inject(None), "inject: expected a fault: a table with a kind, found None"),
    (lambda sim: sim.enable(5), "enable[0]: expected text, found 5"),
    (
        lambda sim: sim.set(outlets={"states": {0, 1}}),
        "set.outlets.states: expected plain data, found set",
    ),
    (
        lambda sim: sim.set(names={"outlet1": b"x"}),
        "set.names.outlet1: expected plain data, found bytes",
    ),
    (
        lambda sim: sim.set(firmware=OutletFirmware()),
        "set.firmware: expected a table (keys: IM, PM, update_check), found OutletFirmware(…)",
    ),
    (
        lambda sim: sim.set(preferences=Preferences(sys_prefs=AccPrefs())),  # type: ignore[arg-type]
        "set.preferences.sys_prefs: expected a table (keys: mqtt, internet), found AccPrefs(…)",
    ),
    (lambda sim: sim.has("udp"), 'transport: expected one of "tcp", "ws", found "udp"'),
    (
        lambda sim: sim.journal.exchanges(callback="20"),
        'callback: expected a whole number, found "20"',
    ),
    (
        lambda sim: sim.journal.assert_received(times=-1),
        "times: expected a whole number from 0, found -1",
    ),
    (
        lambda sim: sim.journal.assert_received(args=math.nan),
        "args: expected a JSON value, found nan",
    ),
    (
        lambda sim: sim.journal.events(transport="udp"),
        'transport: expected one of "tcp", "ws", found "udp"',
    ),
    (lambda sim: sim.journal.subscribe({"kinds": ["closd"]}), "filter.kinds[0]: expected "),
    (
        lambda sim: sim.journal.subscribe(max_waiting="x"),
        'max_waiting: expected a whole number from 1, found "x"',
    ),
]


@for_each(("call", "message"), WRONG)
def test_a_wrong_argument_is_refused_at_the_call(
    call: Call, message: str, sim: SimulatorHandle
) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        call(sim)


PLACE = {"host": "127.0.0.1"}

REFUSED: list[tuple[Any, dict[str, Any], str]] = [
    (Journal.load, {"source": 5}, "source: expected the path of a journal file, or its lines"),
    (Journal.load, {"source": [5]}, "line 1: expected text or bytes, found 5"),
    (Journal().dump, {"path": 5}, "path: expected the path of a file, found 5"),
    (Journal().subscribe, {"after": "x"}, 'after: expected a whole number from 0, found "x"'),
    (Journal().subscribe, {"done": 1}, "done: expected true or false, found 1"),
    (Journal().subscribe, {"on_ready": 5}, "on_ready: expected a function, found 5"),
    (start_proxy, {"host": 5}, "host: expected an address or a name, found 5"),
    (start_proxy, {**PLACE, "tcp_port": "x"}, "tcp_port: expected a whole number from 1 to 65535"),
    (start_proxy, {**PLACE, "read_only": "no"}, 'read_only: expected true or false, found "no"'),
    (start_replay, {"path": 5}, "path: expected the path of a journal file, found 5"),
    (start_replay, {"path": "x", "strict": 1}, "strict: expected true or false, found 1"),
    (start_replay, {"path": "x", "latency": "no"}, "latency: expected true or false"),
    (capture, {"host": ""}, 'host: expected an address or a name, found ""'),
    (capture, {**PLACE, "ws_port": 0}, "ws_port: expected a whole number from 1 to 65535, found 0"),
    (capture, {**PLACE, "pause": -1}, "pause: expected a number from 0, found -1"),
    (capture, {**PLACE, "listen": math.nan}, "listen: expected a finite number, found nan"),
    (capture, {**PLACE, "timeout": 0}, "timeout: expected a number above 0, found 0"),
    (capture, {**PLACE, "keep_identity": None}, "keep_identity: expected true or false"),
    (capture, {**PLACE, "key": "x"}, 'key: expected bytes, found "x"'),
    (start_simulator, {"scenario": "\ud800"}, "scenario: expected Unicode text"),
    (Device, {"hw_rev": 5}, "hw_rev: expected text of at most"),
    (Listen, {"ws_path": 5}, "ws_path: expected "),
    (Timing, {"sensor_seconds": "5"}, "sensor_seconds: expected a number"),
    (Drift, {"start": "5"}, "start: expected a number"),
    (Sensors, {"omit": 5}, "omit: expected a list"),
    (GauntletMarker, {"only": 5}, "only: expected text or a list of these, found 5"),
    (GauntletMarker, {"requests": 0}, "requests: expected a whole number from 1, found 0"),
    (GauntletMarker, {"callback": "20"}, 'callback: expected a whole number, found "20"'),
    (GauntletMarker, {"noticed": "Error"}, 'noticed: expected exceptions, found "Error"'),
]


@for_each(("call", "arguments", "message"), REFUSED)
def test_what_is_built_or_started_refuses_wrong_arguments(
    call: Any, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        call(**arguments)


@for_each("text", ["\x1b[31m", "\x9b31m", "\u202e", "\ud800", "\x7f"])
def test_a_message_shows_text_harmless_for_a_terminal(text: Any) -> None:
    structs: list[tuple[Any, str]] = [(Scenario, "seed"), (faults.Drop, "when")]
    for struct, key in structs:
        with pytest.raises(ValueError, match="expected") as caught:
            struct(**{key: text})
        assert str(caught.value).isprintable()


def test_a_host_that_cannot_be_is_shown_harmlessly() -> None:
    for options in ({"host": "a\x1b[31m"}, {"control": True, "control_host": "localhost\x1b"}):
        with pytest.raises((StartError, ScenarioError)) as caught, start_simulator(**options):
            pass
        assert str(caught.value).isprintable()


@for_each("commands", ["push", [5], [faults.Drop]])
def test_commands_of_the_start_are_checked(commands: Any) -> None:
    async def run() -> None:
        async with open_simulator(commands=commands):
            raise AssertionError("it has started")

    with pytest.raises(CommandError, match=r"^expected a command, found "):
        trio.run(run)


def test_a_switch_is_true_or_false(sim: SimulatorHandle) -> None:
    with sim.inject(faults.Drop(name="lost")) as fault:
        with pytest.raises(ValueError, match=r'^enabled: expected true or false, found "no"$'):
            fault.enabled = "no"  # type: ignore[assignment]
        assert fault.enabled


def test_a_wait_may_be_without_end(sim: SimulatorHandle) -> None:
    sim.wait_until_up(timeout=math.inf)


@for_each(
    ("args", "place", "found"),
    [
        ([math.inf], "[0]", "inf"),
        ({"a": [math.nan]}, ".a[0]", "nan"),
        (date(2024, 1, 1), "", "date"),
        ([b"x"], "[0]", "bytes"),
        ({1, 2}, "", "set"),
        ([OutletState], "[0]", "the class OutletState"),
    ],
)
def test_only_json_is_pushed(args: Any, place: str, found: str, sim: SimulatorHandle) -> None:
    message = re.escape(f"args{place}: expected a JSON value, found {found}")
    for call in (
        lambda: sim.push(99, args),
        lambda: sim.do(push={"callback": 99, "args": args}),
        lambda: sim.do(PushPacket(callback=99, args=args)),
        lambda: sim.at(after_seconds=100, push={"callback": 99, "args": args}),
    ):
        with pytest.raises(CommandError, match=f"^push.{message}$"):
            call()
    with pytest.raises(ValueError, match=f"^{message}$"):
        Outlet(OutletState()).push(99, args, 0.0)


def test_an_expectation_about_arguments_compares_them() -> None:
    journal = Journal()
    with pytest.raises(AssertionError, match=r"callback 10 .*with callbackArgs \[1,0\]"):
        journal.assert_received(callback=10, args=(1, 0))

"""Every command does the same, whichever way it is given: by a step, from another thread, in trio's
own loop, over HTTP, and from the command line.
"""

import json
import os
import socket
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec
import pytest
import tomli
import trio

from invis_sim import Journal, faults, open_simulator, start_simulator
from invis_sim.cli import main
from invis_sim.commands.command import CommandError
from invis_sim.commands.registry import COMMANDS
from invis_sim.journal import CommandGiven, OutageStarted
from invis_sim.scenario import parse
from tests.cases import for_each
from tests.support import TIMEOUT, make_request
from tests.web.support import steered

SCENARIO = """
    seed = 7
    [device]
    product = "pro"
    [firmware.IM]
    available_fw_rev = "0.9.0"
    [firmware.PM]
    available_fw_rev = "0.9.0"
    [sensors]
    lux = [1, 2, 3]
    [timing]
    sensor_seconds = 0
    reconnect_seconds = 0
    [updates.IM]
    silence_seconds = 0
    [[faults]]
    name = "broken"
    kind = "fail"
    when = { callback = 9 }
    enabled = false
    [[faults]]
    name = "also broken"
    kind = "fail"
    when = { callback = 12 }
"""
"""The sensors and the outlet say nothing by themselves, so that what comes of a command is all."""


class Outcome(NamedTuple):
    """What came of a command.

    answer: (callback, args) → the reply. journal: what was recorded so far.
    """

    answer: Callable[..., dict[str, Any]]
    journal: Callable[[], Journal]


Check = Callable[[Outcome], None]


def reply_to(address: tuple[str, int], callback: int, args: Any = None) -> dict[str, Any]:
    with socket.create_connection(address, TIMEOUT) as client:
        client.sendall(make_request(callback, msgspec.UNSET if args is None else args))
        received = b""
        while chunk := client.recv(65536):
            received += chunk
            try:
                reply: dict[str, Any] = json.loads(received)
            except ValueError:
                continue
            return reply
    raise AssertionError(f"no reply to {callback}: {received!r}")


def args_of(outcome: Outcome, callback: int, args: Any = None) -> Any:
    reply = outcome.answer(callback, args)
    assert reply["PUBACK"] == 1, reply
    return reply["payload"]["callbackArgs"]


def lux(outcome: Outcome) -> str:
    value: str = args_of(outcome, 11)[1]["lux"]
    return value


def nothing(outcome: Outcome) -> None:
    pass


def outlet_is_on(outcome: Outcome) -> None:
    assert args_of(outcome, 9) == [1, 0]


def no_faceplate(outcome: Outcome) -> None:
    assert "PM" not in args_of(outcome, 20)


def switches_fail(outcome: Outcome) -> None:
    assert outcome.answer(9)["PUBACK"] == 0


def information_works(outcome: Outcome) -> None:
    assert outcome.answer(12)["PUBACK"] == 1


def names_fail(outcome: Outcome) -> None:
    assert outcome.answer(3)["PUBACK"] == 0


def second_sample(outcome: Outcome) -> None:
    assert lux(outcome) == "2.00"


def update_in_progress(outcome: Outcome) -> None:
    assert outcome.answer(21, [1])["PUBACK"] == 0


def restarted(outcome: Outcome) -> None:
    entries = outcome.journal()
    (started,) = entries.events(kind="outage_started")
    assert isinstance(started, OutageStarted)
    assert (started.name, started.duration) == ("reboot", 0.125)


def back_at_the_start(outcome: Outcome) -> None:
    assert args_of(outcome, 9) == [0, 0]
    assert outcome.answer(12)["PUBACK"] == 0  # the scenario's own fault


CASES: dict[str, tuple[str, Check]] = {
    "set": ("set = { outlets = { states = [1, 0] } }", outlet_is_on),
    "inject": ('inject = { kind = "fail", when = { callback = 3 } }', names_fail),
    "enable": ('enable = "broken"', switches_fail),
    "disable": ('disable = ["also broken"]', information_works),
    "remove": ('remove = "also broken"', information_works),
    "push": ("push = { callback = 99, args = [1] }", nothing),
    "sample": ("sample = true", second_sample),
    "update": ('update = "IM"', update_in_progress),
    "reboot": ('reboot = { seconds = 0.125, how = "reset" }', restarted),
    "faceplate": ('faceplate = "off"', no_faceplate),
    "join_network": ("join_network = true", nothing),
    "disconnect": ('disconnect = "reset"', nothing),
    "reset": ('reset = ["state", "faults"]', back_at_the_start),
}


class Way(Protocol):
    def __call__(self, command: str, check: Check, tmp_path: Path) -> None: ...


def givers(journal: Journal) -> list[str]:
    """Who gave the commands in a journal."""
    return [one.by for one in journal.events(kind="command") if isinstance(one, CommandGiven)]


def wait_until_given(journal: Callable[[], Journal]) -> None:
    for _ in range(int(TIMEOUT / 0.01)):
        if journal().events(kind="command"):
            return
        trio.run(trio.sleep, 0.01)
    raise AssertionError("the command was not given")


def by_a_step(command: str, check: Check, tmp_path: Path) -> None:
    scenario = f"{SCENARIO}\n[[steps]]\nafter_seconds = 0\n{command}\n"
    with start_simulator(scenario) as sim:
        wait_until_given(lambda: sim.journal)
        assert givers(sim.journal) == ["step 1"]
        sim.wait_until_up()
        check(Outcome(lambda *a: reply_to(sim.tcp_address, *a), lambda: sim.journal))


def from_a_thread(command: str, check: Check, tmp_path: Path) -> None:
    with start_simulator(SCENARIO) as sim:
        sim.do(**tomli.loads(command))
        assert givers(sim.journal) == ["python"]
        sim.wait_until_up()
        check(Outcome(lambda *a: reply_to(sim.tcp_address, *a), lambda: sim.journal))


def in_trio(command: str, check: Check, tmp_path: Path) -> None:
    async def run() -> None:
        async with open_simulator(SCENARIO) as sim:
            sim.do(**tomli.loads(command))
            assert givers(sim.journal) == ["python"]
            await sim.wait_until_up()
            token = trio.lowlevel.current_trio_token()

            def journal() -> Journal:
                return trio.from_thread.run_sync(lambda: sim.journal, trio_token=token)

            outcome = Outcome(lambda *a: reply_to(sim.tcp_address, *a), journal)
            await trio.to_thread.run_sync(check, outcome)

    trio.run(run)


def over_http(command: str, check: Check, tmp_path: Path) -> None:
    with steered(SCENARIO) as (sim, client):
        client.do(tomli.loads(command))
        assert givers(sim.journal) == ["API"]
        sim.wait_until_up()
        check(Outcome(lambda *a: reply_to(sim.tcp_address, *a), lambda: sim.journal))


def from_the_command_line(command: str, check: Check, tmp_path: Path) -> None:
    scenario, ready, journal = (tmp_path / name for name in ("s.toml", "ready.json", "j.jsonl"))
    scenario.write_text(SCENARIO)
    key, *_ = command.partition(" = ")
    given = ["--do", command]
    if key == "set":
        given = ["--set", "outlets.states=[1, 0]"]
    ports = ["--tcp-port", "0", "--no-ws"]
    files = ["--ready-file", str(ready), "--journal", str(journal), "--log", "quiet"]
    reading, writing = os.pipe()

    def watch() -> None:
        try:
            wait_for(ready.exists)
            tcp = json.loads(ready.read_text())["tcp"]
            wait_until_given(read)
            assert givers(read()) == ["command line"]
            if key == "reboot":  # until it is back
                wait_for(lambda: bool(read().events(kind="outage_ended")))
            check(Outcome(lambda *a: reply_to((tcp["host"], tcp["port"]), *a), read))
        finally:
            os.close(writing)

    def read() -> Journal:
        return Journal.load(journal.read_text().splitlines())

    # In this process, which takes a tenth of the time: the outlet has the main thread, as it
    # handles signals, and ends when its stdin does.
    with (
        ThreadPoolExecutor(1) as pool,
        open(reading) as stdin,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(sys, "stdin", stdin)
        watching = pool.submit(watch)
        assert main(["run", str(scenario), *ports, *files, *given, "--exit-with-stdin"]) == 0
        watching.result()


def wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(int(TIMEOUT / 0.01)):
        if condition():
            return
        trio.run(trio.sleep, 0.01)
    raise AssertionError("it did not happen")


WAYS: list[Way] = [by_a_step, from_a_thread, in_trio, over_http, from_the_command_line]


def test_there_is_a_case_for_every_command() -> None:
    assert set(CASES) == set(COMMANDS)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("key", CASES)
def test_a_command_does_the_same_whichever_way_it_is_given(
    key: str, way: Way, tmp_path: Path
) -> None:
    command, check = CASES[key]
    way(command, check, tmp_path)


# What is wrong with a command is said the same way everywhere

WRONG = {
    "set = { outlets = { states = [1, 2] } }": (
        "set.outlets.states[1]: expected 0 or 1 (0: off; 1: on), found 2"
    ),
    "set = { luxury = {} }": "set.luxury: unknown key",
    'inject = { kind = "drops" }': 'inject.kind: expected a kind of fault, found "drops"; did',
    'inject = { kind = "delay", seconds = -1 }': "inject.seconds: expected a number",
    'enable = "nope"': "no fault is called 'nope'; there are: 'also broken', 'broken'",
    "push = 99": "push: expected one of 9, 11, 12, 15, 18, or { callback = …, args = … }, found 99",
    'update = "XX"': 'update: expected one of "IM", "PM", found "XX"',
    "reboot = { seconds = -1 }": "reboot.seconds: expected a number from 0 to 1e9, found -1",
    'faceplate = "of"': 'faceplate: expected one of "off", "on", "restart", found "of"; did you',
    'reset = "alll"': "reset: expected one of",
    "disconnect = { connection = 0 }": "disconnect.connection: expected a whole number from 1",
    "pish = 9": "pish: unknown key; did you mean 'push'?",
}


@for_each("command", WRONG)
def test_a_wrong_command_is_refused_with_the_path_of_its_key(command: str) -> None:
    keys = tomli.loads(command)
    with start_simulator(SCENARIO) as sim:
        with pytest.raises(CommandError) as raised:
            sim.do(**keys)
        message = str(raised.value)
        assert WRONG[command] in message
        if "no fault" not in message:  # a step may switch a fault that is injected before its time
            with pytest.raises(CommandError) as raised_for_a_step:
                sim.at(after_seconds=1, **keys)
            assert message == str(raised_for_a_step.value)
    with pytest.raises(ValueError, match=r"steps\[0\]") as raised_for_a_file:
        parse(f"{SCENARIO}\n[[steps]]\nafter_seconds = 1\n{command}\n")
    assert message.partition(": ")[2].partition(";")[0] in str(raised_for_a_file.value)


def test_of_a_list_of_commands_all_are_carried_out_or_none() -> None:
    with start_simulator(SCENARIO) as sim:
        before = sim.state
        with pytest.raises(CommandError, match=r"^enable: no fault is called 'nope'"):
            sim.do(set={"outlets": {"states": [1, 1]}}, faceplate="off", enable="nope")
        assert sim.state == before
        assert sim.faceplate_online
        assert not sim.journal.events(kind="command")
        # A later one may need what an earlier one does.
        sim.do(inject={"kind": "drop", "name": "new", "enabled": False}, enable="new")
        assert sim.faults["new"].enabled
        with pytest.raises(CommandError, match=r"^faceplate: faceplate offline"):
            sim.do(set={"faceplate": {"attached": False}}, faceplate="restart")
        assert sim.faceplate_online


def test_a_list_of_commands_draws_no_random_number_twice() -> None:
    """The list is tried on a copy before; that must not touch the generators of the outlet."""

    def packet_ids(*lists: dict[str, Any]) -> list[int]:
        with start_simulator(SCENARIO) as sim, socket.create_connection(sim.tcp_address) as client:
            client.settimeout(TIMEOUT)
            sim.wait_for_connection()
            for keys in lists:
                sim.do(**keys)
            sim.disconnect("close")
            received = b""
            while chunk := client.recv(65536):
                received += chunk
        return [int(one.partition(b",")[0]) for one in received.split(b'"packetID":')[1:]]

    together = packet_ids({"push": 9, "sample": True, "set": {"outlets": {"states": [1, 1]}}})
    apart = packet_ids({"set": {"outlets": {"states": [1, 1]}}}, {"push": 9}, {"sample": True})
    assert len(together) == 3
    assert together == apart


def test_the_methods_build_the_same_commands() -> None:
    with start_simulator(SCENARIO) as sim:
        sim.set(outlets={"states": [1, 0]})
        sim.faceplate("off")
        sim.faceplate("on")
        sim.enable("broken")
        sim.disable("broken", "also broken")
        sim.remove("broken")
        sim.push(9)
        sim.push(99, [1])
        sim.sample()
        sim.update("IM")
        sim.disconnect("reset")
        sim.join_network()
        sim.reboot(0.01, "reset")
        sim.wait_until_up()
        sim.reset("state", "counters")
        sim.reset()
        (given,) = sim.journal.events(kind="command")  # the last one has cleared the journal
        assert isinstance(given, CommandGiven)
        assert (given.by, given.command) == ("python", 'reset ["all"]')


def test_the_journal_says_who_gave_a_command_and_what_was_wrong() -> None:
    steps = """
        [[steps]]
        after_seconds = 0
        update = "PM"
        faceplate = "off"
    """
    with start_simulator(f"{SCENARIO}{steps}") as sim:
        sim.clock.settle()
        given = [one for one in sim.journal.events() if isinstance(one, CommandGiven)]
        assert [(one.by, one.command, one.error) for one in given] == [
            ("step 1", "faceplate off", None),
            ("step 1", "update PM", "faceplate offline"),
            ("python", "clock settle", None),
        ]


def test_entries_have_the_serial_number_of_their_time() -> None:
    with start_simulator(SCENARIO) as sim:
        sim.sample()
        sim.set(device={"sn": "0003C44077"})
        sim.sample()
        assert [one.sn[-1] for one in sim.journal.events(kind="command")] == ["6", "6", "7"]
        assert sim.sn == "0003C44077"


# Faults by name


def test_a_name_means_all_faults_of_that_name() -> None:
    scenario = """
        [[faults]]
        name = "x"
        kind = "fail"
        when = { callback = 9 }
        [[faults]]
        kind = "drop"
        when = { callback = 99 }
    """
    with start_simulator(scenario) as sim:
        sim.inject(faults.Fail(name="x", when=faults.When(callback=3)))
        sim.faults["x"].enabled = False
        assert [one.enabled for one in sim.faults] == [False, False, True]
        sim.enable("x")
        assert [one.enabled for one in sim.faults] == [True, True, True]
        sim.do(disable="x#2")  # its identity: the second of that name
        assert [one.enabled for one in sim.faults if one.name == "x"] == [True, False]
        sim.faults["x"].remove()
        assert [one.name for one in sim.faults] == ["drop"]


def test_in_trio_an_injected_fault_acts_at_once_and_as_a_block() -> None:
    async def run() -> None:
        async with open_simulator(SCENARIO) as sim:
            handle = sim.inject(faults.Fail(when=faults.When(callback=9)))
            assert [one.name for one in sim.faults][-1] == "fail"
            handle.remove()
            handle.remove()  # once more is no error
            with sim.inject(faults.Drop(name="gone")) as inside:
                assert inside.enabled
                assert sim.faults["gone"].applied == 0
            with pytest.raises(KeyError, match="gone"):
                sim.faults["gone"]

    trio.run(run)


@pytest.fixture(params=["thread", "trio"])
def handle_names(request: pytest.FixtureRequest) -> Iterator[set[str]]:
    """The public names of each handle."""
    if request.param == "thread":
        with start_simulator() as sim:
            yield {name for name in dir(sim) if not name.startswith("_")}
        return
    names: set[str] = set()

    async def run() -> None:
        async with open_simulator() as sim:
            names.update(name for name in dir(sim) if not name.startswith("_"))

    trio.run(run)
    yield names


def test_both_handles_offer_the_same(handle_names: set[str]) -> None:
    offered = {
        *COMMANDS,
        *("do", "inject", "at", "faults", "clock", "journal", "state", "sn", "seed", "scenario"),
        *("tcp_address", "ws_url", "addresses", "has", "faceplate_online", "updating", "offline"),
        *("wait_for_request", "wait_for_connection", "wait_until_up"),
    }
    assert offered <= handle_names

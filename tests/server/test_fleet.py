"""Many outlets in one event loop, each as if it were alone."""

import json
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable

import msgspec
import pytest
import trio

from invis_sim import CommandError, Fleet, ScenarioError, StartError, faults, open_fleet
from invis_sim.faults import When
from invis_sim.journal import CommandGiven
from invis_sim.protocol.transport import Transport
from invis_sim.scenario import Scenario
from invis_sim.scenario.fleet import FleetSettings, OutletDifferences
from invis_sim.server.net.room import check_open_files, commands_for_addresses
from invis_sim.server.runtime import open_runtime
from tests.cases import for_each
from tests.namespaces import two_hosts
from tests.server.support import on_both
from tests.support import TIMEOUT, make_request


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        with trio.fail_after(TIMEOUT):
            await test()

    trio.run(main)


async def ask(address: tuple[str, int], callback: int = 12) -> dict[str, object]:
    """One exchange on a connection of its own."""
    async with await trio.open_tcp_stream(*address) as client:
        await client.send_all(make_request(callback))
        reply: dict[str, object] = json.loads(await client.receive_some())
        return reply


# Where they are

V6_COMMAND = "sudo ip addr add fd00:0:0:0:0:0:1:$(printf %x $n)/128 dev lo"


def test_each_outlet_answers_with_its_own_serial_number() -> None:
    async def test() -> None:
        async with open_fleet(3, first=9) as fleet:
            assert list(fleet) == ["0003C400009", "0003C40000A", "0003C40000B"]
            for sn, outlet in fleet.items():
                assert (await ask(outlet.tcp_address))["sn"] == sn
                assert {entry.sn for entry in outlet.journal} == {sn}

    run(test)


def test_each_outlet_has_the_next_address_at_the_same_port() -> None:
    async def test() -> None:
        with socket.create_server(("127.0.7.1", 0)) as reserved:
            port = reserved.getsockname()[1]
        async with open_fleet(3, address="127.0.7.1", tcp_port=port, ws=False) as fleet:
            addresses = [outlet.tcp_address for outlet in fleet.values()]
            assert addresses == [(f"127.0.7.{n}", port) for n in (1, 2, 3)]
            for sn, outlet in fleet.items():
                assert (await ask(outlet.tcp_address))["sn"] == sn

    run(test)


def test_none_listens_where_one_cannot() -> None:
    async def test() -> None:
        with socket.create_server(("127.0.7.3", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(StartError, match=f"host 127.0.7.3, port {port}"):
                async with open_fleet(3, address="127.0.7.1", tcp_port=port, ws=False):
                    pass
        with pytest.raises(OSError, match="all attempts to connect"):
            await trio.open_tcp_stream("127.0.7.1", port)

    run(test)


def test_addresses_that_this_machine_lacks_are_said_with_what_adds_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.platform", "darwin")

    async def test() -> None:
        with pytest.raises(StartError) as caught:
            async with open_fleet(3, address="203.0.113.7"):
                pass
        assert str(caught.value).startswith(
            "this machine does not have the addresses 203.0.113.7 to 203.0.113.9 (3); add them "
            "with: for n in $(seq 7 9); do sudo ifconfig lo0 alias 203.0.113.$n up; done; or use "
            "free ports"
        )

    run(test)


IPV6_FLEET = """
import json, socket, subprocess
from invis_sim import StartError, start_fleet

where = dict(address="fd00:5::1", tcp_port=3333, ws_port=8080)
try:
    with start_fleet(3, **where):
        pass
except StartError as error:
    command = str(error).partition("add them with: ")[2].partition("; or use")[0]
subprocess.run(command.replace("sudo ", ""), shell=True, check=True)
with start_fleet(3, **where) as fleet:
    for sn, outlet in fleet.items():
        with socket.create_connection(outlet.tcp_address) as client:
            client.sendall(b'{"packetID": 1, "payload": {"callbackName": 12}}')
            assert json.loads(client.recv(4096))["sn"] == sn
        print(*outlet.tcp_address, outlet.ws_url)
"""


def test_a_block_of_ipv6_is_listened_at_once_the_command_has_added_it() -> None:
    with two_hosts() as (here, _):
        ran = subprocess.run(
            ["ip", "netns", "exec", here, sys.executable, "-c", IPV6_FLEET],
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT,
        )
    assert ran.stderr == ""
    assert ran.stdout.splitlines() == [
        f"fd00:5::{number} 3333 ws://[fd00:5::{number}]:8080/ws" for number in (1, 2, 3)
    ]


@for_each(
    ("missing", "system", "commands"),
    [
        (["127.0.1.2"], "darwin", ["sudo ifconfig lo0 alias 127.0.1.2 up"]),
        (
            ["127.0.1.254", "127.0.1.255", "127.0.2.0"],
            "darwin",
            [
                "for n in $(seq 254 255); do sudo ifconfig lo0 alias 127.0.1.$n up; done",
                "sudo ifconfig lo0 alias 127.0.2.0 up",
            ],
        ),
        (
            ["10.0.0.1", "10.0.0.3", "10.0.0.4"],
            "linux",
            [
                "sudo ip addr add 10.0.0.1/32 dev lo",
                "for n in $(seq 3 4); do sudo ip addr add 10.0.0.$n/32 dev lo; done",
            ],
        ),
        (
            ["fd00::ffff", "fd00::1:0", "fd00::1:1"],
            "linux",
            [
                "sudo ip addr add fd00:0:0:0:0:0:0:ffff/128 dev lo",
                f"for n in $(seq 0 1); do {V6_COMMAND}; done",
            ],
        ),
        (["10.0.0.1"], "win32", []),
    ],
)
def test_the_commands_add_every_address(
    missing: list[str], system: str, commands: list[str]
) -> None:
    assert commands_for_addresses(missing, system) == commands


def test_too_few_open_files_are_found_before_the_start() -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    check_open_files(1, 2)
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard))
    try:
        with pytest.raises(StartError, match=r"60 outlets cannot start: .* ulimit -n \d\d\d$"):
            check_open_files(60, 120)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# Each is whole


def test_an_outlet_is_the_same_alone_and_among_others() -> None:
    """Its seed comes from the fleet's and its serial number."""

    async def values(count: int, first: int, sn: str) -> tuple[int, object]:
        async with open_fleet(count, "pro", first=first, seed=5) as fleet:
            outlet = fleet[sn]
            outlet.set(sensors={"lux": {"start": 500, "step": 100, "min": 0, "max": 999}})
            return outlet.seed, (await ask(outlet.tcp_address, 11))

    async def test() -> None:
        assert await values(5, 1, "0003C400003") == await values(1, 3, "0003C400003")

    run(test)


def steps_taken(fleet: Fleet) -> list[int]:
    """How many commands of steps each outlet has carried out."""
    given = [outlet.journal.events(kind="command") for outlet in fleet.values()]
    return [
        sum(isinstance(one, CommandGiven) and one.by == "step 1" for one in events)
        for events in given
    ]


def test_rhythms_of_outlets_are_out_of_phase() -> None:
    text = """
    [fleet]
    count = 20
    [[steps]]
    every_seconds = 10
    push = 9
    """

    async def test() -> None:
        async with open_fleet(scenario=text) as fleet:
            fleet.clock.pause()
            totals = []
            for _ in range(10):
                await fleet.clock.advance(1)
                totals.append(sum(steps_taken(fleet)))
            # Each in the first interval, and some again, as their time began before this.
            assert all(1 <= taken <= 2 for taken in steps_taken(fleet))
            assert len({*totals}) > 5
            await fleet.clock.advance(90)
            assert all(10 <= taken <= 11 for taken in steps_taken(fleet))

    run(test)


def test_a_time_that_the_author_gives_is_the_same_for_all() -> None:
    text = "[fleet]\ncount = 5\n[[steps]]\nafter_seconds = 3\nevery_seconds = 10\npush = 9\n"

    async def test() -> None:
        async with open_fleet(scenario=text) as fleet:
            fleet.clock.pause()
            for seconds, number in ((2.9, 0), (0.2, 1), (9.7, 1), (0.3, 2)):
                await fleet.clock.advance(seconds)
                assert steps_taken(fleet) == [number] * 5

    run(test)


@on_both
def test_what_happens_to_one_outlet_is_not_felt_by_another(transport: Transport) -> None:
    async def test() -> None:
        async with open_fleet(2) as fleet:
            first, second = fleet.values()
            async with await trio.open_tcp_stream(*second.addresses[transport]) as client:
                first.set(names={"outlet1": "Lamp"})
                first.inject(faults.Drop())
                first.reboot(seconds=1000)
                assert first.offline
                assert not second.offline
                assert second.state.names.outlet1 != "Lamp"
                assert len(second.faults) == 0
                with pytest.raises(OSError, match="all attempts to connect"):
                    await trio.open_tcp_stream(*first.addresses[transport])
                assert (await ask(second.tcp_address))["PUBACK"] == 1
                with trio.move_on_after(0) as cancelled:
                    await client.receive_some()
                assert cancelled.cancelled_caught  # the connection is open still

    run(test)


# What is done to them


def test_commands_for_all_some_and_one() -> None:
    async def test() -> None:
        async with open_fleet(4) as fleet:
            fleet.set(outlets={"states": [1, 0]})
            assert [o.state.outlets.states for o in fleet.values()] == [(1, 0)] * 4
            part = fleet.select(lambda outlet: outlet.sn > "0003C400002")
            assert list(part) == ["0003C400003", "0003C400004"]
            part.do(set={"outlets": {"states": [0, 1]}})
            fleet["0003C400001"].set(outlets={"states": [1, 1]})
            states = [outlet.state.outlets.states for outlet in fleet.values()]
            assert states == [(1, 1), (1, 0), (0, 1), (0, 1)]
            fleet.reset()
            assert [o.state.outlets.states for o in fleet.values()] == [(0, 0)] * 4
            fleet.select(lambda outlet: False).reset()  # none: there is nothing to do

    run(test)


def test_a_command_is_carried_out_on_all_or_on_none() -> None:
    text = "[firmware.PM]\n[fleet]\ncount = 3\n[[fleet.outlets]]\nn = 3\ndevice.product = 'bare'\n"

    async def test() -> None:
        async with open_fleet(scenario=text) as fleet:
            with pytest.raises(CommandError, match=r"\(outlet 0003C400003\)"):
                fleet.do(push=15, set={"names": {"outlet1": "x"}})
            assert not any(outlet.journal for outlet in fleet.values())
            assert not any(outlet.state.names.outlet1 == "x" for outlet in fleet.values())

    run(test)


def test_a_fault_is_injected_into_all_for_the_time_of_a_block() -> None:
    async def test() -> None:
        async with open_fleet(3) as fleet:
            with fleet.inject(faults.Fail(when=When(callback=12))) as fault:
                for outlet in fleet.values():
                    assert (await ask(outlet.tcp_address))["PUBACK"] == 0
                assert fault.applied == 3
            assert (await ask(outlet.tcp_address))["PUBACK"] == 1

    run(test)


def test_an_unknown_serial_number_is_named_with_what_there_is() -> None:
    async def test() -> None:
        async with open_fleet(3) as fleet:
            with pytest.raises(KeyError, match="did you mean '0003C400003'"):
                fleet["0003C40003"]
            with pytest.raises(KeyError, match="there are 3, from 0003C400001 to 0003C400003"):
                fleet["?"]
            assert fleet.get("?") is None
            assert "0003C400003" in fleet

    run(test)


def test_a_scenario_is_reloaded_by_all() -> None:
    text = "[firmware.PM]\n[fleet]\ncount = 3\n[[fleet.outlets]]\nn = 2\nsensors.lux = 5\n"

    async def test() -> None:
        async with open_fleet(scenario=text) as fleet:
            done = fleet.reload(text.replace("lux = 5", "lux = 6") + "[timing]\nsensor_seconds = 9")
            assert done.changed == ("timing.sensor_seconds = 9.0", "sensors.lux = 6.0")
            assert done.fixed == ()
            assert [o.state.sensors.lux for o in fleet.values()] == [None, 6, None]
            assert {o.state.timing.sensor_seconds for o in fleet.values()} == {9}

    run(test)


def test_which_outlets_there_are_stays_in_a_reload() -> None:
    async def test() -> None:
        async with open_fleet(3, "pro") as fleet:
            done = fleet.reload(
                "mqtt.connected = true\n[fleet]\ncount = 5\nfirst = 7\naddress = '127.0.9.1'\n"
            )
            assert done.fixed == ("fleet.count", "fleet.first", "fleet.address")
            assert list(fleet) == ["0003C400001", "0003C400002", "0003C400003"]
            assert all(o.state.mqtt.connected for o in fleet.values())
            assert {o.sn for o in fleet.values()} == {*fleet}

    run(test)


def test_a_reload_that_one_outlet_cannot_do_is_done_by_none() -> None:
    text = "[firmware.PM]\n[fleet]\ncount = 2\n"

    async def test() -> None:
        async with open_fleet(scenario=text) as fleet:
            with pytest.raises(ScenarioError, match="has no effect"):
                fleet.reload(text + "[[fleet.outlets]]\nn = 2\ncolor_light.mode = 1\n")
            assert not any(outlet.journal for outlet in fleet.values())

    run(test)


# Together with others


def test_a_fleet_shares_a_runtime_with_others() -> None:
    async def test() -> None:
        async with (
            open_runtime() as runtime,
            open_fleet(2, runtime=runtime) as fleet,
            open_fleet(2, first=5, runtime=runtime) as other,
        ):
            assert fleet.clock is other.clock
            assert [one.sn[-1] for one in runtime.outlets] == ["1", "2", "5", "6"]
        assert runtime.outlets == []

    run(test)


def test_outlets_of_a_fleet_count_seconds_from_the_same_moment() -> None:
    async def test() -> None:
        async with open_fleet(40) as fleet:
            assert len({outlet.journal.started for outlet in fleet.values()}) == 1

    run(test)


def test_the_seed_of_a_fleet_is_drawn_where_there_is_none() -> None:
    async def test() -> None:
        async with open_fleet(1) as one, open_fleet(1) as other, open_fleet(1, seed=3) as third:
            assert one.seed != other.seed
            assert third.seed == 3 != third["0003C400001"].seed

    run(test)


def test_a_scenario_built_in_python_runs() -> None:
    fleet = FleetSettings(count=2, outlets=(OutletDifferences(n=2, faults=(faults.Fail(),)),))
    scenario = msgspec.structs.replace(Scenario(), fleet=fleet)

    async def test() -> None:
        async with open_fleet(scenario=scenario) as running:
            assert isinstance(running, Fleet)
            found = [(await ask(o.tcp_address))["PUBACK"] for o in running.values()]
            assert found == [1, 0]

    run(test)

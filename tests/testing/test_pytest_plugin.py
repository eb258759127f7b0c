"""The pytest plugin, in test runs of its own, beside the other plugins that people use."""

import importlib
import re
import socket
import sys
import types
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path
from xml.etree import ElementTree

import pytest
import tomli
from _pytest.config import PytestPluginManager

import invis_sim.testing.block

COMMON = """
import json
import socket

def ask(sim, packet_id=221040):
    with socket.create_connection(sim.tcp_address, timeout=20) as client:
        client.sendall(b'{"packetID": %d, "payload": {"callbackName": 20}}' % packet_id)
        return json.loads(client.recv(4096))
"""

NEIGHBOURS = ("xdist", "asyncio", "anyio", "hypothesispytest")
"""Plugins of others. Each run has only those that it is about, which is quicker."""

PLUGIN = "invis_sim.testing.pytest_plugin"

Run = Callable[..., pytest.RunResult]


@pytest.fixture
def run(pytester: pytest.Pytester) -> Run:
    """Runs pytest, with warnings as errors, on a test module.

    beside: one of NEIGHBOURS, or all of them.
    here: in this process, which takes a fraction of the time: for what asks for nothing that the
        process has, and no plugin of others.
    """

    def run_pytest(
        source: str, *options: str, beside: str | tuple[str, ...] = (), here: bool = False
    ) -> pytest.RunResult:
        absent = " ".join(f"-p no:{name}" for name in NEIGHBOURS if name not in beside)
        scope = "asyncio_default_fixture_loop_scope = function" if "asyncio" in beside else ""
        pytester.makeini(f"""
            [pytest]
            addopts = --strict-markers --strict-config -p no:cacheprovider {absent}
            filterwarnings = error
            {scope}
        """)
        pytester.makepyfile(COMMON + source)
        if here:
            return pytester.runpytest_inprocess(*options)
        return pytester.runpytest_subprocess(*options, timeout=60)

    return run_pytest


def text(result: pytest.RunResult) -> str:
    return result.stdout.str() + result.stderr.str()


# Fixtures and marker


def test_a_test_gets_a_default_outlet_and_as_many_others_as_it_wants(run: Run) -> None:
    run(
        """
def test_one(invis_sim):
    assert ask(invis_sim)["sn"] == "0003C44076"
    invis_sim.journal.assert_received(callback=20, times=1)

def test_three(invis_sim_factory, invis_sim):
    one = invis_sim_factory(sn="1111111111")
    two = invis_sim_factory('[device]\\nsn = "2222222222"')
    assert [ask(sim)["sn"] for sim in (one, two, invis_sim)] == [
        "1111111111", "2222222222", "0003C44076"
    ]
""",
        here=True,
    ).assert_outcomes(passed=2)


def test_a_test_gets_a_fleet_as_large_as_its_marker_says(run: Run) -> None:
    result = run(
        """
import pytest

pytestmark = pytest.mark.invis_scenario("firmware.PM = {}", count=3)

def test_of_the_module(invis_fleet):
    assert [ask(outlet)["sn"] for outlet in invis_fleet.values()] == list(invis_fleet)
    assert len(invis_fleet) == 3

@pytest.mark.invis_scenario(count=2, first=9, speed=float("inf"))
def test_of_the_function(invis_fleet):
    assert list(invis_fleet) == ["0003C400009", "0003C40000A"]
    invis_fleet["0003C40000A"].set(sensors={"lux": 5})

@pytest.mark.invis_scenario("fleet-of-fifty", count=None)
def test_of_a_scenario(invis_fleet):
    assert len(invis_fleet) == 50

def test_that_fails(invis_fleet):
    ask(invis_fleet["0003C400002"])
    assert False

@pytest.mark.invis_scenario("pro", count=None)
def test_of_no_size(invis_fleet):
    pass
""",
        "--invis-seed=7",
        here=True,
    )
    result.assert_outcomes(passed=3, failed=1, errors=1)
    said = text(result)
    assert "3 InvisOutlets, 0003C400001 to 0003C400003, seed 7:" in said
    assert re.search(r"0003C400002 +\d\.\d{3} s  tcp #1 .*20 available", said)
    assert "ScenarioError: count: expected a number of outlets" in said


def test_the_marker_says_which_and_the_nearest_one_counts(run: Run) -> None:
    run(
        """
import pytest

pytestmark = pytest.mark.invis_scenario("default", sn="AAAAAAAAAA", seed=1)

def test_of_the_module(invis_sim):
    assert (invis_sim.sn, invis_sim.seed) == ("AAAAAAAAAA", 1)

@pytest.mark.invis_scenario(sn="BBBBBBBBBB")
class TestOfTheClass:
    def test_of_the_class(self, invis_sim):
        assert (invis_sim.sn, invis_sim.seed) == ("BBBBBBBBBB", 1)

    @pytest.mark.invis_scenario(
        scenario='[device]\\nsn = "CCCCCCCCCC"\\n[[faults]]\\nkind = "fail"', sn="DDDDDDDDDD"
    )
    def test_of_the_function(self, invis_sim):
        assert (invis_sim.sn, invis_sim.seed) == ("DDDDDDDDDD", 1)
        assert ask(invis_sim)["PUBACK"] == 0

    @pytest.mark.invis_scenario('[[faults]]\\nkind = "fail"')
    def test_of_the_function_and_the_class(self, invis_sim):
        assert ask(invis_sim) == {"sn": "BBBBBBBBBB", "packetID": 221040, "PUBACK": 0}

@pytest.mark.invis_scenario('[[faults]]\\nkind = "delay"\\nseconds = 3600', speed=float("inf"))
def test_with_another_speed(invis_sim):
    assert ask(invis_sim)["PUBACK"] == 1
""",
        here=True,
    ).assert_outcomes(passed=5)


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        ('"slow-update"', "'slow-update' is neither a file nor the name of a shipped scenario"),
        ('"default", sn="no"', "sn: "),
        ('"default", sm="0003C44076"', "'sm' cannot be overridden; known: sn, seed, "),
        ('"default", "default"', "invis_scenario takes one scenario, found 2"),
    ],
)
def test_a_marker_that_cannot_be_used_is_an_error_of_the_test_that_says_why(
    run: Run, marker: str, message: str
) -> None:
    result = run(
        f"""
import pytest

@pytest.mark.invis_scenario({marker})
def test_it(invis_sim):
    pass
""",
        here=True,
    )
    result.assert_outcomes(errors=1)
    assert message in text(result)


def test_the_marker_names_a_recording(run: Run, pytester: pytest.Pytester) -> None:
    with invis_sim.testing.block.start_simulator(sn="0003C4400FF") as sim:
        with socket.create_connection(sim.tcp_address, timeout=20) as client:
            client.sendall(b'{"packetID": 7, "payload": {"callbackName": 20}}')
            client.recv(4096)
        sim.journal.dump(pytester.path / "seen.jsonl")
    result = run(
        """
import pytest

@pytest.mark.invis_scenario(replay="seen.jsonl", strict=True)
def test_it(invis_sim):
    assert ask(invis_sim)["sn"] == "0003C4400FF"

@pytest.mark.invis_scenario("pro", replay="seen.jsonl")
def test_both(invis_sim):
    pass
""",
        here=True,
    )
    result.assert_outcomes(passed=1, errors=1)
    assert "replay: expected no scenario beside it" in text(result)


def test_pytest_lists_the_marker_the_fixtures_and_the_option(run: Run) -> None:
    assert "@pytest.mark.invis_scenario(scenario=None" in text(run("", "--markers", here=True))
    fixtures = text(run("", "--fixtures", here=True))
    assert "invis_sim_factory --" in fixtures
    assert "An outlet that runs until the test ends" in fixtures
    assert "--invis-seed=SEED" in text(run("", "--help", here=True))


# Seeds


def test_each_test_has_a_seed_of_its_own_and_so_has_each_outlet(run: Run) -> None:
    run(
        """
seeds = set()

def test_one(invis_sim, invis_sim_factory):
    seeds.update({invis_sim.seed, invis_sim_factory().seed})

def test_another(invis_sim):
    seeds.add(invis_sim.seed)
    assert len(seeds) == 3
""",
        here=True,
    ).assert_outcomes(passed=2)


def test_the_option_repeats_what_is_drawn_and_leaves_seeds_that_are_given(run: Run) -> None:
    run(
        """
def test_one(invis_sim, invis_sim_factory):
    assert [invis_sim.seed, invis_sim_factory().seed] == [7, 8]
    assert invis_sim_factory("seed = 99").seed == 99
    assert invis_sim_factory(seed=98).seed == 98
    assert invis_sim_factory().seed == 9

def test_another(invis_sim):
    assert invis_sim.seed == 7
""",
        "--invis-seed=7",
        here=True,
    ).assert_outcomes(passed=2)


def test_the_largest_seed_is_followed_by_the_least(run: Run) -> None:
    run(
        """
def test_one(invis_sim, invis_sim_factory):
    assert (invis_sim.seed, invis_sim_factory().seed) == (2**63 - 1, 0)
""",
        f"--invis-seed={2**63 - 1}",
        here=True,
    ).assert_outcomes(passed=1)


@pytest.mark.parametrize("seed", ["-1", "x", "1.5", str(2**63), "\u0663"])
def test_a_seed_that_is_none_is_refused(run: Run, seed: str) -> None:
    result = run("", f"--invis-seed={seed}", here=True)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "expected an integer from 0 to 2**63 - 1" in text(result)


# The report


def test_the_report_of_a_failed_test_shows_journals_and_the_seed(run: Run) -> None:
    result = run(
        """
def test_it(invis_sim, invis_sim_factory):
    invis_sim_factory(sn="1111111111", ws=False)
    ask(invis_sim, 100001)
    ask(invis_sim, 100002)
    assert False
""",
        "--invis-seed=12345",
        here=True,
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*-- invis-sim --*",
            "repeat it with --invis-seed=12345",
            "InvisOutlet 0003C44076 at 127.0.0.1 port * and ws://127.0.0.1:*/ws, seed 12345:",
            "* tcp #1   connected from 127.0.0.1:*",
            "* tcp #1   20 available updates -> PUBACK 1 {*  packetID 100001",
            "* tcp #2   20 available updates -> PUBACK 1 {*  packetID 100002",
            "InvisOutlet 1111111111 at 127.0.0.1 port *, seed 12346:",
            "  no client connected",
        ]
    )


def test_no_seed_is_offered_where_all_are_given_and_a_long_journal_is_cut(run: Run) -> None:
    result = run(
        """
def test_it(invis_sim_factory):
    sim = invis_sim_factory(seed=7)
    for packet_id in range(100001, 100101):
        ask(sim, packet_id)
    assert False
""",
        here=True,
    )
    result.assert_outcomes(failed=1)
    assert "--invis-seed" not in text(result)
    assert "earlier entries omitted" in text(result)
    assert "packetID 100100" in text(result)
    assert "packetID 100001" not in text(result)


def test_a_test_that_passes_or_uses_no_outlet_has_no_such_section(run: Run) -> None:
    result = run(
        """
def test_passes(invis_sim):
    ask(invis_sim)

def test_has_none():
    assert False
""",
        "-rA",
        here=True,
    )
    result.assert_outcomes(passed=1, failed=1)
    assert "-- invis-sim --" not in text(result)


def test_an_error_inside_the_outlet_is_an_error_of_the_test_with_its_journal(run: Run) -> None:
    result = run(
        """
class InjectedError(Exception):
    pass

def test_it(invis_sim):
    import threading
    happened = threading.Event()

    def fail():
        happened.set()
        raise InjectedError("inside")

    def reboot():
        invis_sim._simulator.reboot(0.01)
        invis_sim._simulator.call_when_up(fail)

    invis_sim.call(reboot)
    assert happened.wait(20)
""",
        here=True,
    )
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        ["E*InjectedError: inside", "*-- invis-sim --*", "*reboot: back online*"]
    )


# Nothing is left, and little is loaded


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="/proc is Linux's")
def test_whatever_a_test_starts_is_gone_when_it_ends(run: Run) -> None:
    run(
        """
import gc, ipaddress, os, socket, threading
import pytest

# An address of its own, so that no other process gets the ports that are free again.
HOST = str(ipaddress.ip_address("127.64.0.0") + os.getpid())
pytestmark = pytest.mark.invis_scenario(host=HOST)

places = []
before = threading.enumerate()

def test_warm_up(invis_sim):
    ask(invis_sim)

@pytest.mark.parametrize("turn", range(10))
def test_it(invis_sim, invis_sim_factory, turn):
    other = invis_sim_factory(host=HOST)
    gc.collect()
    places.append((invis_sim.tcp_address, len(os.listdir("/proc/self/fd"))))
    assert ask(invis_sim) == ask(other)

def test_what_is_left():
    gc.collect()
    assert threading.enumerate() == before
    for address, _ in places:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)
    assert len({count for _, count in places}) == 1
""",
        here=True,
    ).assert_outcomes(passed=12)


def test_the_journal_of_a_test_does_not_outlive_it(run: Run) -> None:
    run(
        """
import gc, weakref

journals = []

def test_one(invis_sim):
    journals.append(weakref.ref(invis_sim.journal))

def test_another():
    gc.collect()
    assert journals[0]() is None
""",
        here=True,
    ).assert_outcomes(passed=2)


def test_a_run_that_starts_no_outlet_loads_nothing_of_it(run: Run) -> None:
    run("""
import sys

def test_it():
    ours = {name for name in sys.modules if name.startswith("invis_sim")}
    assert ours == {
        *("invis_sim", "invis_sim.testing", "invis_sim.testing.pytest_plugin"),
        *("invis_sim.protocol", "invis_sim.protocol.hidden_frames"),
    }
    assert not {"trio", "msgspec", "tomli", "trio_websocket"}.intersection(sys.modules)
""").assert_outcomes(passed=1)


# Beside others


def test_beside_pytest_asyncio_in_its_automatic_mode(run: Run) -> None:
    pytest.importorskip("pytest_asyncio")
    run(
        """
import pytest_asyncio

@pytest_asyncio.fixture
async def address(invis_sim):
    return invis_sim.tcp_address

async def test_it(address, invis_sim):
    assert address == invis_sim.tcp_address
    ask(invis_sim)
""",
        *("-o", "asyncio_mode=auto"),
        beside="asyncio",
    ).assert_outcomes(passed=1)


def test_beside_unittest(run: Run) -> None:
    run(
        """
import asyncio
import unittest
import invis_sim as package
import pytest

@pytest.mark.invis_scenario('[[faults]]\\nkind = "fail"')
class TestByFixture(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def outlet(self, invis_sim):
        self.sim = invis_sim

    def test_it(self):
        self.assertEqual(ask(self.sim)["PUBACK"], 0)

    @pytest.mark.invis_scenario(sn="1111111111")
    def test_another(self):
        self.assertEqual(ask(self.sim)["sn"], "1111111111")

class TestByHand(unittest.TestCase):
    def setUp(self):
        self.sim = self.enterContext(package.start_simulator())

    def test_it(self):
        self.assertEqual(ask(self.sim)["PUBACK"], 1)

class TestInALoop(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.sim = await self.enterAsyncContext(package.start_simulator())

    async def test_it(self):
        reader, writer = await asyncio.open_connection(*self.sim.tcp_address)
        writer.write(b'{"packetID": 221040, "payload": {"callbackName": 20}}')
        await self.sim.async_wait_for_request(callback=20)
        writer.close()
        await writer.wait_closed()
""",
        here=True,
    ).assert_outcomes(passed=4)


ASYNCIO_TEST = """
    reader, writer = await asyncio.open_connection(*invis_sim.tcp_address)
    writer.write(b'{"packetID": 221040, "payload": {"callbackName": 20}}')
    assert (await invis_sim.async_wait_for_request(callback=20)).packet_id == 221040
    assert json.loads(await reader.read(4096))["PUBACK"] == 0
    writer.close()
    await writer.wait_closed()
"""


def test_beside_xdist_and_the_plugins_of_asyncio_and_anyio(run: Run) -> None:
    for name in ("xdist", "pytest_asyncio", "anyio"):
        pytest.importorskip(name)
    result = run(
        f"""
import asyncio
import anyio
import invis_sim as package
import pytest

FAIL = '[[faults]]\\nkind = "fail"'

@pytest.mark.parametrize("turn", range(10))
def test_plain(invis_sim, turn):
    assert invis_sim.seed == 7
    assert ask(invis_sim)["PUBACK"] == 1

def test_fails(invis_sim):
    ask(invis_sim)
    assert False

@pytest.mark.invis_gauntlet(only="fail/always/tcp", noticed=AssertionError)
def test_of_the_gauntlet(invis_sim):
    assert ask(invis_sim)["PUBACK"] == 1

@pytest.mark.asyncio
@pytest.mark.invis_scenario(FAIL)
async def test_asyncio_fixture(invis_sim):
{ASYNCIO_TEST}

@pytest.mark.asyncio
async def test_asyncio_block():
    async with package.start_simulator(FAIL) as invis_sim:
        {ASYNCIO_TEST.replace(chr(10), chr(10) + "    ")}

ASK = b'{{"packetID": 221040, "payload": {{"callbackName": 20}}}}'

async def talk(sim):
    async with await anyio.connect_tcp(*sim.tcp_address) as client:
        await client.send(ASK)
        assert (await sim.async_wait_for_request(callback=20)).packet_id == 221040
        assert b'"PUBACK":1' in await client.receive()

@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_anyio_fixture(invis_sim, anyio_backend):
    await talk(invis_sim)

@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_anyio_block(anyio_backend):
    async with package.start_simulator() as sim:
        await talk(sim)
""",
        *("-n", "1", "--invis-seed=7"),
        beside=NEIGHBOURS,
    )
    result.assert_outcomes(passed=17, failed=1)
    result.stdout.fnmatch_lines(
        ["*-- invis-sim --*", "repeat it with --invis-seed=7", "*PUBACK 1 *"]
    )


def test_without_pytest_unittest_runs_the_blocks_too(pytester: pytest.Pytester) -> None:
    path = pytester.makepyfile(
        test_plain=COMMON
        + """
import unittest
from invis_sim import start_simulator

class TestByHand(unittest.TestCase):
    def setUp(self):
        self.sim = self.enterContext(start_simulator())

    def test_it(self):
        self.assertEqual(ask(self.sim)["PUBACK"], 1)
"""
    )
    result = pytester.run(sys.executable, "-W", "error", "-m", "unittest", path.stem)
    assert result.ret == 0, text(result)


@pytest.fixture
def entry_points() -> dict[str, str]:
    """The plugins for pytest that the package brings, by name."""
    project = Path(__file__).parents[2] / "pyproject.toml"
    entries = tomli.loads(project.read_text())["project"]["entry-points"]["pytest11"]
    assert isinstance(entries, dict)
    return entries


def test_the_plugin_is_found_by_being_installed(entry_points: dict[str, str]) -> None:
    found = distribution("invis-sim").entry_points.select(group="pytest11")
    assert [entry.value for entry in found] == [*entry_points.values()] == [PLUGIN]


def test_the_plugin_may_be_named_beside_being_installed(entry_points: dict[str, str]) -> None:
    """As pytest does at its start, and then for `-p` or `pytest_plugins`."""
    for installed_first in (True, False):
        manager = PytestPluginManager()
        if installed_first:
            for name, value in entry_points.items():
                manager.register(importlib.import_module(value), name)
        manager.import_plugin(PLUGIN)
        # What is there already is not loaded from its entry point. [pluggy]
        assert all(manager.has_plugin(name) for name in entry_points)
        assert manager.get_plugin(PLUGIN) is importlib.import_module(PLUGIN)


def test_it_uses_nothing_that_old_versions_of_pytest_lack(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test run in its environment loads it, whether an outlet is used or not."""
    old = types.ModuleType("pytest")  # what 6.2 has of what the plugin uses
    for name in ("fixture", "hookimpl", "Item", "FixtureRequest", "UsageError"):
        setattr(old, name, getattr(pytest, name))
    monkeypatch.setitem(sys.modules, "pytest", old)
    source = Path(importlib.import_module(PLUGIN).__file__ or "").read_text()
    exec(compile(source, "plugin", "exec"), {"__name__": "plugin"})
    assert "wrapper=True" not in source.replace("hookwrapper=True", "")  # of pluggy 1.2


# What a failed test shows

MISTAKES = (
    "sim.journal.assert_received(callback=20)",
    "sim.wait_for_request(timeout=0.01)",
    "sim.wait_for_connection(timeout=0.01)",
    "asyncio.run(sim.async_wait_for_request(timeout=0.01))",
    "sim.do(push=9, reboot={'seconds': -1})",
    "sim.reboot(-1)",
    "sim.disconnect('no')",
    "sim.set(sensors={'lx': 1})",
    "sim.push('x')",
    "sim.enable('no such fault')",
    "sim.update('XX')",
    "sim.faceplate('no')",
    "sim.reset('no')",
    "sim.at(after_seconds=-1, push=9)",
    "sim.inject(faults.Delay(seconds=-1))",
    "sim.clock.advance(-1)",
    "invis_sim_factory('no-such-scenario')",
    "invis_sim_factory(sn='x')",
    "start_simulator('no-such-scenario')",
    "start_simulator(speed=0)",
    "stopped().push(9)",
    "trio.run(in_trio)",
)


def test_our_frames_do_not_stand_before_the_message_that_a_test_is_to_read(run: Run) -> None:
    tests = "\n".join(
        f"def test_{number}(sim, invis_sim_factory):\n    {line}\n"
        for number, line in enumerate(MISTAKES)
    )
    result = run(
        f"""
import asyncio
import pytest
import trio
from invis_sim import faults, open_simulator, start_simulator

@pytest.fixture(scope="module")
def sim():
    with start_simulator("pro") as sim:
        yield sim

def stopped():
    with start_simulator() as sim:
        return sim

async def in_trio():
    async with open_simulator() as sim:
        sim.do(push="x")

{tests}
""",
        here=True,
    )
    result.assert_outcomes(failed=len(MISTAKES))
    assert not [line for line in result.outlines if re.search(r"invis_sim/.*\.py:\d+: ", line)]


def test_frames_of_an_error_of_our_own_are_shown(run: Run) -> None:
    result = run(
        """
def test_it(invis_sim):
    invis_sim.call(invis_sim.no_such_thing)

def test_another(invis_sim):
    invis_sim.call(lambda: {}["x"])
""",
        here=True,
    )
    result.assert_outcomes(failed=2)
    assert re.search(r"testing/thread\.py:\d+: ", text(result))


# JUnit XML


def test_junit_xml_has_the_seed_and_of_a_failed_test_the_journal(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "report.xml"
    run(
        """
def test_passes(invis_sim):
    ask(invis_sim, 100001)

def test_fails(invis_sim):
    ask(invis_sim, 100002)
    assert False

def test_has_a_seed(invis_sim_factory):
    invis_sim_factory(seed=5)

def test_has_no_outlet():
    pass
""",
        *("--invis-seed=7", f"--junit-xml={path}"),
        here=True,
    )
    properties = {
        case.get("name"): {one.get("name"): one.get("value") for one in case.iter("property")}
        for case in ElementTree.parse(path).iter("testcase")
    }
    journal = properties["test_fails"].pop("invis_journal") or ""
    assert properties == {
        "test_passes": {"invis_seed": "7"},
        "test_fails": {"invis_seed": "7"},
        "test_has_a_seed": {},
        "test_has_no_outlet": {},
    }
    assert "repeat it with --invis-seed=7" in journal
    assert "packetID 100002" in journal

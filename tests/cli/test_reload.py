"""`run --watch`: the outlet changes when its scenario is saved, however an editor does that."""

import math
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from invis_sim import open_simulator
from invis_sim.cli.arguments import make_parser
from invis_sim.cli.reload import prepare_reload
from invis_sim.cli.run import load_scenario
from invis_sim.cli.saved_file import EMPTY_SECONDS, QUIET_SECONDS, SavedFile
from invis_sim.cli.scenario_options import with_options
from invis_sim.journal.text import summary
from invis_sim.server.nursery import open_cancelled_nursery
from invis_sim.server.simulator import Simulator
from tests.cases import for_each
from tests.cli.process import cli_here, outlet
from tests.support import TIMEOUT

BEFORE = """\
[device]
product = "pro"
[sensors]
lux = 5
[timing]
sensor_seconds = 0
"""

AFTER = BEFORE.replace("lux = 5", "lux = 6")

LOG = ["reload: reload the scenario, 1 change", "outlet: sensors.lux = 6.0"]


# When a file is saved


def looks(*contents: tuple[float, bytes | None]) -> list[bytes | None]:
    """What is saved newly, of a file that says this at these times."""
    file = SavedFile(b"old")
    return [content for now, content in contents if file.look(content, now)]


def test_content_counts_once_it_stays_the_same() -> None:
    late = 1 + QUIET_SECONDS
    assert looks((1.0, b"new"), (late, b"new"), (late + 9, b"new")) == [b"new"]
    assert looks((1.0, b"ne"), (late, b"new"), (late + 0.01, b"new")) == []


@for_each("between", [b"", b" \n", None])
def test_a_file_that_is_empty_or_away_for_a_moment_has_not_changed(between: bytes | None) -> None:
    moment = 1 + EMPTY_SECONDS / 2
    assert looks((1.0, between), (moment, between), (moment, b"old"), (99.0, b"old")) == []
    assert looks((1.0, between), (moment, b"new"), (99.0, b"new")) == [b"new"]
    # And one that stays so has.
    assert looks((1.0, between), (1 + EMPTY_SECONDS, between)) == [between]


def test_it_says_when_to_look_again() -> None:
    file = SavedFile(b"old")
    assert file.due == math.inf
    file.look(b"new", 10.0)
    assert file.due == 10.0 + QUIET_SECONDS
    file.look(None, 10.0)
    assert file.due == 10.0 + EMPTY_SECONDS
    file.look(b"old", 10.0)
    assert file.due == math.inf


@given(st.lists(st.sampled_from([b"old", b"new", b"newer", b"", None])))
def test_what_stays_is_taken_when_it_is_due_and_only_once(contents: list[bytes | None]) -> None:
    file, now = SavedFile(b"old"), 0.0
    taken: list[bytes | None] = [b"old"]
    for content in contents:
        file.look(content, now)
        if file.due < math.inf:
            now = file.due
            assert file.look(content, now)
            taken.append(content)
        assert taken[-1] == content
        assert not file.look(content, now + 99)
    assert all(one != other for one, other in pairwise(taken))


# With the file system


def replace(path: Path, text: str) -> None:
    """As most editors save: another file takes the place of the one before."""
    other = path.with_name(".s.toml.swp")
    other.write_text(text)
    os.replace(other, path)


def truncate(path: Path, text: str) -> None:
    """As others do: the file is emptied first, and written in two pieces."""
    with path.open("w") as file:
        file.flush()
        file.write(text[:20])
        file.flush()
        file.write(text[20:])


def remove(path: Path, text: str) -> None:
    """As others still: the file is moved away, and a new one is made."""
    path.rename(path.with_name("s.toml~"))
    path.write_text(text)


def run_watching(
    folder: Path, test: Callable[[Simulator, Path], Awaitable[None]], *options: str
) -> None:
    """Carry out a test with an outlet whose scenario file is watched."""
    path = folder / "s.toml"
    path.write_text(BEFORE)
    ports = ("--tcp-port", "0", "--ws-port", "0")
    args = make_parser().parse_args(["run", str(path), "--watch", *ports, *options])
    beside = prepare_reload(args)

    async def run() -> None:
        scenario = with_options(load_scenario(str(path)), args)
        with trio.fail_after(TIMEOUT):
            async with open_simulator(scenario) as sim, open_cancelled_nursery() as nursery:
                nursery.start_soon(beside, sim)
                await test(sim, path)

    trio.run(run)


async def logged(sim: Simulator, number: int) -> list[str]:
    """The first entries of the journal, once there are so many."""
    lines: list[str] = []
    while len(lines) < number:
        news = trio.Event()
        subscription = sim.journal.subscribe(after=sim.journal.last_number, on_ready=news.set)
        lines = [summary(entry) for entry in sim.journal]
        if len(lines) < number:
            await news.wait()
        subscription.close()
    return lines


@pytest.mark.parametrize("save", [replace, truncate, remove])
def test_a_saved_file_is_reloaded(save: Callable[[Path, str], None], tmp_path: Path) -> None:
    async def test(sim: Simulator, path: Path) -> None:
        save(path, AFTER)
        assert await logged(sim, 2) == LOG
        assert sim.state.sensors.lux == 6.0

    run_watching(tmp_path, test)


def test_a_symbolic_link_is_followed(tmp_path: Path) -> None:
    async def test(sim: Simulator, path: Path) -> None:
        # As a mounted configuration changes: the link shows to another file.
        (tmp_path / "there").mkdir()
        (tmp_path / "there" / "new.toml").write_text(AFTER)
        link = tmp_path / "link"
        link.symlink_to(tmp_path / "there" / "new.toml")
        os.replace(link, path)
        assert await logged(sim, 2) == LOG

    run_watching(tmp_path, test)


def test_problems_are_printed_and_nothing_changes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def test(sim: Simulator, path: Path) -> None:
        replace(path, AFTER + "[names]\noutlet1 = 5\noutlt2 = 'x'\n")
        while not (said := capsys.readouterr().err):
            await trio.sleep(0.001)
        one, other, last = said.splitlines()
        assert one.startswith(f"invis-sim: {path}:8: names.outlet1: expected ")
        assert other.startswith(f"invis-sim: {path}:9: names.outlt2: unknown key")
        assert last == "invis-sim: nothing was reloaded; the outlet runs on as it was"
        assert not list(sim.journal)
        # And it goes on with the next one.
        replace(path, AFTER)
        assert await logged(sim, 2) == LOG

    run_watching(tmp_path, test)


def test_what_cannot_change_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def test(sim: Simulator, path: Path) -> None:
        replace(path, f"seed = 1\n{AFTER}[listen]\ntcp = false\nhost = '127.0.0.2'\n")
        assert await logged(sim, 2) == LOG
        (line,) = capsys.readouterr().err.splitlines()
        assert line == (
            f"invis-sim: {path}: a reload does not change listen.host, listen.tcp; "
            "restart the outlet for that, or move it with the command set"
        )

    run_watching(tmp_path, test, "--seed", "3")


def test_a_file_that_says_the_same_is_a_save_without_a_change(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def test(sim: Simulator, path: Path) -> None:
        replace(path, BEFORE + "# a remark\n")
        while not (said := capsys.readouterr().err):
            await trio.sleep(0.001)
        assert said == f"invis-sim: {path}: saved, and nothing changes\n"
        assert not list(sim.journal)

    run_watching(tmp_path, test)


def test_options_still_override_the_file(tmp_path: Path) -> None:
    async def test(sim: Simulator, path: Path) -> None:
        sim.set(sensors={"AQI": 1}, outlets={"states": [1, 0]})  # as `run` does for --set
        replace(path, AFTER.replace("lux", "AQI = 99\nlux") + "[outlets]\nstates = [0, 1]\n")
        assert (await logged(sim, 3))[1:] == LOG
        assert (sim.state.sensors.AQI, sim.state.outlets.states) == (1, (1, 0))
        assert sim.sn == "0003C4AAAA"
        assert [armed.name for armed in sim.pipeline] == ["drop"]

    settings = ("--set", "sensors.AQI=1", "--set", "outlets={states=[1,0]}")
    run_watching(tmp_path, test, "--sn", "0003C4AAAA", "--fault", "drop", *settings)


def test_a_process_watches_its_file_and_ends_at_once(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(BEFORE)
    with outlet(str(path), "--watch") as running:
        replace(path, AFTER)
        assert '"command":"reload the scenario, 1 change"' in running.line()
        status, _, err = running.end(signal.SIGTERM)
        assert (status, err) == (0, "")


def test_what_there_is_to_install_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s.toml"
    path.write_text(BEFORE)
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    done = cli_here("run", str(path), "--watch")
    assert done.returncode == 1
    assert done.stderr == (
        "invis-sim: --watch takes watchfiles: pip install 'invis-sim[control]' "
        "(from a clone: pip install '.[control]')\n"
    )


def test_what_is_not_a_file_cannot_be_watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = cli_here("run", "--watch")
    assert (done.returncode, done.stderr) == (
        2,
        "invis-sim: --watch: 'default' is not a file that could be saved\n",
    )
    assert "gone.toml: No such file" in cli_here("run", "gone.toml", "--watch").stderr

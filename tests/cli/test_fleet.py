"""`invis-sim run` with many outlets."""

import json
import signal
import sys
from pathlib import Path

import pytest

from invis_sim import Journal, start_fleet
from tests.cases import for_each
from tests.cli.process import Outlet, cli_here, process, quiet_outlet
from tests.support import connect, exchange

FREE = ("--tcp-port", "0", "--ws-port", "0")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="it sends signals")


def answers(outlet: dict[str, object]) -> str:
    """The serial number with which an outlet of a ready file answers."""
    tcp = outlet["tcp"]
    assert isinstance(tcp, dict)
    with connect((tcp["host"], tcp["port"])) as client:
        sn: str = exchange(client)["sn"]
        return sn


def lines_until(running: Outlet, end: str) -> list[str]:
    """The next lines, up to the first that contains the text."""
    lines = [running.line()]
    while end not in lines[-1]:
        assert lines[-1], lines
        lines.append(running.line())
    return lines


def test_many_outlets_have_one_banner_one_log_and_one_journal(tmp_path: Path) -> None:
    scenario, journal = tmp_path / "three.toml", tmp_path / "journal.jsonl"
    scenario.write_text(
        'description = "Three."\nseed = 5\n[fleet]\ncount = 3\n'
        "[[fleet.outlets]]\nn = [1, 2]\nfaults = [{ kind = 'fail' }]\n"
        "[[fleet.outlets]]\nn = 2\nfaults = [{ kind = 'drop', enabled = false }]\n"
    )
    with process("run", str(scenario), *FREE, "--journal", str(journal)) as running:
        banner = lines_until(running, "Press Ctrl-C")
        assert banner[:2] == ["3 InvisOutlets 0003C400001 to 0003C400003, seed 5\n", "  Three.\n"]
        assert banner[2:5] == [
            "  TCP        127.0.0.1, a port each\n",
            "  WebSocket  127.0.0.1, a port each, path /ws\n",
            "  Note       faults of outlet 2: fleet.outlets[1] wins over fleet.outlets[0]\n",
        ]
        port = int(banner[-1].rpartition(" 20")[0].rpartition(":")[2])
        with connect(("127.0.0.1", port)) as client:
            assert exchange(client)["PUBACK"] == 0
            log = lines_until(running, "fault fail")
        assert all(line.startswith("0001  ") for line in log)
        status, _, err = running.end(signal.SIGTERM)
        assert (status, err) == (0, "")
    loaded = Journal.load(journal)
    assert {entry.sn for entry in loaded} == {"0003C400001"}
    assert loaded.header.seed == 5
    assert loaded.header.sn == ""


def test_a_journal_of_several_outlets_is_shown_by_outlet_and_not_replayed(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with start_fleet(2) as fleet:
        entries = []
        for outlet in reversed([*fleet.values()]):
            with connect(outlet.tcp_address) as client:
                exchange(client)
            entries += outlet.journal.lines()[1:]
    path.write_text("".join(f"{line}\n" for line in ('{"entry": "journal"}', *entries)))
    sns = [entry.sn for entry in Journal.load(path)]
    assert sns == sorted(sns, reverse=True)  # by time, as numbers are each outlet's own
    shown = cli_here("journal", str(path)).stdout.splitlines()[1:]
    assert [line[:11] for line in shown] == sns
    ended = cli_here("replay", str(path))
    assert ended.returncode == 2
    assert "expected the journal of one outlet, found 2 outlets" in ended.stderr


def test_the_ready_file_and_the_json_log_list_the_outlets(tmp_path: Path) -> None:
    with quiet_outlet(
        tmp_path, "--count", "3", "--first", "7", "--seed", "5", "--log", "json"
    ) as it:
        ready = it.ready
        assert {key: ready[key] for key in ("control", "pid", "seed")} == {
            "control": None,
            "pid": it.pid,
            "seed": 5,
        }
        sns = ["0003C400007", "0003C400008", "0003C400009"]
        assert [outlet["sn"] for outlet in ready["outlets"]] == sns
        assert list(map(answers, ready["outlets"])) == sns
        assert len({outlet["seed"] for outlet in ready["outlets"]}) == 3
        assert json.loads(it.line()) == {"entry": "ready", **ready}
        assert it.end()[0] == 0
    assert not (tmp_path / "ready").exists()


def test_the_ready_file_of_a_large_fleet_is_known_again(tmp_path: Path) -> None:
    path = tmp_path / "ready"
    outlets = [{"sn": f"0003C4{n:05X}", "tcp": None, "ws": None, "seed": n} for n in range(2000)]
    path.write_text(json.dumps({"control": None, "pid": 2**30, "seed": 1, "outlets": outlets}))
    ended = cli_here("run", "--count", "0", "--ready-file", str(path))
    assert "ready" not in ended.stderr
    path.write_text('{"pid": 1, "seed": 2}')
    ended = cli_here("run", "--ready-file", str(path))
    assert "invis-sim did not write it" in ended.stderr


def test_processes_with_another_first_number_do_not_collide(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    address = ("--address", "127.0.8.1")
    other = ("--address", "127.0.8.3", "--first", "3")
    with (
        quiet_outlet(tmp_path / "a", "--count", "2", *address, "--seed", "1") as one,
        quiet_outlet(tmp_path / "b", "--count", "2", *other, "--seed", "1") as two,
    ):
        outlets = [*one.ready["outlets"], *two.ready["outlets"]]
        sns = [f"0003C40000{n}" for n in (1, 2, 3, 4)]
        assert [outlet["sn"] for outlet in outlets] == sns
        assert [outlet["tcp"]["host"] for outlet in outlets] == [
            f"127.0.8.{n}" for n in (1, 2, 3, 4)
        ]
        assert list(map(answers, outlets)) == sns
        assert len({outlet["seed"] for outlet in outlets}) == 4
        assert one.end(signal.SIGHUP)[0] == 0
        assert answers(outlets[2]) == sns[2]  # the other one runs on
        assert two.end(signal.SIGINT)[0] == 0


def test_a_signal_reconnects_every_outlet(tmp_path: Path) -> None:
    scenario = tmp_path / "two.toml"
    scenario.write_text("[fleet]\ncount = 2\n[timing]\nrestart_seconds = 0.01\n")
    with process("run", str(scenario), *FREE, "--log", "json") as running:
        outlets = json.loads(running.line())["outlets"]
        for outlet in outlets:
            with connect((outlet["tcp"]["host"], outlet["tcp"]["port"])) as client:
                client.sendall(b'{"packetID": 1, "payload": {"callbackName": 6}}')
                while client.recv(4096):
                    pass
        running.process.send_signal(signal.SIGUSR1)
        back: set[str] = set()
        while len(back) < 2:
            entry = json.loads(running.line())
            if entry.get("kind") == "outage_ended":
                back.add(entry["sn"])
        for outlet in outlets:
            connect((outlet["tcp"]["host"], outlet["tcp"]["port"])).close()


def test_a_saved_scenario_changes_every_outlet(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    text = "[firmware.PM]\n[fleet]\ncount = 2\n[[fleet.outlets]]\nn = 2\nsensors.lux = 5\n"
    path.write_text(text)
    with process("run", str(path), "--watch", *FREE, "--log", "json") as running:
        outlets = json.loads(running.line())["outlets"]
        save(path, text.replace("lux = 5", "lux = 6").replace("count = 2", "count = 3\nfirst = 0"))
        entry = json.loads(running.line())
        assert (entry["sn"], entry["command"]) == ("0003C400002", "reload the scenario, 1 change")
        save(path, "fleet.count = 2\n[firmware.PM]\n[timing]\nrestart_seconds = 7\n")
        reloaded: set[str] = set()
        while len(reloaded) < 2:
            entry = json.loads(running.line())
            if "reload" in entry.get("command", ""):
                reloaded.add(entry["sn"])
        assert list(map(answers, outlets)) == ["0003C400001", "0003C400002"]
        _, _, err = running.end()
    assert f"{path}: a reload does not change fleet.count, fleet.first; restart" in err


def save(path: Path, text: str) -> None:
    other = path.with_name(".s.toml.swp")
    other.write_text(text)
    other.replace(path)


@for_each(
    ("options", "problem"),
    [
        (("--count", "0"), "--count: expected a whole number from 1"),
        (("--first", "2"), "--count: expected a number of outlets; the scenario has no [fleet]"),
        (("--count", "2", "--sn", "0003C44076"), "--sn: "),
        (("--count", "2", "--address", "::1"), "--address: the block ::1/128 has 1 address"),
        (("--count", "2", "--host", "::"), "listen.host: has no effect: each outlet has an"),
        (("fleet-of-fifty", "--address", "x"), "--address: expected an address such as"),
        (("fleet-of-fifty", "--no-tcp", "--no-ws"), "tcp and ws are both false"),
    ],
)
def test_wrong_options_are_said_in_the_words_of_a_scenario(
    options: tuple[str, ...], problem: str
) -> None:
    ended = cli_here("run", *options)
    assert ended.returncode == 2
    assert problem in ended.stderr


@pytest.mark.parametrize(
    "command", [("proxy", "127.0.0.1", "fleet-of-fifty"), ("gauntlet", "fleet-of-fifty", "--", "x")]
)
def test_a_command_for_one_outlet_refuses_a_fleet(command: tuple[str, ...]) -> None:
    ended = cli_here(*command)
    assert ended.returncode == 2
    assert "fleet: expected a scenario of one outlet" in ended.stderr


def test_check_says_which_differences_win(tmp_path: Path) -> None:
    path = tmp_path / "f.toml"
    path.write_text(
        "[fleet]\ncount = 4\n[[fleet.outlets]]\nevery = 2\nmqtt.connected = true\n"
        "[[fleet.outlets]]\nn = 4\nmqtt.connected = false\n"
    )
    ended = cli_here("check", str(path))
    assert ended.stdout.splitlines() == [
        f"{path}: good",
        f"{path}: note: mqtt.connected of outlet 4: fleet.outlets[1] wins over fleet.outlets[0]",
    ]

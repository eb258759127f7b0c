"""`invis-sim gauntlet`: the command line, its statuses and what it prints."""

import io
import json
import os
import subprocess
from pathlib import Path

import pytest

from invis_sim.cli import main
from invis_sim.gauntlet.result import encode
from tests.cli.process import INVIS_SIM, cli_here
from tests.gauntlet.reports import report
from tests.gauntlet.support import client, script
from tests.support import TIMEOUT

FAIL = ("gauntlet", "--transport", "tcp", "--only", "fail/always/tcp", "--seed", "1")


def test_the_cases_are_listed_with_what_is_expected_and_none_is_run() -> None:
    ended = cli_here("gauntlet", "--list", "--only", "delay", "--transport", "tcp")
    assert ended.returncode == 0
    lines = ended.stdout.splitlines()
    assert [line.split()[0] for line in lines] == [
        "delay/short/tcp",
        "delay/varying/tcp",
        "delay/overtaken/tcp",
        "delay/hour/tcp",
        "delay/hour-once/tcp",
    ]
    assert lines[3].split(maxsplit=1)[1] == "must notice            A request needs a time-out."


def test_without_options_the_whole_plan_is_listed() -> None:
    assert len(cli_here("gauntlet", "--list").stdout.splitlines()) > 300


def test_all_as_expected_is_status_0_and_one_line_says_so() -> None:
    ended = cli_here(*FAIL, "--", *client())
    assert ended.returncode == 0
    assert ended.stdout.startswith("1 of 1 cases as expected (seed 1, ")


def test_a_failure_is_status_1_and_the_report_says_what_to_do() -> None:
    ended = cli_here(*FAIL, "--", *client("always-success"))
    assert ended.returncode == 1
    report = ended.stdout
    assert "0 of 1 cases as expected, 1 not as expected" in report
    assert "The client claimed success though it cannot have had any (1):" in report
    assert "fail/always/tcp: wrong (status 0, though the goal cannot be reached)" in report
    assert "the outlet:  fail, 2 times" in report
    assert "expected:    must notice: The outlet rejects the request each time." in report
    assert "| no updates: the outlet refused" in report
    assert '→ {"packetID": 100000, "payload": {"callbackName": 20}}' in report
    assert '← {"sn":"0003C44076","packetID":100000,"PUBACK":0}' in report
    assert "repeat it:   invis-sim gauntlet --only fail/always/tcp --seed 1 -- " in report
    assert "at the desk: invis-sim run --seed 1 --fault" in report
    assert "20 available updates" in report


def test_a_broken_baseline_is_status_3_and_shows_why() -> None:
    broken = script("import sys; print('no way', file=sys.stderr); sys.exit(9)")
    ended = cli_here(*FAIL, "--", *broken)
    assert ended.returncode == 3
    assert ended.stdout.startswith("Broken baseline: before the cases, ")
    assert "undisturbed over tcp, first: ended with status 9" in ended.stdout
    assert "| no way" in ended.stdout


def test_the_report_as_json() -> None:
    ended = cli_here(*FAIL, "--json", "-", "--", *client())
    report = json.loads(ended.stdout)
    assert (report["status"], report["seed"]) == ("as expected", 1)
    assert [case["id"] for case in report["cases"]] == ["fail/always/tcp"]


def test_every_form_of_the_report_is_written_in_one_run(tmp_path: Path) -> None:
    names = {"json": "a.json", "junit": "b.xml", "markdown": "c.md", "html": "d.html"}
    given = [word for form, name in names.items() for word in (f"--{form}", f"{tmp_path}/{name}")]
    (tmp_path / "a.json").write_bytes(encode(report()))  # that of an earlier run
    ended = cli_here(*FAIL, *given, "--", *client())
    assert ended.stdout.startswith("1 of 1 cases as expected")
    begins = {name: (tmp_path / name).read_text(encoding="utf-8")[:5] for name in names.values()}
    assert (tmp_path / "a.json").read_bytes() != encode(report())
    assert begins == {"a.json": '{\n  "', "b.xml": "<?xml", "c.md": "## ✅ ", "d.html": "<!doc"}
    assert len(list(tmp_path.iterdir())) == len(names)


def test_known_failures_are_written_and_then_expected(tmp_path: Path) -> None:
    path = f"{tmp_path}/known.toml"
    written = cli_here(*FAIL, "--write-expect", path, "--", *client("always-success"))
    assert written.returncode == 0
    assert "fail/always/tcp: wrong; not examined yet" in written.stdout
    known = cli_here(*FAIL, "--expect", path, "--", *client("always-success"))
    assert known.returncode == 0
    mended = cli_here(*FAIL, "--expect", path, "--", *client())
    assert mended.returncode == 1
    assert "is as expected now (noticed): take it off the list" in mended.stdout


def test_a_broken_baseline_writes_no_list(tmp_path: Path) -> None:
    path = tmp_path / "known.toml"
    ended = cli_here(*FAIL, "--write-expect", str(path), "--", *script("raise SystemExit(1)"))
    assert (ended.returncode, path.exists()) == (3, False)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("gauntlet",), "no command; write the client behind --"),
        (("gauntlet", "--"), "no command; write the client behind --"),
        (("gauntlet", "--", "client", "{prot}"), "did you mean {port}?"),
        (("gauntlet", "--only", "dorp", "--list"), "'dorp' matches no case; did you mean 'drop'?"),
        (("gauntlet", "--only", "drop", "--", "/no/such"), "cannot start '/no/such'"),
        (("gauntlet", "nope", "--", "x"), "'nope' is neither a file nor the name"),
        (("gauntlet", "--jobs", "x"), "expected a whole number"),
        (("gauntlet", "--jobs", "0", "--", "x"), "--jobs: expected a number from 1, found 0"),
        (("gauntlet", "--seed", "-1", "--", "x"), "--seed: expected a whole number from 0"),
        (("gauntlet", "--probe", "--stays", "--", "x"), "a client that stays is not run again"),
        (("gauntlet", "--ws-port", "0", "--", "x"), "--ws-port: expected a number from 1 to 65535"),
        (("gauntlet", "--speed", "inf", "--", "x"), "above 0, up to 100, found inf"),
        (("gauntlet", "--html", "/no/x", "--", "x"), "--html /no/x: No such file or directory"),
        (("gauntlet", "--json", "/", "--", "x"), "--json /: Is a directory"),
        (("gauntlet", "--json", "-", "--html", "-", "--", "x"), "only one report can go to stdout"),
        (("gauntlet", "--expect", "/no/x", "--", "x"), "/no/x: No such file or directory"),
        (("gauntlet", "client", "{host}", "--", "x"), "unexpected argument"),
    ],
)
def test_what_makes_no_sense_is_status_2_and_said(arguments: tuple[str, ...], problem: str) -> None:
    ended = cli_here(*arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert problem in ended.stderr
    assert ended.stderr.startswith("invis-sim")


def test_the_options_of_the_client_are_not_ours() -> None:
    ended = cli_here(
        *FAIL, "--", *script("import sys; sys.exit(len(sys.argv))", "--json", "--list")
    )
    assert "ended with status 3" in ended.stdout


class Terminal(io.StringIO):
    """Takes the place of stderr at a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_how_far_the_run_is(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    arguments = ["gauntlet", "--transport", "tcp", "--only", "fail", "--jobs", "1", "--json"]
    assert main([*arguments, os.devnull, "--", *client("always-success")]) == 1
    shown = terminal.getvalue()
    assert "█" * 15 + "░" * 15 + " 1/2, 1 not as expected  fail/always/tcp" in shown
    assert shown.endswith("\r\x1b[K")  # nothing of it stays


def test_ctrl_c_gives_the_report_of_what_was_run() -> None:
    # The client interrupts the gauntlet in its second case, and then waits for ever.
    code = (
        "import os, signal, socket, sys, time\n"
        "if os.environ['INVIS_CASE'] == 'duplicate/3-copies-apart/tcp':\n"
        "    os.kill(os.getppid(), signal.SIGINT); time.sleep(600)\n"
        "s = socket.create_connection((sys.argv[1], int(sys.argv[2])))\n"
        's.sendall(b\'{"packetID": 123456, "payload": {"callbackName": 20}}\'); s.recv(4096)\n'
    )
    command = ("gauntlet", "--only", "duplicate/*/tcp", "--jobs", "1", "--", *script(code))
    ended = subprocess.run(
        [*INVIS_SIM, *command, "{host}", "{tcp_port}"],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert ended.returncode == 130
    assert "1 of 1 cases as expected; interrupted" in ended.stdout
    assert ended.stderr == ""

"""`invis-sim run --exit-with-stdin`: it ends with whoever holds the other end of its stdin."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.process import Outlet, outlet, process, quiet_outlet
from tests.support import TIMEOUT

OPTION = "--exit-with-stdin"


def ended(running: Outlet) -> tuple[int, str]:
    """Waits for its end; status, and what it said on stderr."""
    process = running.process
    if process.stdin is not None:
        process.stdin.close()
        process.stdin = None
    _, err = process.communicate()
    return process.returncode, err or ""


def test_it_ends_with_status_0_when_its_stdin_is_closed(tmp_path: Path) -> None:
    with quiet_outlet(tmp_path, OPTION, stdin=subprocess.PIPE) as it:
        with it.connect() as client:
            assert it.exchange()["PUBACK"] == 1
            assert ended(it) == (0, "")
            assert client.recv(1) == b""
        assert not (tmp_path / "ready").exists()


def test_what_is_written_to_its_stdin_is_ignored() -> None:
    with outlet(OPTION, stdin=subprocess.PIPE) as it:
        assert it.process.stdin is not None
        it.process.stdin.write("x" * 300_000 + "\n")  # more than a pipe holds, so it is read
        it.process.stdin.flush()
        assert it.exchange()["PUBACK"] == 1
        assert ended(it) == (0, "")


@pytest.mark.parametrize("name", [os.devnull, __file__])
def test_it_ends_at_once_where_stdin_has_nothing_or_is_a_file(name: str) -> None:
    with open(name) as stdin, outlet(OPTION, stdin=stdin) as it:
        assert it.ready["entry"] == "ready"
        assert ended(it) == (0, "")


def test_it_ends_at_once_where_stdin_is_closed_from_the_start() -> None:
    shell = ("sh", "-c", '"$@" <&-', "sh", sys.executable, "-m", "invis_sim")
    options = ("run", "--tcp-port", "0", "--ws-port", "0", "--log", "json", OPTION)
    done = subprocess.run(
        [*shell, *options], capture_output=True, text=True, check=False, timeout=TIMEOUT
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout.splitlines()[0])["entry"] == "ready"


@pytest.mark.parametrize("how", ["end of file", "hang-up"])
def test_a_terminal_ends_it_with_ctrl_d_or_by_closing(how: str) -> None:
    ours, theirs = os.openpty()
    with outlet(OPTION, stdin=theirs) as it:
        os.close(theirs)
        os.write(ours, b"\x7f\r\nhello\n")
        assert it.exchange()["PUBACK"] == 1
        if how == "end of file":
            os.write(ours, b"\x04")
            assert ended(it) == (0, "")
            os.close(ours)
        else:
            os.close(ours)
            assert ended(it) == (0, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_all_the_same_while_its_stdin_is_open(number: signal.Signals) -> None:
    ours, theirs = os.pipe()
    with os.fdopen(theirs, "w"), os.fdopen(ours) as stdin, outlet(OPTION, stdin=stdin) as it:
        it.process.send_signal(number)
        assert it.process.wait() == 0


def test_it_does_not_outlive_a_test_runner_that_is_killed() -> None:
    program = """
import subprocess, sys
options = ("--tcp-port", "0", "--ws-port", "0", "--log", "json", "--exit-with-stdin")
subprocess.Popen([sys.executable, "-m", "invis_sim", "run", *options], stdin=subprocess.PIPE).wait()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
    ) as runner:
        assert runner.stdout is not None
        assert json.loads(runner.stdout.readline())["entry"] == "ready"
        runner.kill()
        # The outlet has the only other end of this pipe, so the pipe ends when the outlet does.
        assert runner.stdout.read() == ""


def test_without_the_option_the_end_of_stdin_changes_nothing() -> None:
    with outlet(stdin=subprocess.DEVNULL) as it:
        assert it.exchange()["PUBACK"] == 1
        assert it.end()[0] == 0


def test_a_start_that_fails_is_reported_as_without_the_option() -> None:
    options = ("run", "--tcp-port", "0", "--ws-port", "0", "--host", "a..b", OPTION)
    with process(*options, stdin=subprocess.DEVNULL) as it:
        status, err = ended(it)
        assert (status, err) == (
            1,
            "invis-sim: cannot listen for TCP on host a..b, port 0: that is not a host name\n",
        )

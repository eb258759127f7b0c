"""Files that options name: nothing is lost that the outlet did not write itself."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from invis_sim import Journal
from invis_sim.cli import CliError
from invis_sim.cli.output_files import open_output
from invis_sim.cli.ready_file import ready_file, remove_stale_ready_file
from invis_sim.protocol.printable import printable
from tests.cli.process import cli_here, outlet, process, quiet_outlet
from tests.support import SN, TIMEOUT, make_request

WRITING = pytest.mark.parametrize("option", ["--ready-file", "--journal"])

MINE = {
    "--ready-file": json.dumps({"sn": SN, "tcp": None, "ws": None, "pid": 1, "seed": 1}),
    "--journal": '{"entry":"journal","sn":"0003C44076","started":1.0}\n',
}
"""What the outlet wrote in an earlier run."""


def refused(option: str, path: object, scenario: str = "default", *more: str) -> str:
    """Why the path is refused, before the outlet starts."""
    ports = ("--tcp-port", "0", "--ws-port", "0")
    ended = cli_here("run", scenario, *ports, *more, option, str(path))
    assert (ended.returncode, ended.stdout) == (2, "")
    (line,) = ended.stderr.splitlines()
    beginning = printable(f"invis-sim: {option} {str(path) or repr('')}: ")
    assert line.startswith(beginning), line
    return line.removeprefix(beginning)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# What is refused


@WRITING
@pytest.mark.parametrize("link", [None, os.symlink, os.link])
def test_the_scenario_is_not_overwritten_under_any_name(
    tmp_path: Path, option: str, link: object
) -> None:
    scenario = tmp_path / "my.toml"
    scenario.write_text('description = "Mine."\n')
    path = tmp_path / "other" if link else scenario
    if callable(link):
        link(scenario, path)
    before = contents(tmp_path)
    assert refused(option, path, str(scenario)) == "is the scenario"
    assert contents(tmp_path) == before


@WRITING
@pytest.mark.parametrize("text", ["sn = 1\n", "{", "[]", '{"entry": 5}', "\x00", '"' * 70_000])
def test_a_file_that_the_outlet_did_not_write_is_not_overwritten(
    tmp_path: Path, option: str, text: str
) -> None:
    path = tmp_path / "file"
    path.write_text(text)
    assert "invis-sim did not write it" in refused(option, path)
    assert path.read_text() == text


@WRITING
def test_neither_option_overwrites_what_the_other_wrote(tmp_path: Path, option: str) -> None:
    (other,) = MINE.keys() - {option}
    path = tmp_path / "file"
    path.write_text(MINE[other])
    assert "invis-sim did not write it" in refused(option, path)
    assert path.read_text() == MINE[other]


@WRITING
@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("", "expected a path"),
        (".", "Is a directory"),
        ("/", "Is a directory"),
        ("no/such/file", "No such file or directory"),
        ("none/", "Is a directory"),
        ("file/below", "Not a directory"),
        ("loop", "Too many levels of symbolic links"),
        ("dangling", "No such file or directory"),
        ("socket", "expected a file or a pipe"),
        ("a\0b", "a path has no NUL character in it"),
        ("/dev/fd/987", "Bad file descriptor"),
    ],
)
def test_a_path_that_cannot_be_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, path: str, why: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text(MINE[option])
    Path("loop").symlink_to("loop")
    Path("dangling").symlink_to("no/such/file")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        before = sorted(tmp_path.rglob("*"))
        assert refused(option, path) == why
        assert sorted(tmp_path.rglob("*")) == before


def test_two_options_do_not_write_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    (tmp_path / "link").symlink_to("file")
    why = refused("--journal", tmp_path / "link", "default", "--ready-file", str(path))
    assert why == "is also the file of --ready-file"
    assert not path.exists()


@WRITING
def test_the_file_behind_stdout_is_not_written_twice(tmp_path: Path, option: str) -> None:
    path = tmp_path / "out"
    ports = ("--tcp-port", "0", "--ws-port", "0")
    with path.open("w") as out, process("run", *ports, option, str(path), stdout=out) as it:
        _, err = it.process.communicate()
    assert err == f"invis-sim: {option} {path}: is this command's stdout\n"
    assert path.read_bytes() == b""


# The ready file of two outlets


def no_warning(text: str) -> None:
    raise AssertionError(text)


def test_an_outlet_removes_its_own_ready_file_only(tmp_path: Path) -> None:
    path = tmp_path / "ready"
    with ready_file(str(path), "a", no_warning):
        b = ready_file(str(path), "b", no_warning)
        b.__enter__()
        assert path.read_text() == "b"
    assert path.read_text() == "b"
    b.__exit__(None, None, None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["directory", "pipe"])
def test_what_has_taken_the_place_of_the_ready_file_stays(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "ready"
    with ready_file(str(path), "a", no_warning):
        path.unlink()
        path.mkdir() if kind == "directory" else os.mkfifo(path)
    assert path.exists()


def test_a_ready_file_that_has_gone_is_no_error(tmp_path: Path) -> None:
    with ready_file(str(tmp_path / "ready"), "a", no_warning):
        (tmp_path / "ready").unlink()


@pytest.mark.parametrize(
    "wrong", [("--fault", "dely"), ("no-such-scenario",), ("--journal", "/"), ("--host", "a..b")]
)
def test_an_outlet_that_does_not_start_leaves_that_of_a_running_one(
    tmp_path: Path, wrong: tuple[str, ...]
) -> None:
    path = tmp_path / "ready"
    running = json.dumps({"sn": SN, "pid": os.getppid(), "seed": 1})
    path.write_text(running)
    ended = cli_here("run", *wrong, "--tcp-port", "0", "--ws-port", "0", "--ready-file", str(path))
    assert ended.returncode in (1, 2)
    assert path.read_text() == running
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_of_an_outlet_that_has_died_goes_before_the_next_one_listens(
    tmp_path: Path,
) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        pass
    path = tmp_path / "ready"
    for pid in (dead.pid, os.getpid(), 2**70, 0, -1, "1"):
        path.write_text(json.dumps({"sn": SN, "pid": pid, "seed": 1}))
        remove_stale_ready_file(str(path))
        assert not path.exists()
    path.write_text(json.dumps({"sn": SN, "pid": os.getppid(), "seed": 1}))
    remove_stale_ready_file(str(path))
    assert path.exists()


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there is no SIGHUP here")
def test_when_its_terminal_closes_the_ready_file_goes_and_the_journal_is_whole(
    tmp_path: Path,
) -> None:
    journal = tmp_path / "journal"
    with quiet_outlet(tmp_path, "--log", "quiet", "--journal", str(journal)) as it:
        it.exchange()
        assert it.end(signal.SIGHUP) == (0, "", "")
    assert list(tmp_path.iterdir()) == [journal]
    assert len(Journal.load(journal).exchanges(callback=20)) == 1


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there is no SIGHUP here")
def test_under_nohup_it_runs_on_when_its_terminal_closes() -> None:
    with outlet(preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)) as it:
        it.process.send_signal(signal.SIGHUP)
        assert it.exchange()["PUBACK"] == 1
        assert it.end()[0] == 0


# What the path may be


@pytest.mark.parametrize("before", [None, "", MINE["--ready-file"]])
def test_a_symlink_stays_and_its_target_is_replaced(tmp_path: Path, before: str | None) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    if before is not None:
        target.write_text(before)
    link.symlink_to("target")
    with ready_file(str(link), "a", no_warning):
        assert link.is_symlink()
        assert target.read_text() == "a"
        assert len(list(tmp_path.iterdir())) == 2
    assert link.is_symlink()
    assert not target.exists()


def test_a_folder_that_goes_before_the_outlet_is_ready_is_an_error(tmp_path: Path) -> None:
    path = f"{tmp_path}/gone/ready"
    with (
        pytest.raises(CliError, match=f"--ready-file {path}: No such file or directory"),
        ready_file(path, "a", no_warning),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_gets_the_ready_line_when_it_has_a_reader_and_stays(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    options = ("--ready-file", str(pipe), "--log", "quiet")
    with process("run", "--tcp-port", "0", "--ws-port", "0", *options) as it:
        it.ready = json.loads(pipe.read_text())
        assert it.exchange()["PUBACK"] == 1
        assert it.end() == (0, "", "")
    assert pipe.is_fifo()


def test_a_pipe_without_a_reader_holds_up_neither_the_outlet_nor_its_end(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with outlet("--ready-file", str(pipe)) as it:
        assert it.exchange()["PUBACK"] == 1
        assert it.end()[::2] == (0, "")


@pytest.mark.parametrize("kind", ["pipe", "file", "socket"])
@pytest.mark.parametrize("path", ["/dev/fd/{}", "/proc/self/fd/{}"])
def test_a_descriptor_is_written_to_and_closed(tmp_path: Path, kind: str, path: str) -> None:
    if not Path("/dev/fd").exists() or (path.startswith("/proc") and not Path("/proc").exists()):
        pytest.skip("this system has no such paths")
    if kind == "pipe":
        reading, writing = os.pipe()
    elif kind == "socket":
        reading, writing = (one.detach() for one in socket.socketpair())
    else:
        writing = os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT)
        os.write(writing, b"before ")
        reading = os.open(tmp_path / "file", os.O_RDONLY)
    with ready_file(path.format(writing), "line\n", no_warning), open(reading, "rb") as stream:
        if kind == "file":
            threads = [one for one in threading.enumerate() if one.name == "invis-sim-ready"]
            for thread in threads:
                thread.join(TIMEOUT)
        assert stream.read() == (b"before line\n" if kind == "file" else b"line\n")
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(writing)


def test_a_descriptor_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    reported = threading.Event()
    texts: list[str] = []

    def warn(text: str) -> None:
        texts.append(text)
        reported.set()

    with open("/dev/null", "rb") as readable:
        path = f"/dev/fd/{readable.fileno()}"
        with ready_file(path, "line\n", warn):
            assert reported.wait(TIMEOUT)
        assert texts == [f"--ready-file {path}: Bad file descriptor"]


# The journal of two outlets


def test_a_journal_that_another_outlet_writes_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with open_output(str(path)) as first:
        first.write(MINE["--journal"])
        first.flush()
        ended = cli_here(
            "run", "--tcp-port", "0", "--ws-port", "0", "--log", "quiet", "--journal", str(path)
        )
        assert ended.returncode == 1
        assert ended.stderr == f"invis-sim: --journal {path}: another outlet is writing it\n"
        assert path.read_text() == MINE["--journal"]
    with open_output(str(path)) as second:
        second.write("b")
    assert path.read_text() == "b"


def test_a_journal_is_written_to_a_pipe_as_it_happens(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with outlet("--journal", str(pipe)) as it:
        it.exchange()
        assert it.end()[0] == 0
    os.set_blocking(reading, True)
    with open(reading) as stream:
        assert len(Journal.load(stream.read().splitlines()).exchanges(callback=20)) == 1


def test_a_pipe_that_is_opened_and_not_read_is_reported_and_holds_up_no_client(
    tmp_path: Path,
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    about = f"invis-sim: --journal {pipe}: "
    with (
        quiet_outlet(tmp_path, "--log", "quiet", "--journal", str(pipe)) as it,
        it.connect() as client,
    ):
        # Arguments of which some 35 requests take all the memory that may wait.
        request = make_request(99, [[[]]] * 1500)
        for _ in range(80):
            client.sendall(request)
            while b'"PUBACK":0' not in client.recv(65536):
                pass  # a reading
        assert it.process.stderr is not None
        line = it.process.stderr.readline()
        begun = about + "it is written too slowly, so entries are missing, from number "
        assert line.startswith(begun)
        assert int(line.removeprefix(begun).split()[0]) < 35  # the oldest are lost first
        status, _, told = it.end()
        last, in_all = told.splitlines()
        assert (status, last) == (0, about + "the last entries could not be written")
        assert in_all.startswith(about)
        assert int(in_all.removeprefix(about).removesuffix(" entries are missing in all")) > 0
    os.close(reading)

"""The files of `gauntlet` and `capture`: nothing is lost that these commands did not write."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from invis_sim.cli.gauntlet_reports import FORMS
from invis_sim.cli.output_files import is_journal, is_ready_file, write_output
from invis_sim.gauntlet.expect import KnownFailures, encode, is_list
from invis_sim.gauntlet.result import CaseResult
from invis_sim.recording.capture import Capture, is_capture
from invis_sim.scenario.loading import load
from tests.cases import for_each
from tests.cli.process import cli_here
from tests.gauntlet.reports import CASES, report

CAPTURED = Capture(load("pro"), ("a note",), ())

WRITTEN: dict[str, tuple[bytes, Callable[[bytes], bool]]] = {
    **{f"--{name}": (form.encode(report()), form.is_own) for name, form in FORMS.items()},
    "--write-expect": (encode(KnownFailures(("drop/always/tcp",))), is_list),
    "-o": (CAPTURED.to_toml().encode(), is_capture),
    "--raw": (CAPTURED.to_jsonl(), is_journal),
    "--ready-file": (b'{"sn": "0003C44076", "pid": 1, "seed": 1}\n', is_ready_file),
}
"""Options → what they write, and what recognises it."""

GAUNTLET = [f"--{name}" for name in (*FORMS, "write-expect")]
WRITING = pytest.mark.parametrize("option", [*GAUNTLET, "-o", "--raw"])

FOREIGN = {
    "client.py": b"import socket\n",
    "my.toml": b'description = "Mine."\n[listen]\ntcp_port = 0\n',
    "page.html": b"<!doctype html>\n<title>My invis-sim gauntlet</title>\n",
    "junit.xml": b'<?xml version="1.0"?>\n<testsuites><testsuite name="mine"/></testsuites>\n',
    "notes.md": b"# Notes\n## \xe2\x9c\x85 invis-sim gauntlet\n",
    "data.json": b'{"version": 1, "seed": 2}\n',
    "no-text": b"\x00\xff" * 40_000,
}
"""Files that invis-sim did not write."""


def command(option: str, path: object, *more: str) -> list[str]:
    """A command line with this option, which would fail later than where paths are checked."""
    if option in GAUNTLET:
        return ["gauntlet", *more, option, str(path), "--", "no-such-client"]
    return ["capture", "127.0.0.1", *more, option, str(path), "--tcp-port", "1", "--ws-port", "1"]


def refused(option: str, path: object, *more: str) -> str:
    """Why the path is refused."""
    ended = cli_here(*command(option, path, *more))
    assert (ended.returncode, ended.stdout) == (2, "")
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"invis-sim: {option} {path}: "), line
    return line.removeprefix(f"invis-sim: {option} {path}: ")


# What is refused


@WRITING
@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_that_invis_sim_did_not_write_is_not_overwritten(
    tmp_path: Path, option: str, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(FOREIGN[name])
    assert "invis-sim did not write it" in refused(option, path)
    assert path.read_bytes() == FOREIGN[name]
    assert list(tmp_path.iterdir()) == [path]


@WRITING
def test_what_another_option_wrote_is_not_overwritten(tmp_path: Path, option: str) -> None:
    path = tmp_path / "file"
    for other, (content, _) in WRITTEN.items():
        if other != option:
            path.write_bytes(content)
            assert "invis-sim did not write it" in refused(option, path), other
            assert path.read_bytes() == content


@WRITING
def test_a_folder_is_refused_and_so_is_a_file_in_one_that_does_not_exist(
    tmp_path: Path, option: str
) -> None:
    assert refused(option, tmp_path) == "Is a directory"
    assert refused(option, tmp_path / "no" / "file") == "No such file or directory"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
@WRITING
def test_what_may_not_be_written_is_refused(tmp_path: Path, option: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(WRITTEN[option][0])
    path.chmod(0o400)
    assert refused(option, path) == "Permission denied"
    tmp_path.chmod(0o500)
    assert refused(option, tmp_path / "new") == "Permission denied"


@pytest.mark.parametrize("option", GAUNTLET)
@pytest.mark.parametrize("link", [None, os.symlink, os.link])
def test_the_scenario_is_not_overwritten_under_any_name(
    tmp_path: Path, option: str, link: Callable[[Path, Path], None] | None
) -> None:
    scenario = tmp_path / "my.toml"
    scenario.write_bytes(FOREIGN["my.toml"])
    path = tmp_path / "other" if link else scenario
    if link:
        link(scenario, path)
    assert refused(option, path, str(scenario)) == "is the scenario"
    assert scenario.read_bytes() == FOREIGN["my.toml"]


def test_a_report_does_not_take_the_place_of_the_list_of_known_failures(tmp_path: Path) -> None:
    path = tmp_path / "known.toml"
    content = WRITTEN["--write-expect"][0]
    path.write_bytes(content)
    why = refused("--json", path, "--expect", str(path))
    assert why == "is the list of known failures"
    why = refused("--json", path, "--expect", str(path), "--write-expect", str(path))
    assert why == "is also the file of --write-expect"
    assert path.read_bytes() == content


def test_a_list_that_cannot_be_renewed_is_reported_before_the_run(tmp_path: Path) -> None:
    path = tmp_path / "known.toml"
    path.write_text("cases = 5\n")
    ended = cli_here(*command("--write-expect", path))
    assert ended.returncode == 2
    assert f"{path}:1: cases: expected" in ended.stderr
    assert path.read_text() == "cases = 5\n"


@pytest.mark.parametrize("link", [None, os.symlink, os.link])
@pytest.mark.parametrize(("one", "other"), [("--json", "--html"), ("-o", "--raw")])
def test_two_options_do_not_write_the_same_file(
    tmp_path: Path, one: str, other: str, link: Callable[[Path, Path], None] | None
) -> None:
    first, path = tmp_path / "file", tmp_path / ("other" if link else "file")
    if link:
        first.touch()
        link(first, path)
    assert refused(other, path, one, str(first)) == f"is also the file of {one}"
    assert not first.exists() or first.read_bytes() == b""


# What is replaced


@for_each("option", WRITTEN)
def test_what_an_option_wrote_is_recognised_whatever_is_in_it(option: str) -> None:
    content, is_own = WRITTEN[option]
    assert is_own(content)
    assert not is_own(b"")
    assert not any(is_own(foreign) for foreign in FOREIGN.values())


@for_each("name", FORMS)
@for_each("command", [(), ("client", "{host}", '"><\n')])
@for_each("cases", [CASES[:1], CASES])
def test_each_report_is_recognised(
    name: str, command: tuple[str, ...], cases: tuple[CaseResult, ...]
) -> None:
    form = FORMS[name]
    made = msgspec.structs.replace(report(*cases), command=command)
    assert form.is_own(form.encode(made))


@WRITING
@pytest.mark.parametrize("before", ["nothing", "empty", "own"])
def test_what_an_option_wrote_before_may_be_written_again(
    tmp_path: Path, option: str, before: str
) -> None:
    path = tmp_path / "file"
    if before != "nothing":
        path.write_bytes(WRITTEN[option][0] if before == "own" else b"")
    ended = cli_here(*command(option, path))
    assert str(path) not in ended.stderr  # what fails is the client, or the connection
    assert ended.stderr


# How it is written


def test_a_file_is_replaced_whole_keeps_its_permissions_and_leaves_nothing_beside_it(
    tmp_path: Path,
) -> None:
    path, link = tmp_path / "file", tmp_path / "link"
    path.write_bytes(b"before")
    path.chmod(0o600)
    link.symlink_to("file")
    with path.open("rb") as reader:
        write_output(str(link), b"after")
        assert reader.read() == b"before"
    assert link.is_symlink()
    assert path.read_bytes() == b"after"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(tmp_path.iterdir()) == [path, link]


def test_a_pipe_and_a_descriptor_are_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with open(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK), "rb") as reader:
        write_output(str(pipe), b"one")
        assert reader.read() == b"one"
    assert pipe.is_fifo()
    reading, writing = os.pipe()
    with open(reading, "rb") as stream, open(writing, "wb"):
        write_output(f"/dev/fd/{writing}", b"two")
        assert os.read(stream.fileno(), 9) == b"two"

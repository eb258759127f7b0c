"""Streams in non-blocking mode, which Node and some shells give a command: nothing is lost."""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from invis_sim.cli import main
from invis_sim.cli.log import JsonLog, LogFormat, TextLog
from invis_sim.cli.streams import text_stream
from invis_sim.cli.writers import JournalWriter, LineWriter
from invis_sim.journal import Journal, ServerError
from invis_sim.scenario.loading import load
from invis_sim.testing.block import start_simulator
from tests.support import TIMEOUT

FILLING = b"-" * 4096


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe in non-blocking mode: its ends for reading and for writing."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    yield reading, writing
    for descriptor in (reading, writing):
        with suppress(OSError):  # the test may have closed it
            os.close(descriptor)


def fill(writing: int) -> int:
    """Fill the pipe; how many bytes that took."""
    number = 0
    with suppress(BlockingIOError):
        while True:
            number += os.write(writing, FILLING)
    return number


@pytest.mark.parametrize(
    ("log_format", "dropped", "end"),
    [
        (TextLog(0.0), b"(90 lines dropped: output too slow)", b""),
        (JsonLog(), b'"text":"90 entries dropped, from number 1 on: output too slow"}', b'"}'),
    ],
    ids=["text", "json"],
)
def test_the_log_goes_on_when_there_is_room_and_says_what_is_missing(
    pipe: tuple[int, int], log_format: LogFormat, dropped: bytes, end: bytes
) -> None:
    reading, writing = pipe
    filled = fill(writing)
    journal = Journal()
    subscription = journal.subscribe(max_waiting=10)
    writer = JournalWriter(text_stream(writing), subscription, log_format, "first")
    for number in range(100):
        journal.add(ServerError, 0.0, text=f"entry {number}")
    with open(reading, "rb", closefd=False) as stream:
        assert stream.read(filled) == FILLING * (filled // 4096) + FILLING[: filled % 4096]
        assert stream.readline() == b"first\n"
        assert stream.readline().endswith(dropped + b"\n")
        for number in range(90, 100):
            assert stream.readline().endswith(b"entry %d%b\n" % (number, end))
        for number in range(3):  # and it goes on
            journal.add(ServerError, 0.0, text=f"later {number}")
            assert stream.readline().endswith(b"later %d%b\n" % (number, end))
    writer.close(TIMEOUT)


def test_lines_that_must_not_be_lost_are_not(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    writer = LineWriter(text_stream(writing), lambda error: None)
    lines = [f"{number} " + "x" * 5000 for number in range(100)]
    for line in lines:
        writer.write(line)
    with open(reading, closefd=False) as stream:
        assert [stream.readline() for _ in lines] == [line + "\n" for line in lines]
    writer.close(TIMEOUT)


def test_a_reader_that_has_left_ends_the_wait(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    fill(writing)
    failed = threading.Event()
    writer = LineWriter(text_stream(writing), lambda error: failed.set())
    writer.write("a line")
    os.close(reading)
    assert failed.wait(TIMEOUT)
    writer.close(TIMEOUT)


@pytest.mark.parametrize("name", ["stdin", "stdout", "stderr"])
def test_a_capture_is_written_though_a_stream_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with start_simulator() as sim:
        tcp, ws = (str(port) for _, port in sim.addresses.values())
        place = ("127.0.0.1", "--tcp-port", tcp, "--ws-port", ws, "--pause", "0", "--listen", "0")
        monkeypatch.setattr(f"sys.{name}", None)  # as Python has it then
        assert main(["capture", *place, "-o", str(tmp_path / "mine.toml")]) == 0
    assert load(tmp_path / "mine.toml").device.product == "pro"


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_what_a_command_prints_is_whole(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    reading, writing = pipe
    filled = fill(writing)
    arguments = ["schema"] if name == "stdout" else ["check", *(["no" * 100] * 400)]
    # As Python opens the two: what goes to stderr is written line by line.
    buffering = 1 if name == "stderr" else -1
    with open(writing, "w", buffering, closefd=False, encoding="utf-8") as stream:
        monkeypatch.setattr(f"sys.{name}", stream)
        statuses: list[int] = []
        thread = threading.Thread(target=lambda: statuses.append(main(arguments)), daemon=True)
        thread.start()
        with open(reading, "rb", closefd=False) as pipe_reader:
            pipe_reader.read(filled)
            if name == "stdout":
                text = b""
                while not text.endswith(b"\n}\n"):
                    text += pipe_reader.readline()
                assert json.loads(text)
            else:
                for _ in range(400):
                    assert pipe_reader.readline().startswith(b"invis-sim: 'nonono")
        thread.join(TIMEOUT)
        assert statuses == [0 if name == "stdout" else 2]

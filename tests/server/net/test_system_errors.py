"""What the system refuses says what can be done."""

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from invis_sim import StartError, start_simulator
from invis_sim.server.net.system_errors import (
    DESCRIPTORS_OF_AN_EVENT_LOOP,
    DESCRIPTORS_OF_AN_OUTLET,
    explain,
)
from tests.cases import for_each
from tests.cli.process import cli
from tests.support import connect, exchange

descriptors_are_listed = pytest.mark.skipif(
    not os.path.isdir("/proc/self/fd"), reason="descriptors are not listed"
)


@contextmanager
def room_for(files: int) -> Iterator[None]:
    """Let the process open this many files more, and no other, for the time of the block."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as stack:
        # The limit is about numbers, of which some may be free below the highest.
        highest = max(map(int, os.listdir("/proc/self/fd")))
        while True:
            descriptor = os.open(os.devnull, os.O_RDONLY)
            stack.callback(os.close, descriptor)
            if descriptor > highest:
                break
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptor + 1 + files, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# With one to four, trio begins and fails half-way, and leaves the rest to the garbage collector.
@pytest.mark.parametrize("files", [0, 5, 6, 7])
@descriptors_are_listed
def test_an_outlet_without_enough_files_says_how_many_there_may_be(files: int) -> None:
    block = start_simulator()  # which reads its scenario
    before = len(os.listdir("/proc/self/fd"))
    with (
        room_for(files),
        pytest.raises(StartError, match=r"Too many open files; this process may have \d+ open"),
        block,
    ):
        raise AssertionError("it has started")
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("files", [0, 1])
@descriptors_are_listed
def test_a_further_outlet_without_enough_files_says_so_too_and_disturbs_no_other(
    files: int,
) -> None:
    block = start_simulator()
    with start_simulator() as other:
        before = len(os.listdir("/proc/self/fd"))
        with room_for(files), pytest.raises(StartError, match="Too many open files"), block:
            raise AssertionError("it has started")
        assert len(os.listdir("/proc/self/fd")) == before
        with connect(other.tcp_address) as client:
            assert exchange(client)["PUBACK"] == 1


@descriptors_are_listed
def test_outlets_need_no_more_files_than_is_said() -> None:
    blocks = [start_simulator() for _ in range(3)]
    with (
        room_for(DESCRIPTORS_OF_AN_EVENT_LOOP + 3 * DESCRIPTORS_OF_AN_OUTLET),
        blocks[0],
        blocks[1],
        blocks[2] as sim,
    ):
        assert not sim.offline


@for_each(
    ("number", "port", "hint"),
    [
        (errno.EACCES, 80, "a port below 1024 needs a right"),
        (errno.EACCES, 8080, None),
        (errno.EACCES, 0, None),
        (errno.EMFILE, 0, "raise the limit with `ulimit -n`"),
        (errno.ENFILE, 0, "the limit of the whole system"),
        (errno.EADDRINUSE, 80, None),
    ],
)
def test_only_what_can_be_mended_has_a_hint(number: int, port: int, hint: str | None) -> None:
    error = OSError(number, os.strerror(number))
    said = explain(error, port)
    assert said.startswith(os.strerror(number))
    assert (said == os.strerror(number)) if hint is None else (hint in said)


@descriptors_are_listed
def test_the_command_line_says_it_in_one_line() -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (9, 9))

    ended = cli("run", "--tcp-port", "0", "--ws-port", "0", preexec_fn=limit)
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert "Too many open files; this process may have " in line

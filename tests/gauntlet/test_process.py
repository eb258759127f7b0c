"""A command may do anything: it ends in time, and nothing of it is left."""

import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest
import trio

from invis_sim.gauntlet.process import (
    MAX_OUTPUT_BYTES,
    RUN_VARIABLE,
    CannotStart,
    Ended,
    Limits,
    end_escaped,
    new_token,
    run_command,
)
from tests.cases import for_each
from tests.gauntlet.support import script
from tests.support import TIMEOUT


def run(code: str, seconds: float = TIMEOUT, environment: dict[str, str] | None = None) -> Ended:
    return trio.run(run_command, script(code), environment or {}, Limits(seconds))


def is_running(pid: int) -> bool:
    """Whether there is such a process, other than as a zombie that waits for its parent."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def wait_for_end(pid: int) -> None:
    """Return when the process has ended: it was killed, which takes its moment."""
    end = time.monotonic() + TIMEOUT
    while is_running(pid):
        assert time.monotonic() < end


def test_status_output_and_environment() -> None:
    end = run(
        "import os, sys; print(os.environ['INVIS_SN']); sys.stderr.write('no'); sys.exit(3)",
        environment={"INVIS_SN": "x"},
    )
    assert (end.exit, end.signal, end.killed) == (3, None, False)
    assert (end.stdout, end.stderr) == (b"x\n", b"no")


def test_a_signal_that_ends_it_is_told_from_a_status() -> None:
    end = run("import os; os.abort()")
    assert (end.exit, end.signal, end.killed) == (None, signal.SIGABRT, False)


@for_each("command", ["/no/such/command", "/", "nul\0byte"])
def test_a_command_that_cannot_be_started_is_an_error_that_names_it(command: str) -> None:
    with pytest.raises(CannotStart, match=r"^cannot start '"):
        trio.run(run_command, [command], {}, Limits(TIMEOUT))


def test_of_endless_output_only_the_end_is_kept() -> None:
    end = run("import os\nfor _ in range(200): os.write(1, b'x' * 2**20)\nos.write(1, b'end')")
    assert end.exit == 0
    assert len(end.stdout) == MAX_OUTPUT_BYTES
    assert end.stdout.endswith(b"xend")


def test_one_that_reads_stdin_or_closes_its_output_is_no_trouble() -> None:
    assert run("import os; os.close(1); os.close(2); assert os.read(0, 1) == b''").exit == 0


def test_one_that_ignores_sigterm_is_killed_at_the_deadline() -> None:
    end = run(
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(600)", 0.2
    )
    assert (end.exit, end.killed, end.timed_out) == (None, True, True)


def test_an_event_ends_it_before_the_deadline() -> None:
    async def main() -> Ended:
        stop = trio.Event()
        stop.set()
        return await run_command(script("import time; time.sleep(600)"), {}, Limits(TIMEOUT, stop))

    end = trio.run(main)
    assert (end.killed, end.timed_out) == (True, False)


def test_a_grandchild_ends_with_it_and_its_hold_on_the_pipes_is_no_trouble(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    end = run(
        "import os, time\n"
        "pid = os.fork()\n"
        "if pid == 0: time.sleep(600)\n"
        f"open({str(path)!r}, 'w').write(str(pid))\n"
    )
    assert end.exit == 0
    wait_for_end(int(path.read_text()))


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
def test_a_grandchild_that_leaves_the_group_is_found_by_its_environment(tmp_path: Path) -> None:
    path, token = tmp_path / "pid", new_token()
    end = run(
        "import os, time\n"
        "read, write = os.pipe()\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    os.setsid(); os.write(write, b'x'); time.sleep(600)\n"
        "os.read(read, 1)\n"
        f"open({str(path)!r}, 'w').write(str(pid))\n",
        environment={RUN_VARIABLE: token},
    )
    assert end.exit == 0
    pid = int(path.read_text())
    assert is_running(pid)
    assert end_escaped(new_token()) == 0
    assert end_escaped(token) == 1
    wait_for_end(pid)
    assert end_escaped(token) == 0


def test_a_run_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "pid"

    async def main() -> None:
        code = f"import os, time; open({str(path)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run_command, script(code), {}, Limits(TIMEOUT))
            while not (path.exists() and path.read_text()):
                await trio.sleep(0.005)
            nursery.cancel_scope.cancel()

    trio.run(main)
    wait_for_end(int(path.read_text()))

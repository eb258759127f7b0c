"""A signal that arrives at any moment of the start ends the command, and prints nothing."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

import invis_sim
from tests.support import TIMEOUT

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")

ROOT = str(Path(invis_sim.__file__).parent.parent)

PROGRAM = """
import os, runpy, sys

module, number, *sys.argv[1:] = sys.argv[1:]

class Interrupt:
    def find_spec(self, name, *_):
        if name == module:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), int(number))

sys.meta_path.insert(0, Interrupt())
runpy.run_module("invis_sim", run_name="__main__", alter_sys=True)
"""


def interrupted(module: str, number: signal.Signals, *arguments: str) -> tuple[int, str, str]:
    """Run the command, and send it the signal as it begins to import the module; return its status,
    and what it printed.
    """
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, module, str(int(number)), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    return ended.returncode, ended.stdout, ended.stderr


PORTS = ("--tcp-port", "0", "--ws-port", "0", "--log", "quiet")


@pytest.mark.parametrize(
    ("module", "number", "arguments"),
    [
        ("invis_sim.cli", signal.SIGINT, ("run", *PORTS)),
        ("msgspec", signal.SIGINT, ("check", "default")),
        ("trio", signal.SIGINT, ("watch", "127.0.0.1:9")),
        ("invis_sim.server.simulator", signal.SIGINT, ("run", *PORTS)),
        ("invis_sim.gauntlet.run", signal.SIGINT, ("gauntlet", "--", "false")),
        ("invis_sim.server.simulator", signal.SIGTERM, ("run", *PORTS)),
    ],
)
def test_a_signal_while_it_imports_ends_it_at_once_and_quietly(
    module: str, number: signal.Signals, arguments: tuple[str, ...]
) -> None:
    assert interrupted(module, number, *arguments) == (-number, "", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_outlet_opens_is_not_lost(number: signal.Signals) -> None:
    # With --control, these imports come after the handlers are set.
    arguments = ("run", *PORTS, "--control", "0")
    assert interrupted("hypercorn", number, *arguments) == (0, "", "")


def test_nothing_is_imported_before_the_handling_of_ctrl_c_is_set() -> None:
    # Each import takes milliseconds, in which Python would answer Ctrl-C with a traceback.
    code = (
        "import sys; before = set(sys.modules); import invis_sim.__main__;"
        "print(*sorted(set(sys.modules) - before))"
    )
    ended = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = [{ROOT!r}]; {code}"],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=True,
    )
    assert ended.stdout.split() == ["invis_sim", "invis_sim.__main__"]

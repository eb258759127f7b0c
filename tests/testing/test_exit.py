"""The interpreter ends, whatever has become of the block of an outlet."""

import subprocess
import sys

from tests.support import TIMEOUT

PROGRAM = """
import asyncio

from invis_sim import start_simulator

def outlet():
    with start_simulator() as sim:
        yield sim

# A generator that nothing finishes, and one in a cycle.
generator = outlet()
print(next(generator).sn)
cycle = [outlet()]
cycle.append(cycle)
print(next(cycle[0]).sn)

# An asynchronous block that its event loop has abandoned.
block = start_simulator()
loop = asyncio.new_event_loop()
print(loop.run_until_complete(block.__aenter__()).sn)
loop.close()
"""


def test_it_ends() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "0003C44076\n" * 3, "")

"""A fixture that runs the outlet as a process, as a test suite in any language can."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def outlet(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Where an outlet listens: {"sn": …, "tcp": {"host": …, "port": …}, "ws": {"url": …}, …}."""
    ready = tmp_path / "outlet.json"
    command = [sys.executable, "-m", "invis_sim", "run", "--tcp-port", "0", "--ws-port", "0"]
    options = ["--log", "quiet", "--ready-file", str(ready), "--exit-with-stdin"]
    fault = ["--fault", "fail:when={callback=20,first=1}"]
    # The outlet ends when its stdin does: at the end of the block, or with us, however we end.
    with subprocess.Popen([*command, *options, *fault], stdin=subprocess.PIPE) as process:
        while not ready.exists():  # it appears whole
            with suppress(subprocess.TimeoutExpired):
                status = process.wait(timeout=0.01)
                raise RuntimeError(f"the outlet ended with status {status}")
        yield json.loads(ready.read_text())

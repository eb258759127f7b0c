"""The example for Kubernetes, so far as this machine can do what a pod does."""

import json
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.examples.test_other_languages import environment
from tests.support import TIMEOUT, connect, exchange

MANIFEST = (Path(__file__).parent / "kubernetes" / "outlets.yaml").read_text(encoding="utf-8")

START, PROBE = map(json.loads, re.findall(r"^ +command: (\[.*\])$", MANIFEST, re.MULTILINE))
"""What each pod runs, and what asks whether it is ready."""


@contextmanager
def pod(ordinal: int) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """What the pod of this number runs, on free ports of this machine, and what it says first."""
    *shell, line = START
    here = line.replace("--host 0.0.0.0", "--tcp-port 0 --ws-port 0 --seed 5")
    command = [*shell, here.replace("--control", "--control 0")]
    variables = {**environment(), "POD_NUMBER": str(ordinal)}
    with subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


@pytest.mark.skipif(shutil.which("sh") is None, reason="there is no shell here")
def test_each_pod_has_an_outlet_of_its_own_and_says_when_it_is_ready() -> None:
    with pod(0) as (first, ready), pod(1) as (second, other):
        outlets = [*ready["outlets"], *other["outlets"]]
        assert [outlet["sn"] for outlet in outlets] == ["0003C400001", "0003C400002"]
        assert outlets[0]["seed"] != outlets[1]["seed"]
        for outlet in outlets:
            with connect((outlet["tcp"]["host"], outlet["tcp"]["port"])) as client:
                assert exchange(client)["sn"] == outlet["sn"]
        port = urlsplit(ready["control"]["url"]).port
        probe = [word.replace("3334", str(port)) for word in PROBE]
        assert asked(probe) == 0
        first.send_signal(signal.SIGTERM)  # as Kubernetes ends a pod: it reaches the outlet itself
        assert first.wait(TIMEOUT) == 0
        assert asked(probe) != 0
        assert second.poll() is None


def asked(probe: list[str]) -> int:
    return subprocess.run(
        probe, env=environment(), capture_output=True, timeout=TIMEOUT, check=False
    ).returncode

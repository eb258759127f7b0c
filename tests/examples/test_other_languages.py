"""The examples for Node and for GitHub Actions do what they should, where their tools exist."""

import importlib.util
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from invis_sim.cli.arguments import make_parser

HERE = Path(__file__).parent
JOB = HERE / "github" / "outlet.yml"

NODE_TIMEOUT = 60.0
"""Seconds after which a tool that has not ended is given up."""


def environment() -> dict[str, str]:
    """That of a shell in which `invis-sim` is installed."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "NO_COLOR": "1"}


# Node


def installed_node_example(folder: Path) -> None:
    """Puts the example into the folder, with what it needs; skips the test where that fails."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        pytest.skip("there is no Node here")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.strip().lstrip("v").partition(".")[0]) < 20:
        pytest.skip(f"the example needs Node 20, this is {version.strip()}")
    shutil.copytree(HERE / "node", folder, dirs_exist_ok=True)
    if (folder / "node_modules" / "ws" / "package.json").exists():
        return
    command = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock"]
    try:
        subprocess.run(command, cwd=folder, capture_output=True, check=True, timeout=NODE_TIMEOUT)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"npm cannot install the package ws here: {error}")


def run_node_tests(folder: Path, *, passed: int) -> None:
    done = subprocess.run(
        ["node", "--test", "--test-reporter=tap"],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=NODE_TIMEOUT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"# pass {passed}" in done.stdout


def test_the_node_example_passes(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    cache = getattr(pytestconfig, "cache", None)  # so that ws is fetched once, not each time
    folder = tmp_path if cache is None else Path(cache.mkdir("node-example"))
    installed_node_example(folder)
    run_node_tests(folder, passed=3)


def test_the_node_example_that_steers_an_outlet_passes(tmp_path: Path) -> None:
    """It needs no package, and so no npm."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no Node here")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.strip().lstrip("v").partition(".")[0]) < 18:
        pytest.skip(f"the example needs Node 18, this is {version.strip()}")
    for file in ("node-steering/steer.test.js", "node/outlet.js"):
        shutil.copy(HERE / file, tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    run_node_tests(tmp_path, passed=1)


# GitHub Actions


def scripts(job: str) -> list[str]:
    """The scripts of a job's steps, as a YAML parser would give them."""
    found = re.finditer(r"^( *)(?:- )?run: (?:\|\n((?:\1 .*\n|\n)+)|(.+)\n)", job, re.MULTILINE)
    return [textwrap.dedent(match[2] or match[3]).strip() for match in found]


def test_the_job_for_github_is_yaml_and_its_steps_are_understood() -> None:
    text = JOB.read_text()
    assert "\t" not in text
    assert len(scripts(text)) == text.count("run:") == 4
    if importlib.util.find_spec("yaml") is not None:
        job = importlib.import_module("yaml").safe_load(text)
        steps = [step["run"].strip() for step in job["jobs"]["test"]["steps"] if "run" in step]
        assert steps == scripts(text)


def test_the_commands_of_the_job_for_github_are_good() -> None:
    lines = "\n".join(scripts(JOB.read_text())).splitlines()
    commands = [shlex.split(line.rstrip("&")) for line in lines if line.startswith("invis-sim ")]
    assert len(commands) == 3
    for _, *arguments in commands:
        assert make_parser().parse_args(arguments)


def test_the_steps_of_the_job_for_github_pass(tmp_path: Path) -> None:
    """But that ports are free ones, and that invis-sim is there already."""
    if shutil.which("bash") is None:
        pytest.skip("there is no bash here")
    with socket.socket() as one, socket.socket() as two:
        for sock in (one, two):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("127.0.0.1", 0))
        tcp, ws = (sock.getsockname()[1] for sock in (one, two))
    try:
        for script in scripts(JOB.read_text()):
            if script.startswith("pip install"):
                continue
            script = script.replace("3333", str(tcp)).replace("8080", str(ws))
            script = script.replace(
                "invis-sim run ", f"invis-sim run --tcp-port {tcp} --ws-port {ws} "
            )
            with open(tmp_path / "output", "w+") as output:
                done = subprocess.run(
                    ["bash", "-eo", "pipefail", "-c", script],
                    cwd=tmp_path,
                    env=environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    check=False,
                    timeout=NODE_TIMEOUT,
                )
            said = (tmp_path / "output").read_text()
            assert done.returncode == 0, f"{script}\n{said}"
        entries = [json.loads(line) for line in said.splitlines()]
        assert [entry["callback"] for entry in entries if entry["entry"] == "exchange"] == [20, 20]
    finally:
        if (tmp_path / "outlet.json").exists():
            os.kill(json.loads((tmp_path / "outlet.json").read_text())["pid"], signal.SIGTERM)


# Containers


def test_the_entry_point_of_the_image_is_a_good_command() -> None:
    text = (HERE / "docker" / "Dockerfile").read_text()
    ((program, *arguments),) = map(json.loads, re.findall(r"^ENTRYPOINT (.*)$", text, re.MULTILINE))
    assert program == "invis-sim"
    assert make_parser().parse_args([*arguments, "update-available", "--seed", "7"])

"""Two hosts with a cable between them: network namespaces of this machine, made for a test."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from typing import Any

import pytest

__all__ = ["inside", "two_hosts"]

_numbers = count(1)


@contextmanager
def two_hosts(
    here: Sequence[str] = ("192.0.2.1",), there: Sequence[str] = ("192.0.2.101",)
) -> Iterator[tuple[str, str]]:
    """Provide the names of two network namespaces for the time of the block.

    here, there: the addresses of each, all in 192.0.2.0/24.

    Skips the test where the machine has no `ip`, or does not permit it; fails there if namespaces
    are required.
    """
    number = f"{os.getpid():x}-{next(_numbers)}"
    names = (f"invis-a{number}", f"invis-b{number}")
    cable = f"link add veth0 netns {names[0]} type veth peer name veth0 netns {names[1]}"
    try:
        for name in names:
            _ip(f"netns add {name}")
        _ip(cable)
        for name, addresses in zip(names, (here, there), strict=True):
            for address in addresses:
                _ip(f"-n {name} addr add {address}/24 dev veth0")
            for device in ("lo", "veth0"):
                _ip(f"-n {name} link set {device} up")
            _ip(f"-n {name} route add 224.0.0.0/4 dev veth0")
        yield names
    finally:
        for name in names:
            with suppress(FileNotFoundError):
                subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


def _ip(arguments: str) -> None:
    try:
        ran = subprocess.run(
            ["ip", *arguments.split()], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        _skip("this machine has no `ip`")
    else:
        if ran.returncode:
            _skip(f"`ip {arguments}` is not possible here: {ran.stderr.strip()}")


def _skip(why: str) -> None:
    if os.environ.get("INVIS_SIM_REQUIRE_NAMESPACES"):
        pytest.fail(f"network namespaces are required, and {why}")
    pytest.skip(why)


@contextmanager
def inside(namespace: str) -> Iterator[None]:
    """Have this thread, and the threads that it starts, in a namespace for the time of the block:
    their new sockets are there.
    """
    assert sys.version_info >= (3, 12), "older ones cannot enter a namespace"
    system: Any = os  # whose functions depend on the system and the version
    with open("/proc/thread-self/ns/net") as before, open(f"/run/netns/{namespace}") as there:
        system.setns(there.fileno(), system.CLONE_NEWNET)
        try:
            yield
        finally:
            system.setns(before.fileno(), system.CLONE_NEWNET)

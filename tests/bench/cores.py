"""Which cores client and server run on, where the system lets us choose.

Left alone, the scheduler moves the two together and apart as it likes, and each move shows in the
figures. Apart is how they meet a load. Together, no time goes into waking another core: at one
connection, where the two never work at the same time, that shows best what the server itself costs.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, TypeAlias, get_args

__all__ = ["PLACEMENTS", "Placement", "client_core", "pin_client", "pin_server", "place"]

Placement: TypeAlias = Literal["apart", "together", "free"]

PLACEMENTS: tuple[Placement, ...] = get_args(Placement)

_placement: Placement = "apart"


def place(placement: Placement) -> None:
    """Decides for all clients and servers that start from now on."""
    global _placement
    _placement = placement


def _cores() -> tuple[set[int], set[int]] | None:
    """The client's core and the server's; None where they are not to be chosen or cannot be."""
    if sys.platform != "linux" or _placement == "free":
        return None
    if _placement == "together":
        return {_ALLOWED[-1]}, {_ALLOWED[-1]}
    return ({_ALLOWED[-2]}, {_ALLOWED[-1]}) if len(_ALLOWED) > 1 else None


_ALLOWED = sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else []


@contextmanager
def client_core() -> Iterator[None]:
    """Keeps this process on the client's core for the time of the block."""
    cores = _cores()
    if sys.platform != "linux" or cores is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores[0])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def pin_server(pid: int) -> None:
    """Keeps a process that has just started, and the threads it will have, on the server's core."""
    cores = _cores()
    if sys.platform == "linux" and cores is not None:
        os.sched_setaffinity(pid, cores[1])


def pin_client(pid: int) -> None:
    """Keeps a process on the client's core, and what it serves has the server's for itself."""
    cores = _cores()
    if sys.platform == "linux" and cores is not None:
        os.sched_setaffinity(pid, cores[0])

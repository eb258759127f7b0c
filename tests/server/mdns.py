"""Outlets that are announced by mDNS, and a browser that sees them; all on this machine alone."""

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest
import zeroconf

from invis_sim.device.state import Device
from invis_sim.scenario import Scenario
from invis_sim.scenario.model import Listen
from invis_sim.server.mdns import SERVICE_TYPE
from invis_sim.server.net import responder
from tests.server.support import outlet
from tests.support import TIMEOUT

__all__ = ["Browser", "announced", "browsing", "new_sn", "shorten_pauses", "txt"]

_numbers = count(1)


def shorten_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the pauses, of milliseconds, in which python-zeroconf gives other machines time to
    object, and to miss the first packet: there is this one alone.
    """
    for name in ("_REGISTER_TIME", "_UNREGISTER_TIME"):
        monkeypatch.setattr(zeroconf._core, name, 50)
    monkeypatch.setattr(responder, "QUESTION_SECONDS", 0.05)


def new_sn() -> str:
    """Return a serial number that no other test announces at the same time."""
    # With a letter: python-zeroconf keeps names in lower case.
    return f"A{os.getpid() % 0x100000:05X}{next(_numbers):04X}"


def announced(sn: str, **more: Any) -> Scenario:
    device = more.pop("device", Device(sn=sn))
    return outlet(device=device, listen=Listen(mdns=True, **more))


class Browser:
    """Who is there, as somebody on the network sees it."""

    def __init__(self, network: zeroconf.Zeroconf) -> None:
        self._network = network
        self._there: set[str] = set()
        self._ends: Counter[str] = Counter()  # how often each was taken back
        self._news = threading.Condition()
        self._browser = zeroconf.ServiceBrowser(network, SERVICE_TYPE, handlers=[self._changed])

    def _changed(
        self,
        zeroconf: zeroconf.Zeroconf,
        service_type: str,
        name: str,
        state_change: zeroconf.ServiceStateChange,
    ) -> None:
        with self._news:
            if state_change.name == "Removed":
                self._there.discard(name)
                self._ends[name] += 1
            else:
                self._there.add(name)
            self._news.notify_all()

    def wait(self, condition: Callable[[set[str]], bool]) -> None:
        with self._news:
            assert self._news.wait_for(lambda: condition(self._there), TIMEOUT), self._there

    def wait_for(self, sn: str) -> zeroconf.ServiceInfo:
        """What is told of the outlet, once it is there."""
        name = f"{sn}.{SERVICE_TYPE}"
        self.wait(lambda there: name in there)
        info = self._network.get_service_info(SERVICE_TYPE, name, int(TIMEOUT * 1000))
        assert info is not None
        return info

    def ends(self, sn: str) -> int:
        """How often an outlet was taken back. Those of other tests are seen here as well."""
        return self._ends[f"{sn}.{SERVICE_TYPE}"]

    def wait_for_end(self, sn: str) -> None:
        self.wait(lambda there: f"{sn}.{SERVICE_TYPE}" not in there)


@contextmanager
def browsing() -> Iterator[Browser]:
    network = zeroconf.Zeroconf(interfaces=["127.0.0.1"])
    try:
        yield Browser(network)
    finally:
        network.close()


def txt(info: zeroconf.ServiceInfo) -> dict[str, str | None]:
    return dict(info.decoded_properties)

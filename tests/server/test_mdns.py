"""What the network is told by mDNS, seen by python-zeroconf; all of it on this machine alone."""

import builtins
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from invis_sim.device.state import Device
from invis_sim.scenario import Scenario
from invis_sim.scenario.model import Listen
from invis_sim.server.mdns import SERVICE_TYPE, reachable_addresses
from invis_sim.server.net.listeners import StartError
from invis_sim.testing.block import start_simulator
from tests.cases import for_each
from tests.namespaces import two_hosts
from tests.server.mdns import announced, browsing, new_sn, shorten_pauses, txt
from tests.server.peers import Peers, address
from tests.server.support import event_texts, wait_until
from tests.support import TIMEOUT


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten_pauses(monkeypatch)


@pytest.fixture(name="sn")
def serial_number() -> str:
    return new_sn()


@for_each(
    ("version", "addresses", "reachable"),
    [
        (4, ["127.0.0.1", "192.0.2.5", "::1", "2001:db8::1"], ["192.0.2.5"]),
        (6, ["127.0.0.1", "192.0.2.5", "::1", "2001:db8::1"], ["2001:db8::1"]),
        (6, ["192.0.2.5", "::1"], ["::1"]),
        (4, ["127.0.0.1", "::1"], ["127.0.0.1"]),
    ],
)
def test_only_addresses_of_the_version_that_it_listens_on_are_announced(
    version: int, addresses: list[str], reachable: list[str]
) -> None:
    assert reachable_addresses(version, addresses) == reachable


def test_it_is_announced_taken_back_for_a_reboot_and_taken_back_at_the_end(sn: str) -> None:
    with browsing() as browser:
        with start_simulator(announced(sn)) as sim:
            info = browser.wait_for(sn)
            assert info.port == address(sim, "tcp")[1]
            assert info.parsed_addresses() == ["127.0.0.1"]
            assert info.server == f"{sn}.local."
            assert txt(info) == {
                "sn": sn,
                "device": "InvisOutlet",
                "hostname": sn,
                "sub_type": "Pro",
                "sub_device": "InvisDeco",
                "sub_sn": f"{int(sn[0], 16) ^ 1:X}{sn[1:]}",
            }
            sim.reboot(seconds=1)
            browser.wait_for_end(sn)
            browser.wait_for(sn)
            assert not sim.offline
        browser.wait_for_end(sn)


def test_a_bare_outlet_and_an_aura_say_what_they_are(sn: str) -> None:
    bare = Scenario(device=Device(sn=sn, product="bare"), listen=Listen(mdns=True, tcp=False))
    other = f"F{sn[1:]}"
    aura = announced(other, device=Device(sn=other, product="aura"))
    with browsing() as browser, start_simulator(bare) as sim, start_simulator(aura):
        info = browser.wait_for(sn)
        assert txt(info) == {"sn": sn, "device": "InvisOutlet", "hostname": sn}
        assert info.port == address(sim, "ws")[1]
        assert txt(browser.wait_for(other))["sub_type"] == "Aura"


def test_the_same_serial_number_twice_is_an_error_that_the_outlet_survives(sn: str) -> None:
    with browsing() as browser, start_simulator(announced(sn)) as first:
        browser.wait_for(sn)
        with start_simulator(announced(sn)) as second, Peers(second) as peers:
            wait_until(second, lambda journal: bool(journal.events(kind="error")), TIMEOUT)
            (error,) = event_texts(second, "error")
            assert sn in error
            peer = peers.tcp()
            peer.send_requests(1)
            assert peer.packet()["sn"] == sn
        assert event_texts(first, "error") == []


def test_what_is_announced_follows_what_the_outlet_is(sn: str) -> None:
    other = f"E{sn[1:]}"
    with browsing() as browser, start_simulator(announced(sn)) as sim:
        browser.wait_for(sn)
        sim.set(device={"sn": other, "product": "bare"})
        assert txt(browser.wait_for(other)) == {
            "sn": other,
            "device": "InvisOutlet",
            "hostname": other,
        }
        browser.wait_for_end(sn)


def test_what_says_nothing_new_is_not_announced_again(sn: str) -> None:
    with browsing() as browser, start_simulator(announced(sn)) as sim:
        browser.wait_for(sn)
        ends = browser.ends(sn)
        sim.set(faceplate={"hw_rev": "x", "radar": {}})
        sim.set(device={"MAC": "x"})
        sim.set(device={"device": "Unknown"})  # which is told
        while txt(browser.wait_for(sn))["device"] != "Unknown":
            pass
        assert browser.ends(sn) <= ends + 1


def test_of_a_faceplate_that_is_not_attached_nothing_is_announced(sn: str) -> None:
    with browsing() as browser, start_simulator(announced(sn)) as sim:
        assert "sub_sn" in txt(browser.wait_for(sn))
        for attached in (False, True):
            sim.set(faceplate={"attached": attached})
            deadline = time.monotonic() + TIMEOUT
            while ("sub_sn" in txt(browser.wait_for(sn))) != attached:
                assert time.monotonic() < deadline


@pytest.mark.parametrize("port", [80, 0])
def test_the_announced_port_is_a_setting(sn: str, port: int) -> None:
    with browsing() as browser, start_simulator(announced(sn, mdns_port=port)):
        assert browser.wait_for(sn).port == port


@pytest.mark.parametrize("hostname", ["InvisOutlet-4076", ""])
def test_the_announced_host_name_is_a_setting(sn: str, hostname: str) -> None:
    with browsing() as browser, start_simulator(announced(sn, mdns_hostname=hostname)):
        assert txt(browser.wait_for(sn)).get("hostname", "") == hostname


OTHER_SIDE = """
import sys, time, zeroconf
network = zeroconf.Zeroconf(interfaces=[sys.argv[1]])
info = network.get_service_info(sys.argv[2], sys.argv[3], 8000)
print(info and (info.parsed_addresses(), info.port, dict(info.decoded_properties)))
network.close()
"""


def test_it_is_seen_on_the_wire_from_another_machine(sn: str, tmp_path: Path) -> None:
    scenario = tmp_path / "outlet.toml"
    scenario.write_text(f"device.sn = '{sn}'\nlisten.host = '192.0.2.1'\nlisten.mdns = true\n")
    with two_hosts() as (here, there):
        outlet = subprocess.Popen(
            ["ip", "netns", "exec", here, sys.executable, "-m", "invis_sim", "run", str(scenario)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        try:
            name = f"{sn}.{SERVICE_TYPE}"
            arguments = [sys.executable, "-c", OTHER_SIDE, "192.0.2.101", SERVICE_TYPE, name]
            found = subprocess.run(
                ["ip", "netns", "exec", there, *arguments],
                capture_output=True,
                text=True,
                check=False,
                timeout=30,
            )
            assert found.stdout.startswith("(['192.0.2.1'], 3333, {"), found
            assert f"'hostname': '{sn}'" in found.stdout
        finally:
            outlet.terminate()
            outlet.wait(TIMEOUT)


def test_what_cannot_be_announced_is_tried_once(sn: str) -> None:
    scenario = announced(sn, device=Device(sn=sn, device="x" * 255))
    with start_simulator(scenario) as sim:
        wait_until(sim, lambda journal: bool(journal.events(kind="error")), TIMEOUT)
        for brightness in range(20):
            sim.set(nightlight={"brightness": brightness})
        sim.set(device={"device": "y" * 254})
        wait_until(sim, lambda journal: len(journal.events(kind="error")) > 1, TIMEOUT)
        assert len(event_texts(sim, "error")) == 2


def test_what_is_too_long_for_mdns_is_an_error_that_the_outlet_survives(sn: str) -> None:
    faceplate = {"type": "é" * 125}
    with browsing() as browser, start_simulator(announced(sn)) as sim, Peers(sim) as peers:
        browser.wait_for(sn)
        sim.set(faceplate=faceplate)
        browser.wait_for_end(sn)
        wait_until(sim, lambda journal: bool(journal.events(kind="error")), TIMEOUT)
        (error,) = event_texts(sim, "error")
        assert "sub_type and its value have 259 bytes; 255 fit" in error
        peer = peers.tcp()
        peer.send_requests(1)
        assert peer.packet()["sn"] == sn
        sim.set(faceplate={"type": None})
        assert txt(browser.wait_for(sn))["sub_type"] == "Pro"


def test_without_python_zeroconf_it_cannot_start(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = builtins.__import__

    def without(name: str, *args: Any, **options: Any) -> Any:
        if name == "zeroconf":
            raise ImportError(name)
        return honest(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with (
        pytest.raises(StartError, match=r"pip install 'invis-sim\[mdns\]'"),
        start_simulator(mdns=True),
    ):
        pass
    with start_simulator() as sim:
        assert sim.has("tcp")


def test_it_may_end_at_any_moment_of_being_announced(sn: str) -> None:
    for _ in range(2):
        with start_simulator(announced(sn)):
            pass

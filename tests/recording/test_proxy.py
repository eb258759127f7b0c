"""A proxy hands everything on, and does to it what faults do to a simulated outlet."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import trio

from invis_sim import When, faults, open_proxy, open_simulator, start_proxy, start_simulator
from invis_sim.protocol.transport import Transport
from invis_sim.recording.questions import QUESTIONS
from invis_sim.testing.block import SimulatorContext
from invis_sim.testing.handle import SimulatorHandle
from tests.recording.test_from_replies import packets
from tests.server.conformance import Check, Endpoint, checks_of
from tests.server.frames import CLOSE, HANDSHAKE, PING, client_frame, frames_in
from tests.server.peers import Peer, Peers, TcpPeer, WebSocketPeer, address, address_of, connected
from tests.server.support import (
    TRANSPORTS,
    applied_faults,
    failure_reply,
    on_both,
    outlet,
    push,
    updates_reply,
    wait_for_end,
)
from tests.support import make_request

CASES = [(transport, check) for transport in TRANSPORTS for check in checks_of(transport)]


def proxy_of(device: SimulatorHandle, *args: Any, **options: Any) -> SimulatorContext:
    """A proxy in front of an outlet, which is a simulated one."""
    host, tcp_port = device.tcp_address
    _, ws_port = address_of(device.ws_url)
    return start_proxy(host, *args, tcp_port=tcp_port, ws_port=ws_port, **options)


@pytest.fixture(scope="module", name="device")
def one_device() -> Iterator[SimulatorHandle]:
    with start_simulator(outlet()) as device:
        yield device


@pytest.fixture(scope="module", name="proxy")
def one_proxy(device: SimulatorHandle) -> Iterator[SimulatorHandle]:
    with proxy_of(device) as proxy:
        yield proxy


@pytest.mark.parametrize(
    ("transport", "check"), CASES, ids=[f"{one}-{check.__name__}" for one, check in CASES]
)
def test_what_passes_a_proxy_conforms(
    device: SimulatorHandle, proxy: SimulatorHandle, transport: Transport, check: Check
) -> None:
    kind = TcpPeer if transport == "tcp" else WebSocketPeer
    check(Endpoint(transport, lambda: kind.opened(address(proxy, transport)), device.push))
    assert not proxy.journal.events(kind="error")


def ask(peer: Peer, callback: int, packet_id: int, args: Any = msgspec.UNSET) -> Any:
    """Send a request, and return the packet that comes next."""
    peer.send_request(callback, args, packet_id)
    return peer.packet()


@on_both
def test_a_fault_keeps_a_request_from_the_device(transport: Transport) -> None:
    with start_simulator(outlet()) as device, proxy_of(device) as proxy:
        proxy.inject(faults.Fail(when=When(callback=10)))
        with connected(proxy, transport) as peer:
            assert ask(peer, 20, 1) == updates_reply(1)
            assert ask(peer, 10, 2, [1, 1]) == failure_reply(2)
            assert ask(peer, 9, 3)["payload"]["callbackArgs"] == [0, 0]
        assert [one.callback for one in device.journal.exchanges()] == [20, 9]


@on_both
def test_a_fault_changes_a_reply_and_a_push(transport: Transport) -> None:
    with start_simulator(outlet()) as device, proxy_of(device) as proxy:
        proxy.inject(faults.WrongPacketId(when=When(callback=20)))
        proxy.inject(faults.Duplicate(when=When(callback=99, packet="push")))
        with connected(proxy, transport) as peer:
            assert ask(peer, 20, 1)["packetID"] != 1
            device.push(99, "news")
            assert peer.packets(2) == [push(99, "news")] * 2
            assert ask(peer, 9, 2)["packetID"] == 2
        (reply, pushed, _) = proxy.journal.exchanges()
        assert [applied_faults(reply), applied_faults(pushed)] == [
            ["wrong_packet_id"],
            ["duplicate"],
        ]


@on_both
def test_a_read_only_proxy_sends_the_device_nothing_that_may_change_it(
    transport: Transport,
) -> None:
    twice = b'{"packetID": 4, "payload": {"callbackName": 10}, "payload": {"callbackName": 20}}'
    with start_simulator(outlet(), sn="0003C4400FF") as device:
        with proxy_of(device, read_only=True) as proxy, connected(proxy, transport) as peer:
            assert ask(peer, 20, 1)["sn"] == device.sn
            for number, callback in enumerate((10, 5, 99, 27), 2):
                # In the device's own name, which the first reply has shown.
                refused = {"sn": device.sn, "packetID": number, "PUBACK": 0}
                assert ask(peer, callback, number, [1, 1]) == refused
            peer.send(peer.framed(b'[{"packetID": 1, "payload": {"callbackName": 5}}]\n'))
            peer.send(peer.framed(twice))
            assert peer.packet()["PUBACK"] == 0
            assert ask(peer, 27, 6, [0])["PUBACK"] == 0
            assert ask(peer, 9, 7)["payload"]["callbackArgs"] == [0, 0]
            notes = [str(one.notes[-1]) for one in proxy.journal.exchanges() if one.notes]
        assert [one.callback for one in device.journal.exchanges()] == [20, 27, 9]
    assert len(notes) == 6
    assert all("the proxy is read-only" in note or "expected '{'" in note for note in notes[:3])
    assert proxy.sn == device.sn


@on_both
def test_a_read_only_proxy_withholds_members_that_a_device_may_take_for_others(
    transport: Transport,
) -> None:
    members = (
        '"callbackName": 20, "callbackname": 10',
        '"callbackName": 20}, "x": {"callbackName": 10',
    )
    with start_simulator(outlet()) as device:
        with proxy_of(device, read_only=True) as proxy, connected(proxy, transport) as peer:
            for one in members:
                peer.send(peer.framed(b'{"packetID": 1, "payload": {%b}}' % one.encode()))
                assert peer.packet()["PUBACK"] == 0
            assert peer.is_served()
        assert [one.callback for one in device.journal.exchanges()] == [20]


def test_a_read_only_proxy_hands_on_websocket_handshakes_alone() -> None:
    with start_simulator(outlet()) as device, proxy_of(device, read_only=True) as proxy:
        with TcpPeer.connected(proxy.ws_url) as peer:
            peer.send(b"POST /reset HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
            assert peer.read_to_end().startswith(b"HTTP/1.1 403 ")
        assert not device.journal.exchanges()


@on_both
def test_what_ends_a_client_ends_its_connection_to_the_device(transport: Transport) -> None:
    with start_simulator(outlet()) as device, proxy_of(device) as proxy:
        with connected(proxy, transport) as peer:
            assert peer.is_served()
            proxy.do(disconnect=True)
            peer.end()
            wait_for_end(device)
        with connected(proxy, transport) as peer:
            assert peer.is_served()
            proxy.reboot(seconds=0.01)
            peer.end()
            wait_for_end(device, 2)
        proxy.wait_until_up()
        with connected(proxy, transport) as peer:
            assert peer.is_served()


@on_both
def test_a_client_that_a_fault_calls_idle_loses_both_connections(transport: Transport) -> None:
    with start_simulator(outlet()) as device, proxy_of(device) as proxy:
        with proxy.inject(faults.IdleClose(seconds=0.05)), connected(proxy, transport) as peer:
            peer.read_to_end()
            wait_for_end(device)
        assert "was idle for" in wait_for_end(proxy)[0]


def test_faults_of_the_websocket_apply_on_the_way() -> None:
    with start_simulator(outlet()) as device, proxy_of(device) as proxy:
        with proxy.inject(faults.RejectHandshake(status=503)), Peers(proxy) as peers:
            web = peers.ws(handshake=False)
            web.send(HANDSHAKE)
            assert web.head().startswith(b"HTTP/1.1 503 ")
        with proxy.inject(faults.NoPong()), connected(proxy, "ws") as peer:
            peer.send(client_frame(PING, b"unheard"))
            assert peer.is_served()
        with proxy.inject(faults.CloseConnection(code=1011)), connected(proxy, "ws") as peer:
            peer.send_requests(1)
            assert [one.close_code for one in frames_in(peer.end()[0]) if one.first == CLOSE] == [
                1011
            ]


@on_both
def test_faults_of_the_device_pass(transport: Transport) -> None:
    broken = faults.MalformedJson(how="truncate", when=When(nth=2))
    reset = faults.ResetConnection(when=When(nth=3))
    seen = []
    for direct in (True, False):
        with (
            start_simulator(outlet(broken, reset)) as device,
            proxy_of(device) as proxy,
            connected(device if direct else proxy, transport) as peer,
        ):
            peer.send_requests(1, 2, 3)
            seen.append(peer.end())
    assert seen[0] == seen[1]
    assert seen[0][1] == "RST"


def test_what_the_proxy_records_is_what_the_device_records() -> None:
    with start_simulator(outlet()) as device, proxy_of(device) as proxy:
        with connected(proxy, "ws") as peer:
            for number, callback in enumerate((20, 12, 9, 1, 99)):
                ask(peer, callback, number)
            device.push(9, [1, 1])
            peer.packet()
        sides = [
            [(one.outcome, one.received, one.sent, one.callback) for one in sim.journal.exchanges()]
            for sim in (device, proxy)
        ]
    assert sides[0] == sides[1]
    assert len(sides[0]) == 6


AURA = """
    [device]
    product = "aura"
    hw_rev = "revB"
    [outlets]
    states = [0, 1]
    [names]
    outlet2 = "Lamp"
    [firmware.IM]
    available_fw_rev = "9.9.9"
    [timing]
    sensor_seconds = 0
    reconnect_seconds = 0
"""


@on_both
def test_the_state_of_the_proxy_is_what_the_device_has_shown(transport: Transport) -> None:
    with start_simulator(AURA) as device, proxy_of(device) as proxy:
        with connected(proxy, transport) as peer:
            for number, question in enumerate(QUESTIONS):
                ask(peer, question.callback, number, question.args)
            assert packets(proxy.state) == packets(device.state)
            # What is pushed then is what the device has, and so is what a client has set.
            proxy.push(9)
            assert peer.packet()["payload"]["callbackArgs"] == [0, 1]
            assert ask(peer, 10, 100, [1, 1])["PUBACK"] == 1
            assert proxy.state.outlets.states == (1, 1)
            device.set(outlets={"states": [0, 0]})
            while peer.packet()["payload"] != {"callbackName": 9, "callbackArgs": [0, 0]}:
                pass
        wait_for_end(proxy)
        assert packets(proxy.state) == packets(device.state)


@on_both
def test_a_push_may_bear_the_packet_id_of_a_request_that_was_answered(transport: Transport) -> None:
    ids = [1]
    with start_simulator(outlet()) as device:
        for _ in range(2):
            with proxy_of(device, outlet()) as proxy, connected(proxy, transport) as peer:
                ask(peer, 9, ids[-1])  # of the second proxy: what the push of the first one had
                proxy.push(9)
                ids.append(peer.packet()["packetID"])
    assert ids[1] == ids[2]


def test_what_a_device_has_not_shown_is_as_the_scenario_says() -> None:
    with (
        start_simulator(AURA) as device,
        proxy_of(device, "[names]\noutlet1 = 'Ours'\n") as proxy,
        connected(proxy, "tcp") as peer,
    ):
        ask(peer, 9, 1)
        assert (proxy.state.outlets.states, proxy.state.names.outlet1) == ((0, 1), "Ours")
        assert proxy.state.product == "bare"


def test_a_device_that_shows_something_new_each_time_does_not_slow_the_proxy_down() -> None:
    with start_simulator(outlet()) as device, proxy_of(device) as proxy:
        with connected(proxy, "tcp") as peer:
            ask(peer, 12, 1)
            for number in range(2, 100):
                device.set(sensors={"lux": number})
                while "PUBACK" not in ask(peer, 11, number):
                    pass
        wait_for_end(proxy)
        assert proxy.state.sensors.lux == 99


def test_under_trio() -> None:
    async def run() -> None:
        async with open_simulator(outlet()) as device:
            host, port = device.tcp_address
            async with open_proxy(host, tcp_port=port, ws=False) as proxy:
                stream = await trio.open_tcp_stream(*proxy.tcp_address)
                async with stream:
                    await stream.send_all(make_request(packet_id=7))
                    assert json.loads(await stream.receive_some()) == updates_reply(7)

    trio.run(run)


def test_a_proxy_has_a_finite_speed() -> None:
    with pytest.raises(ValueError, match="speed: expected a finite number"):
        start_proxy("192.0.2.1", speed=float("inf"))

"""Every example exchange of the reference, sent through a running outlet on both transports.

Examples that need the same settings share an outlet. Its time is stopped, so that nothing comes but
what the example is about; a request that fails then shows that nothing else has come.
"""

import json
from collections.abc import Mapping
from itertools import groupby
from typing import Any

import pytest

from invis_sim.protocol.transport import Transport
from invis_sim.testing.block import start_simulator
from invis_sim.testing.handle import SimulatorHandle
from tests.device.support import compact
from tests.server.peers import Peer, Peers, listening
from tests.server.support import TRANSPORTS
from tests.vectors import CASES, VECTORS, cases, scenario_of

SEPARATORS = [(",", ":"), (", ", ": ")]

UNKNOWN = {"packetID": 999_999, "payload": {"callbackName": 19}}


def groups() -> list[Any]:
    """Examples by product and settings."""

    def key(case: tuple[dict[str, Any], str]) -> str:
        vector, product = case
        return json.dumps([product, CASES[vector["name"]].settings], sort_keys=True)

    every = [case for asked in (True, False) for case in cases(asked=asked)]
    return [
        pytest.param([vector for vector, _ in group], product, id=f"{product} {settings}"[:70])
        for settings, cases in groupby(sorted(every, key=key), key)
        for group in [[*cases]]
        for product in [group[0][1]]
    ]


def renumbered(packet: bytes, packet_id: int) -> bytes:
    """The packet with another packetID of the same length."""
    own = json.loads(packet)["packetID"]
    assert 100_000 <= own <= 999_999
    return packet.replace(b'"packetID":%d' % own, b'"packetID":%d' % packet_id, 1)


def expect_push(peer: Peer, written: Mapping[str, Any]) -> None:
    assert renumbered(peer.document(), written["packetID"]) == compact(written)


def expect_nothing_more(peer: Peer) -> None:
    peer.socket.sendall(peer.framed(compact(UNKNOWN)))
    assert peer.packet()["packetID"] == UNKNOWN["packetID"]


def restarted(simulator: SimulatorHandle) -> None:
    """Bring an outlet back that has left the network."""
    simulator.clock.advance(10)
    simulator.join_network()
    assert not simulator.offline


def exchange(
    simulator: SimulatorHandle,
    transport: Transport,
    vector: Mapping[str, Any],
    separators: tuple[str, str],
) -> None:
    """Send the request of an example, and compare what comes."""
    with listening(simulator, transport) as peer:
        document = json.dumps(vector["request"], separators=separators).encode()
        peer.socket.sendall(peer.framed(document))
        if vector["response"] is None:
            assert peer.end() == (b"", "FIN")
        else:
            assert peer.document() == compact(vector["response"])
            for written in vector["pushes"]:
                expect_push(peer, written)
            if vector["callback"] != 21:  # after that, more is to come, or the outlet is silent
                expect_nothing_more(peer)
            return
    restarted(simulator)
    if vector["pushes"]:
        with listening(simulator, transport) as peer:
            assert peer.packet()["payload"]["callbackName"] == 12
            for written in vector["pushes"]:
                expect_push(peer, written)


def push(simulator: SimulatorHandle, vector: Mapping[str, Any]) -> None:
    """Make what an example is about happen; both transports are sent it."""
    case = CASES[vector["name"]]
    (written,) = vector["pushes"]
    with Peers(simulator) as peers:
        connected = [peers.listen(transport) for transport in TRANSPORTS]
        for cause in case.causes:
            match cause:
                case {"seconds": seconds}:
                    simulator.clock.advance(seconds)
                case {"request": request}:
                    connected[0].socket.sendall(connected[0].framed(compact(request)))
                    if case.reconnects:
                        connected[0].end()
                    else:
                        connected[0].packet()
                case _:
                    simulator.do(**cause)
        if case.reconnects:
            connected = [peers.listen(transport) for transport in TRANSPORTS]
        for peer in connected:
            while renumbered(peer.document(), written["packetID"]) != compact(written):
                pass


@pytest.mark.parametrize(("vectors", "product"), groups())
def test_examples_on_the_wire(vectors: list[dict[str, Any]], product: str) -> None:
    scenario = scenario_of(vectors[0], product)
    with start_simulator(scenario) as simulator:
        simulator.clock.pause()
        for vector in vectors:
            if vector["request"] is None:
                simulator.reset("state")
                push(simulator, vector)
                continue
            for transport in TRANSPORTS:
                for separators in SEPARATORS:
                    simulator.reset("state")
                    exchange(simulator, transport, vector, separators)


def test_every_example_is_in_a_group() -> None:
    grouped = {id(vector) for group in groups() for vector in group.values[0]}
    assert grouped == {id(vector) for vector in VECTORS}

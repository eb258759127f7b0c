"""What faults of content, of text and of delivery do to the bytes, on both transports."""

import asyncio
import json
import math
import random
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import msgspec
import pytest
import websockets.sync.client
from websockets.exceptions import ConnectionClosedError

from invis_sim import faults
from invis_sim.faults import Fault, When
from invis_sim.faults.json_forms import UnusualForm
from invis_sim.journal.text import summary
from invis_sim.protocol.frames import text_frame
from invis_sim.protocol.transport import Transport
from invis_sim.testing.handle import SimulatorHandle
from tests.server.frames import CLOSE, PING, PONG, TEXT, Frame, client_frame, close_payload
from tests.server.peers import Peer, Peers, TcpPeer, WebSocketPeer, connected
from tests.server.support import (
    TRANSPORTS,
    applied_faults,
    exchanges,
    faulty,
    linux,
    on_both,
    reply_bytes,
    reply_text,
    updates_reply,
    wait_until,
)
from tests.support import TIMEOUT

SECOND = When(nth=2)


# Wrong content


def with_changes(**changes: Any) -> dict[str, Any]:
    """The honest answer with other values for some of its fields; ... for none at all."""
    packet = {**updates_reply(2), **changes}
    return {key: value for key, value in packet.items() if value is not ...}


def about(callback: int) -> dict[str, Any]:
    return {**updates_reply()["payload"], "callbackName": callback}


def updates(**changes: Any) -> dict[str, Any]:
    payload = updates_reply()["payload"]
    args = {**payload["callbackArgs"], **changes}
    args = {key: value for key, value in args.items() if value is not ...}
    return {**payload, "callbackArgs": args}


WRONG_CONTENT: dict[str, tuple[Fault, dict[str, Any]]] = {
    "lower-case sn": (
        faults.WrongSn(how="lower_case", when=SECOND),
        with_changes(sn="0003c44076"),
    ),
    "empty sn": (faults.WrongSn(how="empty", when=SECOND), with_changes(sn="")),
    "no sn": (faults.WrongSn(how="missing", when=SECOND), with_changes(sn=...)),
    "wrong callback": (
        faults.WrongCallback(callback=12, when=SECOND),
        with_changes(payload=about(12)),
    ),
    "PUBACK 0": (faults.WrongPuback(when=SECOND), with_changes(PUBACK=0)),
    "PUBACK 2": (faults.WrongPuback(how="two", when=SECOND), with_changes(PUBACK=2)),
    "PUBACK true": (faults.WrongPuback(how="true", when=SECOND), with_changes(PUBACK=True)),
    'PUBACK "1"': (faults.WrongPuback(how="string", when=SECOND), with_changes(PUBACK="1")),
    "PUBACK null": (faults.WrongPuback(how="null", when=SECOND), with_changes(PUBACK=None)),
    "no PUBACK": (faults.WrongPuback(how="missing", when=SECOND), with_changes(PUBACK=...)),
    "another value": (
        faults.SetField(path="payload.callbackArgs.PM", value=[1.5, {"é": None}], when=SECOND),
        with_changes(payload=updates(PM=[1.5, {"é": None}])),
    ),
    "a new field": (
        faults.SetField(path="payload.callbackArgs.WM.fw_rev", value="9", when=SECOND),
        with_changes(payload=updates(WM={"fw_rev": "9"})),
    ),
    "no faceplate": (
        faults.RemoveField(path="payload.callbackArgs.PM", when=SECOND),
        with_changes(payload=updates(PM=...)),
    ),
}


@on_both
@pytest.mark.parametrize("case", WRONG_CONTENT)
def test_wrong_content_is_in_one_reply_and_the_others_are_honest(
    transport: Transport, case: str
) -> None:
    fault, wrong = WRONG_CONTENT[case]
    with faulty(fault) as sim:
        with connected(sim, transport) as peer:
            peer.send_requests(1, 2, 3)
            replies = [peer.packet() for _ in range(3)]
        assert replies == [updates_reply(1), wrong, updates_reply(3)]
        assert list(replies[1]) == list(wrong)  # in the same order
        assert type(replies[1].get("PUBACK")) is type(wrong.get("PUBACK"))
        found = exchanges(sim, 3)
        assert [applied_faults(one) for one in found] == [[], [fault.kind()], []]
        assert found[1].outcome == "success"  # of the outlet itself


@on_both
def test_wrong_sn_and_wrong_callback_are_drawn_where_none_is_given(transport: Transport) -> None:
    with faulty(faults.WrongSn(), faults.WrongCallback()) as sim:
        with connected(sim, transport) as peer:
            peer.send_requests(*range(20))
            replies = [peer.packet() for _ in range(20)]
        serials = {reply["sn"] for reply in replies}
        callbacks = {reply["payload"]["callbackName"] for reply in replies}
        assert len(serials) == 20
        assert len(callbacks) > 3
        assert updates_reply()["sn"] not in serials
        assert 20 not in callbacks
        first = exchanges(sim, 20)[0]
        assert [touch.detail for touch in first.faults] == [
            f"sn {replies[0]['sn']!r}",
            f"callbackName {replies[0]['payload']['callbackName']}",
        ]


@on_both
def test_stale_answers_as_the_outlet_was_replies_ago(transport: Transport) -> None:
    with faulty(faults.Stale(replies_ago=2)) as sim, connected(sim, transport) as peer:
        peer.send_requests(1)
        assert peer.packet() == updates_reply(1)
        with sim.inject(faults.FaceplateOffline()):
            for packet_id in (2, 3):
                peer.send_requests(packet_id)
                assert ("PM" in peer.packet()["payload"]["callbackArgs"]) == (packet_id == 3)
        assert peer.packet()["payload"]["callbackName"] == 12  # it is back
        for packet_id in (4, 5):
            peer.send_requests(packet_id)
            reply = peer.packet()
            assert reply["packetID"] == packet_id
            assert "PM" not in reply["payload"]["callbackArgs"]
        assert peer.is_served(6)
        asked = [one for one in exchanges(sim, 7) if one.request is not None]
        assert [bool(one.faults) for one in asked] == [False, False] + [True] * 4


@on_both
def test_stale_knows_nothing_of_other_connections(transport: Transport) -> None:
    with faulty(faults.Stale()) as sim, Peers(sim) as peers:
        assert peers.connect(transport).is_served(1)
        with sim.inject(faults.FaceplateOffline()):
            second = peers.connect(transport)
            second.send_requests(2)
            assert "PM" not in second.packet()["payload"]["callbackArgs"]


@on_both
def test_push_first_puts_a_push_in_front_of_the_reply(transport: Transport) -> None:
    fault = faults.PushFirst(callback=11, args={"temperature": 21.5}, when=SECOND)
    with faulty(fault) as sim:
        with connected(sim, transport) as peer:
            peer.send_requests(1, 2)
            first, push, second = (peer.packet() for _ in range(3))
        assert (first, second) == (updates_reply(1), updates_reply(2))
        assert 100_000 <= push.pop("packetID") <= 999_999
        payload = {"callbackName": 11, "callbackArgs": {"temperature": 21.5}}
        assert push == {"sn": updates_reply()["sn"], "payload": payload}
        found = exchanges(sim, 2)[1]
        assert len(found.sent) == 2  # two packets, two writes
        assert [(touch.fault, touch.detail) for touch in found.faults] == [
            ("push_first", "callback 11")
        ]


# Wrong bytes


def one_packet(sim: SimulatorHandle, transport: Transport) -> bytes:
    """Asks once; the text of all that comes."""
    with connected(sim, transport) as peer:
        peer.send_requests(221040)
        if isinstance(peer, WebSocketPeer):
            frame = peer.frame()
            assert frame.first == TEXT
            return frame.payload
        return peer.finish()


def flipped(sent: bytes) -> bool:
    bits = int.from_bytes(sent, "big") ^ int.from_bytes(reply_text(), "big")
    return len(sent) == len(reply_text()) and bits.bit_count() == 5


WRONG_TEXT: dict[str, tuple[Fault, Callable[[bytes], bool]]] = {
    "empty": (faults.Empty(), lambda sent: sent == b""),
    "garbage": (
        faults.Garbage(size=64),
        lambda sent: len(sent) == 64 and sent[0] == 0xF8 and len(set(sent)) > 20,
    ),
    "garbage of the same length": (faults.Garbage(), lambda sent: len(sent) == len(reply_text())),
    "0xFF": (
        faults.InvalidUtf8(),
        lambda sent: sent == reply_text().replace(b'"sn', b'"\xffsn', 1),
    ),
    "half a character": (
        faults.InvalidUtf8(how="cut"),
        lambda sent: sent == reply_text().replace(b'"sn', b'"\xe2\x82sn', 1),
    ),
    "overlong": (
        faults.InvalidUtf8(how="overlong"),
        lambda sent: sent == reply_text().replace(b'"sn', b'"\xc0\xafsn', 1),
    ),
    "surrogate": (
        faults.InvalidUtf8(how="surrogate"),
        lambda sent: sent == reply_text().replace(b'"sn', b'"\xed\xa0\x80sn', 1),
    ),
    "byte-order mark": (faults.Bom(), lambda sent: sent == b"\xef\xbb\xbf" + reply_text()),
    "UTF-16": (
        faults.Utf16(),
        lambda sent: sent == b"\xff\xfe" + reply_text().decode().encode("utf-16-le"),
    ),
    "padded": (
        faults.Pad(bytes=1025),
        lambda sent: len(sent) == 1025 and sent.replace(b" ", b"") == reply_text(),
    ),
    "an array": (faults.NoObject(), lambda sent: sent == b"[]"),
    "wrapped": (
        faults.NoObject(how="wrapped"),
        lambda sent: sent == b"[" + reply_text() + b"]",
    ),
    "five bits": (faults.BitFlip(bits=5), flipped),
}


@on_both
@pytest.mark.parametrize("case", WRONG_TEXT)
def test_wrong_text_comes_as_promised(transport: Transport, case: str) -> None:
    fault, promised = WRONG_TEXT[case]
    with faulty(fault) as sim:
        sent = one_packet(sim, transport)
        assert promised(sent), sent
        (found,) = exchanges(sim, 1)
        assert applied_faults(found) == [fault.kind()]
        assert found.sent == (text_frame(sent) if transport == "ws" else sent,)


@on_both
@pytest.mark.parametrize(
    "how", ["whitespace", "escapes", "reversed_keys", "repeated_key", "exponent_numbers"]
)
def test_unusual_json_looks_odd_and_says_the_same(transport: Transport, how: UnusualForm) -> None:
    with faulty(faults.UnusualJson(how=how)) as sim:
        sent = one_packet(sim, transport)
        assert sent != reply_text()
        assert json.loads(sent) == updates_reply()
        assert msgspec.json.decode(sent) == updates_reply()


@on_both
def test_a_packet_far_longer_than_any_buffer_arrives_whole(transport: Transport) -> None:
    with faulty(faults.Pad(bytes=3_000_000)) as sim:
        sent = one_packet(sim, transport)
        assert len(sent) == 3_000_000
        assert json.loads(sent) == updates_reply()


NO_TEXT = {
    "garbage": faults.Garbage(),
    "invalid_utf8": faults.InvalidUtf8(),
    "utf16": faults.Utf16(),
}


@pytest.mark.parametrize("kind", NO_TEXT)
def test_websockets_fails_the_connection_with_1007_on_what_is_no_utf_8(kind: str) -> None:
    with faulty(NO_TEXT[kind]) as sim:
        with websockets.sync.client.connect(sim.ws_url, proxy=None) as client:
            client.send('{"packetID":1,"payload":{"callbackName":20}}')
            with pytest.raises(ConnectionClosedError) as caught:
                client.recv(TIMEOUT)
        assert caught.value.sent is not None
        assert caught.value.sent.code == 1007
        wait_until(sim, lambda journal: journal.events()[-1].kind == "closed")
        assert summary(sim.journal.events()[-1]) == "closed by the client, with code 1007"


@pytest.mark.parametrize("kind", NO_TEXT)
def test_aiohttp_reports_an_error_on_what_is_no_utf_8(kind: str) -> None:
    async def converse(url: str) -> aiohttp.WSMessage:
        async with (
            asyncio.timeout(TIMEOUT),
            aiohttp.ClientSession() as session,
            session.ws_connect(url) as client,
        ):
            await client.send_str('{"packetID":1,"payload":{"callbackName":20}}')
            return await client.receive()

    with faulty(NO_TEXT[kind]) as sim:
        message = asyncio.run(converse(sim.ws_url))
        assert message.type == aiohttp.WSMsgType.ERROR
        assert isinstance(message.data, aiohttp.WebSocketError)
        assert message.data.code == 1007


# Order, pieces and pace


def in_order(peer: Peer, count: int) -> list[int]:
    return [peer.packet()["packetID"] for _ in range(count)]


@on_both
def test_reorder_lets_so_many_packets_go_first(transport: Transport) -> None:
    fault = faults.Reorder(let_pass=2, max_wait=3600, when=When(nth=1))
    with faulty(fault) as sim, connected(sim, transport) as peer:
        peer.send_requests(1, 2, 3, 4)
        assert in_order(peer, 4) == [2, 3, 1, 4]
        assert applied_faults(exchanges(sim, 4)[0]) == ["reorder"]


@on_both
def test_reorder_with_nobody_to_go_first_is_a_wait_of_its_patience(transport: Transport) -> None:
    with faulty(faults.Reorder(max_wait=0.2)) as sim, connected(sim, transport) as peer:
        began = time.monotonic()
        peer.send_requests(1)
        assert in_order(peer, 1) == [1]
        assert time.monotonic() - began >= 0.2


@on_both
def test_reorder_on_every_packet_lets_each_two_swap_places(transport: Transport) -> None:
    with faulty(faults.Reorder(max_wait=3600)) as sim, connected(sim, transport) as peer:
        peer.send_requests(1, 2, 3, 4)
        assert in_order(peer, 4) == [2, 1, 4, 3]


def test_a_packet_that_leaves_with_the_next_one_still_ends_the_connection() -> None:
    both = (
        faults.CloseConnection(moment="after", when=When(nth=1)),
        faults.Coalesce(max_wait=3600, when=When(nth=1)),
    )
    with faulty(*both) as sim, connected(sim, "tcp") as peer:
        peer.send_requests(1)
        assert peer.receives_nothing(0.05)
        peer.send_requests(2, 3)
        assert peer.end() == (reply_bytes("tcp", 1, 2), "FIN")


@linux
@on_both
def test_coalesce_on_every_packet_sends_them_two_by_two(transport: Transport) -> None:
    with faulty(faults.Coalesce(max_wait=3600)) as sim, connected(sim, transport) as peer:
        before = peer.segments()
        peer.send_requests(1, 2, 3, 4)
        peer.acknowledge_at_once()
        assert in_order(peer, 4) == [1, 2, 3, 4]
        assert peer.segments() - before == 2


@on_both
def test_half_a_close_lets_a_packet_go_that_waits_for_later_ones(transport: Transport) -> None:
    held = (
        faults.Reorder(max_wait=3600, when=When(nth=1)),
        faults.Coalesce(max_wait=3600, when=When(nth=2)),
    )
    with faulty(*held) as sim, connected(sim, transport) as peer:
        peer.send_requests(1)
        if isinstance(peer, TcpPeer):
            assert peer.finish() == reply_bytes("tcp", 1)
            return
        assert peer.receives_nothing(0.05)
        peer.send_requests(2, 3)
        assert sorted(in_order(peer, 3)) == [1, 2, 3]


@linux
@on_both
@pytest.mark.parametrize(
    ("fault", "sizes"),
    [
        (faults.Split(), [1 / 2, 1 / 2]),
        (faults.Split(pieces=3), [1 / 3, 1 / 3, 1 / 3]),
        (faults.Split(size=100), [100, 100, 0]),
    ],
    ids=["in two", "in three", "by a hundred"],
)
def test_split_sends_segments(transport: Transport, fault: Fault, sizes: list[float]) -> None:
    whole = reply_bytes(transport, 1)
    with faulty(fault) as sim, connected(sim, transport) as peer:
        before = peer.segments()
        peer.send_requests(1)
        peer.acknowledge_at_once()
        assert peer.receive(len(whole)) == whole
        sent = exchanges(sim, 1)[0].sent
        expected = [size if size > 1 else len(whole) * size for size in sizes[:-1]]
        expected.append(len(whole) - sum(expected))
        assert [len(piece) for piece in sent] == pytest.approx(expected, abs=1)
        assert peer.segments() - before == len(sent)


@on_both
def test_split_leaves_a_gap_in_which_nothing_else_is_said(transport: Transport) -> None:
    fault = faults.Split(gap=0.3, when=When(nth=1))
    whole = reply_bytes(transport, 1)
    with faulty(fault) as sim, connected(sim, transport) as peer:
        began = time.monotonic()
        peer.send_requests(1, 2)
        if isinstance(peer, WebSocketPeer):
            peer.socket.sendall(client_frame(PING, b"inside"))
        half = -(-len(whole) // 2)
        assert peer.receive(half) == whole[:half]
        assert peer.unread == b""
        assert peer.receive(len(whole) - half) == whole[half:]
        assert 0.3 <= time.monotonic() - began < 3
        if isinstance(peer, WebSocketPeer):
            rest = [peer.frame(), peer.frame()]
            assert sorted(rest) == sorted([Frame(TEXT, reply_text(2)), Frame(PONG, b"inside")])
        else:
            assert peer.packet() == updates_reply(2)


@linux
@on_both
def test_coalesce_sends_two_packets_in_one_segment(transport: Transport) -> None:
    fault = faults.Coalesce(max_wait=3600, when=When(nth=1))
    with faulty(fault) as sim, connected(sim, transport) as peer:
        before = peer.segments()
        peer.send_requests(1)
        assert peer.receives_nothing(0.05)
        peer.send_requests(2, 3)
        peer.acknowledge_at_once()
        whole = reply_bytes(transport, 1, 2, 3)
        assert peer.receive(len(whole)) == whole
        assert peer.segments() - before == 2  # the first two, and the third
        found = exchanges(sim, 3)
        assert [one.sent for one in found] == [(reply_bytes(transport, n),) for n in (1, 2, 3)]
        assert [applied_faults(one) for one in found] == [["coalesce"], [], []]


@on_both
def test_coalesce_without_a_next_packet_is_a_wait_of_its_patience(transport: Transport) -> None:
    with faulty(faults.Coalesce(max_wait=0.2)) as sim, connected(sim, transport) as peer:
        began = time.monotonic()
        assert peer.is_served(1)
        assert time.monotonic() - began >= 0.2


@on_both
def test_throttle_trickles_at_its_rate(transport: Transport) -> None:
    whole = reply_bytes(transport, 1)
    with faulty(faults.Throttle(bytes_per_second=1000)) as sim, connected(sim, transport) as peer:
        began = time.monotonic()
        peer.send_requests(1)
        arrivals = []
        received = b""
        while len(received) < len(whole):
            received += peer.receive(1) + peer.unread
            peer.unread = b""
            arrivals.append((len(received), time.monotonic() - began))
        assert received == whole
        assert len(arrivals) >= 3
        for size, seconds in arrivals:  # never ahead of its rate, but for one piece
            assert size <= 1000 * seconds + 51


# The ends of connections


def head(transport: Transport, moment: str) -> bytes:
    whole = reply_bytes(transport, 2)
    return {"before": b"", "middle": whole[: len(whole) // 2], "after": whole}[moment]


MOMENTS = pytest.mark.parametrize("moment", ["before", "middle", "after"])


@on_both
@MOMENTS
def test_reset_ends_the_connection_with_a_rst(transport: Transport, moment: Any) -> None:
    with faulty(faults.ResetConnection(moment=moment, when=SECOND)) as sim:
        with connected(sim, transport) as peer:
            assert peer.is_served(1)
            peer.send_requests(2, 3)
            received, how = peer.end()
        assert how == "RST"
        assert head(transport, moment).startswith(received)  # a RST may overtake what was sent
        found = exchanges(sim, 3)
        assert b"".join(found[1].sent) == head(transport, moment)
        assert [(touch.fault, touch.detail) for touch in found[1].faults] == [("reset", moment)]
        assert found[2].sent == ()
        wait_until(sim, lambda journal: journal.events()[-1].kind == "closed")
        assert summary(sim.journal.events()[-1]) == "closed by a fault, with a reset"


def listens(sim: SimulatorHandle, packet_id: int) -> None:
    """Waits until the outlet has heard this request."""
    wait_until(sim, lambda journal: packet_id in [one.packet_id for one in journal.exchanges()])


@on_both
@MOMENTS
def test_half_close_ends_our_side_and_still_listens(transport: Transport, moment: Any) -> None:
    with faulty(faults.HalfCloseConnection(moment=moment, when=SECOND)) as sim:
        with connected(sim, transport) as peer:
            assert peer.is_served(1)
            peer.send_requests(2)
            assert peer.end() == (head(transport, moment), "FIN")
            for packet_id in (3, 4):
                if isinstance(peer, WebSocketPeer):
                    peer.socket.sendall(client_frame(PING, b"anybody?"))
                peer.send_requests(packet_id)
                listens(sim, packet_id)
            assert peer.end() == (b"", "FIN")
        found = exchanges(sim, 4)
        assert applied_faults(found[1]) == ["half_close"]
        assert [one.sent for one in found[2:]] == [(), ()]
        wait_until(sim, lambda journal: journal.events()[-1].kind == "closed")
        assert "by the client" in summary(sim.journal.events()[-1])


@on_both
@MOMENTS
def test_stall_is_silence_on_a_connection_that_stays_open(
    transport: Transport, moment: Any
) -> None:
    with faulty(faults.StallConnection(moment=moment, when=SECOND)) as sim, Peers(sim) as peers:
        peer = peers.connect(transport)
        assert peer.is_served(1)
        peer.send_requests(2, 3)
        if isinstance(peer, WebSocketPeer):
            peer.socket.sendall(client_frame(PING, b"anybody?"))
        peer.send_requests(4)
        listens(sim, 4)
        whole = head(transport, moment)
        assert peer.receive(len(whole)) == whole
        assert peer.unread == b""
        if isinstance(peer, WebSocketPeer):
            peer.socket.sendall(client_frame(CLOSE, close_payload(1000)))
        assert peer.receives_nothing(0.1)
        assert peers.connect(transport).is_served(5)  # nobody else is touched
        assert applied_faults(exchanges(sim, 5)[1]) == ["stall"]


# Waiting


@on_both
def test_delays_of_pipelined_requests_do_not_add_up(transport: Transport) -> None:
    with faulty(faults.Delay(seconds=0.3)) as sim, connected(sim, transport) as peer:
        began = time.monotonic()
        peer.send_requests(*range(40))
        assert in_order(peer, 40) == list(range(40))
        assert 0.3 <= time.monotonic() - began < 3  # and not twelve seconds


@on_both
def test_overtaking_packets_arrive_in_the_order_of_their_delays(transport: Transport) -> None:
    slower = (
        faults.Delay(seconds=0.5, overtake=True, when=When(nth=1)),
        faults.Delay(seconds=0.25, overtake=True, when=When(nth=2)),
    )
    with faulty(*slower) as sim, connected(sim, transport) as peer:
        peer.send_requests(1, 2, 3)
        assert in_order(peer, 3) == [3, 2, 1]


@on_both
def test_a_wait_holds_up_nobody_else(transport: Transport) -> None:
    patient: tuple[Fault, ...] = (
        faults.Delay(seconds=3600, when=When(connection=1)),
        faults.Reorder(max_wait=3600, when=When(connection=2)),
        faults.Split(gap=3600, when=When(connection=3)),
        faults.Throttle(bytes_per_second=0.01, when=When(connection=4)),
        faults.SlowAccept(seconds=3600, when=When(connection=5)),
    )
    with faulty(*patient) as sim, Peers(sim) as peers:
        waiting = [peers.connect(transport) for _ in range(4)]
        waiting.append(peers.tcp())
        for packet_id, peer in enumerate(waiting):
            peer.send_requests(packet_id)
        began = time.monotonic()
        for other in TRANSPORTS:
            served = peers.connect(other)
            assert all(served.is_served(packet_id) for packet_id in range(20))
        assert time.monotonic() - began < 3


WAITS: tuple[Fault, ...] = (
    faults.SlowAccept(seconds=3600),
    faults.SlowHandshake(seconds=3600),
    faults.Delay(seconds=3600, when=When(nth=(1, 2), per="connection")),
    faults.Duplicate(gap=3600, when=When(nth=2, per="connection")),
    faults.Split(pieces=4, gap=3600, when=When(nth=3, per="connection")),
    faults.Reorder(let_pass=5, max_wait=3600, when=When(nth=4, per="connection")),
    faults.Coalesce(max_wait=3600, when=When(nth=5, per="connection")),
    faults.Throttle(bytes_per_second=0.1, when=When(nth=6, per="connection")),
)


@on_both
def test_at_infinite_speed_every_wait_passes_at_once_and_order_is_kept(
    transport: Transport,
) -> None:
    with faulty(*WAITS, speed=math.inf) as sim, connected(sim, transport) as peer:
        for packet_id in range(1, 7):
            peer.send_requests(packet_id)
            copies = 2 if packet_id == 2 else 1
            assert in_order(peer, copies) == [packet_id] * copies
        assert [len(one.faults) for one in exchanges(sim, 6)] == [1, 2, 1, 1, 1, 1]


@on_both
def test_speed_divides_every_wait(transport: Transport) -> None:
    long: tuple[Fault, ...] = (
        faults.SlowAccept(seconds=10),
        faults.Delay(seconds=10, when=When(nth=1)),
        faults.Duplicate(gap=10, when=When(nth=2)),
        faults.Split(gap=10, when=When(nth=3)),
        faults.Reorder(max_wait=10, when=When(nth=4)),
        faults.Throttle(bytes_per_second=len(reply_bytes(transport, 5)) / 10, when=When(nth=5)),
    )
    with faulty(*long, speed=100) as sim:
        began = time.monotonic()
        with connected(sim, transport) as peer:
            for packet_id in range(1, 6):
                peer.send_requests(packet_id)
                for _ in range(2 if packet_id == 2 else 1):
                    assert peer.packet() == updates_reply(packet_id)
                # The last piece of a throttled packet leaves before its time is over.
                assert time.monotonic() - began >= 0.1 * (packet_id + 1) - 0.01
        assert time.monotonic() - began < 5


# When


def test_nth_of_many_connections_is_counted_exactly() -> None:
    every = 7
    fault = faults.Fail(when=When(callback=20, every=every))
    clients, requests = 20, 35

    def use(peer: Peer) -> None:
        for packet_id in range(requests):
            peer.send_requests(packet_id)
            outcomes.append(peer.packet()["PUBACK"])

    outcomes: list[int] = []
    with faulty(fault) as sim, Peers(sim) as peers:
        opened = [peers.connect(TRANSPORTS[n % 2]) for n in range(clients)]
        threads = [threading.Thread(target=use, args=(peer,)) for peer in opened]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        found = exchanges(sim, clients * requests)
        refused = [n for n, one in enumerate(found, 1) if one.faults]
        assert refused == list(range(every, clients * requests + 1, every))
        assert sum(outcome == 0 for outcome in outcomes) == len(refused)
        assert sim.faults["fail"].applied == len(refused)


CAPRICES: tuple[Fault, ...] = (
    faults.WrongSn(when=When(probability=0.2)),
    faults.WrongCallback(when=When(probability=0.2)),
    faults.PushFirst(when=When(probability=0.1)),
    faults.Garbage(size=20, when=When(probability=0.1)),
    faults.BitFlip(when=When(probability=0.2)),
    faults.Fragment(pieces=3, when=When(probability=0.3)),
    faults.Delay(seconds=faults.Distribution(median=0.5, sigma=1), when=When(probability=0.3)),
    faults.Split(size=50, when=When(probability=0.2)),
    faults.Duplicate(when=When(every=6, per="connection")),
    faults.Drop(when=When(probability=0.1, times=3, per="connection")),
    faults.CloseConnection(moment="middle", when=When(probability=0.02)),
)


def bytes_of_a_run(seed: int, chaos: int) -> list[bytes]:
    """What each of eight connections receives whose clients ask at the same time.

    chaos: decides how their requests interleave.
    """
    received = [b""] * 8
    caprice = random.Random(chaos)

    def use(number: int, peer: Peer, pauses: list[float]) -> None:
        for packet_id, pause in enumerate(pauses):
            time.sleep(pause)
            try:
                peer.send_requests(packet_id)
            except OSError:
                break  # a fault has ended it
        peer.socket.shutdown(socket.SHUT_WR)
        received[number] = peer.end()[0]

    with faulty(*CAPRICES, seed=seed, speed=1000) as sim, Peers(sim) as peers:
        threads = []
        for number in range(8):
            peer = peers.connect(TRANSPORTS[number % 2])
            wait_until(sim, lambda journal: len(journal.events()) > number)  # noqa: B023
            pauses = [caprice.choice((0, 0, 0.001)) for _ in range(25)]
            threads.append(threading.Thread(target=use, args=(number, peer, pauses)))
        caprice.shuffle(threads)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return received


def test_the_same_seed_gives_each_connection_the_same_bytes_however_they_interleave() -> None:
    first = bytes_of_a_run(seed=3, chaos=1)
    assert bytes_of_a_run(seed=3, chaos=2) == first
    assert bytes_of_a_run(seed=4, chaos=1) != first
    assert len(set(first)) == len(first)


@on_both
def test_a_fault_is_switched_while_the_outlet_runs(transport: Transport) -> None:
    odd = faults.Fail(name="today", enabled=False)
    with faulty(odd) as sim, connected(sim, transport) as peer:
        assert peer.is_served(1)
        assert [fault.name for fault in sim.faults] == ["today"]
        assert len(sim.faults) == 1
        assert not sim.faults["today"].enabled
        sim.faults["today"].enabled = True
        peer.send_requests(2)
        assert peer.packet()["PUBACK"] == 0
        sim.faults["today"].enabled = False
        assert peer.is_served(3)
        assert sim.faults["today"].applied == 1
        with sim.inject(faults.Fail()) as injected:
            injected.enabled = False
            assert peer.is_served(4)
        with pytest.raises(KeyError, match=r"no fault is called .*fail.*; there are: .*today"):
            sim.faults["fail"]


@on_both
def test_faults_of_all_layers_touch_one_packet_in_their_order(transport: Transport) -> None:
    armed: tuple[Fault, ...] = (
        faults.CloseConnection(moment="after", name="last"),
        faults.Split(pieces=3),
        faults.Pad(bytes=600),
        faults.SetField(path="PUBACK", value=7, name="seven"),
        faults.RemoveField(path="payload"),
    )
    with faulty(*armed) as sim:
        with connected(sim, transport) as peer:
            peer.send_requests(1)
            assert peer.packet() == {"sn": updates_reply()["sn"], "packetID": 1, "PUBACK": 7}
        (found,) = exchanges(sim, 1)
        assert applied_faults(found) == ["seven", "remove_field", "pad", "last", "split"]
        assert len(b"".join(found.sent)) in (600, 604)
        assert len(found.sent) == 3

"""The outlet on WebSocket, over real sockets, with clients that are not ours."""

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
import websockets.asyncio.client
import websockets.sync.client
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from invis_sim.device.state import Quirks
from invis_sim.journal import Closed, Exchange
from invis_sim.protocol.frames import text_frame
from invis_sim.scenario.model import Scenario
from invis_sim.testing.block import start_simulator
from invis_sim.testing.handle import SimulatorHandle
from tests.cases import for_each
from tests.server.frames import (
    BINARY,
    CLOSE,
    HANDSHAKE,
    PING,
    PONG,
    TEXT,
    Frame,
    client_frame,
    close_payload,
    frames_in,
)
from tests.server.peers import WebSocketPeer
from tests.server.support import (
    ask_aiohttp,
    exchanges,
    failure_reply,
    shake_websockets,
    updates_reply,
    wait_for_end,
    wait_until,
)
from tests.support import TIMEOUT, make_request

UPDATES = {
    "IM": {
        "fw_rev": "0.0.1",
        "available_fw_rev": "0.0.1",
        "www_fw_rev": "0.1.2",
        "available_www_fw_rev": "0.1.2",
    }
}


def success(packet_id: int) -> dict[str, Any]:
    return updates_reply(packet_id, UPDATES)


def request_frame(first: int, packet_id: int) -> bytes:
    """A request as one frame. first: TEXT or BINARY."""
    return client_frame(first, make_request(packet_id=packet_id))


ANSWERS_BINARY = Quirks(binary_messages="answered")
"""With it, binary messages are requests that take the slow path."""

BINARY_QUIRK = "[quirks]\nbinary_messages = 'answered'\n"


@pytest.fixture
def outlet() -> Iterator[SimulatorHandle]:
    with start_simulator(Scenario(quirks=ANSWERS_BINARY)) as simulator:
        yield simulator


def reasons(exchange: Exchange) -> list[str]:
    return [note.reason for note in exchange.notes]


# --- clients that are not ours ---


def test_a_request_of_websockets_is_answered(outlet: SimulatorHandle) -> None:
    with websockets.sync.client.connect(outlet.ws_url, proxy=None) as client:
        client.send(make_request().decode())
        assert json.loads(client.recv(TIMEOUT)) == success(221040)
        client.send(make_request(99, packet_id=7).decode())
        assert json.loads(client.recv(TIMEOUT)) == failure_reply(7)
    assert wait_for_end(outlet) == ["by the client, with code 1000"]
    found = exchanges(outlet, 2)
    assert [one.received for one in found] == [make_request(), make_request(99, packet_id=7)]
    assert [one.outcome for one in found] == ["success", "failure"]
    assert {one.transport for one in found} == {"ws"}


def test_a_request_of_websockets_in_asyncio_is_answered(outlet: SimulatorHandle) -> None:
    async def converse() -> Any:
        async with (
            asyncio.timeout(TIMEOUT),
            websockets.asyncio.client.connect(outlet.ws_url, proxy=None) as client,
        ):
            await client.send(make_request().decode())
            return json.loads(await client.recv())

    assert asyncio.run(converse()) == success(221040)
    assert wait_for_end(outlet) == ["by the client, with code 1000"]


def test_a_request_of_aiohttp_is_answered(outlet: SimulatorHandle) -> None:
    async def converse() -> Any:
        async with (
            asyncio.timeout(TIMEOUT),
            aiohttp.ClientSession() as session,
            session.ws_connect(outlet.ws_url) as client,
        ):
            await client.send_str(make_request().decode())
            return await client.receive_json()

    assert asyncio.run(converse()) == success(221040)
    assert wait_for_end(outlet) == ["by the client, with code 1000"]


def test_the_heartbeat_of_aiohttp_finds_the_outlet_alive_while_it_is_busy() -> None:
    async def converse(outlet: SimulatorHandle) -> Any:
        async with (
            asyncio.timeout(TIMEOUT),
            aiohttp.ClientSession() as session,
            # Without a pong, this gives up half a heartbeat after its first ping: so long a
            # heartbeat that a busy machine does not matter. Pongs are then messages, too.
            session.ws_connect(outlet.ws_url, heartbeat=1.0, autoping=False) as client,
        ):
            await client.send_str(make_request().decode())
            assert (await client.receive()).type is aiohttp.WSMsgType.PONG
            outlet.clock.advance(3600)
            return await client.receive_json()

    with start_simulator("[[faults]]\nkind = 'delay'\nseconds = 3600") as outlet:
        assert asyncio.run(converse(outlet)) == success(221040)


def test_pings_of_websockets_are_answered(outlet: SimulatorHandle) -> None:
    with websockets.sync.client.connect(outlet.ws_url, proxy=None) as client:
        for payload in (b"", b"1234", b"x" * 125):
            assert client.ping(payload).wait(TIMEOUT)


def test_no_compression_is_agreed_on_though_the_client_offers_it(outlet: SimulatorHandle) -> None:
    with websockets.sync.client.connect(outlet.ws_url, compression="deflate", proxy=None) as client:
        assert client.request is not None
        assert client.response is not None
        assert "permessage-deflate" in client.request.headers["Sec-WebSocket-Extensions"]
        assert "Sec-WebSocket-Extensions" not in client.response.headers
        client.send(make_request().decode())
        assert json.loads(client.recv(TIMEOUT)) == success(221040)


def test_a_scenario_may_take_no_websocket_from_web_pages() -> None:
    with start_simulator('protocol = { origins = "none" }') as sim:
        with pytest.raises(InvalidStatus) as caught:
            shake_websockets(sim.ws_url, origin="http://example.com")
        assert caught.value.response.status_code == 403
        assert b"[protocol] origins" in (caught.value.response.body or b"")
        shake_websockets(sim.ws_url)
    with start_simulator() as sim:
        shake_websockets(sim.ws_url, origin="http://example.com")


def test_another_path_is_answered_with_404(outlet: SimulatorHandle) -> None:
    with pytest.raises(InvalidStatus) as caught:
        websockets.sync.client.connect(outlet.ws_url + "x", proxy=None)
    assert caught.value.response.status_code == 404
    assert b"/ws" in (caught.value.response.body or b"")
    assert wait_for_end(outlet) == ["the path was wrong"]
    assert reasons(exchanges(outlet, 1)[0]) == ["no WebSocket at /wsx, it is at /ws"]


def test_the_path_is_the_scenarios_and_a_query_does_not_matter() -> None:
    with start_simulator(Scenario(), ws_path="/a/b") as simulator:
        assert simulator.ws_url.endswith("/a/b")
        with websockets.sync.client.connect(simulator.ws_url + "?c=/ws", proxy=None) as client:
            client.send(make_request().decode())
            assert json.loads(client.recv(TIMEOUT)) == success(221040)


@pytest.mark.parametrize("path", ["/", "/a//b", "/~a.b/c_d-e;f=1,2:3@4&5+(6)*!$'"])
def test_every_path_that_a_scenario_may_have_is_found_at_its_url(path: str) -> None:
    with start_simulator(Scenario(), ws_path=path) as simulator:
        assert json.loads(ask_aiohttp(simulator.ws_url, 221040).data) == success(221040)
        shake_websockets(simulator.ws_url)


def test_two_clients_are_served_at_once(outlet: SimulatorHandle) -> None:
    with (
        WebSocketPeer.opened(outlet.ws_url) as first,
        WebSocketPeer.opened(outlet.ws_url) as second,
    ):
        half = request_frame(TEXT, 1)
        first.send(half[:20])
        second.send(request_frame(TEXT, 2))
        assert second.frame().json == success(2)
        first.send(half[20:])
        assert first.frame().json == success(1)
    assert {exchange.connection for exchange in exchanges(outlet, 2)} == {1, 2}


# --- what is no WebSocket ---


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 404, id="a web browser"),
        pytest.param(b"GET /ws HTTP/1.1\r\nHost: x\r\n\r\n", 426, id="a web browser at the path"),
        pytest.param(b"GET /ws?a=b HTTP/1.0\n\n", 426, id="bare line feeds"),
        pytest.param(
            b"POST /ws HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", 426, id="POST"
        ),
        pytest.param(b"PUT /x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n", 404, id="PUT"),
        pytest.param(make_request(), 400, id="JSON, without an end"),
        pytest.param(make_request() + b"\n", 400, id="JSON with a newline"),
        pytest.param(bytes.fromhex("16030100f5010000f10303"), 400, id="TLS"),
        pytest.param(bytes.fromhex("8185"), 400, id="a frame without a handshake"),
        pytest.param(b"\r\n", 400, id="an empty line"),
        pytest.param(b"hello\r\n", 400, id="a line of words"),
        pytest.param(b"GET /ws\r\n", 400, id="HTTP/0.9"),
        pytest.param(b"GET /ws HTTP/2.0\r\n", 400, id="HTTP/2"),
        pytest.param(b"GET  HTTP/1.1\r\n", 400, id="no path"),
        pytest.param(b"\x00" * 10, 400, id="zeros"),
        pytest.param(b"\xff\xfe", 400, id="no ASCII"),
    ],
)
def test_what_is_no_handshake_is_answered_at_once(
    outlet: SimulatorHandle, sent: bytes, status: int
) -> None:
    with WebSocketPeer.connected(outlet.ws_url) as client:
        client.send(sent)
        head, _, body = client.read_to_end().partition(b"\r\n\r\n")  # and it ends by itself
    assert head.startswith(b"HTTP/1.1 %d " % status), head
    length = re.search(rb"Content-Length: (\d+)", head)
    assert length is not None
    assert len(body) == int(length[1])
    assert b"InvisOutlet" in body
    assert b"/ws" in body
    if status == 426:
        assert b"\r\nUpgrade: websocket" in head
    (found,) = exchanges(outlet, 1)
    assert (found.outcome, found.received) == ("malformed", sent.removesuffix(b"{}") or sent)
    assert f"HTTP {status}" in reasons(found)[0]
    assert wait_for_end(outlet)[0].startswith(f"answered with HTTP {status}")


def test_head_gets_the_head_of_the_answer(outlet: SimulatorHandle) -> None:
    with WebSocketPeer.connected(outlet.ws_url) as client:
        client.send(b"HEAD /ws HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = client.read_to_end()
    assert answer.startswith(b"HTTP/1.1 426 ")
    assert answer.endswith(b"\r\n\r\n")
    assert answer.count(b"\r\n\r\n") == 1


def with_header(name: str, *lines: bytes) -> bytes:
    """The handshake with this header replaced."""
    kept = [line for line in HANDSHAKE.split(b"\r\n")[:-2] if not line.startswith(name.encode())]
    return b"\r\n".join([*kept, *lines, b"", b""])


@pytest.mark.parametrize(
    ("sent", "statuses"),
    [
        pytest.param(with_header("Sec-WebSocket-Key"), {400}, id="no key"),
        pytest.param(
            with_header("Sec-WebSocket-Version", b"Sec-WebSocket-Version: 12"), {426}, id="version"
        ),
        pytest.param(with_header("Sec-WebSocket-Version"), {400}, id="no version"),
        pytest.param(with_header("Connection"), {400}, id="no Connection"),
        pytest.param(with_header("Host"), {400}, id="no host"),
        pytest.param(with_header("Host", "Host: é".encode()), {400}, id="host that is no ASCII"),
        pytest.param(with_header("Host", b"Host: xn--a.b"), {400, 101}, id="host that is no name"),
        pytest.param(with_header("Host", b"Host: " + b"a" * 90), {400, 101}, id="long host"),
        pytest.param(with_header("Host", b"Host: a..b"), {400, 101}, id="host with an empty part"),
        pytest.param(with_header("Host", b"Host: a", b"Host: b"), {400}, id="two hosts"),
        pytest.param(
            with_header("Sec-WebSocket-Key", *[b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="] * 2),
            {400, 101},
            id="two keys",
        ),
        pytest.param(HANDSHAKE.replace(b"GET", b"POST"), {400}, id="POST"),
        pytest.param(with_header("User-Agent", "User-Agent: é".encode()), {101}, id="good"),
        pytest.param(HANDSHAKE.replace(b"/ws", "/é".encode()), {400}, id="path of UTF-8"),
        pytest.param(with_header("x", b"no header"), {400}, id="a line that is no header"),
        pytest.param(with_header("x", b"x : y"), {400}, id="a blank before the colon"),
        pytest.param(with_header("x", b"Content-Length: -1"), {400}, id="a length below zero"),
        pytest.param(HANDSHAKE.replace(b"/ws", b"/w\x7fs"), {400, 404}, id="odd path"),
        pytest.param(with_header("x", b"x: " + b"y" * 20_000), {431}, id="20 kB"),
        pytest.param(b"GET /" + b"x" * 20_000, {431}, id="20 kB of path"),
        pytest.param(with_header("x", b"x: " + b"y" * 16_300), {431}, id="little too long"),
    ],
)
def test_a_broken_handshake_is_refused_and_only_a_broken_one(
    outlet: SimulatorHandle, sent: bytes, statuses: set[int]
) -> None:
    with WebSocketPeer.connected(outlet.ws_url) as client:
        client.send(sent)
        client.half_close()
        answer = client.read_to_end()
    status = re.match(rb"HTTP/1\.1 (\d+) ", answer)
    assert status is not None, answer
    assert int(status[1]) in statuses
    if int(status[1]) != 101:
        (found,) = exchanges(outlet, 1)
        assert found.outcome == "malformed"
        assert found.received
        assert sent.startswith(found.received)
    assert_served(outlet)


def assert_served(outlet: SimulatorHandle) -> None:
    """Others are not disturbed by what a client did."""
    with WebSocketPeer.opened(outlet.ws_url) as client:
        client.send(request_frame(TEXT, 9))
        assert client.frame().json == success(9)


def test_a_handshake_in_single_bytes_is_as_good(outlet: SimulatorHandle) -> None:
    with WebSocketPeer.connected(outlet.ws_url) as client:
        client.send_bytewise(HANDSHAKE + client_frame(TEXT, make_request()))
        assert client.head().startswith(b"HTTP/1.1 101 ")
        assert client.frame().json == success(221040)


@pytest.mark.parametrize("first", [TEXT, BINARY, PING])
def test_frames_right_behind_the_handshake_are_answered_with_frames(
    outlet: SimulatorHandle, first: int
) -> None:
    frames = client_frame(first, b"{}") + request_frame(TEXT, 1)
    for _ in range(10):  # which task goes on first is a matter of chance
        with WebSocketPeer.connected(outlet.ws_url) as client:
            client.send(HANDSHAKE + frames + client_frame(CLOSE))
            client.head()
            seen = frames_in(client.read_to_end())
        assert [frame.first for frame in seen] == [PONG] * (first == PING) + [TEXT, CLOSE]
        assert seen[-2].json == success(1)


def test_a_client_that_leaves_inside_the_handshake_is_noted(outlet: SimulatorHandle) -> None:
    with WebSocketPeer.connected(outlet.ws_url) as client:
        client.send(HANDSHAKE[:30])
        client.half_close()
        assert client.read_to_end() == b""
    (found,) = exchanges(outlet, 1)
    assert found.received == HANDSHAKE[:30]
    assert reasons(found) == ["the connection ended inside the handshake"]
    with WebSocketPeer.connected(outlet.ws_url) as client:
        client.half_close()
        assert client.read_to_end() == b""
    wait_for_end(outlet, 2)
    exchanges(outlet, 1)


# --- messages ---


@for_each("document", [make_request(), b"\xff\x00", b""])
def test_a_binary_message_is_not_answered_but_logged(document: bytes) -> None:
    with start_simulator(Scenario()) as outlet, WebSocketPeer.opened(outlet.ws_url) as client:
        client.send(client_frame(BINARY, document) + client_frame(TEXT, make_request(packet_id=2)))
        assert client.frame().json == success(2)
        ignored, answered = exchanges(outlet, 2)
    assert (ignored.outcome, ignored.received, ignored.sent) == ("malformed", document, ())
    assert "a binary message" in reasons(ignored)[0]
    assert answered.outcome == "success"


def test_with_a_quirk_a_binary_message_is_answered_in_text_and_noted(
    outlet: SimulatorHandle,
) -> None:
    with WebSocketPeer.opened(outlet.ws_url) as client:
        client.send(client_frame(BINARY, make_request()))
        frame = client.frame()
    assert (frame.first, frame.json) == (TEXT, success(221040))
    (found,) = exchanges(outlet, 1)
    assert found.outcome == "success"
    assert "binary" in reasons(found)[0]


def test_a_fragmented_message_is_answered_once_it_is_whole(outlet: SimulatorHandle) -> None:
    document = make_request()
    with WebSocketPeer.opened(outlet.ws_url) as client:
        client.send(client_frame(0x01, document[:10]))
        client.send(client_frame(PING, b"amid"))
        assert client.frame() == Frame(PONG, b"amid")
        client.send(client_frame(0x00, b"") + client_frame(0x80, document[10:]))
        assert client.frame().json == success(221040)
    assert exchanges(outlet, 1)[0].received == document


def test_a_frame_in_single_bytes_is_answered(outlet: SimulatorHandle) -> None:
    with WebSocketPeer.opened(outlet.ws_url) as client:
        for document in (make_request(packet_id=1), make_request(packet_id=2, name="é")):
            client.send_bytewise(client_frame(TEXT, document))
        assert [client.frame().json for _ in range(2)] == [success(1), success(2)]


@pytest.mark.parametrize("mask", [bytes(4), b"\xff\xff\xff\xff", b"\x00\x01\x80\xff"])
def test_any_mask_is_taken_off(outlet: SimulatorHandle, mask: bytes) -> None:
    with WebSocketPeer.opened(outlet.ws_url) as client:
        for document in (make_request(packet_id=1), make_request(packet_id=2, name="é")):
            client.send(client_frame(TEXT, document, mask))
            client.frame()
    assert [one.received for one in exchanges(outlet, 2)] == [
        make_request(packet_id=1),
        make_request(packet_id=2, name="é"),
    ]


def test_pipelined_messages_are_answered_in_order_across_both_paths(
    outlet: SimulatorHandle,
) -> None:
    number = 60
    stream = b""
    for n in range(number):
        kinds = [
            request_frame(TEXT, n),
            client_frame(TEXT, make_request(packet_id=n, name="é")),
            request_frame(BINARY, n),
            client_frame(0x01, make_request(packet_id=n)[:5])
            + client_frame(0x80, make_request(packet_id=n)[5:]),
            request_frame(TEXT, n),
            client_frame(TEXT, make_request(packet_id=n, padding="x" * 2000)),
        ]
        stream += kinds[n % len(kinds)] + client_frame(PING, b"%d" % n)
    with WebSocketPeer.opened(outlet.ws_url) as client:
        client.send(stream)
        seen = [client.frame() for _ in range(2 * number)]
    replies = [frame.json["packetID"] for frame in seen if frame.first == TEXT]
    answers_pings = [int(frame.payload) for frame in seen if frame.first == PONG]
    assert replies == answers_pings == list(range(number))
    assert [exchange.packet_id for exchange in exchanges(outlet, number)] == replies


NOT_ANSWERED = {
    "nothing": (b"", "not JSON"),
    "no JSON": (b"hello", "not JSON"),
    "half a request": (make_request()[:-1], "not JSON"),
    "two requests": (make_request() + make_request(), "not JSON"),
    "a trailing comma": (b'{"packetID": 1,}', "not JSON"),
    "NaN": (b'{"packetID": NaN}', "not JSON: NaN"),
    "an array": (b"[1]", "a request is a JSON object, this is an array"),
    "null": (b"null", "a request is a JSON object, this is null"),
    "no packetID": (b'{"payload":{"callbackName":20}}', "no packetID"),
    "packetID in a string": (b'{"packetID":"221040"}', "packetID is a string"),
    "packetID with a fraction": (b'{"packetID":1.5}', "packetID is a fraction"),
    "packetID true": (b'{"packetID":true}', "packetID is a boolean"),
    "packetID null": (b'{"packetID":null}', "packetID is null"),
    "too deep": (b'{"packetID":' + b"[" * 900 + b"]" * 900 + b"}", "nested deeper"),
}


@pytest.mark.parametrize("name", NOT_ANSWERED)
def test_what_cannot_be_answered_is_noted_and_the_next_request_answered(
    outlet: SimulatorHandle, name: str
) -> None:
    document, reason = NOT_ANSWERED[name]
    with WebSocketPeer.opened(outlet.ws_url) as client:
        client.send(client_frame(TEXT, document) + client_frame(BINARY, document))
        client.send(request_frame(TEXT, 1))
        assert client.frame().json == success(1)
    found = exchanges(outlet, 3)
    for one in found[:2]:
        assert (one.received, one.outcome, one.sent) == (document, "malformed", ())
        assert one.notes[-1].offset is not None
        assert reason in one.notes[-1].reason


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b'{"packetID":7}', "no payload"),
        (b'{"packetID":7,"payload":[]}', "payload is an array"),
        (b'{"packetID":7,"payload":{}}', "no callbackName"),
        (b'{"packetID":7,"payload":{"callbackName":"20"}}', "callbackName is a string"),
        (b'{"packetID":7,"payload":{"callbackName":8}}', "callback 8 is not known"),
    ],
)
def test_a_request_with_a_usable_packet_id_is_answered_with_a_failure(
    outlet: SimulatorHandle, document: bytes, reason: str
) -> None:
    with WebSocketPeer.opened(outlet.ws_url) as client:
        client.send(client_frame(TEXT, document))
        assert client.frame().json == failure_reply(7)
    (found,) = exchanges(outlet, 1)
    assert found.outcome == "failure"
    assert reason in reasons(found)[0]


# --- the end of a connection ---


def test_a_close_frame_is_answered_with_its_code_and_the_stream_ends(
    outlet: SimulatorHandle,
) -> None:
    for code in (1000, 1001, 1002, 1007, 1009, 3000, 4999):
        with WebSocketPeer.opened(outlet.ws_url) as client:
            payload = close_payload(code, "é".encode())
            client.send(client_frame(CLOSE, payload))
            assert frames_in(client.read_to_end()) == [Frame(CLOSE, payload)]
    ends = wait_for_end(outlet, 7)
    assert ends[0] == "by the client, with code 1000"
    assert ends[-1] == "by the client, with code 4999"
    assert exchanges(outlet, 0) == []  # a code that says "your fault" is still the client's own


def test_a_close_frame_without_a_code_is_answered_without_one(outlet: SimulatorHandle) -> None:
    with WebSocketPeer.opened(outlet.ws_url) as client:
        client.send(client_frame(CLOSE))
        assert frames_in(client.read_to_end()) == [Frame(CLOSE, b"")]
        client.half_close()
        assert wait_for_end(outlet) == ["by the client, with no code"]


def test_nothing_follows_a_close_frame_not_even_a_reply_that_is_late() -> None:
    scenario = "[[faults]]\nkind = 'delay'\nseconds = 3600"
    with start_simulator(scenario) as outlet, WebSocketPeer.opened(outlet.ws_url) as client:
        client.send(client_frame(TEXT, make_request()) + client_frame(CLOSE, close_payload(1000)))
        assert [frame.first for frame in frames_in(client.read_to_end())] == [CLOSE]
        client.socket.close()
        (found,) = exchanges(outlet, 1)
        assert found.sent == ()
        assert wait_for_end(outlet) == ["by the client, with code 1000"]


@pytest.mark.parametrize("first", [TEXT, BINARY])
def test_a_client_that_closes_before_it_reads_gets_all_its_replies(first: int) -> None:
    number, copies = 300, 60  # more than the outlet keeps for a client and the kernel buffers
    scenario = f"{BINARY_QUIRK}[[faults]]\nkind = 'duplicate'\ncopies = {copies}"
    with (
        start_simulator(scenario) as outlet,
        WebSocketPeer.opened(outlet.ws_url, receive_buffer=4096) as client,
    ):
        stream = b"".join(request_frame(first, n) for n in range(number))
        client.send(stream + client_frame(CLOSE, close_payload(1000)))
        wait_until(outlet, lambda journal: len(journal.exchanges()) > 10)
        seen = frames_in(client.read_to_end())
    assert [frame.json["packetID"] for frame in seen[:-1:copies]] == list(range(number))
    assert len(seen) == number * copies + 1
    assert seen[-1].close_code == 1000


def test_a_message_of_empty_fragments_without_end_is_refused() -> None:
    scenario = f"{BINARY_QUIRK}[protocol]\nmax_packet_bytes = 64"
    with start_simulator(scenario) as outlet, WebSocketPeer.opened(outlet.ws_url) as client:
        client.send(client_frame(0x01) + client_frame(0x00) * 62 + client_frame(0x80, b"{}"))
        client.send(client_frame(0x01) + client_frame(0x00) * 64)
        (close,) = frames_in(client.read_to_end())
        assert (close.close_code, "64 fragments" in close.reason) == (1009, True)
        assert len(exchanges(outlet, 2)) == 2


@pytest.mark.parametrize("first", [TEXT, BINARY])
def test_a_message_that_is_too_long_is_refused_with_1009(first: int) -> None:
    longest = len(make_request(packet_id=1))
    scenario = f"{BINARY_QUIRK}[protocol]\nmax_packet_bytes = {max(64, longest)}"
    for too_long in (b"x" * 65, b"x" * 1000, b"x" * 5000, "é".encode() * 40):
        with start_simulator(scenario) as outlet, WebSocketPeer.opened(outlet.ws_url) as client:
            client.send(request_frame(first, 1) + client_frame(first, too_long))
            reply, close = frames_in(client.read_to_end())
            assert reply.json == success(1)
            assert (close.close_code, "64 bytes" in close.reason) == (1009, True)
            client.socket.close()
            found = exchanges(outlet, 2)[1]
            assert found.outcome == "malformed"
            assert found.received
            assert too_long.startswith(found.received)
            assert reasons(found) == ["closed with code 1009: longer than 64 bytes"]
            assert wait_for_end(outlet)[0].startswith("with code 1009")


@pytest.mark.parametrize("cut", [0, 1, 8])
def test_a_message_that_is_no_utf_8_is_refused_with_1007_and_the_place(
    outlet: SimulatorHandle, cut: int
) -> None:
    text = 'aé"'.encode() * 5 + b"\xff" + b"more"
    with WebSocketPeer.opened(outlet.ws_url) as client:
        if cut:
            client.send(client_frame(0x01, text[:cut]))
            client.send(client_frame(PING, b"amid"))
            client.frame()
        client.send_bytewise(client_frame(0x80 if cut else TEXT, text[cut:]))
        (close,) = frames_in(client.read_to_end())
    assert close.close_code == 1007
    assert close.reason == "not UTF-8: invalid start byte (at byte 20)"
    (found,) = exchanges(outlet, 1)
    assert found.received is not None
    assert text.startswith(found.received)
    assert b"\xff" in found.received
    assert [(note.offset, note.reason) for note in found.notes] == [
        (20, "closed with code 1007: not UTF-8: invalid start byte")
    ]


def test_a_client_that_breaks_the_protocol_is_told_and_so_is_the_journal(
    outlet: SimulatorHandle,
) -> None:
    with WebSocketPeer.opened(outlet.ws_url) as client:
        client.send(
            request_frame(TEXT, 1) + client_frame(TEXT, make_request(packet_id=2), mask=None)
        )
        client.send(request_frame(TEXT, 3))
        reply, close = frames_in(client.read_to_end())
    assert reply.json == success(1)
    assert (close.close_code, "unmasked" in close.reason) == (1002, True)
    found = exchanges(outlet, 2)
    assert found[1].outcome == "malformed"
    assert "1002" in reasons(found[1])[0]
    assert "unmasked" in reasons(found[1])[0]
    assert wait_for_end(outlet)[0].startswith("with code 1002")


@pytest.mark.parametrize("first", [TEXT, BINARY])
def test_a_client_may_vanish_in_the_middle_of_a_frame(outlet: SimulatorHandle, first: int) -> None:
    with WebSocketPeer.opened(outlet.ws_url) as client:
        client.send(client_frame(first, make_request())[:-5])
    assert wait_for_end(outlet) == ["by the client"]
    assert_served(outlet)


def test_a_client_that_ends_its_side_gets_its_replies_first() -> None:
    scenario = f"{BINARY_QUIRK}[[faults]]\nkind = 'delay'\nseconds = 0.05"
    with start_simulator(scenario) as outlet, WebSocketPeer.opened(outlet.ws_url) as client:
        client.send(
            client_frame(TEXT, make_request(packet_id=1))
            + client_frame(BINARY, make_request(packet_id=2))
        )
        client.half_close()
        seen = frames_in(client.read_to_end())
    assert [frame.json for frame in seen] == [success(1), success(2)]


def test_a_client_that_never_reads_is_dropped_while_another_is_served() -> None:
    scenario = "[protocol]\nwrite_timeout_seconds = 0.2"
    with (
        start_simulator(scenario) as outlet,
        WebSocketPeer.opened(outlet.ws_url, receive_buffer=2048) as deaf,
    ):
        wait_until(outlet, lambda journal: len(journal.events()) == 1)
        deaf.socket.setblocking(False)
        stream = client_frame(TEXT, make_request()) * 100 + client_frame(PING, b"x" * 125)
        loop = asyncio.new_event_loop()

        async def flood() -> None:
            """Sends until the outlet breaks the connection off."""
            async with asyncio.timeout(TIMEOUT):
                while True:
                    await loop.sock_sendall(deaf.socket, stream)

        async def others(flooding: asyncio.Future[None]) -> None:
            async with (
                asyncio.timeout(TIMEOUT),
                websockets.asyncio.client.connect(outlet.ws_url, proxy=None) as client,
            ):
                while not flooding.done():
                    await client.send(make_request(packet_id=8).decode())
                    assert json.loads(await client.recv()) == success(8)

        async def both() -> None:
            flooding = asyncio.ensure_future(flood())
            await others(flooding)
            with pytest.raises(OSError, match=r"reset|pipe"):
                await flooding

        try:
            loop.run_until_complete(both())
        finally:
            loop.close()
        ends = {
            event.connection: event.reason
            for event in outlet.journal.events()
            if isinstance(event, Closed)
        }
        assert ends[1] in ("the client has read nothing for 0.2 s", "the client reads nothing")


def test_an_idle_client_is_told_when_the_simulator_stops() -> None:
    with start_simulator(Scenario()) as outlet:
        client = websockets.sync.client.connect(outlet.ws_url, proxy=None)
    with client, pytest.raises(websockets.exceptions.ConnectionClosed) as caught:
        client.recv(TIMEOUT)
    assert caught.value.rcvd is not None
    assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1001, "the simulator stops")
    assert [event.reason for event in outlet.journal.events() if isinstance(event, Closed)] == [
        "the simulator stops"
    ]


def test_a_client_that_has_closed_is_not_told_that_the_simulator_stops() -> None:
    with start_simulator(Scenario()) as outlet, WebSocketPeer.opened(outlet.ws_url) as client:
        client.send(client_frame(CLOSE, close_payload(1000)))
        assert client.frame().close_code == 1000
        outlet.stop()
        assert client.read_to_end() == b""


# --- faults, end to end ---


def test_fail_answers_with_a_failure() -> None:
    with start_simulator("[[faults]]\nkind = 'fail'") as outlet:
        with WebSocketPeer.opened(outlet.ws_url) as client:
            client.send(request_frame(TEXT, 1))
            frame = client.frame()
        assert (frame.first, frame.json) == (TEXT, failure_reply(1))
        (found,) = exchanges(outlet, 1)
        assert found.outcome == "success"  # of the outlet itself
        assert [touch.fault for touch in found.faults] == ["fail"]
        assert b"".join(found.sent) == text_frame(frame.payload)


def test_wrong_packet_id_answers_somebody_else() -> None:
    with start_simulator("[[faults]]\nkind = 'wrong_packet_id'\nhow = 'string'") as outlet:
        with WebSocketPeer.opened(outlet.ws_url) as client:
            client.send(client_frame(TEXT, make_request()))
            frame = client.frame()
        assert frame.json == {**success(0), "packetID": "221040"}
        (found,) = exchanges(outlet, 1)
        assert [touch.fault for touch in found.faults] == ["wrong_packet_id"]
        assert found.sent == (text_frame(frame.payload),)


def test_malformed_json_comes_in_a_good_frame() -> None:
    with start_simulator(
        f"{BINARY_QUIRK}[[faults]]\nkind = 'malformed_json'\nhow = 'truncate'"
    ) as outlet:
        with WebSocketPeer.opened(outlet.ws_url) as client:
            client.send(
                client_frame(TEXT, make_request(packet_id=1))
                + client_frame(BINARY, make_request(packet_id=2))
            )
            frames = [client.frame() for _ in range(2)]
        for frame in frames:
            assert frame.first == TEXT
            assert frame.payload.startswith(b'{"sn":"0003C44076",')
            with pytest.raises(json.JSONDecodeError):
                json.loads(frame.payload)
        for found, frame in zip(exchanges(outlet, 2), frames, strict=True):
            assert [touch.detail for touch in found.faults] == ["truncate"]
            assert found.sent == (text_frame(frame.payload),)


def test_delay_sends_later_and_keeps_the_order_while_pings_are_answered() -> None:
    scenario = "[[faults]]\nkind = 'delay'\nseconds = 0.2\nwhen = { nth = 1 }"
    with start_simulator(scenario) as outlet:
        with WebSocketPeer.opened(outlet.ws_url) as client:
            client.send(request_frame(TEXT, 1) + request_frame(TEXT, 2))
            client.send(client_frame(PING, b"meanwhile"))
            assert client.frame() == Frame(PONG, b"meanwhile")
            assert [client.frame().json for _ in range(2)] == [success(1), success(2)]
        found = exchanges(outlet, 2)
        assert [len(one.faults) for one in found] == [1, 0]


def test_drop_answers_nothing_and_stays_open() -> None:
    scenario = "[[faults]]\nkind = 'drop'\nwhen = { nth = 1 }"
    with start_simulator(scenario) as outlet:
        with WebSocketPeer.opened(outlet.ws_url) as client:
            client.send(request_frame(TEXT, 1) + request_frame(TEXT, 2))
            assert client.frame().json == success(2)
        found = exchanges(outlet, 2)
        assert [len(one.sent) for one in found] == [0, 1]


def test_duplicate_sends_whole_frames_several_times() -> None:
    with start_simulator("[[faults]]\nkind = 'duplicate'\ncopies = 3") as outlet:
        with WebSocketPeer.opened(outlet.ws_url) as client:
            client.send(request_frame(TEXT, 1))
            frames = [client.frame() for _ in range(3)]
        assert [frame.json for frame in frames] == [success(1)] * 3
        (found,) = exchanges(outlet, 1)
        assert b"".join(found.sent) == text_frame(frames[0].payload) * 3


def closing(moment: str) -> str:
    fault = f"kind = 'close'\nmoment = '{moment}'\ncode = 4001\nreason = 'gone, \u00e9'"
    return f"{BINARY_QUIRK}[[faults]]\n{fault}"


def test_close_before_sends_a_close_frame_in_place_of_the_answer() -> None:
    with start_simulator(closing("before")) as outlet:
        with websockets.sync.client.connect(outlet.ws_url, proxy=None) as client:
            client.send(make_request(packet_id=1).decode())
            with pytest.raises(ConnectionClosedError) as caught:
                client.recv(TIMEOUT)
        received = caught.value.rcvd
        assert received is not None
        assert (received.code, received.reason) == (4001, "gone, é")
        assert wait_for_end(outlet) == ["by a fault"]
        (found,) = exchanges(outlet, 1)
        assert (found.sent, [touch.detail for touch in found.faults]) == ((), ["before"])


def test_close_after_sends_the_answer_and_then_a_close_frame() -> None:
    async def converse(url: str) -> tuple[Any, aiohttp.WSMessage, int | None]:
        async with (
            asyncio.timeout(TIMEOUT),
            aiohttp.ClientSession() as session,
            session.ws_connect(url) as client,
        ):
            await client.send_str(make_request(packet_id=1).decode())
            reply = await client.receive_json()
            return reply, await client.receive(), client.close_code

    with start_simulator(closing("after")) as outlet:
        reply, end, code = asyncio.run(converse(outlet.ws_url))
        assert reply == success(1)
        assert (end.type, end.extra, code) == (aiohttp.WSMsgType.CLOSE, "gone, é", 4001)
        assert wait_for_end(outlet) == ["by a fault"]
        (found,) = exchanges(outlet, 1)
        assert found.sent == (text_frame(json.dumps(success(1), separators=(",", ":")).encode()),)


def test_close_in_the_middle_cuts_the_frame_and_sends_no_close_frame() -> None:
    with start_simulator(closing("middle")) as outlet:
        with WebSocketPeer.opened(outlet.ws_url) as client:
            client.send(request_frame(TEXT, 1))
            data = client.read_to_end()
        whole = text_frame(json.dumps(success(1), separators=(",", ":")).encode())
        assert data == whole[: len(whole) // 2]
        assert wait_for_end(outlet) == ["by a fault"]
        assert exchanges(outlet, 1)[0].sent == (data,)


def test_a_close_fault_on_a_message_of_the_slow_path_is_the_same() -> None:
    with start_simulator(closing("after")) as outlet, WebSocketPeer.opened(outlet.ws_url) as client:
        client.send(request_frame(BINARY, 1) + request_frame(BINARY, 2))
        reply, close = frames_in(client.read_to_end())
        assert reply.json == success(1)
        assert (close.close_code, close.reason) == (4001, "gone, é")


def test_a_close_fault_does_not_wait_for_a_client_that_does_not_answer_it() -> None:
    with (
        start_simulator(closing("before")) as outlet,
        WebSocketPeer.opened(outlet.ws_url) as client,
    ):
        client.send(request_frame(TEXT, 1))
        client.socket.settimeout(0.5)
        (close,) = frames_in(client.read_to_end())  # the end of the stream is there at once
        assert close.close_code == 4001
        client.socket.close()
        assert wait_for_end(outlet) == ["by a fault"]

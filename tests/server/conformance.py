"""What any implementation of a transport must show to a client, be it an outlet or something
between it and the client.

`check_transport` knows nothing of what is behind a connection but that it speaks as `outlet()` of
`tests.server.support`: as the default outlet, but that it pushes nothing by itself. Each check
connects by itself, and leaves nothing behind that the next one could stumble on.
"""

import socket
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any, NamedTuple

from invis_sim.protocol.transport import Transport
from tests.server.frames import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Frame,
    client_frame,
    close_payload,
    frames_in,
)
from tests.server.peers import Peer, WebSocketPeer
from tests.server.support import failure_reply, push, reply_bytes, updates_reply
from tests.support import make_request

MAX_PACKET_BYTES = 65536
"""The longest packet that the outlet takes."""

Connect = Callable[[], Peer]
"""A new client that may send requests."""

Push = Callable[[int, Any], object]
"""(callback, args): have the endpoint push this to all its clients."""


class Endpoint(NamedTuple):
    """Something that speaks as the outlet, over one transport."""

    transport: Transport
    connect: Connect
    push: Push

    def peers(self, stack: ExitStack, number: int) -> list[Peer]:
        """Clients that the endpoint knows of, and so pushes to: each has had a reply."""
        peers = [stack.enter_context(self.connect()) for _ in range(number)]
        for number, peer in enumerate(peers):
            assert peer.is_served(number)
        return peers


Check = Callable[[Endpoint], None]


def check_transport(transport: Transport, connect: Connect, push: Push) -> None:
    """Put an endpoint through all that its transport must do; the first check that fails is named
    in a note of the error.
    """
    endpoint = Endpoint(transport, connect, push)
    for check in checks_of(transport):
        try:
            check(endpoint)
        except Exception as error:
            error.add_note(f"in the check {check.__name__} over {transport}")
            raise


def checks_of(transport: Transport) -> tuple[Check, ...]:
    return (*ON_BOTH, *(ON_TCP if transport == "tcp" else ON_WEBSOCKET))


def ws(peer: Peer) -> WebSocketPeer:
    assert isinstance(peer, WebSocketPeer)
    return peer


# On both


def one_request_gets_one_reply(endpoint: Endpoint) -> None:
    with endpoint.connect() as peer:
        for packet_id in (221040, 100_000, 7, -1, 2**64):
            peer.send_requests(packet_id)
            peer.expect(reply_bytes(endpoint.transport, packet_id))
        peer.send_requests(8, callback=4711)
        assert peer.packet() == failure_reply(8)
        assert peer.finish() == b""


def requests_in_one_segment_are_answered_in_order(endpoint: Endpoint) -> None:
    numbers = range(100_000, 100_050)
    with endpoint.connect() as peer:
        peer.send_requests(*numbers)
        peer.expect(reply_bytes(endpoint.transport, *numbers))


def requests_of_both_outcomes_keep_their_order(endpoint: Endpoint) -> None:
    expected = []
    with endpoint.connect() as peer:
        requests = []
        for number in range(30):
            known = number % 3 != 0
            requests.append(make_request(20 if known else 4711, packet_id=number))
            expected.append(updates_reply(number) if known else failure_reply(number))
        peer.send(b"".join(map(peer.framed, requests)))
        assert peer.packets(len(expected)) == expected


def two_hundred_requests_may_be_in_flight(endpoint: Endpoint) -> None:
    numbers = range(200)
    with endpoint.connect() as peer:
        for number in numbers:  # and nothing is read meanwhile
            peer.send_requests(number)
        assert peer.packets(200) == [updates_reply(number) for number in numbers]
        assert peer.is_served()


def a_request_may_come_byte_by_byte(endpoint: Endpoint) -> None:
    with endpoint.connect() as peer:
        for document in (
            make_request(packet_id=1),
            make_request(packet_id=2, name="étage \U0001f50c"),
        ):
            peer.send_bytewise(peer.framed(document))
        assert peer.packets(2) == [updates_reply(1), updates_reply(2)]


def a_slow_request_holds_up_no_other_client(endpoint: Endpoint) -> None:
    with endpoint.connect() as slow, endpoint.connect() as other:
        data = slow.framed(make_request(packet_id=1))
        slow.send(data[:20])
        assert other.is_served(2)
        slow.send(data[20:])
        assert slow.packet() == updates_reply(1)


def what_cannot_be_answered_costs_nothing_else(endpoint: Endpoint) -> None:
    """Broken input gets no reply, on any transport, and the next request gets its own."""
    for broken in (
        *(b"hello", b"[1, 2]", b'{"payload": {"callbackName": 20}}', b'{"packetID": "7"}'),
        *(b'{"packetID": 1.5}', b'{"packetID": 1,}', b'{"packetID": NaN}', b"{packetID: 1}"),
    ):
        with endpoint.connect() as peer:
            # On TCP the line's end is where the outlet finds its feet again.
            rest = b"\n" if endpoint.transport == "tcp" else b""
            peer.send(peer.framed(broken + rest) + peer.framed(make_request(packet_id=1)))
            assert peer.packet() == updates_reply(1), broken
            assert peer.is_served(2)


def what_is_odd_and_has_a_packet_id_is_answered(endpoint: Endpoint) -> None:
    """Where a request is not as the documentation has it, but can be understood, it is answered."""
    odd = {
        b'{"packetID": 7}': failure_reply(7),
        b'{"packetID": 7, "payload": []}': failure_reply(7),
        b'{"packetID": 7, "payload": {}}': failure_reply(7),
        b'{"packetID": 7, "payload": {"callbackName": "20"}}': failure_reply(7),
        b'{"more": [{}], "payload": {"callbackName": 20}, "packetID": 7}': updates_reply(7),
        b' { "packetID" : 7 ,\n"payload":{"callbackName":20} } ': updates_reply(7),
        make_request(packet_id=7, name="é", more={"a": ["{", '"']}): updates_reply(7),
    }
    with endpoint.connect() as peer:
        for document, reply in odd.items():
            peer.send(peer.framed(document))
            assert peer.packet() == reply, document


def a_push_reaches_every_client_once(endpoint: Endpoint) -> None:
    with ExitStack() as stack:
        peers = endpoint.peers(stack, 5)
        for number in range(3):
            endpoint.push(99, ["news", number])
        for peer in peers:
            assert peer.packets(3) == [push(99, ["news", number]) for number in range(3)]
            assert peer.is_served()  # and so nothing else has come


def pushes_and_replies_do_not_mix(endpoint: Endpoint) -> None:
    """However they come together, each is whole, and each kind is in its order."""
    with ExitStack() as stack:
        (peer,) = endpoint.peers(stack, 1)
        for number in range(20):
            peer.send_requests(number)
            endpoint.push(99, number)
        came = peer.packets(40)
        assert [one for one in came if "PUBACK" in one] == [updates_reply(n) for n in range(20)]
        assert [one for one in came if "PUBACK" not in one] == [push(99, n) for n in range(20)]


def a_client_that_is_gone_gets_nothing_and_disturbs_no_other(endpoint: Endpoint) -> None:
    with ExitStack() as stack:
        staying, leaving, resetting = endpoint.peers(stack, 3)
        assert leaving.finish() == b""
        leaving.close()
        resetting.send(resetting.framed(make_request())[:10])
        resetting.reset()
        endpoint.push(99, 1)
        assert staying.packet() == push(99, 1)
        assert staying.is_served()


def a_client_that_ends_its_side_gets_its_replies_first(endpoint: Endpoint) -> None:
    with endpoint.connect() as peer:
        peer.send_requests(*range(50))
        assert peer.finish() == reply_bytes(endpoint.transport, *range(50))


ON_BOTH: tuple[Check, ...] = (
    one_request_gets_one_reply,
    requests_in_one_segment_are_answered_in_order,
    requests_of_both_outcomes_keep_their_order,
    two_hundred_requests_may_be_in_flight,
    a_request_may_come_byte_by_byte,
    a_slow_request_holds_up_no_other_client,
    what_cannot_be_answered_costs_nothing_else,
    what_is_odd_and_has_a_packet_id_is_answered,
    a_push_reaches_every_client_once,
    pushes_and_replies_do_not_mix,
    a_client_that_is_gone_gets_nothing_and_disturbs_no_other,
    a_client_that_ends_its_side_gets_its_replies_first,
)


# On TCP


def nothing_or_anything_blank_may_end_a_request(endpoint: Endpoint) -> None:
    with endpoint.connect() as peer:
        for number, ending in enumerate([b"", b"\n", b"\r\n", b"\0", b" \n\n "]):
            peer.send(make_request(packet_id=number) + ending)
            assert peer.packet() == updates_reply(number)


def the_end_inside_a_request_loses_no_reply(endpoint: Endpoint) -> None:
    with endpoint.connect() as peer:
        peer.send(make_request(packet_id=1) + make_request(packet_id=2)[:20])
        assert peer.finish() == reply_bytes("tcp", 1)


def a_packet_without_an_end_ends_the_connection(endpoint: Endpoint) -> None:
    """Its client can still read the replies that it has earned; others do not notice."""
    with endpoint.connect() as peer:
        start = make_request(packet_id=1) + b'{"packetID": "'
        peer.send(start + b"x" * (MAX_PACKET_BYTES + 1))
        assert peer.read_to_end() == reply_bytes("tcp", 1)
    with endpoint.connect() as peer:
        with suppress(ConnectionError):  # as soon as the endpoint has had enough
            peer.send(b'{"packetID": 7, "payload": "')
            for _ in range(50):
                peer.send(b"x" * 2**20)
        rest, _ = peer.end()
        assert rest == b""
    with endpoint.connect() as peer:
        assert peer.is_served()


def a_reply_has_nothing_around_it(endpoint: Endpoint) -> None:
    with endpoint.connect() as peer:
        peer.send_requests(1)
        assert peer.socket.recv(4096) == reply_bytes("tcp", 1)


ON_TCP: tuple[Check, ...] = (
    nothing_or_anything_blank_may_end_a_request,
    the_end_inside_a_request_loses_no_reply,
    a_packet_without_an_end_ends_the_connection,
    a_reply_has_nothing_around_it,
)


# On WebSocket


def a_message_may_be_of_any_form(endpoint: Endpoint) -> None:
    """Under any mask, and with its size in more bits than it needs. A binary message is not
    answered; what comes after it is.
    """
    with endpoint.connect() as peer:
        document = make_request(packet_id=1)
        for frame in (
            client_frame(BINARY, make_request(packet_id=2)) + client_frame(TEXT, document),
            client_frame(TEXT, document, mask=bytes(4)),
            client_frame(TEXT, document, mask=b"\x00\x01\x80\xff"),
            client_frame(TEXT, make_request(packet_id=1, padding="x" * 300)),
            client_frame(TEXT, make_request(packet_id=1, padding="x" * 60_000)),
        ):
            peer.send(frame)
            assert peer.packet() == updates_reply(1)


def a_message_in_fragments_is_answered_once_it_is_whole(endpoint: Endpoint) -> None:
    document = make_request()
    with endpoint.connect() as connected:
        peer = ws(connected)
        peer.send(client_frame(TEXT & 0x0F, document[:10]))
        peer.send(client_frame(PING, b"amid"))
        assert peer.frame() == Frame(PONG, b"amid")
        peer.send(client_frame(0x00) + client_frame(0x80, document[10:]))
        assert peer.packet() == updates_reply()


def pings_are_answered_in_order_with_what_they_hold(endpoint: Endpoint) -> None:
    with endpoint.connect() as connected:
        peer = ws(connected)
        payloads = (b"", b"1234", b"x" * 125, bytes(range(125)))
        peer.send(b"".join(client_frame(PING, payload) for payload in payloads))
        assert [peer.frame() for _ in payloads] == [Frame(PONG, one) for one in payloads]
        peer.send(client_frame(PONG, b"unasked"))
        assert peer.is_served()


def messages_of_all_forms_are_answered_in_order(endpoint: Endpoint) -> None:
    number = 60
    stream = b""
    for n in range(number):
        document = make_request(packet_id=n)
        forms = [
            client_frame(TEXT, document),
            client_frame(TEXT, make_request(packet_id=n, name="é")),
            client_frame(BINARY, make_request(packet_id=number)) + client_frame(TEXT, document),
            client_frame(0x01, document[:5]) + client_frame(0x80, document[5:]),
            client_frame(TEXT, make_request(packet_id=n, padding="x" * 2000)),
        ]
        stream += forms[n % len(forms)] + client_frame(PING, b"%d" % n)
    with endpoint.connect() as connected:
        peer = ws(connected)
        peer.send(stream)
        frames = [peer.frame() for _ in range(2 * number)]
    assert [one.json for one in frames if one.first == TEXT] == [
        updates_reply(n) for n in range(number)
    ]
    assert [int(one.payload) for one in frames if one.first == PONG] == list(range(number))


def a_close_frame_is_answered_and_the_stream_ends(endpoint: Endpoint) -> None:
    for payload in (b"", *(close_payload(code, "é".encode()) for code in (1000, 1001, 3000, 4999))):
        with endpoint.connect() as peer:
            peer.send(peer.framed(make_request(packet_id=1)) + client_frame(CLOSE, payload))
            reply, close = frames_in(peer.read_to_end())
            assert (reply.first, reply.json) == (TEXT, updates_reply(1))
            assert close == Frame(CLOSE, payload)


def nothing_follows_the_close_frame_of_a_client(endpoint: Endpoint) -> None:
    with endpoint.connect() as peer:
        peer.send(client_frame(CLOSE, close_payload(1000)) + peer.framed(make_request()))
        with suppress(ConnectionError):
            peer.send(client_frame(PING, b"behind"))
        rest, _ = peer.end()
        assert [frame.close_code for frame in frames_in(rest)] == [1000]


def ends_with(endpoint: Endpoint, code: int, frames: bytes) -> None:
    """Fail unless a message before is answered, and these frames end the connection with this code,
    so that what follows them is not.
    """
    with endpoint.connect() as peer:
        before = peer.framed(make_request(packet_id=1))
        peer.send(before + frames + peer.framed(make_request(packet_id=2)))
        reply, close = frames_in(peer.read_to_end())
        assert reply.json == updates_reply(1)
        assert close.close_code == code


def whoever_breaks_the_protocol_gets_1002(endpoint: Endpoint) -> None:
    document = make_request(packet_id=9)
    for frames in (
        client_frame(TEXT, document, mask=None),
        client_frame(TEXT | 0x40, document),
        client_frame(0x83, document),
        client_frame(PING, b"x" * 126),
        client_frame(PING & 0x0F, b"x"),
        client_frame(0x80, document),
        client_frame(0x01, b"{") + client_frame(TEXT, document),
        client_frame(CLOSE, b"\x03"),
    ):
        ends_with(endpoint, 1002, frames)


def text_that_is_not_utf_8_gets_1007(endpoint: Endpoint) -> None:
    ends_with(endpoint, 1007, client_frame(TEXT, b'{"packetID": "\xff"}'))
    ends_with(endpoint, 1007, client_frame(0x01, b"\xc3") + client_frame(0x80, b"("))


def a_message_that_is_too_large_gets_1009(endpoint: Endpoint) -> None:
    too_large = b"x" * (MAX_PACKET_BYTES + 1)
    half = MAX_PACKET_BYTES // 2 + 1
    ends_with(endpoint, 1009, client_frame(TEXT, too_large))
    ends_with(endpoint, 1009, client_frame(BINARY, too_large))
    ends_with(
        endpoint,
        1009,
        client_frame(0x01, too_large[:half]) + client_frame(0x80, too_large[:half]),
    )


def a_client_may_vanish_inside_a_frame(endpoint: Endpoint) -> None:
    for first in (TEXT, BINARY):
        with endpoint.connect() as peer:
            peer.send(client_frame(first, make_request())[:-5])
            peer.socket.shutdown(socket.SHUT_WR)
            rest, _ = peer.end()
            assert all(frame.first == CLOSE for frame in frames_in(rest))
    with endpoint.connect() as peer:
        assert peer.is_served()


ON_WEBSOCKET: tuple[Check, ...] = (
    a_message_may_be_of_any_form,
    a_message_in_fragments_is_answered_once_it_is_whole,
    pings_are_answered_in_order_with_what_they_hold,
    messages_of_all_forms_are_answered_in_order,
    a_close_frame_is_answered_and_the_stream_ends,
    nothing_follows_the_close_frame_of_a_client,
    whoever_breaks_the_protocol_gets_1002,
    text_that_is_not_utf_8_gets_1007,
    a_message_that_is_too_large_gets_1009,
    a_client_may_vanish_inside_a_frame,
)

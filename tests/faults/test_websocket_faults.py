"""Faults of the WebSocket protocol: odd frames are read rightly by those who know the protocol, and
forbidden ones refused.
"""

from typing import Any, TypeAlias, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.frame_protocol import FrameDecoder, FrameProtocol, Opcode, ParseFailed

from invis_sim.faults import (
    BadFrame,
    BadHandshake,
    Binary,
    Duplicate,
    Empty,
    Fault,
    Fragment,
    NoPong,
    RejectHandshake,
    SlowHandshake,
    Split,
    Utf16,
    When,
)
from invis_sim.faults.connection_plan import ConnectionPlan, HandshakeResponse
from invis_sim.faults.fault import FrameFault
from invis_sim.faults.kinds.websocket import WrongFrame, corrupt_handshake
from invis_sim.faults.pipeline import Pipeline
from invis_sim.protocol.frames import BINARY, CONTINUATION, FIN, PING, TEXT, Frame, text_frame
from invis_sim.protocol.packets import Packet
from tests.cases import for_each
from tests.faults.strategies import (
    PACKET_KINDS,
    applied_faults,
    asking_for,
    context,
    faults,
    packets,
    seeds,
    send,
    the,
    written,
)

FORMS: tuple[WrongFrame, ...] = get_args(WrongFrame)
FRAME_KINDS = [kind for kind in PACKET_KINDS if issubclass(kind, FrameFault)]

texts = st.one_of(
    packets.map(Packet.encode),
    st.binary(max_size=20),
    st.integers(0, 70_000).map(lambda size: b"x" * size),
)

Header: TypeAlias = tuple[int, int, bytes]
"""Of a frame on the wire: its first byte, the second, and its payload."""


def headers(data: bytes) -> list[Header]:
    """The frames in these bytes, as RFC 6455, 5.2 lays them out; none of them masked."""
    found = []
    while data:
        size, start = data[1] & 0x7F, 2
        if size >= 126:
            start = 4 if size == 126 else 10
            size = int.from_bytes(data[2:start], "big")
        assert not data[1] & 0x80
        found.append((data[0], data[1], data[start : start + size]))
        data = data[start + size :]
    return found


def read(data: bytes) -> list[tuple[Opcode, bytes]]:
    """The whole messages and control frames that a client finds in these bytes.

    Raises ParseFailed.
    """
    decoder = FrameDecoder(client=True)  # of frames only: what text is UTF-8 is another matter
    decoder.receive_bytes(data)
    found: list[tuple[Opcode, bytes]] = []
    message: tuple[Opcode, bytes] | None = None
    taken = b""
    while (frame := decoder.process_buffer()) is not None:
        assert isinstance(frame.payload, bytes | bytearray)
        taken += frame.payload
        if not frame.frame_finished:
            continue
        payload, taken = taken, b""
        if frame.opcode >= 0x8:
            found.append((frame.opcode, payload))
            continue
        if (frame.opcode is Opcode.CONTINUATION) != (message is not None):
            raise ParseFailed("a continuation of nothing, or a message within a message")
        opcode, before = message or (frame.opcode, b"")
        message = (opcode, before + payload)
        if frame.message_finished:
            found.append(message)
            message = None
    assert message is None
    return found


def sent(text: bytes, *several: FrameFault) -> bytes:
    """What these faults make of a text message."""
    frames: tuple[Frame, ...] = (Frame(FIN | TEXT, text),)
    for fault in several:
        frames = fault.reframe(frames, context(transport="ws"))
    return b"".join(frame.encode() for frame in frames)


# Odd and allowed


@given(texts)
def test_a_binary_message_is_the_same_bytes_in_one_frame(text: bytes) -> None:
    assert headers(sent(text, Binary())) == [(FIN | BINARY, min(127, length_form(text)), text)]
    assert read(sent(text, Binary())) == [(Opcode.BINARY, text)]


def length_form(text: bytes) -> int:
    return len(text) if len(text) < 126 else 126 if len(text) < 2**16 else 127


@given(texts, st.integers(2, 40), st.booleans())
def test_fragments_are_as_many_as_it_says_and_make_the_same_message(
    text: bytes, pieces: int, ping: bool
) -> None:
    data = sent(text, Fragment(pieces=pieces, ping=ping))
    frames = headers(data)
    if ping:
        assert frames.pop(1)[::2] == (FIN | PING, b"invis")
    assert [first for first, _, _ in frames] == [
        TEXT,
        *[CONTINUATION] * (pieces - 2),
        FIN | CONTINUATION,
    ]
    sizes = [len(payload) for _, _, payload in frames]
    assert b"".join(payload for _, _, payload in frames) == text
    assert max(sizes) - min(sizes) <= 1
    expected = [(Opcode.TEXT, text)]
    assert read(data) == ([(Opcode.PING, b"invis")] if ping else []) + expected


def test_a_ping_comes_between_the_first_fragment_and_the_second() -> None:
    frames = headers(sent(b"abcdef", Fragment(pieces=3, ping=True)))
    assert [payload for _, _, payload in frames] == [b"ab", b"invis", b"cd", b"ef"]


@given(packets)
def test_a_client_library_reads_a_fragmented_packet(packet: Packet) -> None:
    client = FrameProtocol(client=True, extensions=[])
    client.receive_bytes(sent(packet.encode(), Fragment(pieces=7, ping=True)))
    frames = list(client.received_frames())
    words = [frame.payload for frame in frames if frame.opcode is not Opcode.PING]
    assert "".join(map(str, words)) == packet.encode().decode()


@given(texts, st.lists(st.sampled_from((Binary(), Fragment(pieces=3, ping=True))), max_size=5))
def test_odd_frames_in_any_order_and_number_make_the_same_message(
    text: bytes, several: list[FrameFault]
) -> None:
    opcode = Opcode.BINARY if Binary() in several else Opcode.TEXT
    messages = [message for message in read(sent(text, *several)) if message[0] is not Opcode.PING]
    assert messages == [(opcode, text)]


@pytest.mark.parametrize("fault", [Binary(), Fragment(pieces=3, ping=True)])
def test_what_is_binary_or_in_fragments_already_is_not_touched_again(fault: FrameFault) -> None:
    once = fault.reframe((Frame(FIN | TEXT, b"abc"),), context())
    ctx = context()
    assert fault.reframe(once, ctx) == once
    assert ctx.skipped


# Forbidden


@pytest.mark.parametrize("how", FORMS)
@given(text=texts)
def test_a_bad_frame_is_refused_by_a_client(how: WrongFrame, text: bytes) -> None:
    with pytest.raises(ParseFailed):
        read(sent(text, BadFrame(how=how)))


@given(texts)
def test_each_bad_frame_breaks_the_rule_that_it_names_and_no_other(text: bytes) -> None:
    good = text_frame(text)
    bad = {how: sent(text, BadFrame(how=how)) for how in FORMS}
    assert bad["reserved_bits"] == bytes((good[0] | 0x40,)) + good[1:]
    assert bad["unknown_opcode"] == bytes((FIN | 0x3,)) + good[1:]
    masked = bad["masked"]
    header = len(good) - len(text)
    assert masked[: header + 4] == good[:1] + bytes((good[1] | 0x80,)) + good[2:header] + bytes(
        (1, 2, 3, 4)
    )
    assert bytes(byte ^ (n % 4 + 1) for n, byte in enumerate(masked[header + 4 :])) == text
    assert headers(bad["fragmented_control"]) == [(PING, min(125, len(text)), text[:125])]
    ((first, second, payload),) = headers(bad["long_control"])
    assert (first, second, len(payload)) == (FIN | PING, 126, 126)
    assert headers(bad["stray_continuation"]) == [(FIN | CONTINUATION, length_form(text), text)]
    assert bad["bad_length"] == (
        bytes((good[0], 127)) + (2**63 + len(text)).to_bytes(8, "big") + text
    )


@pytest.mark.parametrize("how", FORMS)
@given(
    text=texts,
    several=st.lists(
        st.one_of([st.just(Binary()), st.builds(Fragment, pieces=st.integers(2, 5))]), max_size=3
    ),
    place=st.integers(0, 3),
)
def test_a_bad_frame_stays_bad_among_odd_ones(
    how: WrongFrame, text: bytes, several: list[FrameFault], place: int
) -> None:
    several = [*several[:place], BadFrame(how=how), *several[place:]]
    with pytest.raises(ParseFailed):
        read(sent(text, *several))


@given(texts, st.lists(st.sampled_from(FORMS), min_size=2, max_size=5))
def test_several_bad_frames_do_not_mend_each_other(text: bytes, several: list[WrongFrame]) -> None:
    with pytest.raises(ParseFailed):
        read(sent(text, *(BadFrame(how=how) for how in several)))


# In the pipeline


@given(st.lists(faults(st.just(When()), FRAME_KINDS), min_size=1, max_size=5), packets, seeds)
def test_frame_faults_leave_in_one_write_and_exist_on_websocket_only(
    several: list[Fault], packet: Packet, seed: int
) -> None:
    pipeline = Pipeline(several, seed)
    asked = asking_for(packet)
    assert pipeline.session("tcp", 1).plan(packet, packet.encode(), asked, 0, text_frame) is None
    plan = pipeline.session("ws", 2).plan(packet, packet.encode(), asked, 0, text_frame)
    if asked is None:
        assert plan is None
        return
    frames = [fault for fault in several if isinstance(fault, FrameFault)]
    assert written(the(plan).delivery) == [sent(packet.encode(), *frames)]


def test_faults_of_text_act_within_the_frames_and_those_of_delivery_on_all() -> None:
    several = [Split(size=5), Duplicate(), Fragment(pieces=2), Utf16(), Binary(), Empty()]
    plan = the(send(Pipeline(several, seed=1).session("ws", 1)))
    assert applied_faults(plan) == ["utf16", "empty", "fragment", "binary", "split", "duplicate"]
    assert written(plan.delivery) == [b"\x02\x00\x80\x00"] * 2


def test_frames_that_no_fault_changes_are_those_of_the_transport() -> None:
    session = Pipeline([Fragment(), BadFrame(how="unknown_opcode")], seed=1).session("ws", 1)
    plan = the(send(session))
    assert applied_faults(plan) == ["fragment", "bad_frame"]
    session = Pipeline([BadFrame(how="unknown_opcode"), Fragment()], seed=1).session("ws", 1)
    plan = the(send(session))
    assert applied_faults(plan) == ["bad_frame"]


# The handshake

ANSWER = (
    b"HTTP/1.1 101 Switching Protocols\r\n"
    b"Upgrade: WebSocket\r\n"
    b"SEC-WebSocket-accept: \t s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
    b"Connection: Upgrade\r\n\r\n"
)


def header_lines(answer: bytes) -> list[bytes]:
    return answer.partition(b"\r\n\r\n")[0].split(b"\r\n")


def test_a_wrong_accept_key_stands_where_the_right_one_stood() -> None:
    lines = header_lines(corrupt_handshake(ANSWER, "wrong_accept"))
    expected = header_lines(ANSWER)
    name, _, value = lines.pop(2).partition(b":")
    assert name.lower() == b"sec-websocket-accept"
    assert len(value.strip()) == 28
    assert value.strip() != expected.pop(2).partition(b":")[2].strip()
    assert lines == expected


def test_a_missing_header_is_the_accept_key_and_no_other() -> None:
    expected = header_lines(ANSWER)
    del expected[2]
    assert header_lines(corrupt_handshake(ANSWER, "missing_header")) == expected


def test_a_plain_200_is_a_whole_web_page() -> None:
    head, _, body = corrupt_handshake(ANSWER, "plain_200").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert f"Content-Length: {len(body)}".encode() in head.split(b"\r\n")
    assert b"Upgrade" not in head


def test_a_right_answer_is_left_alone_and_a_spoiled_one_ends_its_head() -> None:
    assert corrupt_handshake(ANSWER, "right") == ANSWER
    for how in get_args(HandshakeResponse):
        assert b"\r\n\r\n" in corrupt_handshake(ANSWER, how)


@for_each(
    ("fault", "expected", "detail"),
    [
        (RejectHandshake(), ConnectionPlan(http_rejection=(503, "")), "HTTP 503"),
        (
            RejectHandshake(status=401, body="who?"),
            ConnectionPlan(http_rejection=(401, "who?")),
            "HTTP 401",
        ),
        (BadHandshake(), ConnectionPlan(handshake_response="wrong_accept"), "wrong_accept"),
        (
            BadHandshake(how="plain_200"),
            ConnectionPlan(handshake_response="plain_200"),
            "plain_200",
        ),
        (SlowHandshake(seconds=2), ConnectionPlan(handshake_wait=2), "2 s"),
        (NoPong(), ConnectionPlan(answers_pings=False), ""),
    ],
)
def test_each_handshake_fault_changes_what_it_is_about(
    fault: Fault, expected: ConnectionPlan, detail: str
) -> None:
    planned = the(Pipeline([fault], seed=1).session("ws", 1).admit(0, 1))
    assert planned.plan == expected
    assert [(one.fault, one.detail) for one in planned.applied] == [(fault.kind(), detail)]
    assert Pipeline([fault], seed=1).session("tcp", 1).admit(0, 1) is None


@for_each(
    ("kind", "given_fields"),
    [
        (Fragment, {"pieces": 1}),
        (Fragment, {"pieces": 10_001}),
        (BadFrame, {"how": "nice"}),
        (RejectHandshake, {"status": 200}),
        (RejectHandshake, {"status": 101}),
        (RejectHandshake, {"status": 600}),
        (BadHandshake, {"how": "right"}),
        (SlowHandshake, {}),
        (SlowHandshake, {"seconds": -1}),
        (NoPong, {"seconds": 1}),
        (Binary, {"when": {"transport": "tcp"}}),
        (NoPong, {"when": {"transport": "tcp"}}),
    ],
)
def test_a_value_out_of_range_is_refused(kind: type[Any], given_fields: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"kind": kind.kind(), **given_fields}, kind)

"""Taking a stream apart loses no byte, and finds the packets that are in it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invis_sim.protocol.frames import BINARY, CLOSE, CONTINUATION, FIN, PING, TEXT, Frame
from invis_sim.protocol.json_stream import JsonFramer
from invis_sim.protocol.pieces import FramePieces, JsonPieces, Piece
from tests.support import make_request

MAX_BYTES = 200

WORDS = (
    make_request(),
    make_request(args=[1, {"a": "}"}]),
    *(
        b"\n",
        b"\r\n\0 ",
        b"hello\n",
        b'[{"a": 1}]',
        b'{"a": 1',
        b'{"a"}',
        b"{",
        b"}",
        b'"',
        b"\xff",
    ),
    b'{"a": "' + b"x" * MAX_BYTES + b'"}',
)
FRAMES = (
    Frame(FIN | TEXT, make_request()),
    Frame(FIN | TEXT, b"hello", b"mask"),
    Frame(FIN | BINARY, make_request(), b"\0\0\0\0"),
    Frame(FIN | TEXT, b"x" * 130, b"abcd"),
    Frame(FIN | TEXT, b"x" * (MAX_BYTES + 1)),
    Frame(FIN | TEXT, b"x", length=1),
    Frame(FIN | TEXT | 0x40, b"compressed"),
    Frame(TEXT, b'{"packetID": 1', b"mask"),
    Frame(CONTINUATION, b""),
    Frame(FIN | CONTINUATION, b"}"),
    Frame(FIN | PING, b"amid"),
    Frame(FIN | PING, b"x" * 126),
    Frame(FIN | CLOSE, b"\x03\xe8"),
    Frame(FIN | 0x03, b"reserved"),
)

json_streams = st.lists(st.sampled_from(WORDS), max_size=8).map(b"".join) | st.binary(max_size=60)
frame_streams = st.lists(st.sampled_from(FRAMES).map(Frame.encode), max_size=8).map(
    b"".join
) | st.binary(max_size=60)
cuts = st.lists(st.integers(1, 40), min_size=1)


def chunks(data: bytes, sizes: list[int]) -> list[bytes]:
    found: list[bytes] = []
    while data:
        size = sizes[len(found) % len(sizes)]
        found.append(data[:size])
        data = data[size:]
    return found


def apart(pieces: Any, data: bytes, sizes: list[int], give_up_after: int = -1) -> list[Piece]:
    found: list[Piece] = []
    for number, chunk in enumerate(chunks(data, sizes)):
        found += pieces.feed(chunk)
        if number == give_up_after:
            found += pieces.give_up("for the test")
    return [*found, *pieces.give_up("the end")]


def raw(pieces: list[Piece]) -> bytes:
    return b"".join(piece.raw for piece in pieces)


@given(json_streams, cuts, st.integers(-1, 10))
def test_no_byte_of_a_tcp_stream_is_lost(data: bytes, sizes: list[int], at: int) -> None:
    assert raw(apart(JsonPieces(MAX_BYTES), data, sizes, at)) == data


@given(frame_streams, cuts, st.integers(-1, 10))
def test_no_byte_of_a_websocket_is_lost(data: bytes, sizes: list[int], at: int) -> None:
    assert raw(apart(FramePieces(MAX_BYTES), data, sizes, at)) == data


@given(json_streams, cuts)
def test_the_packets_are_those_that_an_outlet_finds(data: bytes, sizes: list[int]) -> None:
    framer = JsonFramer(MAX_BYTES)
    expected = [one for chunk in chunks(data, sizes) for one in framer.feed(chunk)]
    found = [piece.text for piece in apart(JsonPieces(MAX_BYTES), data, sizes) if piece.text]
    assert found == [one for one in expected if isinstance(one, bytes)]


@given(json_streams | frame_streams, cuts)
def test_what_is_not_changed_leaves_as_it_came(data: bytes, sizes: list[int]) -> None:
    for pieces in (JsonPieces(MAX_BYTES), FramePieces(MAX_BYTES)):
        for piece in apart(pieces, data, sizes):
            if piece.text is not None:
                assert piece.encode(piece.text) == piece.raw


@given(cuts)
def test_blanks_belong_to_the_packet_before_them(sizes: list[int]) -> None:
    first, second = JsonPieces(MAX_BYTES).feed(b"{}\r\n{}\0")
    assert (first.text, first.raw, second.raw) == (b"{}", b"{}\r\n", b"{}\0")
    assert first.encode(b"{1}") == b"{1}\r\n"


@given(cuts)
def test_messages_are_found_in_frames_of_any_form(sizes: list[int]) -> None:
    stream = b"".join(one.encode() for one in FRAMES)
    pieces = apart(FramePieces(MAX_BYTES), stream, sizes)
    assert [(one.text, one.opcode) for one in pieces if one.text is not None] == [
        (make_request(), TEXT),
        (b"hello", TEXT),
        (make_request(), BINARY),
        (b"x" * 130, TEXT),
        (b"x", TEXT),
        (b'{"packetID": 1}', TEXT),
    ]
    assert [one.payload for one in pieces if one.payload] == [b"amid", b"\x03\xe8"]


def test_a_control_frame_keeps_its_place_amid_a_message() -> None:
    frames = [Frame(TEXT, b"{"), Frame(FIN | PING, b"amid"), Frame(FIN | CONTINUATION, b"}")]
    pieces = FramePieces(MAX_BYTES)
    assert pieces.feed(frames[0].encode()) == []
    found = pieces.feed(frames[1].encode()) + pieces.feed(frames[2].encode())
    assert [one.raw for one in found] == [one.encode() for one in frames]
    assert not any(one.text for one in found)


def test_a_changed_message_leaves_as_one_frame_of_its_kind() -> None:
    (piece,) = FramePieces(MAX_BYTES).feed(Frame(FIN | BINARY, b"old").encode())
    assert piece.encode(b"new") == Frame(FIN | BINARY, b"new").encode()


@pytest.mark.parametrize("opcode", [TEXT, CONTINUATION])
def test_no_number_of_fragments_fills_the_memory(opcode: int) -> None:
    pieces = FramePieces(MAX_BYTES)
    held = len(pieces.feed(Frame(TEXT, b"").encode()))
    for _ in range(1000):
        held -= sum(len(piece.raw) for piece in pieces.feed(Frame(CONTINUATION, b"").encode()))
        held += 2
    assert held <= 2 * MAX_BYTES + 4

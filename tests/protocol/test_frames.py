"""WebSocket frames are written as RFC 6455 has them."""

from hypothesis import given
from hypothesis import strategies as st

from invis_sim.protocol.frames import close_frame, frame, text_frame, unframe_text
from tests.cases import for_each

SIZES = [0, 1, 125, 126, 127, 65535, 65536, 70000]


@for_each(
    ("size", "header"),
    [
        (0, "81 00"),
        (125, "81 7d"),
        (126, "81 7e 00 7e"),
        (65535, "81 7e ff ff"),
        (65536, "81 7f 00 00 00 00 00 01 00 00"),
    ],
)
def test_a_text_frame_has_its_size_in_the_shortest_form(size: int, header: str) -> None:
    assert text_frame(b"x" * size) == bytes.fromhex(header) + b"x" * size


@for_each("size", SIZES)
def test_the_text_of_a_frame_is_what_was_framed(size: int) -> None:
    text = bytes(range(256)) * 300
    assert unframe_text(text_frame(text[:size])) == text[:size]


@given(st.binary(max_size=300))
def test_any_text_comes_back_out_of_its_frame(text: bytes) -> None:
    assert unframe_text(text_frame(text)) == text


@for_each("size", SIZES)
def test_what_is_not_exactly_one_text_frame_has_no_text(size: int) -> None:
    whole = text_frame(b"x" * size)
    assert unframe_text(b"") is None
    assert unframe_text(whole[:-1]) is None
    assert unframe_text(whole + b"x") is None
    assert unframe_text(whole + whole) is None
    assert unframe_text(frame(0x82, b"x" * size)) is None
    assert unframe_text(frame(0x01, b"x" * size)) is None


def test_a_text_frame_in_a_longer_form_than_needed_is_none_of_ours() -> None:
    assert unframe_text(b"\x81\x7e\x00\x03abc") is None


@given(st.binary(max_size=200))
def test_bytes_have_a_text_only_if_framing_it_makes_the_same_bytes(data: bytes) -> None:
    text = unframe_text(data)
    assert text is None or text_frame(text) == data


@for_each(
    ("code", "reason", "encoded"),
    [
        (1000, "", "88 02 03e8"),
        (4999, "bye", "88 05 1387 627965"),
        (1011, "é", "88 04 03f3 c3a9"),
        (1011, "x" * 123, "88 7d 03f3" + "78" * 123),
    ],
)
def test_a_close_frame_has_the_code_and_then_the_reason(
    code: int, reason: str, encoded: str
) -> None:
    assert close_frame(code, reason) == bytes.fromhex(encoded)

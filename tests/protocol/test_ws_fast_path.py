"""A client's WebSocket frames take the fast path or the slow one, whatever the chunking."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invis_sim.protocol.ws_fast_path import FAST_PAYLOAD_BYTES, FastPathFilter, SlowBytes
from tests.cases import for_each

CONTINUATION, FINAL_TEXT, PING = 0x80, 0x81, 0x89
MASK = b"\x81\x00\xff\x37"


@dataclass(frozen=True)
class ClientFrame:
    """A frame of a client, be it good or bad.

    first: FIN, reserved bits and opcode. form: in how many bits the size is written.
    """

    first: int
    payload: bytes
    mask: bytes = MASK
    form: int = 0

    @property
    def shortest(self) -> bool:
        size = len(self.payload)
        return self.form in (0, 7 if size < 126 else 16 if size < 0x10000 else 64)

    @property
    def encoded(self) -> bytes:
        size = len(self.payload)
        form = self.form or (7 if size < 126 else 16 if size < 0x10000 else 64)
        apply_mask = 0x80 if self.mask else 0
        if form == 7:
            header = bytes((self.first, apply_mask | size))
        else:
            code = 126 if form == 16 else 127
            header = bytes((self.first, apply_mask | code)) + size.to_bytes(form // 8, "big")
        mask = self.mask or bytes(4)
        body = bytes(byte ^ mask[n % 4] for n, byte in enumerate(self.payload))
        return header + self.mask + body

    @property
    def looks_fast(self) -> bool:
        """Whether it is a fast one, if those before it allow that."""
        return (
            self.first == FINAL_TEXT
            and bool(self.mask)
            and self.shortest
            and len(self.payload) <= FAST_PAYLOAD_BYTES
            and self.payload.isascii()
        )

    @property
    def opcode(self) -> int:
        return self.first & 0x0F

    @property
    def is_data(self) -> bool:
        return self.opcode <= 2

    @property
    def final(self) -> bool:
        return self.first >= 0x80


def text(content: bytes, final: bool = True) -> ClientFrame:
    return ClientFrame(0x81 if final else 0x01, content)


def continuation(content: bytes, final: bool) -> ClientFrame:
    return ClientFrame(0x80 if final else 0x00, content)


def paths(frames: Iterable[ClientFrame], answered: bool) -> Iterator[tuple[bool, ClientFrame]]:
    """Each frame with whether it is fast, by the rules.

    answered: whether messages on the slow path are answered at once, or never.
    """
    fragmented = unanswered = over = False
    for one in frames:
        fast = one.looks_fast and not (fragmented or unanswered or over)
        yield fast, one
        if fast:
            continue
        over = over or not one.mask or bool(one.first & 0x70)
        if one.is_data:
            over = over or not one.shortest or (one.opcode == 0) != fragmented
            fragmented = not one.final
            unanswered = unanswered or (one.final and not answered)
        else:
            good_form = one.form in (0, 7)
            over = over or one.opcode not in (9, 10) or not one.final
            over = over or not good_form or len(one.payload) > 125


def joined(pieces: Iterable[tuple[bool, bytes]]) -> list[tuple[bool, bytes]]:
    """The pieces, with slow ones that follow each other joined."""
    found: list[tuple[bool, bytes]] = []
    for fast, data in pieces:
        if not fast and found and not found[-1][0]:
            data = found.pop()[1] + data
        found.append((fast, data))
    return found


def drain(path_filter: FastPathFilter, answered: bool) -> Iterator[tuple[bool, bytes]]:
    while True:
        if answered and path_filter.between_frames:
            path_filter.unanswered = 0
        piece = path_filter.next()
        if piece is None:
            return
        if isinstance(piece, SlowBytes):
            assert piece.data, "an empty chunk"
            yield False, piece.data
        else:
            yield True, piece


def sort(chunks: Iterable[bytes], answered: bool = True) -> list[tuple[bool, bytes]]:
    """What a new filter makes of the chunks."""
    path_filter = FastPathFilter()
    found: list[tuple[bool, bytes]] = []
    for chunk in chunks:
        path_filter.feed(chunk)
        found += drain(path_filter, answered)
    return joined(found)


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """The data in chunks, some of them empty perhaps."""
    bounds = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(bounds)]


PLACES = st.lists(st.integers(0, 10_000), max_size=12)
MASKS = st.sampled_from([MASK, bytes(4), b"abcd", b""]) | st.binary(min_size=4, max_size=4)
PAYLOADS = st.one_of(
    st.sampled_from([b"", b"{}", b"a" * 125, b"a" * 126, "é".encode(), b"aaaaaaa\xff"]),
    st.sampled_from([b"a" * FAST_PAYLOAD_BYTES, b"a" * (FAST_PAYLOAD_BYTES + 1)]),
    st.text("ab{}", max_size=9).map(str.encode),
    st.binary(max_size=9),
)
FIRSTS = st.one_of(
    st.sampled_from([0x81, 0x81, 0x81, 0x01, 0x00, 0x80, 0x82, 0x89, 0x8A]), st.integers(0, 255)
)


@st.composite
def client_frames(draw: st.DrawFn) -> ClientFrame:
    payload = draw(PAYLOADS)
    forms = [0, 0, 0, 16, 64] if len(payload) > 125 else [0, 0, 0, 7, 16, 64]
    usual_mask = draw(st.integers(0, 9)) > 0
    mask = MASK if usual_mask else draw(MASKS)
    return ClientFrame(draw(FIRSTS), payload, mask, draw(st.sampled_from(forms)))


GOOD_FRAMES = st.one_of(
    st.builds(text, PAYLOADS),
    st.builds(text, st.sampled_from([b"{}", b"", "é".encode()])),
    st.builds(lambda payload: ClientFrame(0x82, payload), PAYLOADS),
    st.builds(lambda payload: ClientFrame(PING, payload), st.binary(max_size=125)),
)
STREAMS = st.one_of(
    st.lists(client_frames(), max_size=8),
    st.lists(GOOD_FRAMES, max_size=8),
    st.lists(GOOD_FRAMES | client_frames(), max_size=8),
)


@given(STREAMS, PLACES, st.booleans())
def test_both_paths_together_are_the_stream_however_it_is_cut(
    frames: list[ClientFrame], places: list[int], answered: bool
) -> None:
    stream = b"".join(one.encoded for one in frames)
    expected = joined(
        (fast, one.payload if fast else one.encoded) for fast, one in paths(frames, answered)
    )
    assert sort(cut(stream, places), answered) == expected


@given(STREAMS, st.booleans())
def test_single_bytes_are_sorted_as_the_whole_is(frames: list[ClientFrame], answered: bool) -> None:
    stream = b"".join(one.encoded for one in frames)
    chunks = [stream[at : at + 1] for at in range(len(stream))]
    assert sort(chunks, answered) == sort([stream], answered)


def may_become_fast(start: bytes) -> bool:
    """Whether a fast frame can begin with these bytes, which are not all of it."""
    if start[:1] != b"\x81":
        return False
    if len(start) > 1 and (start[1] < 0x80 or start[1] == 0xFF):
        return False
    body = 6
    if len(start) > 1 and start[1] == 0xFE:
        body = 8
        if len(start) > 3 and not 126 <= int.from_bytes(start[2:4], "big") <= FAST_PAYLOAD_BYTES:
            return False
    mask = start[body - 4 : body]
    return all(byte ^ mask[n % 4] < 0x80 for n, byte in enumerate(start[body:]))


@given(STREAMS, PLACES)
def test_nothing_is_kept_back_but_the_start_of_what_may_be_fast(
    frames: list[ClientFrame], places: list[int]
) -> None:
    stream = b"".join(one.encoded for one in frames)
    fast_sizes = (len(one.encoded) for fast, one in paths(frames, True) if fast)
    starts = {0}
    for one in frames:
        starts.add(max(starts) + len(one.encoded))
    path_filter = FastPathFilter()
    fed = passed = 0
    for chunk in cut(stream, places):
        path_filter.feed(chunk)
        fed += len(chunk)
        for fast, data in drain(path_filter, answered=True):
            passed += next(fast_sizes) if fast else len(data)
        kept = stream[passed:fed]
        if kept:
            assert passed in starts
            assert may_become_fast(kept)
            assert len(kept) < FAST_PAYLOAD_BYTES + 8


def test_a_frame_is_slow_as_soon_as_it_shows_a_character_that_is_not_ascii() -> None:
    path_filter = FastPathFilter()
    encoded = text("aé and much more".encode()).encoded
    path_filter.feed(encoded[:7])
    assert list(drain(path_filter, True)) == []
    path_filter.feed(encoded[7:8])
    assert joined(drain(path_filter, True)) == [(False, encoded[:8])]


@for_each(
    "odd",
    [
        pytest.param(ClientFrame(0xC1, b"{}"), id="reserved bit"),
        pytest.param(ClientFrame(0x81, b"{}", mask=b""), id="not masked"),
        pytest.param(ClientFrame(0x81, b"{}", form=16), id="16 bits for a short size"),
        pytest.param(ClientFrame(0x81, b"a" * 200, form=64), id="64 bits for a medium size"),
        pytest.param(ClientFrame(0x83, b"{}"), id="unknown opcode"),
        pytest.param(ClientFrame(0x8B, b""), id="unknown control opcode"),
        pytest.param(ClientFrame(0x80, b"{}"), id="continuation of nothing"),
        pytest.param(ClientFrame(0x09, b""), id="fragmented ping"),
        pytest.param(ClientFrame(PING, b"a" * 126), id="long ping"),
        pytest.param(ClientFrame(PING, b"a", form=16), id="ping with a 16-bit size"),
        pytest.param(ClientFrame(0x88, b""), id="close"),
    ],
)
def test_everything_after_what_ends_the_connection_is_slow(odd: ClientFrame) -> None:
    stream = odd.encoded + text(b"{}").encoded
    assert sort([stream]) == [(False, stream)]
    assert sort(stream[at : at + 1] for at in range(len(stream))) == [(False, stream)]


def test_a_message_is_slow_while_the_one_before_it_is_not_answered() -> None:
    path_filter = FastPathFilter()
    first, ping, second, third = (
        text("é".encode()).encoded,
        ClientFrame(PING, b"").encoded,
        text(b"2").encoded,
        text(b"3").encoded,
    )
    path_filter.feed(first + ping + second)
    assert joined(drain(path_filter, False)) == [(False, first + ping + second)]
    assert path_filter.unanswered == 2
    path_filter.unanswered = 0
    path_filter.feed(third)
    assert joined(drain(path_filter, False)) == [(True, b"3")]


def test_a_fragmented_message_counts_once_and_holds_back_what_comes_amid_it() -> None:
    path_filter = FastPathFilter()
    parts = [text(b"a", final=False), continuation(b"", False), ClientFrame(PING, b"p")]
    path_filter.feed(b"".join(part.encoded for part in parts))
    assert [fast for fast, _ in joined(drain(path_filter, False))] == [False]
    assert path_filter.unanswered == 0
    path_filter.feed(continuation(b"b", True).encoded)
    assert [fast for fast, _ in joined(drain(path_filter, False))] == [False]
    assert path_filter.unanswered == 1


def test_a_new_message_amid_the_fragments_of_another_is_slow() -> None:
    stream = text(b"a", final=False).encoded + text(b"{}").encoded
    assert sort([stream]) == [(False, stream)]


def test_nothing_is_fast_once_the_fast_path_is_disabled() -> None:
    path_filter = FastPathFilter()
    encoded = text(b"{}").encoded
    path_filter.feed(encoded[:4])
    assert path_filter.next() is None
    path_filter.disable_fast_path()
    path_filter.feed(encoded[4:] + encoded)
    assert joined(drain(path_filter, True)) == [(False, encoded + encoded)]


@for_each("size", [63, 64, 65, 126, 127])
def test_what_is_longer_than_fast_ones_may_be_is_slow(size: int) -> None:
    for longest in (64, 126):
        path_filter = FastPathFilter(longest)
        path_filter.feed(text(b"a" * size).encoded)
        assert [fast for fast, _ in joined(drain(path_filter, True))] == [size <= longest]


def test_whether_a_close_frame_has_passed_is_known() -> None:
    for one, closing in ((ClientFrame(0x88, b""), True), (ClientFrame(0x8B, b""), False)):
        path_filter = FastPathFilter()
        path_filter.feed(one.encoded)
        list(drain(path_filter, True))
        assert path_filter.closing is closing


@given(
    st.lists(st.binary(max_size=9), min_size=1, max_size=5),
    st.binary(min_size=4, max_size=4),
    PLACES,
)
def test_the_newest_slow_message_is_known_without_its_masks(
    parts: list[bytes], mask: bytes, places: list[int]
) -> None:
    frames = [ClientFrame(0x82, b"the message before", MASK)]
    for n, part in enumerate(parts):
        final = 0x80 if n == len(parts) - 1 else 0
        frames.append(ClientFrame(final | (0 if n else 2), part, mask))
        if not final:
            frames.append(ClientFrame(PING, b"no part of it", MASK))
    path_filter = FastPathFilter()
    for chunk in cut(b"".join(one.encoded for one in frames), places):
        path_filter.feed(chunk)
        list(drain(path_filter, True))
    assert path_filter.message == b"".join(parts)

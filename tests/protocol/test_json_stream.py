"""`JsonFramer` finds the JSON objects in a stream, wherever the stream is cut."""

import json
import re
import sys
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invis_sim.protocol import json_patterns, json_stream, json_structure
from invis_sim.protocol.json_stream import (
    MAX_PACKET_BYTES,
    Framed,
    JsonFramer,
    Malformed,
    PacketTooLarge,
)
from invis_sim.protocol.json_structure import MAX_DEPTH
from tests.cases import for_each

REQUEST = b'{"packetID":221040,"payload":{"callbackName":20}}'
PRETTY = b'{\r\n\t"packetID" : 221041 ,\n "payload" : { "callbackName" : 20 }\n}'
WITH_ARGUMENTS = (
    b'{"packetID":7,"payload":{"callbackName":4,"callbackArgs":[{"name":"a \\"}{\\""}]}}'
)


@pytest.fixture(autouse=True, scope="module")
def many_values_are_passed_at_once() -> Iterator[None]:
    """Have the framer pass many values in one match in short documents too, as it does in long
    ones: only a byte at a time it cannot.
    """
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(json_patterns, "MIN_RUN_BYTES", 1)
        yield


def feed(chunks: Iterable[bytes], max_packet_bytes: int = MAX_PACKET_BYTES) -> list[Framed]:
    """What a new framer finds in the chunks, the end of the stream included."""
    framer = JsonFramer(max_packet_bytes)
    found = [framed for chunk in chunks for framed in framer.feed(chunk)]
    unfinished = framer.finish()
    return found if unfinished is None else [*found, unfinished]


def single_bytes(data: bytes) -> Iterator[bytes]:
    return (data[at : at + 1] for at in range(len(data)))


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """The data in chunks, some of them empty perhaps."""
    bounds = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(bounds)]


def cut_at_braces(data: bytes) -> list[bytes]:
    """The data in chunks that look like the whole requests that they may be."""
    return re.split(rb"(?=\{)|(?<=\})", data)


def without_raw(found: Iterable[Framed]) -> list[object]:
    """What was found, without the bytes of malformed pieces, which depend on the chunking."""
    return [
        (type(framed), framed.reason, framed.offset) if isinstance(framed, Malformed) else framed
        for framed in found
    ]


def documents_in(found: Iterable[Framed]) -> list[bytes]:
    return [framed for framed in found if isinstance(framed, bytes)]


def malformed_in(found: Iterable[Framed]) -> list[Malformed]:
    return [framed for framed in found if isinstance(framed, Malformed)]


def nested(depth: int) -> bytes:
    """An object that is nested so deep, itself included."""
    return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


# --- good streams ---

SPACE = st.text(" \t\r\n", max_size=3)
TEXT = st.text('aé\U0001f50c{}[],:"\\\n\x00', max_size=6)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXT
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def objects(draw: st.DrawFn) -> bytes:
    """A JSON object, written in one of the ways in which it can be written."""
    fields = draw(st.dictionaries(TEXT, VALUES, max_size=3))
    return json.dumps(
        fields,
        indent=draw(st.sampled_from((None, 0, "\t"))),
        separators=(draw(SPACE) + "," + draw(SPACE), draw(SPACE) + ":" + draw(SPACE)),
        ensure_ascii=draw(st.booleans()),
    ).encode()


PLACES = st.lists(st.integers(0, 2000), max_size=12)


@given(st.lists(st.tuples(st.text(" \t\r\n\x00", max_size=3), objects()), max_size=5), PLACES)
def test_objects_come_out_as_they_went_in_wherever_the_stream_is_cut(
    parts: list[tuple[str, bytes]], places: list[int]
) -> None:
    stream = b"".join(gap.encode() + document for gap, document in parts)
    expected = [document for _, document in parts]
    assert feed([stream]) == expected
    assert feed(single_bytes(stream)) == expected
    assert feed(cut(stream, places)) == expected
    assert feed(cut_at_braces(stream)) == expected


@given(st.lists(objects(), min_size=1, max_size=3))
def test_a_document_comes_out_with_its_last_byte(documents: list[bytes]) -> None:
    framer = JsonFramer()
    for document in documents:
        early = [framed for byte in single_bytes(document[:-1]) for framed in framer.feed(byte)]
        assert early == []
        assert framer.feed(document[-1:]) == [document]


@for_each("document", [REQUEST, PRETTY, WITH_ARGUMENTS, b"{}", b'{"a":{ }}'])
@for_each("gap", [b"", b"\n", b"\r\n", b"\x00", b" \t\x00\n"])
def test_requests_may_be_bare_or_have_anything_blank_between_them(
    document: bytes, gap: bytes
) -> None:
    assert feed([gap + document + gap + document + gap]) == [document, document]
    assert feed([document + gap, document + gap]) == [document, document]


def test_a_document_and_the_start_of_the_next_may_share_a_chunk() -> None:
    framer = JsonFramer()
    assert framer.feed(REQUEST + PRETTY[:9]) == [REQUEST]
    assert framer.feed(PRETTY[9:] + WITH_ARGUMENTS[:-1]) == [PRETTY]
    assert framer.feed(WITH_ARGUMENTS[-1:]) == [WITH_ARGUMENTS]


def test_an_object_inside_a_document_is_not_a_document() -> None:
    inner = b'{"callbackName":20}'
    assert feed([b'{"packetID":1,"payload":', inner, b"}"]) == [
        b'{"packetID":1,"payload":%b}' % inner
    ]


def test_garbage_after_a_request_is_reported_again() -> None:
    found = feed([b"hello", REQUEST, b"hello", REQUEST, b"\n", b"hello"])
    assert [type(framed) for framed in found] == [Malformed, bytes, Malformed, bytes, Malformed]


# --- any stream ---

BROKEN = (
    b"hello",
    b"\xef\xbb\xbf",
    b"\x16\x03\x01\x02",
    b"[1,2]",
    b'"{"',
    b"}",
    b"{{{",
    b"{1}",
    b"{'a':1}",
    b'{"a" 1}',
    b'{"a":1,}',
    b'{"a":1]',
    b'{"a":[1}',
    b'{"a":}',
    b'{"a":1 2}',
    b'{"a":"x\ny"}',
    b'{"a":"\\',
    b'{"a":"\\\x01"}',
    b'{"a":\x0b1}',
    b'{"a":NaN,\xff:2}',
    b'{"a":tru\x00}',
    b"GET / HTTP/1.1\r\nHost: outlet\r\n\r\n",
    nested(MAX_DEPTH + 1),
    nested(MAX_DEPTH + 9)[:-3],
    b'{"a":' * (MAX_DEPTH + 1) + b"!" + b"}" * 9,
)
PIECES = (
    objects()
    | st.sampled_from((REQUEST, PRETTY, WITH_ARGUMENTS, nested(MAX_DEPTH)))
    | st.sampled_from(BROKEN)
    | st.sampled_from((b" ", b"\n", b"\r\n", b"\x00", b"{", b'{"'))
    | st.binary(max_size=6)
)
STREAMS = st.lists(PIECES, max_size=8).map(
    # A chunk that begins like a request is one, wherever the stream is cut; see below.
    lambda pieces: b"".join(pieces).replace(b"packetID", b"packetId")
)
LIMITS = st.sampled_from((1, 20, 64, MAX_PACKET_BYTES))


@given(STREAMS, LIMITS, PLACES)
def test_where_a_stream_is_cut_makes_no_difference(
    stream: bytes, limit: int, places: list[int]
) -> None:
    whole = without_raw(feed([stream], limit))
    assert without_raw(feed(single_bytes(stream), limit)) == whole
    assert without_raw(feed(cut(stream, places), limit)) == whole
    assert without_raw(feed(cut_at_braces(stream), limit)) == whole


@given(STREAMS)
def test_a_document_alone_is_the_same_document(stream: bytes) -> None:
    for document in documents_in(feed([stream])):
        assert feed(single_bytes(document)) == [document]


@given(
    st.lists(
        st.sampled_from(
            (
                *("1,", "[],", "[", "]", "{", "}", '"a":', '"a",', ",", " ", "\\", '"\\"]",', "\n"),
                *("[" * 4, "]" * 4, '[{"a":', "]}]", "}" * 3, "[" * MAX_DEPTH, "]" * MAX_DEPTH),
            )
        ),
        max_size=30,
    )
)
def test_values_that_are_passed_at_once_are_those_that_the_automaton_takes(
    parts: list[str],
) -> None:
    stream = ('{"a":[' + "".join(parts) + ']}\n{"end":1}').encode()
    assert without_raw(feed([stream])) == without_raw(feed(single_bytes(stream)))


@for_each(
    "item",
    [
        *(b"1", b"[]", b"[[[]]]", b"[[[[]]]]", b"{}", b'{"a":[1,"b"]}', b'"x"', b'"\\n"', b"[1,2]"),
        *(b"[" * 12 + b"]" * 12, b'[{"a":[{"b":[{"c":[{}]}]}]}]', b'{"a":{}}', b"[[],[[],[]]]"),
    ],
)
def test_a_long_document_of_any_values_is_one(item: bytes) -> None:
    document = b'{"a":[' + b",".join([item] * 2000) + b"]}"
    pieces = [document[at : at + 1000] for at in range(0, len(document), 1000)]
    assert feed(pieces) == feed([document]) == [document]


@given(STREAMS, LIMITS)
def test_a_malformed_piece_says_which_of_its_bytes_is_wrong(stream: bytes, limit: int) -> None:
    for piece in malformed_in(feed([stream], limit)):
        assert stream.find(piece.raw) >= 0
        assert 0 < len(piece.raw) <= limit
        assert 0 <= piece.offset <= len(piece.raw)


# --- any stream, by an independent model ---


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def can_become_json(start: str) -> bool:
    """Whether some text can follow this start of an object, so that both are JSON."""
    quoted = start.split('"')
    closing = []
    for byte in "".join(quoted[::2]):
        if byte in "{[":
            closing.append("}" if byte == "{" else "]")
        elif byte in "}]":
            closing.pop()
    inside_string = len(quoted) % 2 == 0
    endings = ('"', '":1') if inside_string else ("", "1", ":1", '"":1')
    return any(is_json(start + ending + "".join(reversed(closing))) for ending in endings)


def model(stream: str, limit: int) -> list[object]:
    """What is to be found in the stream: documents, and of other pieces the byte that is wrong."""
    found: list[object] = []
    at = 0
    while at < len(stream):
        if stream[at] in " \t\r\n\x00":
            at += 1
            continue
        start = at
        if stream[at] in "{[":
            end = at + 1
            while end <= len(stream) and can_become_json(stream[at:end]):
                if end - at > limit:
                    return [*found, "too large"]
                if is_json(stream[at:end]):
                    break
                end += 1
            if end > len(stream):
                return [*found, "unfinished"]
            if can_become_json(stream[at:end]):
                found.append(stream[at:end].encode() if stream[at] == "{" else 0)
                at = end
                continue
            found.append(end - 1 - at)
            at = end - 1
        else:
            found.append(0)
            at += stream[at] == '"'
        at = end_of_broken(stream, start, at)
    return found


def end_of_broken(stream: str, start: int, at: int) -> int:
    """Where the broken piece ends that began at `start` and was found broken at `at`."""
    quoted = stream[start:at].split('"')
    in_string = len(quoted) % 2 == 0
    opened: list[str] = []
    for byte in "".join(quoted[::2]):
        if byte in "{[":
            opened.append(byte)
        elif byte in "}]":
            opened.pop()
    while at < len(stream):
        byte = stream[at]
        if byte == "\n":
            in_string = False
        if not opened and not in_string and byte in "\n{":
            break
        if byte == "{" and stream[at - 1] == "\n":
            break
        if in_string:
            in_string = byte != '"'
        elif byte == '"':
            in_string = bool(opened)
        elif byte in "{[":
            opened.append(byte)
        elif byte in "}]" and opened and opened[-1] == {"}": "{", "]": "["}[byte]:
            opened.pop()
        at += 1
    return at


def as_modelled(found: Iterable[Framed]) -> Iterator[object]:
    for framed in found:
        if isinstance(framed, bytes):
            yield framed
        elif isinstance(framed, PacketTooLarge):
            yield "too large"
        elif "the connection ended" in framed.reason:
            yield "unfinished"
        else:
            yield framed.offset


TOKENS = [*'{}[],:" \n\x00', '"a"', '{"a":', '"a":', "1", '{"a":1}', '{"a":{"b":1},"c":[]}', "{}"]


@given(st.lists(st.sampled_from(TOKENS), max_size=16).map("".join), st.sampled_from((9, 1000)))
def test_a_document_ends_where_it_is_json_and_is_broken_where_nothing_can_mend_it(
    stream: str, limit: int
) -> None:
    expected = model(stream, limit)
    assert list(as_modelled(feed([stream.encode()], limit))) == expected
    assert list(as_modelled(feed(single_bytes(stream.encode()), limit))) == expected
    assert list(as_modelled(feed(cut_at_braces(stream.encode()), limit))) == expected


# --- broken pieces ---

ONE_BROKEN_PIECE = [
    (b"hello", "expected '{', found 'h'", 0),
    (b"}", "expected '{', found '}'", 0),
    (b"[1,2]", "expected '{', found '['", 0),
    (b'"text"', "expected '{', found '\"'", 0),
    (b"\xef\xbb\xbf", "byte 0xef", 0),
    (b"\x0b", "byte 0x0b", 0),
    (b"{]", "a key in double quotes or '}', found ']'", 1),
    (b"{'a':1}", "a key in double quotes or '}', found \"'\"", 1),
    (b"{a:1}", "a key in double quotes or '}', found 'a'", 1),
    (b'{"a":1,}', "a key in double quotes, found '}'", 7),
    (b'{"a":1,,"b":2}', "a key in double quotes, found ','", 7),
    (b'{"a" 1}', "':', found '1'", 5),
    (b'{"a"}', "':', found '}'", 4),
    (b'{"a"::1}', "a value, found ':'", 5),
    (b'{"a":}', "a value, found '}'", 5),
    (b'{"a":[1,]}', "a value, found ']'", 8),
    (b'{"a":[,1]}', "a value or ']', found ','", 6),
    (b'{"a":1]', "',' or the closing bracket, found ']'", 6),
    (b'{"a":[1}', "',' or the closing bracket, found '}'", 7),
    (b'{"a":1 2}', "',' or the closing bracket, found '2'", 7),
    (b'{"a":1"b":2}', "',' or the closing bracket, found '\"'", 6),
    (b'{"a":\x001}', "a value, found byte 0x00", 5),
    (b'{"a":\x7f\x0c}', "',' or the closing bracket, found byte 0x0c", 6),
    (b'{"a":"b\tc"}', "a raw byte 0x09 inside a string", 7),
    (b'{"a":"b\\\x00"}', "a raw byte 0x00 inside a string", 8),
    (nested(MAX_DEPTH + 1), f"nested deeper than {MAX_DEPTH} levels", 4 + MAX_DEPTH),
]


@for_each(("piece", "reason", "offset"), ONE_BROKEN_PIECE)
@for_each("chunks", [lambda stream: [stream], single_bytes])
def test_a_broken_piece_is_reported_once_and_loses_nothing_else(
    piece: bytes, reason: str, offset: int, chunks: Callable[[bytes], Iterable[bytes]]
) -> None:
    found = feed(chunks(REQUEST + piece + b"\n" + PRETTY + WITH_ARGUMENTS))
    assert documents_in(found) == [REQUEST, PRETTY, WITH_ARGUMENTS]
    (malformed,) = malformed_in(found)
    assert reason in malformed.reason
    assert malformed.offset == offset


@for_each(("piece", "reason", "offset"), ONE_BROKEN_PIECE)
def test_a_broken_piece_that_came_whole_is_shown_whole(
    piece: bytes, reason: str, offset: int
) -> None:
    (malformed,) = feed([piece])
    assert malformed == Malformed(piece, malformed_in([malformed])[0].reason, offset)


@for_each("piece", [b"hello", b"}", b'{"a":1,}', b"{a:1}", b"[1,2]", b"[1,]", b"{]}"])
def test_the_next_request_may_follow_a_broken_piece_at_once(piece: bytes) -> None:
    found = feed([piece + REQUEST])
    assert documents_in(found) == [REQUEST]
    assert len(malformed_in(found)) == 1


UNFINISHED = [
    *(b'{"a"', b'{"a":1', b'{"a":1]', b"{", b"{]", b"[1,", b'{"a', b'{"a\\', b'["', b'{"a":[1}'),
    *(REQUEST[:end] for end in range(1, len(REQUEST))),
    b'{"a":[' + REQUEST,
    b'{"a":x' + b"[" * 3000,
]


@for_each("piece", UNFINISHED)
def test_after_an_unfinished_document_the_next_request_is_found(piece: bytes) -> None:
    by_segment = feed([piece, REQUEST, REQUEST])
    by_spaced_segment = feed([piece, PRETTY, REQUEST])
    by_line = feed([piece + b"\n" + REQUEST + b"\n" + REQUEST + b"\n" + REQUEST])
    framer = JsonFramer()
    by_time = framer.feed(piece)
    given_up = framer.give_up("nothing came")
    assert framer.between_documents
    by_time += [*([given_up] if given_up else []), *framer.feed(WITH_ARGUMENTS)]
    assert documents_in(by_segment) == [REQUEST, REQUEST]
    assert documents_in(by_spaced_segment) == [PRETTY, REQUEST]
    # The first one may be taken for the value that the document lacks.
    assert documents_in(by_line) in ([REQUEST] * 3, [REQUEST] * 2)
    assert documents_in(by_time) == [WITH_ARGUMENTS]
    for found in (by_segment, by_spaced_segment, by_line, by_time):
        assert len(malformed_in(found)) == 1


def test_what_is_given_up_says_why() -> None:
    framer = JsonFramer()
    assert framer.give_up("nothing came") is None
    framer.feed(REQUEST[:9])
    assert framer.give_up("nothing came") == Malformed(REQUEST[:9], "nothing came", 9)
    assert framer.give_up("nothing came") is None
    framer.feed(b'{"a":]')
    assert framer.give_up("nothing came") is None  # it is reported already
    assert framer.feed(REQUEST) == [REQUEST]
    framer.feed(REQUEST[:9])
    (interrupted, document) = framer.feed(REQUEST)
    assert isinstance(interrupted, Malformed)
    assert "another request begins" in interrupted.reason
    assert document == REQUEST


@for_each("cut", [1, 9, 15, 20])
@for_each("first_key", ["packetID", "payload"])
def test_a_request_in_a_chunk_of_its_own_ends_an_unfinished_document(
    cut: int, first_key: str
) -> None:
    keys = {"packetID": 1, "payload": {"callbackName": 9}}
    request = json.dumps({first_key: keys.pop(first_key), **keys}).encode()
    framer = JsonFramer()
    assert framer.feed(REQUEST[:cut]) == []
    (interrupted, document) = framer.feed(request)
    assert isinstance(interrupted, Malformed)
    assert document == request


AROUND = [
    b"[%b]",
    b"[1, %b, 2]",
    b"[[%b]]",
    b"[%b",
    b'["", %b,]',
    b"{'a': %b}",
    b'{"a" %b}',
    b'{"a":1, "b":x y, "c":%b}',
    b'{"a":[1}, "b":%b}',
    b'{"a":1], "b":%b}',
    b'{"a":"\t", "b":%b}',
    b'{"a":1,, "b":{"c":[%b, %b]}}',
    b"{%b}",
    b'{"a":1,\n "b":;\n "c":\n  %b\n}',
    b"hello [%b]",
]


@for_each("around", AROUND)
def test_an_object_inside_something_else_is_never_a_request(around: bytes) -> None:
    for inner in (REQUEST, b'{"payload":{"callbackName":20},"packetID":7}'):
        stream = around.replace(b"%b", inner)
        for chunks in ([stream], list(single_bytes(stream))):
            found = feed(chunks)
            assert documents_in(found) == []
            assert len(malformed_in(found)) == 1
            assert documents_in(feed([*chunks, b"\n", REQUEST])) == [REQUEST]
            assert documents_in(feed([*chunks, b"\n" + WITH_ARGUMENTS])) == [WITH_ARGUMENTS]


def test_a_request_in_quotes_is_none() -> None:
    quoted = json.dumps(REQUEST.decode()).encode()
    found = feed([quoted + b"\n" + REQUEST])
    assert documents_in(found) == [REQUEST]
    assert [piece.raw for piece in malformed_in(found)] == [quoted]


def test_a_request_whose_end_is_lost_does_not_take_the_next_line_with_it() -> None:
    cut_in_a_string = REQUEST[:24]
    found = feed([cut_in_a_string + b"\n" + REQUEST + b"\n" + REQUEST[:-1] + b"\n" + REQUEST])
    assert documents_in(found) == [REQUEST, REQUEST]
    assert [piece.offset for piece in malformed_in(found)] == [24, len(REQUEST)]


def test_garbage_is_reported_when_it_starts_and_not_again() -> None:
    framer = JsonFramer()
    (malformed,) = framer.feed(b"hel")
    assert isinstance(malformed, Malformed)
    assert malformed.raw == b"hel"
    assert framer.feed(b"lo") == framer.feed(b" \x00[1] }") == []
    assert framer.feed(b"\n" + REQUEST) == [REQUEST]
    assert framer.finish() is None


def test_an_http_request_is_recognised() -> None:
    head = b"GET /ws HTTP/1.1\r\nAccept: text/html\r\n\r\n"
    for chunks in ([head], single_bytes(head)):
        first, *_ = malformed_in(feed(chunks))
        assert "looks like HTTP" in first.reason
        assert "WebSocket" in first.reason
    (other,) = malformed_in(feed([b"hello"]))
    assert "HTTP" not in other.reason


def test_a_request_in_the_body_of_an_http_request_is_still_found() -> None:
    assert documents_in(feed([b"POST / HTTP/1.1\r\nHost: outlet\r\n\r\n" + REQUEST])) == [REQUEST]


# --- depth ---


def test_as_deep_as_is_allowed_is_a_document() -> None:
    assert feed([nested(MAX_DEPTH)]) == [nested(MAX_DEPTH)]
    objects_only = b'{"a":' * MAX_DEPTH + b"1" + b"}" * MAX_DEPTH
    assert feed([objects_only]) == [objects_only]


def test_too_deep_is_one_malformed_piece_and_its_end_is_found() -> None:
    deep = nested(100_000)
    malformed, request = feed([deep + REQUEST], max_packet_bytes=len(deep))
    assert malformed == Malformed(deep, f"nested deeper than {MAX_DEPTH} levels", 4 + MAX_DEPTH)
    assert request == REQUEST


def test_too_deep_and_too_long_is_too_large() -> None:
    (refusal,) = feed([nested(100_000) + REQUEST])
    assert isinstance(refusal, PacketTooLarge)


# --- size ---


def test_a_document_of_just_the_limit_is_taken() -> None:
    for document in (REQUEST, PRETTY, WITH_ARGUMENTS):
        for chunks in ([document], single_bytes(document)):
            assert feed(chunks, max_packet_bytes=len(document)) == [document]


def test_whitespace_and_garbage_do_not_count_towards_the_limit() -> None:
    blank = b" \x00\r\n" * 1000
    found = feed([blank, REQUEST, blank, b"x" * 1000, b"\n", REQUEST], len(REQUEST))
    assert documents_in(found) == [REQUEST, REQUEST]
    assert not any(isinstance(framed, PacketTooLarge) for framed in found)


@for_each("document", [REQUEST, PRETTY, WITH_ARGUMENTS])
def test_over_the_limit_is_refused_and_then_there_is_silence(document: bytes) -> None:
    limit = len(document) - 1
    expected = PacketTooLarge(document[:limit], f"longer than {limit} bytes", limit)
    for chunks in ([b"{}\n" + document], single_bytes(b"{}\n" + document)):
        framer = JsonFramer(limit)
        found = [framed for chunk in chunks for framed in framer.feed(chunk)]
        assert found == [b"{}", expected]
        assert framer.feed(b"\n{}\n") == framer.feed(REQUEST) == framer.feed(b"}") == []
        assert framer.finish() is None


def test_a_document_is_refused_before_its_end_is_there() -> None:
    framer = JsonFramer(10)
    assert framer.feed(b'{"a":"2345') == []
    assert [type(framed) for framed in framer.feed(b"6")] == [PacketTooLarge]


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (b'{"a":"', b"x"),
        (b'{"a":', b" "),
        (b'{"a":', b"1"),
        (b'{"a":', b"["),
        (b"hello", b"x"),
        (b"", b"\n"),
        (b"", b"\x00"),
    ],
)
def test_memory_stays_bounded_through_a_hundred_megabytes(start: bytes, more: bytes) -> None:
    framer = JsonFramer()
    chunk = more * 2**16
    framer.feed(start)
    tracemalloc.start()
    try:
        for _ in range(100_000_000 // len(chunk)):
            framer.feed(chunk)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10 * MAX_PACKET_BYTES


# --- work ---


FILES = {json_patterns.__file__, json_stream.__file__, json_structure.__file__}


def work_of(chunks: Iterable[bytes]) -> int:
    """How much a framer does for the chunks: calls, and bytes that it offers to a pattern."""
    work = 0

    def count(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal work
        if frame.f_code.co_filename not in FILES or event not in ("call", "c_call"):
            return
        work += 1
        if event == "c_call" and argument.__name__ == "match":
            names = frame.f_locals
            data = names["chunk"] if "chunk" in names else names["buffer"]
            work += len(data) - names.get("position", 0)

    framer = JsonFramer(max_packet_bytes=2**20)
    before = sys.getprofile()
    sys.setprofile(count)
    try:
        for chunk in chunks:
            framer.feed(chunk)
    finally:
        sys.setprofile(before)
    return work


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (b'{"a":"', b"x"),
        (b'{"a":"', b"\\n"),
        (b'{"a":', b" "),
        (b'{"a":', b"1"),
        (b'{"a":', b"["),
        (b'{"a":[1', b",1"),
        (b"hello", b"x"),
        (b"", b"{"),
        (b"", b'{"a"'),
        (b"", b"x\n"),
        (b"", b'{"a":1}'),
        (b"", b"\n"),
    ],
)
def test_work_is_linear_in_the_bytes_even_one_at_a_time(start: bytes, more: bytes) -> None:
    short, long = (start + more * (size // len(more)) for size in (1_000, 2_000))
    assert work_of(single_bytes(long)) < 2.2 * work_of(single_bytes(short))


# --- the end ---


def test_the_end_of_the_stream_shows_what_is_unfinished() -> None:
    for document in (REQUEST, PRETTY, WITH_ARGUMENTS):
        for end in range(1, len(document)):
            framer = JsonFramer()
            assert framer.feed(document[:end]) == []
            unfinished = framer.finish()
            assert unfinished is not None
            assert unfinished.raw == document[:end]
            assert unfinished.offset == end
            assert "ended" in unfinished.reason
            assert framer.finish() is None


@for_each("stream", [b"", b" \n\x00", REQUEST, REQUEST + b"\r\n", b"hello", b"{]"])
def test_at_the_end_of_a_stream_that_leaves_nothing_there_is_nothing_to_say(stream: bytes) -> None:
    framer = JsonFramer()
    framer.feed(stream)
    assert framer.finish() is None


def test_a_request_is_found_behind_a_line_of_blanks_that_ends_with_nul() -> None:
    """Even in pieces too short to be known as the beginning of a request."""
    framer = JsonFramer()
    framer.feed(b"{]\n")
    assert framer.feed(b" \n\0") == framer.feed(b'{"pac') == []
    assert framer.feed(b'ketID":1}') == [b'{"packetID":1}']

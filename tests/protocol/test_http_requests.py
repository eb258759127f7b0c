"""HTTP requests where JSON is expected: each is one piece, from its head to the end of its body."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from invis_sim.protocol.http_requests import MAX_HEAD_BYTES, HttpRequests
from tests.cases import for_each
from tests.support import make_request

REQUEST = make_request()
HEADS = (
    b"GET / HTTP/1.1\r\nHost: outlet:3333\r\nAccept: */*\r\n\r\n",
    b"HEAD /x HTTP/1.0\n\n",
    b"POST / HTTP/1.1\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(REQUEST),
    b"OPTIONS * HTTP/1.1\ncontent-length:\t0 \n\n",
)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(edges) if a < b]


def fed(chunks: list[bytes]) -> tuple[list[bytes], bytes]:
    """The requests, and what comes after them."""
    requests = HttpRequests()
    heads: list[bytes] = []
    for number, chunk in enumerate(chunks):
        found, rest = requests.feed(chunk)
        heads += (one.raw for one in found)
        assert all("looks like HTTP" in one.reason for one in found)
        if rest is not None:
            return heads, rest + b"".join(chunks[number + 1 :])
    return heads, requests.rest()


@given(
    st.lists(st.sampled_from(HEADS), max_size=4),
    st.sampled_from([b"", REQUEST, b"hello\n", b"GET", b"POST it\n", b"\r\n{}"]),
    st.lists(st.integers(0, 400), max_size=8),
)
def test_requests_are_taken_from_the_beginning_however_they_are_cut(
    heads: list[bytes], after: bytes, cuts: list[int]
) -> None:
    bodies = [REQUEST if head.startswith(b"POST") else b"" for head in heads]
    data = b"".join(map(b"".join, zip(heads, bodies, strict=True))) + after
    assert fed(pieces(data, cuts)) == (heads, after)
    assert fed([data[at : at + 1] for at in range(len(data))]) == (heads, after)


def test_a_line_that_is_no_header_is_not_of_the_request() -> None:
    line = b"GET /ws HTTP/1.1\n"
    assert fed([line, REQUEST]) == ([line], REQUEST)
    assert fed([line + b"Host: x\r\n" + REQUEST]) == ([line + b"Host: x\r\n"], REQUEST)


@for_each(
    "head",
    [
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nX: " + b"x" * MAX_HEAD_BYTES,
        b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % 10**17,
    ],
)
def test_where_the_end_of_a_body_cannot_be_told_nothing_after_it_counts(head: bytes) -> None:
    found, rest = fed([head, REQUEST, b"\n", REQUEST])
    assert (len(found), rest) == (1, b"")
    assert head.startswith(found[0])

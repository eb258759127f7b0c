"""Requests wait for the device's reply, in the order of each packetID, and not too many of them."""

from hypothesis import given
from hypothesis import strategies as st

from invis_sim.device.effects import Answer
from invis_sim.protocol.packets import Request, parse_request
from invis_sim.recording import unanswered
from invis_sim.recording.unanswered import Unanswered
from tests.support import make_request


def request(packet_id: int) -> Request:
    return Request(packet_id=packet_id, callback=20)


@given(ids=st.lists(st.integers(0, 3)), taken=st.lists(st.integers(0, 3)))
def test_replies_find_the_oldest_request_with_their_packet_id(
    ids: list[int], taken: list[int]
) -> None:
    waiting = Unanswered()
    left = [(packet_id, waiting.add(request(packet_id), b"{}")) for packet_id in ids]
    for packet_id in taken:
        expected = next((answer for one, answer in left if one == packet_id), None)
        assert waiting.take(packet_id) is expected
        left = [(one, answer) for one, answer in left if answer is not expected]
    ended: list[Answer] = []
    for _, answer in left:
        answer.then(ended.append)
    waiting.end()
    assert ended == [Answer(None)] * len(left)


def test_of_very_many_requests_the_oldest_count_as_unanswered() -> None:
    waiting, ended = Unanswered(), list[Answer]()
    for packet_id in range(unanswered.MAX_REQUESTS + 2):
        waiting.add(request(packet_id), b"{}").then(ended.append)
    assert len(ended) == 2
    assert waiting.take(1) is None
    assert waiting.take(2) is not None


def test_long_requests_count_as_unanswered_before_they_take_much_memory() -> None:
    raw = make_request(20, [[]] * 20_000)
    waiting, ended = Unanswered(), list[Answer]()
    for number in range(1, 21):
        waiting.add(parse_request(raw), raw).then(ended.append)
        assert len(ended) < number  # the newest one waits in any case
    assert 20 - len(ended) < 4
    huge = make_request(20, [[]] * 100_000)
    newest = waiting.add(parse_request(huge), huge)
    assert waiting.take(parse_request(huge).packet_id) is newest

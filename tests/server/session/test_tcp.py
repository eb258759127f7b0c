"""The outlet on TCP, as a client with a plain socket sees it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from invis_sim.device.state import Quirks
from invis_sim.faults import Fail
from invis_sim.journal import Closed, Connected, EntryFilter, Journal
from invis_sim.journal.text import summary
from invis_sim.server.session import tcp
from invis_sim.testing.block import start_simulator
from invis_sim.testing.handle import SimulatorHandle
from tests.cases import examples, for_each
from tests.server.peers import TcpPeer
from tests.server.support import (
    applied_faults,
    exchanges,
    failure_text,
    outlet,
    reply_text,
    wait_for_end,
    wait_until,
)
from tests.support import TIMEOUT, make_request


@pytest.fixture(name="sim")
def default_outlet() -> Iterator[SimulatorHandle]:
    with start_simulator(ws=False) as sim:
        yield sim


@pytest.fixture(name="client")
def one_client(sim: SimulatorHandle) -> Iterator[TcpPeer]:
    with TcpPeer.connected(sim.tcp_address) as client:
        yield client


@pytest.fixture(scope="module", name="lasting")
def outlet_for_many_examples() -> Iterator[SimulatorHandle]:
    with start_simulator(ws=False) as sim:
        yield sim


# How requests come


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n", b"\x00", b" \n\n "])
def test_a_request_is_answered_at_once_whatever_follows_it(client: TcpPeer, ending: bytes) -> None:
    for packet_id in (100_000, 999_999):
        client.send(make_request(packet_id=packet_id) + ending)
        client.expect(reply_text(packet_id))


def test_each_reply_is_one_object_in_one_write(sim: SimulatorHandle, client: TcpPeer) -> None:
    client.send(make_request())
    assert client.socket.recv(1024) == reply_text()
    (exchange,) = sim.journal.exchanges()
    assert exchange.sent == (reply_text(),)
    assert (exchange.received, exchange.outcome, exchange.done) == (make_request(), "success", True)


def test_requests_in_one_segment_are_answered_in_order_each_in_a_write_of_its_own(
    sim: SimulatorHandle, client: TcpPeer
) -> None:
    numbers = range(100_000, 100_050)
    client.send_requests(*numbers)
    client.expect(*map(reply_text, numbers))
    assert [one.sent for one in sim.journal.exchanges()] == [(reply_text(n),) for n in numbers]


def test_a_terminator_follows_each_packet_where_the_scenario_says_so() -> None:
    fail = 'kind = "fail"\nwhen = { nth = 2 }'
    scenario = scenario_with(fail) + '\n[protocol]\ntcp_terminator = "\\r\\n"'
    with start_simulator(scenario) as sim, TcpPeer.connected(sim.tcp_address) as client:
        client.send_requests(1, 2)
        packets = (reply_text(1) + b"\r\n", failure_text(2) + b"\r\n")
        assert client.finish() == b"".join(packets)
        assert [one.sent for one in sim.journal.exchanges()] == [(packet,) for packet in packets]


@settings(max_examples=examples(2))
@given(cuts=st.lists(st.integers(1, 150)), ending=st.sampled_from([b"", b"\n", b"\r\n "]))
def test_requests_may_be_cut_anywhere(
    lasting: SimulatorHandle, cuts: list[int], ending: bytes
) -> None:
    numbers = (100_001, 100_002, 100_003)
    stream = b"".join(make_request(packet_id=number) + ending for number in numbers)
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    with TcpPeer.connected(lasting.tcp_address) as client:
        for start, end in pairwise(edges):
            client.send(stream[start:end])
        client.expect(*map(reply_text, numbers))


def test_a_request_that_drips_in_holds_up_nobody_else(sim: SimulatorHandle) -> None:
    with TcpPeer.connected(sim.tcp_address) as slow, TcpPeer.connected(sim.tcp_address) as other:
        for position in range(len(make_request(packet_id=7))):
            slow.send(make_request(packet_id=7)[position : position + 1])
            other.send_requests(position)
            other.expect(reply_text(position))
        slow.expect(reply_text(7))


@pytest.mark.parametrize("packet_id", [0, 7, 8_989_889, -1, 2**64, 10**300])
def test_any_integer_is_echoed_as_packet_id(client: TcpPeer, packet_id: int) -> None:
    client.send_requests(packet_id)
    client.expect(reply_text(packet_id))


def test_a_packet_id_of_thousands_of_digits_is_echoed_digit_by_digit(client: TcpPeer) -> None:
    digits = b"9" * 4300
    client.send(make_request().replace(b"221040", digits))
    client.expect(reply_text().replace(b"221040", digits))


def test_a_scenario_may_insist_on_six_digits() -> None:
    scenario = '[protocol]\npacket_id = "six-digits"'
    with start_simulator(scenario) as sim, TcpPeer.connected(sim.tcp_address) as client:
        client.send_requests(99_999, 1_000_000)
        client.expect(failure_text(99_999), failure_text(1_000_000))
        assert "six-digit" in sim.journal.exchanges()[0].notes[0].reason


# What is wrong, and where: the mark ¦ stands before the byte that is reported.

UNANSWERABLE = {
    "no JSON": ("¦hello\n", "expected '{', found"),
    "an array": ("¦[1, [2], null]\n", "expected '{', found"),
    "a string": ('¦"packetID"\n', "expected '{', found"),
    "a number": ("¦12\n", "expected '{', found"),
    "an HTTP request": ("¦GET /ws HTTP/1.1\n", "looks like HTTP"),
    "a closing brace": ("¦}\n", "expected '{', found"),
    "an unquoted key": ("{¦packetID: 1}\n", "expected a key in double quotes"),
    "single quotes": ("{¦'packetID': 1}\n", "expected a key in double quotes"),
    "a trailing comma": ('{"packetID": 1,¦}\n', "expected a key in double quotes"),
    "a raw newline in a string": ('{"packetID¦\n": 1}\n', "inside a string"),
    "a NUL inside": ('{"packetID"¦\x00: 1}\n', "expected ':'"),
    "an empty object": ("¦{}\n", "no packetID"),
    "no packetID": ('¦{"payload": {"callbackName": 20}}\n', "no packetID"),
    "a string for packetID": ('{"packetID": ¦"7"}\n', "packetID is a string"),
    "a fraction for packetID": ('{"packetID": ¦7.0}\n', "packetID is a fraction"),
    "an exponent in packetID": ('{"packetID": ¦7e3}\n', "packetID is a fraction"),
    "a boolean for packetID": ('{"packetID": ¦true}\n', "packetID is a boolean"),
    "null for packetID": ('{"packetID": ¦null}\n', "packetID is null"),
    "a list for packetID": ('{"packetID": ¦[7]}\n', "packetID is an array"),
    "NaN": ('{"packetID": 1, "payload": ¦NaN}\n', "not JSON: NaN"),
    "a leading zero": ('{"packetID": 0¦221040}\n', "not JSON"),
    "a bare word": ('{"packetID": ¦yes}\n', "not JSON"),
}


def marked(text: str) -> tuple[bytes, int]:
    before, _, after = text.partition("¦")
    return (before + after).encode(), len(before.encode())


@pytest.mark.parametrize(("text", "reason"), UNANSWERABLE.values(), ids=UNANSWERABLE)
def test_what_cannot_be_answered_is_reported_and_loses_nothing_else(
    sim: SimulatorHandle, client: TcpPeer, text: str, reason: str
) -> None:
    wrong, offset = marked(text)
    client.send(wrong + make_request(packet_id=5))
    client.expect(reply_text(5))
    client.send(wrong)
    client.send_requests(6)
    client.expect(reply_text(6))
    reports = [one for one in sim.journal.exchanges() if one.outcome == "malformed"]
    good = [one for one in sim.journal.exchanges() if one.outcome == "success"]
    assert len(good) == 2
    first = reports[0]
    assert first.notes[0].offset == offset
    assert reason in first.notes[0].reason
    assert first.received is not None
    assert wrong.startswith(first.received.rstrip(b"\n"))
    assert all(one.done and not one.sent and one.request is None for one in reports)


ANSWERED_ZERO = {
    "no payload": ('¦{"packetID": 7}', "no payload"),
    "null for payload": ('{"packetID": 7, "payload": ¦null}', "payload is null"),
    "a list for payload": ('{"packetID": 7, "payload": ¦[20]}', "payload is an array"),
    "a string for payload": ('{"packetID": 7, "payload": ¦"20"}', "payload is a string"),
    "no callbackName": ('{"packetID": 7, "payload": ¦{}}', "no callbackName"),
    "a string for callbackName": (
        '{"packetID": 7, "payload": {"callbackName": ¦"20"}}',
        "callbackName is a string",
    ),
    "a fraction for callbackName": (
        '{"packetID": 7, "payload": {"callbackName": ¦20.0}}',
        "callbackName is a fraction",
    ),
    "a boolean for callbackName": (
        '{"packetID": 7, "payload": {"callbackName": ¦true}}',
        "callbackName is a boolean",
    ),
    "an unknown callback": (
        '{"packetID": 7, "payload": {"callbackName": ¦4711}}',
        "callback 4711 is not known",
    ),
    "a negative callback": (
        '{"packetID": 7, "payload": {"callbackName": ¦-20}}',
        "callback -20 is not known",
    ),
}


@pytest.mark.parametrize(("text", "reason"), ANSWERED_ZERO.values(), ids=ANSWERED_ZERO)
def test_what_has_a_packet_id_but_makes_no_sense_is_answered_puback_0(
    sim: SimulatorHandle, client: TcpPeer, text: str, reason: str
) -> None:
    wrong, offset = marked(text)
    client.send(wrong + make_request(packet_id=8))
    client.expect(failure_text(7), reply_text(8))
    exchange = sim.journal.exchanges()[0]
    assert (exchange.outcome, exchange.packet_id, exchange.sent) == (
        "failure",
        7,
        (failure_text(7),),
    )
    assert reason in exchange.notes[0].reason
    assert exchange.notes[0].offset == offset


ODD = {
    "arguments that mean nothing": (
        '{"packetID": 7, "payload": {"callbackName": 20, "callbackArgs": ¦[1, {"x": null}]}}',
        "takes no arguments",
    ),
    "a key twice": (
        '{"packetID": 6, "packetID": ¦7, "payload": {"callbackName": 20}}',
        "appears again",
    ),
    "half of a surrogate pair": (
        '{"packetID": 7, "payload": {"callbackName": 20, "x": ¦"\\ud83d"}}',
        "lone surrogate in string",
    ),
}


@pytest.mark.parametrize(("text", "reason"), ODD.values(), ids=ODD)
def test_what_is_only_odd_is_answered_and_noted(
    sim: SimulatorHandle, client: TcpPeer, text: str, reason: str
) -> None:
    odd, offset = marked(text)
    client.send(odd + make_request(packet_id=8))
    client.expect(reply_text(7), reply_text(8))
    exchange = sim.journal.exchanges()[0]
    assert exchange.outcome == "success"
    assert [reason in note.reason for note in exchange.notes] == [True]
    assert exchange.notes[0].offset == offset


def test_broken_utf_8_is_reported_at_its_byte(sim: SimulatorHandle, client: TcpPeer) -> None:
    wrong = b'{"packetID": 7, "payload": {"callbackName": 20, "x": "\xc3("}}'
    client.send(wrong + make_request(packet_id=8))
    client.expect(reply_text(8))
    report = sim.journal.exchanges()[0]
    assert (report.outcome, report.received) == ("malformed", wrong)
    assert report.notes[0].offset == wrong.index(b"\xc3")
    assert "UTF-8" in report.notes[0].reason


def test_nuls_between_requests_are_passed_over(sim: SimulatorHandle, client: TcpPeer) -> None:
    client.send(
        b"\x00\x00"
        + make_request(packet_id=1)
        + b"\x00\x00\x00"
        + make_request(packet_id=2)
        + b"\x00"
    )
    client.expect(reply_text(1), reply_text(2))
    assert [one.outcome for one in sim.journal.exchanges()] == ["success", "success"]


@for_each("callback", [2, 10, 21])
def test_arguments_nested_64_deep_are_refused_and_not_ignored(callback: int) -> None:
    arguments = b"[" * 64 + b"]" * 64
    with start_simulator(ws=False) as sim, TcpPeer.connected(sim.tcp_address) as client:
        packet = b'{"packetID":7,"payload":{"callbackName":%d,"callbackArgs":%b}}'
        client.send(packet % (callback, arguments))
        client.expect(failure_text(7))


def has_exchanges(number: int, journal: Journal) -> bool:
    return len(journal.exchanges()) == number


AN_UNFINISHED_REQUEST = b'{"packetID": 221040, "payl'


def test_a_request_after_an_unfinished_one_is_answered_at_once() -> None:
    with start_simulator(ws=False) as sim, TcpPeer.connected(sim.tcp_address) as client:
        client.send(AN_UNFINISHED_REQUEST)
        time.sleep(0.1)  # so that it is a segment of its own
        client.send(make_request(99, packet_id=8))
        client.expect(failure_text(8))
        assert [one.outcome for one in sim.journal.exchanges()] == ["malformed", "failure"]


def test_an_unfinished_document_is_given_up_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 3 <= tcp.UNFINISHED_SECONDS <= 10  # a few seconds
    monkeypatch.setattr(tcp, "UNFINISHED_SECONDS", 0.2)
    # By its first key, it may be a part of any document.
    reordered = b'{"extra": 0, "payload": {"callbackName": 99}, "packetID": 8}'
    with start_simulator(ws=False) as sim, TcpPeer.connected(sim.tcp_address) as client:
        for number in (1, 2):
            client.send(AN_UNFINISHED_REQUEST)
            wait_until(sim, partial(has_exchanges, 2 * number - 1))
            client.send(reordered)
            client.expect(failure_text(8))
        report = sim.journal.exchanges()[0]
        assert report.received == AN_UNFINISHED_REQUEST
        assert "nothing more of this document" in report.notes[0].reason


def test_by_a_quirk_what_is_read_at_once_is_one_request() -> None:
    whole = make_request(99, packet_id=8)
    with (
        start_simulator("quirks.tcp_reads = 'one_request'", ws=False) as sim,
        TcpPeer.connected(sim.tcp_address) as client,
    ):
        client.send(whole + b"\n" + make_request(99, packet_id=9))
        client.expect(failure_text(8))
        for number, chunk in enumerate((whole[:20], whole[20:], b" ]" + whole), 3):
            client.send(chunk)
            wait_until(sim, partial(has_exchanges, number))
        client.send_request(99, packet_id=10)
        assert client.finish() == failure_text(10)
        found = [(one.outcome, one.received) for one in sim.journal.exchanges()]
        assert found == [
            ("failure", whole),
            ("malformed", make_request(99, packet_id=9)),
            ("malformed", whole[:20]),
            ("malformed", whole[20:]),
            ("malformed", b" ]" + whole),
            ("failure", make_request(99, packet_id=10)),
        ]
        assert "reads at once" in sim.journal.exchanges()[1].notes[0].reason


def test_a_request_in_pieces_may_take_longer_than_any_pause_in_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tcp, "UNFINISHED_SECONDS", 0.4)
    with start_simulator(ws=False) as sim, TcpPeer.connected(sim.tcp_address) as client:
        packet = make_request(99, packet_id=8)
        for at in range(0, len(packet), 10):
            client.send(packet[at : at + 10])
            time.sleep(0.1)  # a pause, not a wait for something
        client.expect(failure_text(8))
        assert len(sim.journal.exchanges()) == 1


def test_a_document_nested_a_hundred_thousand_deep_is_one_malformed_piece() -> None:
    depth = 100_000
    nested = b'{"packetID": 7, "payload": ' + b"[" * depth + b"]" * depth + b"}"
    with (
        start_simulator("[protocol]\nmax_packet_bytes = 1_000_000", ws=False) as sim,
        TcpPeer.connected(sim.tcp_address) as client,
    ):
        client.send(nested + make_request(99, packet_id=8))
        client.expect(failure_text(8))
        report = sim.journal.exchanges()[0]
        assert report.outcome == "malformed"
        assert "nested deeper than 128 levels" in report.notes[0].reason
        assert len(sim.journal.exchanges()) == 2


def test_a_packet_without_an_end_is_refused_and_the_connection_closed(
    sim: SimulatorHandle, client: TcpPeer
) -> None:
    client.send_requests(1)
    client.expect(reply_text(1))
    with suppress(ConnectionError):  # at the latest when the outlet has lingered enough
        client.send(b'{"packetID": 7, "payload": "')
        for _ in range(100):
            client.send(b"x" * 2**20)
        assert client.read_to_end() == b""
    client.socket.close()
    assert "longer than 65536 bytes" in wait_for_end(sim)[0]
    report = sim.journal.exchanges()[1]
    assert report.outcome == "malformed"
    assert report.notes[0].offset == len(report.received or b"") == 65536
    assert len(sim.journal.exchanges()) == 2
    with TcpPeer.connected(sim.tcp_address) as another:
        another.send_requests(2)
        another.expect(reply_text(2))


def test_whoever_sends_too_much_can_still_read_the_replies_it_has_earned(
    sim: SimulatorHandle, client: TcpPeer
) -> None:
    client.send(make_request(packet_id=1) + b'{"packetID": "' + b"x" * 70_000)
    assert client.read_to_end() == reply_text(1)


def test_the_end_of_the_stream_inside_a_request_is_reported(
    sim: SimulatorHandle, client: TcpPeer
) -> None:
    client.send(make_request(packet_id=1) + make_request(packet_id=2)[:20])
    assert client.finish() == reply_text(1)
    report = sim.journal.exchanges()[1]
    assert (report.outcome, report.received) == ("malformed", make_request(packet_id=2)[:20])
    assert "ended inside" in report.notes[0].reason
    assert wait_for_end(sim)[0] == "by the client"


# Clients that go


def test_a_client_that_vanishes_inside_a_request_disturbs_nobody(sim: SimulatorHandle) -> None:
    client = TcpPeer.connected(sim.tcp_address)
    client.send_requests(1)
    client.expect(reply_text(1))
    client.send(make_request(packet_id=2)[:20])
    client.reset()
    assert "the connection broke" in wait_for_end(sim)[0]
    with TcpPeer.connected(sim.tcp_address) as another:
        another.send_requests(3)
        another.expect(reply_text(3))


def test_a_client_that_vanishes_is_not_waited_for_until_its_replies_are_due() -> None:
    slow = '[[faults]]\nkind = "delay"\nseconds = 3600'
    with start_simulator(slow, ws=False) as sim:
        client = TcpPeer.connected(sim.tcp_address)
        client.send_requests(1, 2)
        wait_until(sim, lambda journal: len(journal.exchanges()) == 2)
        client.reset()
        assert "the connection broke" in wait_for_end(sim)[0]
        assert all(one.done and not one.sent for one in sim.journal.exchanges())


def test_half_a_close_still_gets_the_answers_that_are_late() -> None:
    slow = '[[faults]]\nkind = "delay"\nseconds = 0.2'
    with start_simulator(slow, ws=False) as sim, TcpPeer.connected(sim.tcp_address) as client:
        client.send_requests(1, 2, callback=99)
        assert client.finish() == failure_text(1) + failure_text(2)
        assert wait_for_end(sim)[0] == "by the client"


def test_a_client_that_never_reads_is_dropped_and_another_one_served_meanwhile() -> None:
    scenario = "[protocol]\nwrite_timeout_seconds = 0.2\n"
    with start_simulator(scenario, ws=False) as sim:
        outcome: list[BaseException] = []
        # The journal is too short for a flood.
        closed = sim.journal.subscribe(EntryFilter(kinds=("closed",)))

        def flood() -> None:
            with TcpPeer.connected(sim.tcp_address, receive_buffer=4096) as client:
                try:
                    while True:
                        client.send(make_request(99) * 500)
                except OSError as error:
                    outcome.append(error)

        flooding = threading.Thread(target=flood)
        with TcpPeer.connected(sim.tcp_address) as other:
            flooding.start()
            served = 0
            while flooding.is_alive() or served < 10:
                other.send_requests(served, callback=99)
                other.expect(failure_text(served))
                served += 1
            flooding.join()
        assert [isinstance(error, ConnectionError) for error in outcome] == [True]
        assert closed.wait(TIMEOUT)
        assert summary(closed.read()[0]) == "closed: the client has read nothing for 0.2 s"


# What goes wrong on purpose


def scenario_with(*faults: str, seed: int = 1) -> str:
    """The default outlet with these faults; it says nothing unasked."""
    return "\n".join(
        (
            f"seed = {seed}",
            "[timing]\nsensor_seconds = 0",
            "[firmware.IM]",
            'fw_rev = "0.0.1"\navailable_fw_rev = "0.0.1"',
            'www_fw_rev = "0.1.2"\navailable_www_fw_rev = "0.3.0"',
            '[firmware.PM]\nfw_rev = "0.5.0"\navailable_fw_rev = "0.5.1"',
            *(f"[[faults]]\n{fault}" for fault in faults),
        )
    )


@pytest.fixture(name="converse")
def conversation() -> Callable[..., tuple[bytes, Journal]]:
    """A function: these faults, this many requests in one segment → all bytes, and the journal."""

    def converse(*faults: str, requests: int = 3) -> tuple[bytes, Journal]:
        with (
            start_simulator(scenario_with(*faults), ws=False) as sim,
            TcpPeer.connected(sim.tcp_address) as client,
        ):
            client.send_requests(*range(1, requests + 1))
            received = client.finish()
            wait_for_end(sim)
            return received, sim.journal

    return converse


Converse = Callable[..., tuple[bytes, Journal]]


def test_fail_refuses_the_request_it_is_for(converse: Converse) -> None:
    received, journal = converse('kind = "fail"\nwhen = { nth = 2 }')
    assert received == reply_text(1) + failure_text(2) + reply_text(3)
    assert [applied_faults(one) for one in journal.exchanges()] == [[], ["fail"], []]
    assert journal.exchanges()[1].outcome == "success"  # the outlet's own view, before faults


@pytest.mark.parametrize(
    ("how", "wrong"), [("previous", b"1"), ("string", b'"2"'), ("negative", b"-2")]
)
def test_wrong_packet_id_puts_another_one_in_its_place(
    converse: Converse, how: str, wrong: bytes
) -> None:
    received, journal = converse(f'kind = "wrong_packet_id"\nhow = "{how}"\nwhen = {{ nth = 2 }}')
    changed = reply_text(2).replace(b'"packetID":2', b'"packetID":' + wrong)
    assert received == reply_text(1) + changed + reply_text(3)
    assert applied_faults(journal.exchanges()[1]) == ["wrong_packet_id"]
    assert wrong.decode().strip('"') in journal.exchanges()[1].faults[0].detail


def test_malformed_json_breaks_one_reply_and_the_next_is_good(converse: Converse) -> None:
    received, journal = converse(
        'name = "cut"\nkind = "malformed_json"\nhow = "truncate"\nwhen = { nth = 2 }'
    )
    assert received.startswith(reply_text(1))
    assert received.endswith(reply_text(3))
    broken = received[len(reply_text(1)) : -len(reply_text(3))]
    assert reply_text(2).startswith(broken)
    assert journal.exchanges()[1].sent == (broken,)
    assert applied_faults(journal.exchanges()[1]) == ["cut"]


def test_delays_of_requests_in_one_segment_do_not_add_up(converse: Converse) -> None:
    began = time.monotonic()
    received, journal = converse('kind = "delay"\nseconds = 0.3', requests=50)
    took = time.monotonic() - began
    assert received == b"".join(map(reply_text, range(1, 51)))
    assert 0.3 <= took < 10  # and not fifteen seconds
    assert all(applied_faults(one) == ["delay"] for one in journal.exchanges())


def test_a_late_reply_keeps_its_place(converse: Converse) -> None:
    received, _ = converse('kind = "delay"\nseconds = 0.2\nwhen = { nth = 1 }')
    assert received == reply_text(1) + reply_text(2) + reply_text(3)


def test_a_late_reply_that_may_be_overtaken_is(converse: Converse) -> None:
    received, journal = converse(
        'kind = "delay"\nseconds = 0.2\novertake = true\nwhen = { nth = 1 }'
    )
    assert received == reply_text(2) + reply_text(3) + reply_text(1)
    assert all(one.done for one in journal.exchanges())


def test_a_dropped_reply_never_comes_and_the_connection_stays(converse: Converse) -> None:
    received, journal = converse('kind = "drop"\nwhen = { nth = 2 }')
    assert received == reply_text(1) + reply_text(3)
    assert [one.sent for one in journal.exchanges()] == [(reply_text(1),), (), (reply_text(3),)]
    assert applied_faults(journal.exchanges()[1]) == ["drop"]
    assert journal.exchanges()[1].done


def test_a_duplicated_reply_comes_so_often(converse: Converse) -> None:
    received, journal = converse('kind = "duplicate"\ncopies = 3\nwhen = { nth = 2 }')
    assert received == reply_text(1) + reply_text(2) * 3 + reply_text(3)
    assert journal.exchanges()[1].sent == (reply_text(2),) * 3


@pytest.mark.parametrize(
    ("moment", "last"),
    [
        ("before", b""),
        ("middle", reply_text(2)[: len(reply_text(2)) // 2]),
        ("after", reply_text(2)),
    ],
)
def test_close_ends_the_stream_around_the_reply(
    converse: Converse, moment: str, last: bytes
) -> None:
    received, journal = converse(f'kind = "close"\nmoment = "{moment}"\nwhen = {{ nth = 2 }}')
    assert received == reply_text(1) + last
    assert b"".join(journal.exchanges()[1].sent) == last
    assert applied_faults(journal.exchanges()[1]) == ["close"]
    assert [event.reason for event in journal.events() if isinstance(event, Closed)] == [
        "by a fault"
    ]


def test_a_closed_connection_does_not_wait_for_replies_that_are_late() -> None:
    faults = (
        'kind = "delay"\nseconds = 3600\novertake = true\nwhen = { nth = 1 }',
        'kind = "close"\nmoment = "after"\nwhen = { nth = 2 }',
    )
    with (
        start_simulator(scenario_with(*faults), ws=False) as sim,
        TcpPeer.connected(sim.tcp_address) as client,
    ):
        client.send_requests(1, 2)
        assert client.read_to_end() == reply_text(2)
        client.socket.close()
        assert wait_for_end(sim)[0] == "by a fault"
        assert [one.done for one in sim.journal.exchanges()] == [True, True]


def test_several_faults_may_touch_one_reply(converse: Converse) -> None:
    received, journal = converse('kind = "duplicate"', 'kind = "fail"', requests=1)
    assert received == failure_text(1) * 2
    assert applied_faults(journal.exchanges()[0]) == ["fail", "duplicate"]


def test_faults_of_the_other_transport_leave_tcp_alone(sim: SimulatorHandle) -> None:
    elsewhere = 'kind = "drop"\nwhen = { transport = "ws" }'
    with (
        start_simulator(scenario_with(elsewhere)) as both,
        TcpPeer.connected(both.tcp_address) as client,
    ):
        client.send_requests(1)
        client.expect(reply_text(1))


def test_speed_divides_waits_down_to_none_at_all() -> None:
    faults = ('kind = "delay"\nseconds = 3600', 'kind = "duplicate"\ngap = 3600')
    with (
        start_simulator(scenario_with(*faults), ws=False, speed=float("inf")) as sim,
        TcpPeer.connected(sim.tcp_address) as client,
    ):
        client.send_requests(1)
        client.expect(reply_text(1), reply_text(1))


CAPRICES = (
    'kind = "fail"\nwhen = { probability = 0.2 }',
    'kind = "wrong_packet_id"\nwhen = { probability = 0.2 }',
    'kind = "malformed_json"\nhow = "truncate"\nwhen = { probability = 0.2 }',
    'kind = "delay"\nseconds = { median = 0.01, sigma = 1.0 }\nwhen = { probability = 0.3 }',
    'kind = "drop"\nwhen = { probability = 0.1 }',
    'kind = "duplicate"\nwhen = { probability = 0.2 }',
    'kind = "close"\nmoment = "middle"\nwhen = { probability = 0.02 }',
)


def bytes_of_a_run(seed: int) -> list[bytes]:
    """What each of several connections receives."""
    received = []
    with start_simulator(scenario_with(*CAPRICES, seed=seed), ws=False, speed=100) as sim:
        for _ in range(6):
            with TcpPeer.connected(sim.tcp_address) as client:
                client.send_requests(*range(1, 41))
                received.append(client.finish())
    return received


def test_the_same_seed_and_the_same_requests_give_the_same_bytes() -> None:
    first = bytes_of_a_run(seed=11)
    assert first == bytes_of_a_run(seed=11)
    assert first != bytes_of_a_run(seed=12)
    assert len(set(first)) == len(first)  # and not the same on each connection


def test_what_is_drawn_on_one_connection_does_not_depend_on_the_others() -> None:
    faults = 'kind = "fail"\nwhen = { probability = 0.5 }'

    def replies(others: int) -> bytes:
        with (
            start_simulator(scenario_with(faults), ws=False) as sim,
            TcpPeer.connected(sim.tcp_address) as client,
            TcpPeer.connected(sim.tcp_address) as neighbour,
        ):
            received = b""
            for packet_id in range(20):
                for _ in range(others):
                    neighbour.send(make_request())
                client.send_requests(packet_id)
                received += client.socket.recv(4096)
            return received

    assert replies(others=0) == replies(others=3)


def test_a_fault_of_python_is_there_for_the_time_of_its_block(
    sim: SimulatorHandle, client: TcpPeer
) -> None:
    with sim.inject(Fail(name="today")) as rule:
        client.send_requests(1)
        client.expect(failure_text(1))
        assert rule.applied == 1
    client.send_requests(2)
    client.expect(reply_text(2))
    assert [applied_faults(one) for one in sim.journal.exchanges()] == [["today"], []]


def test_connections_are_numbered_and_their_beginning_and_end_told(sim: SimulatorHandle) -> None:
    ports: list[Any] = []
    for _ in range(2):
        with TcpPeer.connected(sim.tcp_address) as client:
            ports.append(client.socket.getsockname()[1])
            client.send(make_request())
            client.expect(reply_text())
    wait_for_end(sim, 2)
    kinds = [(event.connection, event.kind) for event in sim.journal.events()]
    assert sorted(kinds) == [(1, "closed"), (1, "connected"), (2, "closed"), (2, "connected")]
    connected = [event.peer for event in sim.journal.events() if isinstance(event, Connected)]
    assert connected == [f"127.0.0.1:{port}" for port in ports]


# Web pages


def posted(body: bytes) -> bytes:
    """What a browser sends for a page that posts text, as any page may to any port."""
    head = "POST / HTTP/1.1", "Host: 127.0.0.1:3333", "Origin: http://example.com"
    more = "Content-Type: text/plain;charset=UTF-8", f"Content-Length: {len(body)}"
    return "\r\n".join((*head, *more, "", "")).encode() + body


def test_what_a_web_page_posts_is_not_obeyed(sim: SimulatorHandle, client: TcpPeer) -> None:
    switch = make_request(10, [1, 1])
    client.send(posted(switch) + posted(b"\n" + switch))
    assert client.is_served(2)
    assert sim.state.outlets.states == (0, 0)
    first, second, third = exchanges(sim, 3)
    assert [first.outcome, second.outcome, third.outcome] == ["malformed", "malformed", "success"]
    assert first.received == posted(switch).removesuffix(switch)


def test_what_only_begins_like_http_is_reported_when_nothing_more_comes(
    sim: SimulatorHandle, client: TcpPeer
) -> None:
    client.send(b"GET {")
    client.half_close()
    assert client.read_to_end() == b""
    reasons = [note.reason for one in exchanges(sim, 2) for note in one.notes]
    assert reasons[0].startswith("expected '{', found 'G'")
    assert reasons[1] == "the connection ended inside this document"


def test_short_requests_in_one_chunk_do_not_pile_up_long_replies() -> None:
    """A client that does not read gets no more answers, however many requests it has sent."""
    name = "x" * 60_000
    names = {"outlet1": name, "outlet2": name}
    with start_simulator(outlet(quirks=Quirks(name_length=100_000))) as sim:
        sim.set(names=names)
        with TcpPeer.connected(sim.tcp_address, receive_buffer=4096) as client:
            number = 60
            client.send_requests(*range(number), callback=3)
            wait_until(sim, lambda journal: len(journal.exchanges()) > 3)
            sim.clock.settle()
            answered = len(sim.journal.exchanges())
            assert answered < 45, f"{answered} replies of 120 KB wait or were sent"
            found = [client.packet()["packetID"] for _ in range(number)]
            assert found == list(range(number))

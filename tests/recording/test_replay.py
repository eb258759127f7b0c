"""A recording answers as it was recorded."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from invis_sim import When, faults, open_replay, start_replay, start_simulator
from invis_sim.protocol.transport import Transport
from tests.server.peers import Peer, connected, listening
from tests.server.support import on_both
from tests.support import SN, make_request

SILENT = "[device]\nproduct = 'pro'\n[timing]\nsensor_seconds = 0\n"


def asked(peer: Peer, callback: int, packet_id: int, args: Any = msgspec.UNSET) -> Any:
    """Send a request, and return the packet that comes next."""
    peer.send_request(callback, args, packet_id)
    return peer.packet()


def write(path: Path, *entries: dict[str, Any]) -> Path:
    """A journal file of exchanges over TCP, of which only what matters is given."""
    lines = [{"entry": "journal", "sn": SN, "started": 0.0}]
    for number, entry in enumerate(entries, 1):
        usual = {
            "entry": "exchange",
            "sn": SN,
            "number": number,
            "seconds": 0.0,
            "transport": "tcp",
            "connection": 1,
            "callback": 9,
            "outcome": "success",
            "received": None,
            "sent": [],
            "faults": [],
            "notes": [],
        }
        lines.append({**usual, **entry})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def request(callback: int, *sent: str, **more: Any) -> dict[str, Any]:
    """What was asked with packetID 1, and what was sent for it."""
    return {"received": make_request(callback, packet_id=1).decode(), "sent": list(sent), **more}


def pushed(args: Any, **more: Any) -> dict[str, Any]:
    payload = {"callbackName": 9, "callbackArgs": args}
    text = json.dumps({"sn": SN, "packetID": 777, "payload": payload})
    return {"outcome": "push", "sent": [text], **more}


@on_both
def test_a_conversation_is_answered_again_with_the_new_packet_ids(
    transport: Transport, tmp_path: Path
) -> None:
    callbacks = (20, 12, 9, 3, 1, 11, 99)
    with start_simulator(SILENT) as sim, connected(sim, transport) as peer:
        first = [asked(peer, callback, 100 + callback) for callback in callbacks]
        sim.journal.dump(tmp_path / "j.jsonl")
    with start_replay(tmp_path / "j.jsonl") as sim, connected(sim, transport) as peer:
        again = [asked(peer, callback, 500 + callback) for callback in callbacks]
    assert [{**one, "packetID": one["packetID"] - 400} for one in again] == first


@on_both
def test_answers_come_in_the_recorded_order_and_then_the_last_one_again(
    transport: Transport, tmp_path: Path
) -> None:
    with start_simulator(SILENT) as sim, connected(sim, transport) as peer:
        for states in ([0, 0], [1, 0], [1, 1]):
            peer.send_request(10, [1, states[0]], packet_id=1)
            peer.send_request(10, [2, states[1]], packet_id=2)
            peer.send_request(9, packet_id=3)
            while peer.packet()["packetID"] != 3:
                pass
        sim.journal.dump(tmp_path / "j.jsonl")
    with start_replay(tmp_path / "j.jsonl") as sim, connected(sim, transport) as peer:
        found = [asked(peer, 9, number)["payload"]["callbackArgs"] for number in range(5)]
    assert found == [[0, 0], [1, 0], [1, 1], [1, 1], [1, 1]]


def test_arguments_distinguish_requests(tmp_path: Path) -> None:
    with start_simulator(SILENT) as sim, connected(sim, "tcp") as peer:
        asked(peer, 10, 1, [3, 1])
        sim.journal.dump(tmp_path / "j.jsonl")
    with start_replay(tmp_path / "j.jsonl", strict=True) as sim, connected(sim, "tcp") as peer:
        asked(peer, 10, 1, [3, 1])
        asked(peer, 10, 2, [1, 1])
        notes = [one.notes[-1].reason for one in sim.journal.exchanges() if one.notes]
    assert notes == ["not in the recording"]


def test_what_was_not_recorded_is_answered_by_the_simulated_outlet_or_refused(
    tmp_path: Path,
) -> None:
    with start_simulator("[firmware.IM]\nfw_rev = '7.7.7'\n") as sim, connected(sim, "tcp") as peer:
        asked(peer, 20, 1)
        sim.journal.dump(tmp_path / "j.jsonl")
    with start_replay(tmp_path / "j.jsonl") as sim, connected(sim, "tcp") as peer:
        # As far as the recording shows what the outlet is.
        found = asked(peer, 12, 2)["payload"]["callbackArgs"]["IM"]
        assert found["fw_rev"] == "7.7.7"
    with start_replay(tmp_path / "j.jsonl", strict=True) as sim, connected(sim, "tcp") as peer:
        assert asked(peer, 12, 2)["PUBACK"] == 0


def test_the_bytes_are_those_of_the_recording_but_for_the_packet_id(tmp_path: Path) -> None:
    text = '{ "packetID" : 1, "sn":"x\\/y", "more": [1.0, 1e2], "PUBACK":1 }'
    file = write(tmp_path / "j.jsonl", request(9, text))
    with start_replay(file) as sim, connected(sim, "tcp") as peer:
        peer.send_request(9, packet_id=654321)
        peer.expect(text.replace(": 1,", ": 654321,").encode())


def test_what_was_broken_stays_broken_and_silence_stays_silence(tmp_path: Path) -> None:
    file = write(
        tmp_path / "j.jsonl",
        request(9, '{"sn":'),
        request(20),
        request(3, '{"sn":1,"PUB', 'ACK":1,"packetID":1}'),
    )
    with start_replay(file) as sim, connected(sim, "tcp") as peer:
        peer.send_request(20, packet_id=5)
        peer.send_request(9, packet_id=6)
        peer.expect(b'{"sn":')
        assert asked(peer, 3, 7) == {"sn": 1, "PUBACK": 1, "packetID": 7}


def test_pushes_come_at_their_distance_from_the_request_before_them(tmp_path: Path) -> None:
    reply = '{"sn":"s","packetID":1,"PUBACK":1}'
    file = write(
        tmp_path / "j.jsonl",
        pushed([0, 0], seconds=60.0),
        request(9, reply, seconds=100.0),
        pushed([1, 0], seconds=160.0),
        pushed([1, 1], seconds=220.0, recipients=2),
        pushed([1, 1], seconds=220.0, recipients=2),
        request(20, reply, seconds=300.0),
        pushed([0, 1], seconds=330.0),
    )
    with start_replay(file) as sim, listening(sim, "tcp") as peer:
        sim.clock.pause()
        sim.clock.advance(60)
        assert peer.packet()["payload"]["callbackArgs"] == [0, 0]
        assert asked(peer, 9, 4)["packetID"] == 4
        sim.clock.advance(59)
        assert not sim.journal.exchanges()[2:]
        sim.clock.advance(61)
        assert [one["payload"]["callbackArgs"] for one in peer.packets(2)] == [[1, 0], [1, 1]]
        assert asked(peer, 20, 5)["packetID"] == 5
        sim.clock.advance(30)
        assert peer.packet()["payload"]["callbackArgs"] == [0, 1]


def test_replies_come_as_late_as_recorded_where_that_is_asked_for(tmp_path: Path) -> None:
    reply = '{"sn":"s","packetID":1,"PUBACK":1}'
    file = write(tmp_path / "j.jsonl", request(9, reply, latency=60.0), request(20, reply))
    with start_replay(file, latency=True) as sim, connected(sim, "tcp") as peer:
        sim.clock.pause()
        peer.send_request(9, packet_id=4)
        assert asked(peer, 20, 5)["packetID"] == 5
        sim.clock.advance(59)
        assert asked(peer, 20, 6)["packetID"] == 6
        sim.clock.advance(1)
        assert peer.packet()["packetID"] == 4
    with start_replay(file) as sim, connected(sim, "tcp") as peer:
        assert asked(peer, 9, 4)["packetID"] == 4


def test_a_push_that_came_before_a_late_reply_does_so_again(tmp_path: Path) -> None:
    """A proxy records a request when it is answered."""
    reply = '{"sn":"s","packetID":1,"PUBACK":1}'
    file = write(
        tmp_path / "j.jsonl",
        pushed([1, 0], seconds=130.0),
        request(9, reply, seconds=100.0, latency=60.0),
    )
    with start_replay(file, latency=True) as sim, connected(sim, "tcp") as peer:
        sim.clock.pause()
        peer.send_request(9, packet_id=4)
        assert asked(peer, 20, 5)["packetID"] == 5
        sim.clock.advance(60)
        first, second = peer.packets(2)
        assert first["payload"]["callbackArgs"] == [1, 0]
        assert second["packetID"] == 4


def test_faults_apply_on_top(tmp_path: Path) -> None:
    file = write(tmp_path / "j.jsonl", request(9, '{"sn": "s", "packetID": 1, "PUBACK": 1}'))
    wrong = faults.WrongPacketId(when=When(nth=2))
    with start_replay(file, faults=[wrong]) as sim, connected(sim, "tcp") as peer:
        assert asked(peer, 9, 4)["packetID"] == 4
        assert asked(peer, 9, 5)["packetID"] != 5


def test_a_file_that_is_no_journal_is_refused_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_text("oops\n")
    with pytest.raises(ValueError, match=r"x:1: not a line of a journal"):
        start_replay(file)


def test_a_recording_without_requests_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_text("")
    with pytest.raises(ValueError, match="x: no request is recorded in it"):
        start_replay(file)


def test_under_trio(tmp_path: Path) -> None:
    with start_simulator(SILENT) as sim, connected(sim, "tcp") as peer:
        recorded = asked(peer, 20, 1)
        sim.journal.dump(tmp_path / "seen.jsonl")

    async def run() -> bytes:
        async with (
            open_replay(tmp_path / "seen.jsonl", ws=False) as sim,
            await trio.open_tcp_stream(*sim.tcp_address) as client,
        ):
            await client.send_all(make_request(packet_id=7))
            return bytes(await client.receive_some())

    assert json.loads(trio.run(run)) == {**recorded, "packetID": 7}

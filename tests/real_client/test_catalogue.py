"""What a client that we did not write makes of every kind of fault, over both transports.

Whatever we do to it, it must end in an answer, an error of its own or its time-out, and the next
client must be served as if nothing had been. `EXPECTED` records which it is.
"""

import asyncio
from typing import Any

import pytest

from invis_sim import faults, start_simulator
from invis_sim.faults.catalogue import KINDS
from invis_sim.faults.fault import Fault
from invis_sim.faults.when import When
from invis_sim.protocol.transport import Transport
from tests.real_client.support import TRANSPORTS, attempt, connected

CLIENT_TIMEOUT = 0.5
"""How long the client waits for a reply, in seconds."""

ANSWER = "answer"
TIMED_OUT = "InvisOutletTimeoutError"
LOST = "InvisOutletConnectionError"
REFUSED = "InvisOutletCommandError"

ONCE = When(callback=20, times=1)

# Kind → the fault, and what the client ends in over TCP and over WebSocket; None: that is for
# chance to say.
EXPECTED: dict[str, tuple[Fault, str | None, str | None]] = {
    "fail": (faults.Fail(), REFUSED, REFUSED),
    "wrong_packet_id": (faults.WrongPacketId(), TIMED_OUT, TIMED_OUT),
    "wrong_sn": (faults.WrongSn(), ANSWER, ANSWER),
    "wrong_callback": (faults.WrongCallback(), ANSWER, ANSWER),
    "wrong_puback": (faults.WrongPuback(), REFUSED, REFUSED),
    "set_field": (faults.SetField(path="payload.callbackArgs.IM.fw_rev", value=13), ANSWER, ANSWER),
    "remove_field": (faults.RemoveField(path="payload.callbackArgs.IM"), ANSWER, ANSWER),
    "stale": (faults.Stale(), ANSWER, ANSWER),
    "push_first": (faults.PushFirst(), ANSWER, ANSWER),
    # The client takes the push for the reply, and this one says that the outlet has nothing.
    "colliding_push": (faults.CollidingPush(args={}), ANSWER, ANSWER),
    "malformed_json": (faults.MalformedJson(), TIMED_OUT, TIMED_OUT),
    "unusual_json": (faults.UnusualJson(how="escapes"), ANSWER, ANSWER),
    "no_object": (faults.NoObject(), TIMED_OUT, LOST),
    "empty": (faults.Empty(), TIMED_OUT, TIMED_OUT),
    "garbage": (faults.Garbage(), TIMED_OUT, LOST),
    "invalid_utf8": (faults.InvalidUtf8(), ANSWER, LOST),
    "bom": (faults.Bom(), TIMED_OUT, TIMED_OUT),
    "utf16": (faults.Utf16(), TIMED_OUT, LOST),
    "pad": (faults.Pad(bytes=20_000), ANSWER, ANSWER),
    "bit_flip": (faults.BitFlip(bits=8), None, None),
    "binary": (faults.Binary(), ANSWER, TIMED_OUT),
    "fragment": (faults.Fragment(pieces=3, ping=True), ANSWER, ANSWER),
    "bad_frame": (faults.BadFrame(), ANSWER, LOST),
    "reject_handshake": (faults.RejectHandshake(), ANSWER, LOST),
    "bad_handshake": (faults.BadHandshake(), ANSWER, LOST),
    "slow_handshake": (faults.SlowHandshake(seconds=0.1), ANSWER, ANSWER),
    "no_pong": (faults.NoPong(), ANSWER, ANSWER),
    "delay": (faults.Delay(seconds=0.1), ANSWER, ANSWER),
    "drop": (faults.Drop(), TIMED_OUT, TIMED_OUT),
    "duplicate": (faults.Duplicate(), ANSWER, ANSWER),
    "reorder": (faults.Reorder(max_wait=0.1), ANSWER, ANSWER),
    "split": (faults.Split(size=7, gap=0.001), ANSWER, ANSWER),
    "coalesce": (faults.Coalesce(max_wait=0.1), ANSWER, ANSWER),
    "throttle": (faults.Throttle(bytes_per_second=5000), ANSWER, ANSWER),
    "close": (faults.CloseConnection(moment="middle"), LOST, LOST),
    "reset": (faults.ResetConnection(), LOST, LOST),
    "half_close": (faults.HalfCloseConnection(moment="before"), LOST, LOST),
    "stall": (faults.StallConnection(), TIMED_OUT, TIMED_OUT),
    "refuse": (faults.Refuse(), LOST, LOST),
    "unreachable": (faults.Unreachable(seconds=0.1), ANSWER, ANSWER),
    "accept_close": (faults.AcceptClose(), LOST, LOST),
    "slow_accept": (faults.SlowAccept(seconds=0.1), ANSWER, ANSWER),
    "greeting": (faults.Greeting(), TIMED_OUT, LOST),
    "connection_limit": (faults.ConnectionLimit(connections=1), ANSWER, ANSWER),
    "idle_close": (faults.IdleClose(seconds=60), ANSWER, ANSWER),
    "reboot": (
        faults.Reboot(seconds=0, moment="before", when=When(callback=20, times=1)),
        LOST,
        LOST,
    ),
    "readdress": (
        faults.Readdress(seconds=0, moment="before", when=When(callback=20, times=1)),
        LOST,
        LOST,
    ),
    "faceplate_offline": (faults.FaceplateOffline(), ANSWER, ANSWER),
}


def test_every_kind_here_exists() -> None:
    assert set(EXPECTED) <= set(KINDS)


async def get_updates(simulator: Any, transport: Transport) -> str:
    """What asking for updates ends in: an answer, or the name of an error."""
    from invisoutlet.exceptions import InvisOutletError

    try:
        async with connected(simulator, transport) as client:
            _, error = await attempt(client.get_available_updates, CLIENT_TIMEOUT)
    except InvisOutletError as failure:  # it could not even connect
        return type(failure).__name__
    return error or ANSWER


@pytest.mark.parametrize("kind", EXPECTED)
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_it_ends_in_an_answer_an_error_or_a_time_out(kind: str, transport: Transport) -> None:
    fault, over_tcp, over_websocket = EXPECTED[kind]
    with start_simulator() as simulator:
        with simulator.inject(fault):
            ended = asyncio.run(get_updates(simulator, transport))
        expected = over_tcp if transport == "tcp" else over_websocket
        assert ended == expected or expected is None
        assert asyncio.run(get_updates(simulator, transport)) == ANSWER

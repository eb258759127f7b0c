"""What a client receives is whole frames, whatever else is to be sent while one is sent in part."""

import threading
import time
from collections.abc import Sequence
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from invis_sim import faults, start_simulator
from invis_sim.faults import When
from invis_sim.testing.handle import SimulatorHandle
from tests.cases import for_each
from tests.server.frames import CLOSE, PING, PONG, TEXT, Frame, client_frame, frame_at
from tests.server.peers import WebSocketPeer
from tests.support import make_request

LONG = "x" * 30_000

SAID = {
    "request": client_frame(TEXT, make_request(20, packet_id=1)),
    "long reply": client_frame(TEXT, make_request(3, packet_id=1)),
    "ping": client_frame(PING, b"ping"),
    "fragments": client_frame(0x01, make_request(20, packet_id=1)[:10])
    + client_frame(0x80, make_request(20, packet_id=1)[10:]),
}

ENDS = ("stop", "close frame", "restart", "close")


def received(data: bytes) -> list[Frame]:
    """The frames in what a client got, which may end in the middle of one."""
    found, at = [], 0
    while (split := frame_at(data, at)) is not None:
        frame, at = split
        found.append(frame)
    return found


def check(frames: Sequence[Frame]) -> None:
    for number, frame in enumerate(frames, 1):
        assert frame.first in (TEXT, PONG, CLOSE), frame
        if frame.first == TEXT:
            assert frame.json["sn"]
        elif frame.first == PONG:
            assert frame.payload == b"ping"
        else:
            assert number == len(frames), "something came after the close frame"
            assert frame.close_code == 1001


def read_slowly(
    client: WebSocketPeer, into: list[bytes], begin: threading.Event, pause: float
) -> None:
    begin.wait()
    with suppress(OSError):  # a reset is an end like any other
        while chunk := client.socket.recv(20_000):
            into.append(chunk)
            time.sleep(pause)


def end(sim: SimulatorHandle, how: str) -> None:
    if how == "close frame":
        sim.disconnect("close_frame")
    elif how == "restart":
        sim.reboot(0, "close_frame")
    elif how == "close":
        sim.disconnect("close")


@given(
    said=st.lists(st.sampled_from([*SAID, "push"]), min_size=1, max_size=40),
    repeated=st.sampled_from((1, 20, 200)),
    buffer=st.sampled_from((2048, 16384, None)),
    pause=st.sampled_from((0.0, 0.0005)),
    reads_at_once=st.booleans(),
    how=st.sampled_from(ENDS),
)
def test_a_client_receives_whole_frames(
    said: list[str],
    repeated: int,
    buffer: int | None,
    pause: float,
    reads_at_once: bool,
    how: str,
) -> None:
    scenario = f'[names]\noutlet1 = "{LONG}"\n'
    chunks: list[bytes] = []
    begin = threading.Event()
    with start_simulator(scenario) as sim, WebSocketPeer.opened(sim.ws_url, buffer) as client:
        reader = threading.Thread(target=read_slowly, args=(client, chunks, begin, pause))
        reader.start()
        if reads_at_once:
            begin.set()

        def say() -> None:
            data = b"".join(SAID[one] for one in said if one != "push") * repeated
            with suppress(OSError):  # it has been disconnected
                client.send(data)

        speaker = threading.Thread(target=say)
        speaker.start()
        try:
            for one in said:
                if one == "push":
                    sim.push(99, LONG)
            end(sim, how)
            if how == "stop":
                sim.stop()
        finally:
            begin.set()
            sim.stop()
            speaker.join()
            reader.join()
    check(received(client.unread + b"".join(chunks)))


def test_a_pong_waits_for_the_rest_of_a_reply() -> None:
    """What the fast path could write in part is finished first."""
    with start_simulator(f'[names]\noutlet1 = "{LONG}"\n') as sim:
        both = (SAID["long reply"] + SAID["ping"]) * 200
        with WebSocketPeer.opened(sim.ws_url, 2048) as client:
            client.send(both)
            time.sleep(0.1)  # until all buffers are full, which nothing reports
            frames = [client.frame() for _ in range(400)]
        check(frames)
        assert [frame.first for frame in frames].count(PONG) == 200


@for_each("how", ["stop", "close frame", "restart"])
def test_the_last_frame_does_not_come_into_a_reply(how: str) -> None:
    slow = faults.Throttle(bytes_per_second=400, when=When(callback=20))
    with start_simulator() as sim, WebSocketPeer.opened(sim.ws_url) as client:
        sim.inject(slow)
        client.send(SAID["request"])
        begun = client.socket.recv(100)
        assert begun[0] == TEXT
        sim.stop() if how == "stop" else end(sim, how)
        rest = client.read_to_end()
        assert len(rest) < 100
        assert bytes((CLOSE,)) not in rest


def test_an_idle_limit_closes_after_the_rest_of_a_reply() -> None:
    """The pieces of a split reply come later than the limit, the close frame after them."""
    split = faults.Split(pieces=3, gap=0.1, when=When(callback=20))
    idle = faults.IdleClose(seconds=0.05)
    with start_simulator() as sim:
        sim.inject(split)
        sim.inject(idle)
        with WebSocketPeer.opened(sim.ws_url) as client:
            client.send(SAID["request"])
            frames = received(client.read_to_end())
            assert [frame.first for frame in frames] == [TEXT, CLOSE]
            assert frames[0].json["PUBACK"] == 1
            assert frames[1].close_code == 1001

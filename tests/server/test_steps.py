"""`[[steps]]`: what a scenario changes over time, again and again, or after a request."""

import math
from typing import Any

import pytest

from invis_sim import faults
from invis_sim.protocol.transport import Transport
from invis_sim.testing.block import start_simulator
from invis_sim.testing.handle import SimulatorHandle
from tests.server.peers import Peers, listening
from tests.server.support import (
    event_texts,
    failure_reply,
    on_both,
    push,
    success_reply,
    wait_until,
)

at_any_speed = pytest.mark.parametrize("speed", [100, math.inf], ids=["fast", "infinite"])

SILENT = """
[timing]
sensor_seconds = 0
reconnect_seconds = 0

[firmware.IM]
fw_rev = "1.0.0"
available_fw_rev = "1.1.0"

[firmware.PM]
"""


def stepping(steps: str, speed: float = 1.0, head: str = "") -> Any:
    return start_simulator(head + SILENT + steps, speed=speed)


def steps_told(sim: SimulatorHandle) -> list[str]:
    return [words for words in event_texts(sim, "command") if words.startswith("step")]


def wait_for_steps(sim: SimulatorHandle, number: int) -> list[str]:
    """Waits until so many things have been done."""
    wait_until(sim, lambda journal: len(steps_told(sim)) >= number)
    return steps_told(sim)


# Times


@at_any_speed
def test_steps_come_in_the_order_of_their_times_and_those_of_one_time_in_file_order(
    speed: float,
) -> None:
    steps = """
        [[steps]]
        after_seconds = 20
        push = { callback = 93, args = 1 }
        [[steps]]
        after_seconds = 10
        set = { outlets = { states = [0, 1] } }
        [[steps]]
        after_seconds = 20
        push = { callback = 94, args = 1 }
        [[steps]]
        after_seconds = 0
        set = { outlets = { states = [1, 0] }, nightlight = { brightness = 5 } }
    """
    with stepping(steps, speed) as sim:
        expected = [
            "step 4: set outlets.states = [1, 0], nightlight.brightness = 5",
            "step 2: set outlets.states = [0, 1]",
            "step 1: push 93",
            "step 3: push 94",
        ]
        assert wait_for_steps(sim, 4) == expected
        assert sim.state.outlets.states == (0, 1)
        times = [event.seconds for event in sim.journal.events(kind="command")]
        if speed == 100:
            assert times[1] >= 0.1
            assert times[2] >= 0.2


def test_a_step_is_repeated_in_its_rhythm_from_its_time_on() -> None:
    steps = """
        [[steps]]
        every_seconds = 10
        push = 9
        [[steps]]
        after_seconds = 1
        every_seconds = 10
        sample = true
    """
    with stepping(steps, 100) as sim, listening(sim, "tcp") as peer:
        first = wait_for_steps(sim, 6)[:6]
        assert first == ["step 2: sample", "step 1: push 9"] * 3
        times = [event.seconds for event in sim.journal.events(kind="command")][:6]
        due = (0.01, 0.1, 0.11, 0.2, 0.21, 0.3)
        assert all(time >= least for time, least in zip(times, due, strict=True))
        came = [packet["payload"]["callbackName"] for packet in peer.packets(4)]
        assert sorted(set(came)) == [9, 11]


def test_at_infinite_speed_what_is_repeated_forever_does_not_run_away() -> None:
    steps = """
        [[steps]]
        every_seconds = 10
        push = 9
        [[steps]]
        after_seconds = 35
        every_seconds = 5
        sample = true
    """
    with stepping(steps, math.inf) as sim, listening(sim, "tcp") as peer:
        asked = 30
        for number in range(asked):
            peer.send_request(99, packet_id=number)
            while peer.packet() != failure_reply(number):
                pass
        # Time has jumped to the one appointment that is no repetition, and stands still there. Of
        # the repetitions that it has jumped over, one was made up for.
        assert steps_told(sim) == ["step 1: push 9", "step 2: sample"]
        # It goes on where there is something to do, and repetitions with it.
        sim.set(firmware={"PM": {"available_fw_rev": "9.9.9"}})
        sim.update("PM")  # of 10 s, and 3 s for the restart
        wait_until(sim, lambda journal: len(steps_told(sim)) >= 5)
        told_then = steps_told(sim)[2:]
        assert (told_then.count("step 1: push 9"), told_then.count("step 2: sample")) == (1, 2)


def test_at_infinite_speed_a_repetition_alone_does_not_even_begin() -> None:
    steps = """
        [[steps]]
        every_seconds = 10
        push = 9
    """
    with stepping(steps, math.inf) as sim, listening(sim, "tcp") as peer:
        for number in range(30):
            peer.send_request(99, packet_id=number)
            assert peer.packet() == failure_reply(number)
        assert steps_told(sim) == []


# Requests


@on_both
def test_a_step_follows_the_nth_request_of_its_callback_behind_the_answer(
    transport: Transport,
) -> None:
    steps = """
        [[steps]]
        after_request = { callback = 99, nth = 3 }
        push = { callback = 50, args = "third" }
        [[steps]]
        after_request = { callback = 98 }
        push = { callback = 50, args = "first" }
    """
    with stepping(steps) as sim, Peers(sim) as peers:
        one, other = peers.listen(transport), peers.listen("tcp")
        for peer in (one, other):
            peer.send_request(99)
            assert peer.packet() == failure_reply()
        one.send_request(99, packet_id=3)
        assert one.packets(2) == [failure_reply(3), push(50, "third")]
        assert other.packet() == push(50, "third")
        other.send_request(98, packet_id=4)
        assert other.packets(2) == [failure_reply(4), push(50, "first")]
        for callback in (99, 98):
            other.send_request(callback, packet_id=5)
            assert other.packet() == failure_reply(5)
        assert steps_told(sim) == ["step 1: push 50", "step 2: push 50"]


@on_both
@at_any_speed
def test_a_step_may_follow_some_time_after_its_request(transport: Transport, speed: float) -> None:
    steps = """
        [[steps]]
        after_request = { callback = 98, nth = 2 }
        after_seconds = 20
        push = { callback = 50, args = "late" }
        [[steps]]
        after_request = { callback = 98, nth = 2 }
        after_seconds = 10
        push = { callback = 50, args = "early" }
        [[steps]]
        after_request = { callback = 98, nth = 2 }
        push = { callback = 50, args = "at once" }
    """
    with stepping(steps, speed) as sim, listening(sim, transport) as peer:
        peer.send_request(98, packet_id=1)
        assert peer.packet() == failure_reply(1)
        assert steps_told(sim) == []
        peer.send_request(98, packet_id=2)
        expected = [push(50, args) for args in ("at once", "early", "late")]
        assert peer.packets(4) == [failure_reply(2), *expected]
        at_once, early, late = (event.seconds for event in sim.journal.events(kind="command"))
        if speed == 100:
            assert early - at_once >= 0.1 - 0.01
            assert late - at_once >= 0.2 - 0.01
        peer.send_request(98, packet_id=3)  # the third is nobody's
        assert peer.packet() == failure_reply(3)
        assert len(steps_told(sim)) == 3


def test_after_a_network_reset_a_step_brings_the_outlet_back_some_time_later() -> None:
    steps = """
        [[steps]]
        after_request = { callback = 6 }
        after_seconds = 10
        join_network = true
    """
    for speed in (100, math.inf):
        with stepping(steps, speed) as sim, Peers(sim) as peers:
            for number in (1, 2):
                peer = peers.listen("tcp")
                peer.send_request(6)
                assert peer.end() == (b"", "FIN")
                if number == 1:
                    sim.wait_until_up()
            ends = [words for words in event_texts(sim, "outlet") if words.endswith(" online")]
            assert ends == ["network reset: back online"]
            assert steps_told(sim) == ["step 1: join_network"]  # the second reset lasts


def test_what_a_step_does_some_time_after_its_request_outlasts_a_restart() -> None:
    steps = """
        [[steps]]
        after_request = { callback = 98 }
        after_seconds = 30
        push = { callback = 50, args = 1 }
    """
    with stepping(steps, 100) as sim, Peers(sim) as peers:
        peer = peers.listen("tcp")
        peer.send_request(98)
        assert peer.packet() == failure_reply()
        sim.reboot(seconds=5)
        assert peer.end() == (b"", "FIN")
        sim.wait_until_up()
        assert wait_for_steps(sim, 1) == ["step 1: push 50"]


def test_what_a_step_begins_after_a_request_takes_its_time_from_then() -> None:
    """Also where nothing has happened before that would have brought time up to date."""
    steps = """
        [[steps]]
        after_request = { callback = 20 }
        update = "PM"
        [updates.PM]
        seconds = 10
        steps = 1
    """
    slow = faults.Delay(seconds=30)
    with stepping(steps, 100) as sim, listening(sim, "ws") as peer:
        with sim.inject(slow):
            peer.send_request(99)
            peer.packet()
        sim.set(firmware=sim.state.firmware)  # no update on offer yet
        sim.set(firmware={"PM": {"available_fw_rev": "9.9.9"}})
        with sim.inject(slow):
            peer.send_request(99)
            peer.packet()
        peer.send_request(20)
        assert [peer.packet()["payload"]["callbackName"] for _ in range(5)] == [20, 23, 22, 22, 23]
        began, *_, ended = sim.journal.exchanges(callback=22)
        assert ended.seconds - began.seconds >= 0.1 - 0.01


def test_requests_that_are_not_answered_because_the_outlet_is_away_do_not_count() -> None:
    steps = """
        [[steps]]
        after_request = { callback = 9, nth = 2 }
        push = { callback = 50, args = 1 }
        [quirks]
        restart_disconnect = "blackhole"
    """
    with stepping(steps) as sim, Peers(sim) as peers:
        peer = peers.listen("tcp")
        peer.send_request(9)
        peer.packet()
        sim.reboot(seconds=0.2)
        peer.send_request(9)
        wait_until(sim, lambda journal: len(journal.requests(callback=9)) == 2)
        sim.wait_until_up()
        assert steps_told(sim) == []
        back = peers.listen("tcp")
        back.send_request(9, packet_id=3)
        assert back.packets(2)[1] == push(50, 1)


# Actions


def test_every_action_does_what_it_says_in_the_order_of_the_manual() -> None:
    steps = """
        [[faults]]
        kind = "fail"
        name = "odd"
        when = { callback = 98 }
        [[faults]]
        kind = "set_field"
        name = "strange"
        enabled = false
        path = "PUBACK"
        value = 7
        when = { callback = 98 }
        [[steps]]
        after_request = { callback = 97 }
        push = 9
        disable = "odd"
        enable = ["strange"]
        sample = true
        set = { sensors = { lux = "inf" }, outlets = { states = [1, 1] } }
        [[steps]]
        after_request = { callback = 97, nth = 2 }
        faceplate = "off"
        sample = true
        update = "PM"
        [[steps]]
        after_request = { callback = 97, nth = 3 }
        faceplate = "on"
        sample = true
        [[steps]]
        after_request = { callback = 97, nth = 4 }
        push = { callback = 60, args = { a = [1] } }
        reboot = { seconds = 0, how = "reset" }
    """
    with stepping(steps) as sim, Peers(sim) as peers:
        peer = peers.listen("ws")
        peer.send_request(97, packet_id=1)
        reply, changed, again, measured = peer.packets(4)
        assert (reply, changed, again) == (failure_reply(1), push(9, [1, 1]), push(9, [1, 1]))
        assert measured["payload"]["callbackArgs"][1]["lux"] == "inf"
        peer.send_request(98, packet_id=2)
        assert peer.packet() == {**success_reply(2), "PUBACK": 7}
        peer.send_request(97, packet_id=3)
        assert peer.packet() == failure_reply(3)
        peer.send_request(11, packet_id=4)
        assert peer.packet() == failure_reply(4)
        peer.send_request(97, packet_id=5)
        reply, *others = peer.packets(3)
        assert reply == failure_reply(5)
        assert [one["payload"]["callbackName"] for one in others] == [12, 11]
        peer.send_request(97, packet_id=6)
        assert peer.packets(2) == [failure_reply(6), push(60, {"a": [1]})]
        assert peer.end() == (b"", "RST")
        sim.wait_until_up()
        assert steps_told(sim) == [
            'step 1: set sensors.lux = "inf", outlets.states = [1, 1]',
            "step 1: enable strange",
            "step 1: disable odd",
            "step 1: push 9",
            "step 1: sample",
            "step 2: faceplate off",
            "step 2: sample",
            "step 2: update PM failed: faceplate offline",
            "step 3: faceplate on",
            "step 3: sample",
            "step 4: push 60",
            'step 4: reboot { seconds = 0.0, how = "reset" }',
        ]


def test_what_a_step_sets_is_told_key_by_key_and_shortened_where_it_is_long() -> None:
    steps = """
        [[steps]]
        after_seconds = 1
        set = { firmware.PM = {}, sensors = { lux = { start = 1 }, omit = ["gas"] } }
        [[steps]]
        after_seconds = 2
        set = { preferences.acc_prefs.homeAwayMode.enabled = 1, timing.restart_seconds = 0.5 }
        [[steps]]
        after_seconds = 3
        set = { names = { outlet1 = "Lämpchen", outlet2 = "x" }, quirks.stray_result = false }
        [[steps]]
        after_seconds = 4
        set.sensors.co2_equiv = [COUNT]
    """.replace("COUNT", ", ".join(map(str, range(400, 500))))
    with stepping(steps, math.inf) as sim:
        *short, long = wait_for_steps(sim, 4)
        assert short == [
            'step 1: set firmware.PM = {}, sensors.lux.start = 1, sensors.omit = ["gas"]',
            (
                "step 2: set preferences.acc_prefs.homeAwayMode.enabled = 1, "
                "timing.restart_seconds = 0.5"
            ),
            (
                'step 3: set names.outlet1 = "Lämpchen", names.outlet2 = "x", '
                "quirks.stray_result = false"
            ),
        ]
        assert long.startswith("step 4: set sensors.co2_equiv = [400, 401, 402, ")
        assert long.endswith("…")
        assert 95 < len(long) < 115


@at_any_speed
def test_a_reboot_by_a_step_lasts_as_timing_says_and_the_network_is_joined_again(
    speed: float,
) -> None:
    steps = """
        [[steps]]
        after_request = { callback = 97 }
        reboot = true
        [[steps]]
        every_seconds = 50
        join_network = true
    """
    with stepping(steps, speed) as sim, Peers(sim) as peers:
        peer = peers.listen("tcp")
        peer.send_request(97)
        assert peer.packet() == failure_reply()
        assert peer.end() == (b"", "FIN")
        sim.wait_until_up()
        assert event_texts(sim, "outlet") == ["reboot: offline for 3 s", "reboot: back online"]
        peer = peers.listen("tcp")
        peer.send_request(6)
        assert peer.end() == (b"", "FIN")
        if speed == math.inf:
            sim.join_network()
        sim.wait_until_up()
        assert event_texts(sim, "outlet")[-1] == "network reset: back online"


def test_an_update_that_a_step_starts_runs_to_its_end() -> None:
    steps = """
        [[steps]]
        after_seconds = 100
        update = "IM"
    """
    with stepping(steps, math.inf) as sim, Peers(sim) as peers:
        back = "restart after an update: back online"
        wait_until(sim, lambda journal: back in event_texts(sim, "outlet"))
        peer = peers.connect("ws")
        peer.send_requests(1)
        assert peer.packet()["payload"]["callbackArgs"]["IM"]["fw_rev"] == "1.1.0"


def test_what_a_step_pushes_that_has_no_state_is_told_and_goes_on() -> None:
    steps = """
        [[steps]]
        after_request = { callback = 97 }
        faceplate = "off"
        push = 11
        sample = true
        [[steps]]
        after_request = { callback = 97 }
        push = 9
    """
    with stepping(steps) as sim, listening(sim, "tcp") as peer:
        peer.send_request(97)
        assert peer.packets(2) == [failure_reply(), push(9, [0, 0])]
        words, why = steps_told(sim), "faceplate offline"
        assert [word for word in words if "failed" in word] == [
            f"step 1: push 11 failed: nothing to push for callback 11: {why}"
        ]

"""Callbacks 20 to 23: updates that run, from the request to the new revision."""

from itertools import pairwise
from typing import Any, Literal, TypeAlias

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from invis_sim.device.effects import GoOffline
from invis_sim.device.outlet import Outlet
from invis_sim.device.update_plan import OutletUpdate, Part, Progress, update_timeline
from invis_sim.protocol.packets import Push
from tests.cases import for_each
from tests.device.support import (
    FIRMWARE,
    Moment,
    an_outlet,
    change,
    connect,
    expect_failure,
    expect_offline,
    expect_success,
    handle_request,
    logs,
    now,
    online,
    part,
    pass_time,
    pushed_packets,
    pushes,
    restart,
    returned,
    run_timers,
    silent,
    updating,
)
from tests.support import SN

Target: TypeAlias = Literal["IM", "PM"]

TARGETS: tuple[Target, ...] = ("IM", "PM")
BOTH = for_each("target", TARGETS)

QUIET = {"sensor_seconds": 0}
"""No readings between the pushes of an update."""


def to_update(target: Target = "IM", /, *, revision: str = "revA", **update: Any) -> Outlet:
    """An outlet with an update for each part.

    update: how that of the target goes; without silence unless it says so.
    """
    if target == "IM":
        update = {"silence_seconds": 0, **update}
    return an_outlet(
        device={"hw_rev": revision},
        firmware=FIRMWARE,
        updates={target: update},
        timing=QUIET,
    )


def percents(moments: list[Moment], of: int) -> list[int]:
    return [m.args[1] for m in moments if m.callback == 22 and m.args[0] == of]


def results(moments: list[Moment]) -> list[list[int]]:
    return [moment.args for moment in moments if moment.callback == 23]


def revisions(outlet: Outlet) -> dict[str, Any]:
    """What runs, as callback 20 has it; callback 12 says the same."""
    report, information = returned(outlet, 20), returned(outlet, 12)
    assert report["IM"]["fw_rev"] == information["IM"]["fw_rev"]
    assert report["PM"]["fw_rev"] == information["PM"]["fw_rev"]
    return {
        "IM": report["IM"]["fw_rev"],
        "WWW": report["IM"]["www_fw_rev"],
        "PM": report["PM"]["fw_rev"],
    }


OLD = {"IM": "0.0.1", "WWW": "0.1.2", "PM": "0.5.0"}
UPDATED: dict[Target, dict[str, str]] = {
    "IM": {"IM": "0.0.9", "WWW": "0.3.0", "PM": "0.5.0"},
    "PM": {"IM": "0.0.1", "WWW": "0.1.2", "PM": "0.5.1"},
}

# --- success ---


def test_by_default_each_part_has_ten_steps_over_ten_seconds() -> None:
    for part_of, begins in ((Part.WWW, 20.0), (Part.OUTLET, 30.0)):
        percents = [
            (seconds, event.percent)
            for seconds, event in update_timeline(OutletUpdate(), stray=False)
            if isinstance(event, Progress) and event.part is part_of
        ]
        assert percents == [(begins + step, 10 * step) for step in range(11)]


def test_what_clients_have_set_survives_an_update_of_the_outlet() -> None:
    outlet = to_update()
    expect_success(outlet, 10, [1, 1])
    expect_success(outlet, 14, [1, 33])
    expect_success(outlet, 4, [{"accessory": 1, "name": "Fan"}])
    expect_success(outlet, 2, [{"sys_prefs": {"mqtt": {"qos": 2}}}])
    before = [returned(outlet, callback) for callback in (1, 3, 9, 15)]
    expect_success(outlet, 21, [1])
    pass_time(outlet)
    assert revisions(outlet) == UPDATED["IM"]
    assert [returned(outlet, callback) for callback in (1, 3, 9, 15)] == before


@for_each("args", [[1], [1, 0], [1, 1]])
def test_an_update_of_the_outlet_runs_from_www_to_the_restart(args: list[int]) -> None:
    outlet = to_update(seconds=40, www_seconds=20, steps=4)
    assert expect_success(outlet, 21, args) == []
    assert updating(outlet)
    moments = pass_time(outlet, restarts=False)
    quarters = (0, 25, 50, 75, 100)
    assert moments == [
        Moment(0, 23, [1, 0]),
        *(Moment(percent / 5, 22, [3, percent]) for percent in quarters),
        Moment(20, 23, [3, 1]),
        *(Moment(20 + percent * 2 / 5, 22, [1, percent]) for percent in quarters),
        Moment(60, 23, [1, 1]),
        Moment(60, 0, GoOffline("restart after an update", 3.0, "close")),
    ]
    assert not updating(outlet)
    assert revisions(outlet) == OLD
    restart(outlet)
    assert revisions(outlet) == UPDATED["IM"]
    assert [callback for callback, _ in connect(outlet)] == [12]
    assert "no update available" in expect_failure(outlet, 21, args)


@for_each("args", [[2], [2, 0], [2, 1]])
def test_an_update_of_the_faceplate_ends_with_the_restart_of_that_alone(
    args: list[int],
) -> None:
    outlet = to_update("PM", seconds=10, steps=2)
    assert expect_success(outlet, 21, args) == []
    assert pass_time(outlet, 10) == [
        Moment(0, 23, [2, 0]),
        *(Moment(percent / 10, 22, [2, percent]) for percent in (0, 50, 100)),
        Moment(10, 23, [2, 1]),
    ]
    assert not updating(outlet)
    assert "PM" not in returned(outlet, 12)
    assert "PM" not in returned(outlet, 20)
    assert outlet.sample(now(outlet)) == ()
    assert pass_time(outlet) == [Moment(13, 12, returned(outlet, 12))]
    assert revisions(outlet) == UPDATED["PM"]
    expect_failure(outlet, 21, args)


def test_www_is_in_use_after_the_restart_with_the_application() -> None:
    outlet = to_update(www_seconds=20, seconds=10)
    expect_success(outlet, 21, [1])
    moments = pass_time(outlet, 29)
    assert results(moments) == [[1, 0], [3, 1]]
    assert revisions(outlet) == OLD
    pass_time(outlet, restarts=True)
    assert revisions(outlet) == UPDATED["IM"]


@BOTH
def test_the_stray_result_can_be_turned_off(target: Target) -> None:
    outlet = to_update(target)
    change(outlet, quirks={"stray_result": False})
    expect_success(outlet, 21, [part(target)])
    moments = pass_time(outlet)
    assert moments[0].callback == 22
    assert all(status == 1 for _, status in results(moments))


@given(
    st.sampled_from(TARGETS),
    st.integers(1, 100),
    st.floats(0, 1000),
    st.floats(0, 1000),
)
@example("IM", 1, 0.0, 655.3828894422089)  # times a hundred by a hundred is more
def test_progress_goes_from_0_to_100_in_so_many_steps_and_so_much_time(
    target: Target, steps: int, seconds: float, www_seconds: float
) -> None:
    www: dict[str, Any] = {"www_seconds": www_seconds} if target == "IM" else {}
    outlet = to_update(target, steps=steps, seconds=seconds, **www)
    expect_success(outlet, 21, [part(target)])
    moments = pass_time(outlet, restarts=False)
    parts = {"IM": (3, 1), "PM": (2,)}[target]
    for number in parts:
        told_of = percents(moments, number)
        assert len(told_of) == steps + 1
        assert (told_of[0], told_of[-1]) == (0, 100)
        assert all(0 <= after - before <= 100 / steps + 1 for before, after in pairwise(told_of))
    ends = [m.seconds for m in moments if m.callback == 23][1:]
    expected = [www_seconds, www_seconds + seconds] if target == "IM" else [seconds]
    assert ends == pytest.approx(expected)
    assert results(moments) == [[part(target), 0], *([number, 1] for number in parts)]
    assert [m.seconds for m in moments] == sorted(m.seconds for m in moments)


# --- what 21 wants ---


@BOTH
def test_without_an_available_update_none_starts(target: Target) -> None:
    outlet = an_outlet()
    report = returned(outlet, 20)
    assert report[target]["available_fw_rev"] == report[target]["fw_rev"]
    assert "no update available" in expect_failure(outlet, 21, [part(target)])
    with pytest.raises(ValueError, match="no update available"):
        outlet.start_update(target, now(outlet))
    assert not updating(outlet)


@for_each("offered", ["available_fw_rev", "available_www_fw_rev"])
def test_either_of_the_outlets_two_is_enough(offered: str) -> None:
    outlet = an_outlet(firmware={"IM": {offered: "9"}})
    expect_success(outlet, 21, [1])
    pass_time(outlet)
    assert returned(outlet, 20)["IM"][offered.removeprefix("available_")] == "9"
    assert "no update available" in expect_failure(outlet, 21, [1])


@BOTH
def test_an_older_revision_on_offer_is_an_update_as_well(target: Target) -> None:
    outlet = an_outlet(firmware={target: {"fw_rev": "2", "available_fw_rev": "1"}})
    expect_success(outlet, 21, [part(target)])
    pass_time(outlet)
    assert revisions(outlet)[target] == "1"


@BOTH
def test_while_the_check_fails_no_update_starts(target: Target) -> None:
    outlet = to_update(target)
    change(outlet, firmware={"update_check": "fail"})
    assert "update check fails" in expect_failure(outlet, 20)
    assert "update check fails" in expect_failure(outlet, 21, [part(target)])


@for_each("first", TARGETS)
@for_each("second", TARGETS)
def test_while_one_runs_no_other_starts(first: Target, second: Target) -> None:
    outlet, alone = to_update(first), to_update(first)
    expect_success(outlet, 21, [part(first)])
    expect_success(alone, 21, [part(first)])
    for _ in range(3):
        assert "in progress" in expect_failure(outlet, 21, [part(second)])
        assert pass_time(outlet, 3) == pass_time(alone, 3)
    with pytest.raises(ValueError, match="in progress"):
        outlet.start_update(second, now(outlet))


@BOTH
def test_one_after_the_other_is_fine(target: Target) -> None:
    outlet = to_update()
    other: Target = "PM" if target == "IM" else "IM"
    for one in (target, other):
        expect_success(outlet, 21, [part(one)])
        pass_time(outlet)
    assert revisions(outlet) == {**UPDATED["IM"], "PM": "0.5.1"}


@BOTH
def test_an_update_is_started_from_outside_as_by_a_client(target: Target) -> None:
    asked, started = to_update(target), to_update(target)
    expect_success(asked, 21, [part(target)])
    started.start_update(target, now(started))
    assert updating(started)
    assert pass_time(asked) == pass_time(started)
    assert revisions(started) == UPDATED[target]


def test_an_unknown_target_and_an_offline_outlet_are_not_updated() -> None:
    outlet = to_update()
    wrong: Any = "WWW"
    with pytest.raises(ValueError, match="target"):
        outlet.start_update(wrong, now(outlet))
    outlet.go_offline(now(outlet))
    with pytest.raises(ValueError, match="offline"):
        outlet.start_update("IM", now(outlet))
    outlet.come_online(now(outlet))
    outlet.start_update("IM", now(outlet))
    assert updating(outlet)


# --- the other outcomes ---


@BOTH
def test_an_update_with_outcome_refused_fails_at_once(target: Target) -> None:
    outlet = to_update(target, outcome="refused")
    assert "does not start" in expect_failure(outlet, 21, [part(target)])
    assert pass_time(outlet) == []
    assert revisions(outlet) == OLD


@BOTH
@for_each("stray", [True, False])
def test_an_update_that_fails_at_the_start_has_no_progress(target: Target, stray: bool) -> None:
    outlet = to_update(target, outcome="fails_at_start")
    change(outlet, quirks={"stray_result": stray})
    assert expect_success(outlet, 21, [part(target)]) == []
    moments = pass_time(outlet)
    assert moments == [Moment(0, 23, [part(target), 0])] * (2 if stray else 1)
    assert not updating(outlet)
    assert revisions(outlet) == OLD
    assert expect_success(outlet, 21, [part(target)]) == []


@for_each(
    ("target", "at_part", "number"), [("IM", "www", 3), ("IM", "application", 1), ("PM", None, 2)]
)
@for_each(("at_percent", "last"), [(0, 0), (49, 40), (60, 60), (100, 100)])
@for_each("outcome", ["fails", "hangs"])
def test_an_update_fails_or_hangs_where_the_scenario_says(
    target: Target, at_part: str | None, number: int, at_percent: int, last: int, outcome: str
) -> None:
    more: dict[str, Any] = {} if at_part is None else {"at_part": at_part, "www_seconds": 10}
    outlet = to_update(target, outcome=outcome, at_percent=at_percent, steps=5, seconds=10, **more)
    expect_success(outlet, 21, [part(target)])
    moments = pass_time(outlet)
    assert percents(moments, number) == list(range(0, last + 1, 20))
    comes_first = [[3, 1]] if number == 1 else []
    ends = [[number, 0]] if outcome == "fails" else []
    assert results(moments) == [[part(target), 0], *comes_first, *ends]
    if outcome == "fails":
        begins = 10 if number == 1 else 0
        assert moments[-1].seconds == begins + at_percent / 10
    assert updating(outlet) == (outcome == "hangs")
    assert revisions(outlet) == OLD
    if outcome == "fails":
        assert expect_success(outlet, 21, [part(target)]) == []
    restart(outlet)
    assert revisions(outlet) == OLD  # nothing of it was kept for the next start


def test_web_pages_of_an_update_that_fails_are_not_there_after_a_restart() -> None:
    outlet = to_update(outcome="fails")
    expect_success(outlet, 21, [1])
    assert [3, 1] in results(pass_time(outlet))
    restart(outlet)
    assert revisions(outlet) == OLD


@BOTH
def test_after_one_that_hangs_only_a_restart_makes_another_possible(target: Target) -> None:
    outlet = to_update(target, outcome="hangs", at_percent=30)
    expect_success(outlet, 21, [part(target)])
    pass_time(outlet)
    pass_time(outlet, 10_000)
    for other in TARGETS:
        assert "in progress" in expect_failure(outlet, 21, [part(other)])
    change(outlet, updates={target: {"outcome": "success"}})
    assert pass_time(outlet) == []
    assert expect_offline(handle_request(outlet, 5)).seconds == 3
    restart(outlet)
    assert not updating(outlet)
    assert expect_success(outlet, 21, [part(target)]) == []
    pass_time(outlet)
    assert revisions(outlet) == UPDATED[target]


@BOTH
def test_an_update_may_come_back_with_the_old_revision(target: Target) -> None:
    outlet = to_update(target, outcome="keeps_old_revision")
    good = to_update(target)
    expect_success(outlet, 21, [part(target)])
    expect_success(good, 21, [part(target)])
    # The last of a faceplate is who it is, which differs.
    last = None if target == "IM" else -1
    assert pass_time(outlet)[:last] == pass_time(good)[:last]
    assert revisions(outlet) == OLD
    assert expect_success(outlet, 21, [part(target)]) == []


@BOTH
def test_how_an_update_goes_is_settled_when_it_starts(target: Target) -> None:
    outlet, good = to_update(target), to_update(target)
    expect_success(outlet, 21, [part(target)])
    expect_success(good, 21, [part(target)])
    change(outlet, updates={target: {"outcome": "fails", "at_percent": 10}})
    assert pass_time(outlet) == pass_time(good)


# --- what comes between ---


@BOTH
def test_a_restart_in_the_middle_loses_the_update(target: Target) -> None:
    outlet = to_update(target)
    expect_success(outlet, 21, [part(target)])
    pass_time(outlet, 9)
    restart(outlet)
    assert not updating(outlet)
    assert [callback for callback, _ in connect(outlet)] == [12]
    assert pass_time(outlet) == []
    assert revisions(outlet) == OLD
    assert expect_success(outlet, 21, [part(target)]) == []
    pass_time(outlet)
    assert revisions(outlet) == UPDATED[target]


def test_a_restart_after_the_www_partition_loses_that_too() -> None:
    outlet = to_update(www_seconds=10)
    expect_success(outlet, 21, [1])
    assert [3, 1] in results(pass_time(outlet, 15))
    restart(outlet)
    assert revisions(outlet) == OLD
    restart(outlet)
    assert revisions(outlet) == OLD


def test_a_restart_while_the_updated_faceplate_restarts_loses_nothing() -> None:
    outlet = to_update("PM", seconds=1)
    expect_success(outlet, 21, [2])
    pass_time(outlet, 2)
    assert not online(outlet)
    restart(outlet)
    assert online(outlet)
    assert revisions(outlet) == UPDATED["PM"]


@for_each("how", ["detached", "offline", "forced offline", "restarted", "other product"])
@for_each("revision", ["revA", "revB"])
def test_without_its_faceplate_the_update_of_that_fails(revision: str, how: str) -> None:
    outlet = to_update("PM", revision=revision, seconds=10)
    expect_success(outlet, 21, [2])
    pass_time(outlet, 5)
    if how == "detached":
        effects = change(outlet, faceplate={"attached": False})
    elif how == "offline":
        effects = change(outlet, faceplate={"online": False})
    elif how == "forced offline":
        effects = outlet.force_faceplate_offline(True, now(outlet))
    elif how == "other product":
        effects = change(outlet, device={"product": "bare"})
    else:
        effects = outlet.restart_faceplate(now(outlet))
    assert pushed_packets(effects) == [(23, [2, 0])]
    assert not updating(outlet)
    assert [moment.callback for moment in pass_time(outlet)] == [12] * (how == "restarted")
    if how == "restarted":
        assert revisions(outlet) == OLD
    elif how != "forced offline" and how != "other product":
        change(outlet, faceplate={"attached": True, "online": True})
        assert revisions(outlet) == OLD


def test_the_failure_is_pushed_after_the_reply_that_caused_it() -> None:
    outlet = to_update("PM")
    expect_success(outlet, 21, [2])
    pass_time(outlet, 5)
    assert expect_success(outlet, 24) == [(23, [2, 0])]


def test_one_that_hangs_is_over_without_a_word_when_the_faceplate_goes() -> None:
    outlet = to_update("PM", outcome="hangs")
    expect_success(outlet, 21, [2])
    pass_time(outlet)
    assert updating(outlet)
    assert expect_success(outlet, 24) == []
    assert not updating(outlet)
    pass_time(outlet)
    assert expect_success(outlet, 21, [2]) == []


def test_the_outlets_own_update_does_not_care_for_the_faceplate() -> None:
    outlet, alone = to_update(), to_update()
    expect_success(outlet, 21, [1])
    expect_success(alone, 21, [1])
    pass_time(outlet, 5)
    pass_time(alone, 5)
    change(outlet, faceplate={"attached": False})
    assert pass_time(outlet) == pass_time(alone)
    change(outlet, faceplate={"attached": True})
    assert revisions(outlet) == UPDATED["IM"]


def test_the_update_of_a_revb_that_waits_does_not_need_the_faceplate() -> None:
    outlet = to_update(revision="revB")
    handle_request(outlet, 21, [1])
    restart(outlet)
    change(outlet, faceplate={"attached": False})
    assert updating(outlet)
    assert connect(outlet)[1:] == [goes_on("IM")]
    pass_time(outlet)
    change(outlet, faceplate={"attached": True})
    assert revisions(outlet) == UPDATED["IM"]


def test_a_factory_reset_keeps_the_firmware() -> None:
    outlet = to_update()
    expect_success(outlet, 21, [1])
    pass_time(outlet)
    handle_request(outlet, 7)
    restart(outlet)
    assert revisions(outlet) == UPDATED["IM"]


def test_the_readings_go_on_through_an_update_of_the_outlet() -> None:
    outlet = to_update(www_seconds=10, seconds=10)
    change(outlet, timing={"sensor_seconds": 5})
    expect_success(outlet, 21, [1])
    moments = pass_time(outlet, 19)
    assert [moment.seconds for moment in moments if moment.callback == 11] == [5, 10, 15]


# --- the silence at the beginning ---


def test_the_outlet_is_silent_from_acceptance_to_the_first_progress() -> None:
    outlet = to_update(silence_seconds=20)
    expect_success(outlet, 21, [1])
    assert not silent(outlet)  # the reply, and the stray result, come before
    assert pass_time(outlet, 0) == [Moment(0, 23, [1, 0])]
    assert silent(outlet)
    assert not outlet.speaks
    assert pass_time(outlet, 19.9) == []
    assert silent(outlet)
    (first, *_) = pass_time(outlet, 0.2)
    assert first == Moment(20, 22, [3, 0])
    assert not silent(outlet)
    (*_, last) = pass_time(outlet, restarts=False)
    assert last.seconds == 40


def test_by_default_the_silence_is_longer_than_a_heartbeat_and_of_the_outlet_alone() -> None:
    outlet = an_outlet(firmware=FIRMWARE)
    expect_success(outlet, 21, [2])
    pass_time(outlet, 5)
    assert not silent(outlet)
    pass_time(outlet)
    expect_success(outlet, 21, [1])
    pass_time(outlet, 15)  # a ping after 10 s, and 5 s without a pong
    assert silent(outlet)


def test_in_its_silence_the_outlet_pushes_nothing() -> None:
    outlet = to_update(silence_seconds=20)
    change(outlet, timing={"sensor_seconds": 5})
    expect_success(outlet, 21, [1])
    assert [moment.callback for moment in pass_time(outlet, 12)] == [23]
    assert change(outlet, outlets={"states": [1, 1]}) == ()
    assert outlet.sample(now(outlet)) == ()
    moments = pass_time(outlet, 10)
    assert {moment.callback for moment in moments} == {11, 22}
    assert min(moment.seconds for moment in moments) == 20
    assert returned(outlet, 9) == [1, 1]


def test_whatever_ends_the_update_ends_its_silence() -> None:
    for how in ("restart", "reset"):
        outlet = to_update(silence_seconds=20)
        expect_success(outlet, 21, [1])
        pass_time(outlet, 5)
        assert silent(outlet)
        effects = restart(outlet) if how == "restart" else outlet.reset(now(outlet))
        assert not silent(outlet)
        assert "the outlet answers again" in logs(effects)
        assert pass_time(outlet, 100) == []


def test_one_that_fails_before_any_progress_does_so_after_the_silence() -> None:
    outlet = to_update(silence_seconds=20, outcome="fails_at_start")
    expect_success(outlet, 21, [1])
    assert pass_time(outlet) == [Moment(0, 23, [1, 0]), Moment(20, 23, [1, 0])]
    assert not silent(outlet)


def test_a_revb_is_silent_after_it_has_said_that_it_continues() -> None:
    outlet = to_update(revision="revB", silence_seconds=20)
    handle_request(outlet, 21, [1])
    restart(outlet)
    assert not silent(outlet)
    assert connect(outlet)[1:] == [goes_on()]
    began = now(outlet)
    assert pass_time(outlet, 1) == [Moment(began, 23, [1, 0])]
    assert silent(outlet)


# --- what the reference leaves open ---


def test_pushes_may_bear_the_packet_id_of_the_request() -> None:
    for revision in ("revA", "revB"):
        outlet = to_update("PM", revision=revision)
        change(outlet, quirks={"update_packet_ids": "request"})
        answer = handle_request(outlet, 21, [2])
        assert [push.packet_id for push in pushes(answer)].count(221_040) == 0  # 21 has its own
        ids = {
            effect.packet_id
            for _, effect in run_timers(outlet)
            if isinstance(effect, Push) and effect.callback in (22, 23)
        }
        assert ids == {221_040}
        change(outlet, firmware={"PM": {"fw_rev": "0.5.0"}})
        outlet.start_update("PM", now(outlet))
        pushed = [effect for _, effect in run_timers(outlet) if isinstance(effect, Push)]
        assert all(push.packet_id != 221_040 for push in pushed)


def test_an_update_of_the_web_pages_runs_both_parts_or_alone() -> None:
    firmware = {"IM": {**FIRMWARE["IM"], "available_fw_rev": "0.0.1"}}
    for how, expected in (("both", [[1, 0], [3, 1], [1, 1]]), ("alone", [[1, 0], [3, 1]])):
        outlet = to_update()
        change(outlet, firmware=firmware, quirks={"web_update": how})
        expect_success(outlet, 21, [1])
        moments = pass_time(outlet)
        assert results(moments) == expected
        assert any(moment.callback == 0 for moment in moments) == (how == "both")
        assert revisions(outlet) == {**OLD, "WWW": "0.3.0"}
        assert not updating(outlet)


def test_an_application_is_never_left_out() -> None:
    outlet = to_update()
    change(outlet, quirks={"web_update": "alone"})
    expect_success(outlet, 21, [1])
    pass_time(outlet)
    assert revisions(outlet) == UPDATED["IM"]


# --- revB: the faceplate ---


def test_a_revb_confirms_an_update_of_its_faceplate_by_a_push() -> None:
    outlet, rev_a = to_update("PM", revision="revB"), to_update("PM")
    assert expect_success(outlet, 21, [2]) == [goes_on("PM")]
    expect_success(rev_a, 21, [2])
    *progress, announced = pass_time(outlet)
    *progress_a, announced_a = pass_time(rev_a)
    assert progress == progress_a
    assert (announced.callback, announced_a.callback) == (12, 12)  # they name their revision
    assert revisions(outlet) == UPDATED["PM"]
    assert "no update available" in expect_failure(outlet, 21, [2])


def test_a_revb_pushes_that_an_update_of_its_faceplate_does_not_start() -> None:
    outlet = to_update("PM", revision="revB", outcome="refused")
    assert expect_success(outlet, 21, [2]) == [goes_on("PM", 0)]
    assert not updating(outlet)
    assert pass_time(outlet) == []
    assert revisions(outlet) == OLD


@for_each("outcome", ["success", "refused"])
@for_each("why", ["up to date", "check fails", "no faceplate", "in progress"])
def test_a_revb_rejects_an_update_of_its_faceplate_that_cannot_be(why: str, outcome: str) -> None:
    outlet = to_update("PM", revision="revB", outcome=outcome)
    if why == "up to date":
        change(outlet, firmware={"PM": {"available_fw_rev": "0.5.0"}})
    elif why == "check fails":
        change(outlet, firmware={"update_check": "fail"})
    elif why == "no faceplate":
        change(outlet, faceplate={"attached": False})
    else:
        handle_request(outlet, 21, [1])
        restart(outlet)
    was = updating(outlet)
    expect_failure(outlet, 21, [2])
    assert updating(outlet) == was


# --- revB: restarts first ---


def goes_on(target: Target = "IM", does: int = 1) -> tuple[int, list[int]]:
    return 21, [part(target), does]


def test_a_revb_restarts_without_a_reply_and_continues_with_a_client() -> None:
    outlet, rev_a = to_update(revision="revB"), to_update()
    gone = expect_offline(handle_request(outlet, 21, [1]))
    assert gone == GoOffline("restart for an update", 3.0, "close")
    restart(outlet, 3)
    assert updating(outlet)
    assert "in progress" in expect_failure(outlet, 21, [1])
    assert pass_time(outlet, 20) == []
    (who, information), continues = connect(outlet)
    assert (who, information) == (12, returned(outlet, 12))
    assert continues == goes_on()
    assert updating(outlet)
    began = outlet.schedule.now
    expect_success(rev_a, 21, [1])
    later = [(m.seconds - began, m.callback, m.args) for m in pass_time(outlet)]
    assert later == [tuple(moment) for moment in pass_time(rev_a)]
    assert revisions(outlet) == UPDATED["IM"]


def test_each_early_client_is_sent_callback_21_and_the_update_runs_once() -> None:
    outlet = to_update(revision="revB", seconds=20)
    handle_request(outlet, 21, [1])
    restart(outlet)
    assert connect(outlet)[1:] == [goes_on()]
    moments = pass_time(outlet, 10)
    assert connect(outlet)[1:] == [goes_on()]
    moments += pass_time(outlet, restarts=False)
    assert results(moments).count([1, 0]) == 1
    assert results(moments).count([1, 1]) == 1


def test_a_revb_without_a_client_continues_by_itself() -> None:
    outlet = to_update(revision="revB")
    change(outlet, timing={"reconnect_seconds": 40})
    handle_request(outlet, 21, [1])
    restart(outlet)
    assert pass_time(outlet, 39.9) == []
    assert updating(outlet)
    assert pass_time(outlet, 0.2) != []
    assert connect(outlet) == []
    pass_time(outlet)
    assert revisions(outlet) == UPDATED["IM"]


def test_a_revb_whose_update_does_not_start_says_so_after_its_restart() -> None:
    outlet = to_update(revision="revB", outcome="refused")
    expect_offline(handle_request(outlet, 21, [1]))
    restart(outlet)
    assert connect(outlet)[1:] == [goes_on(does=0)]
    assert not updating(outlet)
    assert pass_time(outlet) == []
    assert revisions(outlet) == OLD
    expect_offline(handle_request(outlet, 21, [1]))


@for_each("why", ["nothing new", "update check fails"])
def test_a_revb_with_nothing_to_update_finds_out_after_a_restart(why: str) -> None:
    outlet = an_outlet(device={"hw_rev": "revB"}, firmware=FIRMWARE, timing=QUIET)
    if why == "nothing new":
        im = {"available_fw_rev": None, "available_www_fw_rev": None}
        change(outlet, firmware={"IM": im, "PM": {"available_fw_rev": None}})
    else:
        change(outlet, firmware={"update_check": "fail"})
    expect_failure(outlet, 21, [2])
    expect_offline(handle_request(outlet, 21, [1]))
    restart(outlet)
    assert connect(outlet)[1:] == [goes_on(does=0)]
    assert not updating(outlet)
    assert pass_time(outlet) == []
    change(outlet, firmware={"update_check": "ok"})
    assert revisions(outlet) == OLD
    expect_failure(outlet, 21, [3])


def test_a_second_restart_before_a_client_is_back_loses_the_update() -> None:
    outlet = to_update(revision="revB")
    handle_request(outlet, 21, [1])
    restart(outlet)
    restart(outlet)
    assert not updating(outlet)
    assert connect(outlet)[1:] == [goes_on(does=0)]
    assert pass_time(outlet) == []
    assert revisions(outlet) == OLD
    expect_offline(handle_request(outlet, 21, [1]))


def test_how_the_update_of_a_revb_goes_is_settled_when_it_is_asked_for() -> None:
    outlet = to_update(revision="revB")
    offered = outlet.state.firmware
    handle_request(outlet, 21, [1])
    change(outlet, updates={"IM": {"outcome": "refused"}, "PM": {"outcome": "refused"}})
    restart(outlet)
    change(
        outlet,
        firmware={
            "IM": {"available_fw_rev": "8", "available_www_fw_rev": None},
            "PM": {"available_fw_rev": "9"},
        },
    )
    assert connect(outlet)[1:] == [goes_on()]
    pass_time(outlet)
    runs = outlet.state.firmware
    assert (runs.IM.fw_rev, runs.IM.www_fw_rev) == (offered.IM.newest, offered.IM.newest_www)


def test_a_second_restart_after_that_does() -> None:
    outlet = to_update(revision="revB")
    handle_request(outlet, 21, [1])
    restart(outlet)
    connect(outlet)
    restart(outlet)
    assert [callback for callback, _ in connect(outlet)] == [12]
    assert pass_time(outlet) == []
    assert not updating(outlet)
    assert revisions(outlet) == OLD


def test_a_revb_started_from_outside_restarts_as_well() -> None:
    outlet = to_update(revision="revB")
    (gone,) = outlet.start_update("IM", now(outlet))
    assert isinstance(gone, GoOffline)
    restart(outlet)
    assert connect(outlet)[1:] == [goes_on("IM")]


def test_other_revisions_update_like_a_reva() -> None:
    for revision in ("revC", "", "B"):
        assert expect_success(to_update(revision=revision), 21, [1]) == []


def test_every_packet_of_an_update_has_a_packet_id_of_its_own() -> None:
    outlet = to_update()
    handle_request(outlet, 21, [1])
    ids = []
    while updating(outlet):
        effects = outlet.schedule.run_due(1e9) or ()
        ids += [push.fields["packetID"] for push in effects if isinstance(push, Push)]
    assert len(set(ids)) == len(ids) == 25
    assert outlet.sn == SN

"""Callbacks 20 to 23: updates that run, from the request to the new revision."""

from itertools import pairwise
from typing import Any, Literal, TypeAlias

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from invis_sim.device.effects import GoOffline
from invis_sim.device.outlet import Outlet
from invis_sim.protocol.packets import Push
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
    now,
    online,
    part,
    pass_time,
    pushed_packets,
    restart,
    returned,
    updating,
)
from tests.support import SN

Target: TypeAlias = Literal["IM", "PM"]

TARGETS: tuple[Target, ...] = ("IM", "PM")
BOTH = pytest.mark.parametrize("target", TARGETS)

QUIET = {"sensor_seconds": 0}
"""No readings between the pushes of an update."""


def to_update(target: Target = "IM", /, *, revision: str = "revA", **update: Any) -> Outlet:
    """An outlet with an update for each part.

    update: how that of the target goes.
    """
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


@pytest.mark.parametrize("args", [[1], [1, 0], [1, 1]])
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
    assert revisions(outlet) == {**OLD, "WWW": "0.3.0"}
    restart(outlet)
    assert revisions(outlet) == UPDATED["IM"]
    assert [callback for callback, _ in connect(outlet)] == [12]
    assert "no update available" in expect_failure(outlet, 21, args)


@pytest.mark.parametrize("args", [[2], [2, 0], [2, 1]])
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


def test_www_is_in_use_as_soon_as_it_is_there() -> None:
    outlet = to_update(www_seconds=20)
    expect_success(outlet, 21, [1])
    pass_time(outlet, 19.9)
    assert revisions(outlet) == OLD
    pass_time(outlet, 0.2)
    assert revisions(outlet) == {**OLD, "WWW": "0.3.0"}


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


@pytest.mark.parametrize("offered", ["available_fw_rev", "available_www_fw_rev"])
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


@pytest.mark.parametrize("first", TARGETS)
@pytest.mark.parametrize("second", TARGETS)
def test_while_one_runs_no_other_starts(first: Target, second: Target) -> None:
    outlet, alone = to_update(first), to_update(first)
    expect_success(outlet, 21, [part(first)])
    expect_success(alone, 21, [part(first)])
    for _ in range(3):
        assert "in progress" in expect_failure(outlet, 21, [part(second)])
        assert pass_time(outlet, 4) == pass_time(alone, 4)
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
@pytest.mark.parametrize("stray", [True, False])
def test_an_update_that_fails_at_the_start_has_no_progress(target: Target, stray: bool) -> None:
    outlet = to_update(target, outcome="fails_at_start")
    change(outlet, quirks={"stray_result": stray})
    assert expect_success(outlet, 21, [part(target)]) == []
    moments = pass_time(outlet)
    assert moments == [Moment(0, 23, [part(target), 0])] * (2 if stray else 1)
    assert not updating(outlet)
    assert revisions(outlet) == OLD
    assert expect_success(outlet, 21, [part(target)]) == []


@pytest.mark.parametrize(
    ("target", "at_part", "number"), [("IM", "www", 3), ("IM", "application", 1), ("PM", None, 2)]
)
@pytest.mark.parametrize(("at_percent", "last"), [(0, 0), (49, 40), (60, 60), (100, 100)])
@pytest.mark.parametrize("outcome", ["fails", "hangs"])
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
    assert revisions(outlet) == (OLD if number != 1 else {**OLD, "WWW": "0.3.0"})
    if outcome == "fails":
        assert expect_success(outlet, 21, [part(target)]) == []


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


def test_a_restart_after_the_www_partition_keeps_that() -> None:
    outlet = to_update(www_seconds=10)
    expect_success(outlet, 21, [1])
    pass_time(outlet, 15)
    restart(outlet)
    assert revisions(outlet) == {**OLD, "WWW": "0.3.0"}


def test_a_restart_while_the_updated_faceplate_restarts_loses_nothing() -> None:
    outlet = to_update("PM", seconds=1)
    expect_success(outlet, 21, [2])
    pass_time(outlet, 2)
    assert not online(outlet)
    restart(outlet)
    assert online(outlet)
    assert revisions(outlet) == UPDATED["PM"]


@pytest.mark.parametrize(
    "how", ["detached", "offline", "forced offline", "restarted", "other product"]
)
def test_without_its_faceplate_the_update_of_that_fails(how: str) -> None:
    outlet = to_update("PM", seconds=10)
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


# --- revB: restarts first ---


def goes_on(target: Target, does: int = 1) -> tuple[int, list[int]]:
    return 21, [part(target), does]


@BOTH
def test_a_revb_restarts_without_a_reply_and_continues_with_a_client(target: Target) -> None:
    outlet, rev_a = to_update(target, revision="revB"), to_update(target)
    gone = expect_offline(handle_request(outlet, 21, [part(target)]))
    assert gone == GoOffline("restart for an update", 3.0, "close")
    restart(outlet, 3)
    assert updating(outlet)
    assert "in progress" in expect_failure(outlet, 21, [1])
    assert pass_time(outlet, 20) == []
    (who, information), continues = connect(outlet)
    assert (who, information) == (12, returned(outlet, 12))
    assert continues == goes_on(target)
    assert updating(outlet)
    began = outlet.schedule.now
    expect_success(rev_a, 21, [part(target)])
    later = [(m.seconds - began, m.callback, m.args) for m in pass_time(outlet)]
    last = None if target == "IM" else -1  # who it is, which differs
    assert later[:last] == [tuple(moment) for moment in pass_time(rev_a)][:last]
    assert revisions(outlet) == UPDATED[target]


@BOTH
def test_each_early_client_is_sent_callback_21_and_the_update_runs_once(target: Target) -> None:
    outlet = to_update(target, revision="revB", seconds=20)
    handle_request(outlet, 21, [part(target)])
    restart(outlet)
    assert connect(outlet)[1:] == [goes_on(target)]
    moments = pass_time(outlet, 10)
    assert connect(outlet)[1:] == [goes_on(target)]
    moments += pass_time(outlet, restarts=False)
    assert results(moments).count([part(target), 0]) == 1
    assert results(moments).count([part(target), 1]) == 1


@BOTH
def test_a_revb_without_a_client_continues_by_itself(target: Target) -> None:
    outlet = to_update(target, revision="revB")
    change(outlet, timing={"reconnect_seconds": 40})
    handle_request(outlet, 21, [part(target)])
    restart(outlet)
    assert pass_time(outlet, 39.9) == []
    assert updating(outlet)
    assert pass_time(outlet, 0.2) != []
    assert connect(outlet) == []
    pass_time(outlet)
    assert revisions(outlet) == UPDATED[target]


@BOTH
def test_a_revb_whose_update_does_not_start_says_so_after_its_restart(target: Target) -> None:
    outlet = to_update(target, revision="revB", outcome="refused")
    expect_offline(handle_request(outlet, 21, [part(target)]))
    restart(outlet)
    assert connect(outlet)[1:] == [goes_on(target, 0)]
    assert not updating(outlet)
    assert pass_time(outlet) == []
    assert revisions(outlet) == OLD
    expect_offline(handle_request(outlet, 21, [part(target)]))


@BOTH
def test_a_revb_rejects_without_a_restart_what_cannot_be(target: Target) -> None:
    expect_failure(an_outlet(device={"hw_rev": "revB"}), 21, [part(target)])
    failing = to_update(target, revision="revB")
    change(failing, firmware={"update_check": "fail"})
    expect_failure(failing, 21, [part(target)])
    expect_failure(failing, 21, [3])


@BOTH
def test_a_second_restart_before_a_client_is_back_loses_the_update(
    target: Target,
) -> None:
    outlet = to_update(target, revision="revB")
    handle_request(outlet, 21, [part(target)])
    restart(outlet)
    restart(outlet)
    assert not updating(outlet)
    assert connect(outlet)[1:] == [goes_on(target, 0)]
    assert pass_time(outlet) == []
    assert revisions(outlet) == OLD
    expect_offline(handle_request(outlet, 21, [part(target)]))


@BOTH
def test_how_the_update_of_a_revb_goes_is_settled_when_it_is_asked_for(target: Target) -> None:
    outlet = to_update(target, revision="revB")
    offered = outlet.state.firmware
    handle_request(outlet, 21, [part(target)])
    change(outlet, updates={"IM": {"outcome": "refused"}, "PM": {"outcome": "refused"}})
    restart(outlet)
    change(
        outlet,
        firmware={
            "IM": {"available_fw_rev": "8", "available_www_fw_rev": None},
            "PM": {"available_fw_rev": "9"},
        },
    )
    assert connect(outlet)[1:] == [goes_on(target)]
    pass_time(outlet)
    runs = outlet.state.firmware
    assert offered.PM is not None
    assert runs.PM is not None
    if target == "IM":
        assert (runs.IM.fw_rev, runs.IM.www_fw_rev) == (offered.IM.newest, offered.IM.newest_www)
    else:
        assert runs.PM.fw_rev == offered.PM.newest


@pytest.mark.parametrize("back", [False, True])
def test_a_faceplate_lost_while_waiting_for_a_client_ends_its_update(back: bool) -> None:
    outlet = to_update("PM", revision="revB")
    handle_request(outlet, 21, [2])
    restart(outlet)
    change(outlet, faceplate={"attached": False})
    change(outlet, faceplate={"attached": back})
    assert not updating(outlet)
    expect_offline(handle_request(outlet, 21, [1]))  # which is not kept from another
    restart(outlet)
    assert connect(outlet)[1:] == [goes_on("IM")]


@BOTH
def test_a_second_restart_after_that_does(target: Target) -> None:
    outlet = to_update(target, revision="revB")
    handle_request(outlet, 21, [part(target)])
    restart(outlet)
    connect(outlet)
    restart(outlet)
    assert [callback for callback, _ in connect(outlet)] == [12]
    assert pass_time(outlet) == []
    assert not updating(outlet)
    assert revisions(outlet) == OLD


@pytest.mark.parametrize("when", ["before the restart ends", "after it", "while it is away"])
def test_a_revb_whose_faceplate_is_gone_meanwhile_does_not_go_on_with_that(when: str) -> None:
    outlet = to_update("PM", revision="revB")
    handle_request(outlet, 21, [2])
    outlet.go_offline(now(outlet))
    if when != "after it":
        change(outlet, faceplate={"attached": False})
    if when == "while it is away":
        change(outlet, faceplate={"attached": True})
    outlet.come_online(now(outlet))
    if when == "after it":
        outlet.force_faceplate_offline(True, now(outlet))
    expected = 1 if when == "while it is away" else 0
    assert connect(outlet)[1:] == [goes_on("PM", expected)]
    assert updating(outlet) == bool(expected)


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
    assert len(set(ids)) > 40
    assert outlet.sn == SN

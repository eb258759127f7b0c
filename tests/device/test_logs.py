"""What the outlet logs, even while no client is connected."""

from typing import Any

from invis_sim.device.effects import Log
from invis_sim.device.outlet import Outlet
from invis_sim.protocol.packets import Push
from tests.cases import for_each
from tests.device.support import (
    FIRMWARE,
    an_outlet,
    change,
    handle_request,
    logs,
    now,
    pushed_packets,
    restart,
    run_timers,
)


def to_update(silence: float = 0, **plan: Any) -> Outlet:
    updates = {"IM": {"silence_seconds": silence, **plan}, "PM": plan}
    return an_outlet(firmware=FIRMWARE, updates=updates)


def later_logs(outlet: Outlet, seconds: float | None = None) -> list[str]:
    """What is logged in the time to come."""
    effects = run_timers(outlet) if seconds is None else run_timers(outlet, seconds)
    return logs(effect for _, effect in effects)


def test_an_update_of_the_outlet_is_logged_from_start_to_end() -> None:
    outlet = to_update()
    assert logs(handle_request(outlet, 21, [1]).effects) == ["the update of the outlet begins"]
    assert later_logs(outlet) == ["after its update, the outlet runs 0.0.9, and web pages 0.3.0"]


def test_the_silence_at_the_beginning_of_an_update_is_logged() -> None:
    outlet = to_update(silence=20)
    assert logs(handle_request(outlet, 21, [1]).effects) == ["the update of the outlet begins"]
    (silence,) = later_logs(outlet, 0)
    assert silence.startswith("the outlet is silent for 20 s, as at the beginning of each")
    assert later_logs(outlet, 20) == ["the outlet answers again"]


def test_an_update_of_the_faceplate_is_logged_from_start_to_end() -> None:
    outlet = to_update()
    assert logs(handle_request(outlet, 21, [2]).effects) == ["the update of the faceplate begins"]
    assert later_logs(outlet) == [
        "the faceplate restarts (3 s)",
        "the faceplate is back",
        "after its update, the faceplate runs 0.5.1",
    ]


@for_each(
    ("outcome", "logged"),
    [
        ("fails_at_start", "the update of the outlet fails"),
        ("fails", "the update of the outlet fails"),
        ("hangs", "the update of the outlet hangs at 50 %"),
        ("keeps_old_revision", "after its update, the outlet runs 0.0.1, and web pages 0.1.2"),
    ],
)
def test_an_update_that_does_not_succeed_is_logged(outcome: str, logged: str) -> None:
    outlet = to_update(outcome=outcome)
    assert len(logs(handle_request(outlet, 21, [1]).effects)) == 1
    assert later_logs(outlet) == [logged]


def test_what_a_restart_ends_is_logged() -> None:
    outlet = to_update()
    assert [
        *logs(handle_request(outlet, 21, [1]).effects),
        *logs(handle_request(outlet, 26, [30]).effects),
        *logs(restart(outlet)),
    ] == [
        "the update of the outlet begins",
        "the occupancy sensor is calibrated: in 10 s, for 30 s",
        "the calibration of the occupancy sensor ends",
        "the update of the outlet is lost",
    ]


def test_a_faceplate_that_is_detached_during_its_update_is_logged() -> None:
    outlet = to_update()
    assert logs(handle_request(outlet, 21, [2]).effects) == ["the update of the faceplate begins"]
    effects = change(outlet, faceplate={"attached": False})
    assert logs(effects) == ["the update of the faceplate fails"]


def test_what_is_only_read_or_switched_is_not_logged() -> None:
    outlet = an_outlet()
    for callback in (1, 3, 9, 11, 12, 15, 20):
        assert handle_request(outlet, callback).effects == ()
    assert logs(handle_request(outlet, 10, [1, 1]).effects) == []
    assert later_logs(outlet, 20) == []


def test_logs_and_pushes_are_in_the_order_in_which_they_happen() -> None:
    outlet = to_update()
    handle_request(outlet, 21, [2])
    run_timers(outlet, 1)
    handle_request(outlet, 26, [30])
    restarts, calibration, result, failure = handle_request(outlet, 24).effects
    assert restarts == Log("the faceplate restarts (3 s)")
    assert calibration == Log("the calibration of the occupancy sensor ends")
    assert isinstance(result, Push)
    assert pushed_packets([result]) == [(23, [2, 0])]
    assert failure == Log("the update of the faceplate fails")


def test_a_revb_that_continues_logs_so_after_the_pushes_for_the_client() -> None:
    outlet = an_outlet(device={"hw_rev": "revB"}, firmware=FIRMWARE)
    handle_request(outlet, 21, [1])
    restart(outlet)
    effects = outlet.connect_pushes(now(outlet))
    assert [callback for callback, _ in pushed_packets(effects[:2])] == [12, 21]
    assert effects[2:] == (Log("the update of the outlet begins"),)
    assert logs(outlet.connect_pushes(now(outlet))) == []

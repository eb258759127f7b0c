"""What the outlet tells of itself to whoever reads the journal, also while no client listens."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from invis_sim.device.outlet import Outlet
from tests.device.support import FIRMWARE, an_outlet, ask, done, pass_time, restart


@contextmanager
def remarks(outlet: Outlet) -> Iterator[list[str]]:
    """What it remarks on during the block."""
    texts: list[str] = []
    outlet.on_remark = texts.append
    yield texts


def to_update(**course: Any) -> Outlet:
    return an_outlet(firmware=FIRMWARE, updates={"IM": course, "PM": course})


def test_an_update_of_the_outlet_is_told_from_start_to_end() -> None:
    outlet = to_update()
    with remarks(outlet) as texts:
        done(outlet, 21, [1])
        assert texts == ["the update of the outlet begins"]
        pass_time(outlet)
    assert texts[1:] == ["after its update, the outlet runs 0.0.9, and web pages 0.3.0"]


def test_an_update_of_the_faceplate_is_told_from_start_to_end() -> None:
    outlet = to_update()
    with remarks(outlet) as texts:
        done(outlet, 21, [2])
        pass_time(outlet)
    assert texts == [
        "the update of the faceplate begins",
        "the faceplate restarts (3 s)",
        "the faceplate is back",
        "after its update, the faceplate runs 0.5.1",
    ]


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        ("fails_at_start", "the update of the outlet fails"),
        ("fails", "the update of the outlet fails"),
        ("hangs", "the update of the outlet hangs at 50 %"),
        ("keeps_old_revision", "after its update, the outlet runs 0.0.1, and web pages 0.1.2"),
    ],
)
def test_an_update_that_does_not_succeed_is_told(outcome: str, told: str) -> None:
    outlet = to_update(outcome=outcome)
    with remarks(outlet) as texts:
        done(outlet, 21, [1])
        pass_time(outlet)
    assert texts[-1] == told
    assert len(texts) == 2


def test_what_a_restart_ends_is_told() -> None:
    outlet = to_update()
    with remarks(outlet) as texts:
        done(outlet, 21, [1])
        done(outlet, 26, [30])
        restart(outlet)
    assert texts == [
        "the update of the outlet begins",
        "the occupancy sensor is calibrated: in 10 s, for 30 s",
        "the calibration of the occupancy sensor ends",
        "the update of the outlet is lost",
    ]


def test_a_faceplate_that_is_taken_off_in_the_middle_is_told() -> None:
    outlet = to_update()
    with remarks(outlet) as texts:
        done(outlet, 21, [2])
        outlet.change(faceplate={"attached": False})
    assert texts == ["the update of the faceplate begins", "the update of the faceplate fails"]


def test_what_is_only_read_or_switched_is_no_remark() -> None:
    outlet = an_outlet()
    with remarks(outlet) as texts:
        for callback in (1, 3, 9, 11, 12, 15, 20):
            ask(outlet, callback)
        done(outlet, 10, [1, 1])
        pass_time(outlet, 20)
    assert texts == []

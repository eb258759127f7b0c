"""Which firmware the vendor's update service offers, out of the states of outlets."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invis_sim.device.state import OutletState
from invis_sim.device.update_service import Module, find_release
from tests.device.support import FIRMWARE

OUTLET = Module("IM", "IVO1", "revA")
PRO = Module("PM", "PRP1", "revA")
AURA = Module("PM", "LIP1", "revA")


def state(product: str = "pro", **tables: Any) -> OutletState:
    device = {"product": product, **tables.pop("device", {})}
    return msgspec.convert({"device": device, **tables}, OutletState).with_product()


def offers(running: str, newest: str, **tables: Any) -> OutletState:
    firmware = {"IM": {"fw_rev": running, "available_fw_rev": newest}}
    return state("bare", firmware=firmware, **tables)


def found(asked: Module, running: str, *states: OutletState) -> tuple[int, str]:
    """Which of the outlets it comes from, and which revision."""
    number, release = find_release(enumerate(states), asked, running)
    return number, release.available_fw_rev


def test_outlet_and_faceplate_have_revisions_of_their_own() -> None:
    outlet = state("pro", firmware=FIRMWARE)
    assert found(OUTLET, "0.0.1", outlet) == (0, "0.0.9")
    assert found(PRO, "0.5.0", outlet) == (0, "0.5.1")
    assert found(AURA, "0.5.0", state("aura", firmware=FIRMWARE)) == (0, "0.5.1")


def test_a_product_is_asked_about_by_its_own_code_and_hardware_revision() -> None:
    outlet = state(
        "aura", firmware=FIRMWARE, device={"hw_rev": "revB"}, faceplate={"hw_rev": "revC"}
    )
    assert found(Module("IM", "IVO1", "revB"), "0.0.1", outlet) == (0, "0.0.9")
    assert found(Module("PM", "LIP1", "revC"), "0.5.0", outlet) == (0, "0.5.1")
    for asked in (OUTLET, AURA, Module("PM", "PRP1", "revC"), Module("PM", "IVO1", "revB")):
        with pytest.raises(LookupError, match="no outlet has the firmware"):
            found(asked, "0.0.1", outlet)


def test_what_is_unknown_is_answered_with_what_there_is() -> None:
    with pytest.raises(LookupError) as error:
        found(Module("PM", "XYZ9", "old"), "1", state("pro"))
    assert str(error.value) == (
        'no outlet has the firmware "PM/XYZ9/old"; there are: IM/IVO1/revA, PM/PRP1/revA'
    )
    with pytest.raises(LookupError, match=r'did you mean "?\'?PM/PRP1/revA'):
        found(Module("PM", "PRP1", "revB"), "1", state("pro"))
    with pytest.raises(LookupError, match="there are: none"):
        found(OUTLET, "1")


def test_of_several_outlets_it_is_one_that_runs_the_revision() -> None:
    assert found(OUTLET, "2", offers("1", "9"), offers("2", "8"), offers("2", "7")) == (1, "8")


def test_of_several_that_run_it_the_one_with_an_update() -> None:
    assert found(OUTLET, "1", offers("1", "1"), offers("1", "2")) == (1, "2")


def test_a_fault_of_one_outlet_is_met_whatever_the_others_offer() -> None:
    broken = offers("1", "1", update_service={"answer": "error"})
    assert found(OUTLET, "1", offers("1", "2"), broken) == (1, "1")
    # Not by a client of an outlet that runs other firmware.
    assert found(OUTLET, "2", offers("2", "3"), broken) == (0, "3")


def test_a_revision_that_no_outlet_runs_gets_the_newest() -> None:
    assert found(OUTLET, "0", offers("1", "2")) == (0, "2")


revisions = st.sampled_from("123")


@given(st.lists(st.tuples(revisions, revisions), min_size=1), revisions)
def test_an_outlet_that_runs_the_revision_wins_whatever_their_order(
    pairs: list[tuple[str, str]], running: str
) -> None:
    number, newest = found(OUTLET, running, *(offers(*pair) for pair in pairs))
    assert newest == pairs[number][1]
    runs = [available for one, available in pairs if one == running]
    assert not runs or newest in runs
    assert newest != running or all(one == running for one in (runs or [running]))


def test_a_release_says_what_is_new_and_where_the_image_is() -> None:
    outlet = state("pro", firmware=FIRMWARE, updates={"release_notes": "Warmer colours.\nFewer."})
    _, release = find_release([(1, outlet)], PRO, "0.5.0")
    assert release.message == "Warmer colours.\nFewer."
    assert release.url == "https://updates.invalid/PM/PRP1/revA/0.5.1.bin"

"""The firmware inventory reports what callback 20 returns."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invis_sim.device.firmware import FaceplateFirmware, FirmwareInventory, OutletFirmware
from tests.cases import for_each


def test_the_report_has_the_keys_of_the_wire_in_their_order() -> None:
    inventory = FirmwareInventory(
        IM=OutletFirmware(
            fw_rev="1", available_fw_rev="2", www_fw_rev="3", available_www_fw_rev="4"
        ),
        PM=FaceplateFirmware(fw_rev="5", available_fw_rev="6"),
    )
    report = inventory.to_wire()
    assert [(block, list(revisions.items())) for block, revisions in report.items()] == [
        (
            "IM",
            [
                ("fw_rev", "1"),
                ("available_fw_rev", "2"),
                ("www_fw_rev", "3"),
                ("available_www_fw_rev", "4"),
            ],
        ),
        ("PM", [("fw_rev", "5"), ("available_fw_rev", "6")]),
    ]


def test_without_a_faceplate_there_is_no_pm_block() -> None:
    assert list(FirmwareInventory().to_wire()) == ["IM"]


REVISIONS = st.none() | st.sampled_from(("", "0.0.1", "0.5.1", "2.0-rc1"))


@given(REVISIONS, REVISIONS, REVISIONS)
def test_what_is_left_out_of_what_is_available_is_what_runs(
    application: str | None, www: str | None, faceplate: str | None
) -> None:
    report = FirmwareInventory(
        IM=OutletFirmware(
            fw_rev="a", available_fw_rev=application, www_fw_rev="w", available_www_fw_rev=www
        ),
        PM=FaceplateFirmware(fw_rev="f", available_fw_rev=faceplate),
    ).to_wire()
    assert report["IM"]["available_fw_rev"] == ("a" if application is None else application)
    assert report["IM"]["available_www_fw_rev"] == ("w" if www is None else www)
    assert report["PM"]["available_fw_rev"] == ("f" if faceplate is None else faceplate)


def test_an_outlet_out_of_the_box_has_nothing_to_update() -> None:
    report = FirmwareInventory(PM=FaceplateFirmware()).to_wire()
    assert report["IM"]["available_fw_rev"] == report["IM"]["fw_rev"]
    assert report["IM"]["available_www_fw_rev"] == report["IM"]["www_fw_rev"]
    assert report["PM"]["available_fw_rev"] == report["PM"]["fw_rev"]


@for_each(
    "written",
    [
        {"IM": {"fw_rev": 1}},
        {"IM": {"fw_rev": "x" * 65}},
        {"IM": {"fw_version": "1"}},
        {"PM": {"www_fw_rev": "1"}},
        {"XM": {}},
        {"update_check": "maybe"},
    ],
)
def test_a_bad_inventory_is_rejected(written: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(written, FirmwareInventory)

"""Which firmware runs, and which is available.

Field names are the wire's, because callback 20 returns this inventory as it is.
[documentation of callback 20; the client `invisoutlet` accepts an inventory without PM]
"""

from typing import Annotated, Any, Literal

import msgspec

from invis_sim.schema.build import Checked

__all__ = ["FaceplateFirmware", "FirmwareInventory", "OutletFirmware", "Revision"]

Revision = Annotated[
    str, msgspec.Meta(max_length=64, description="A firmware revision, such as 0.5.1.")
]


class OutletFirmware(Checked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The firmware of the outlet (IM): the application and the WWW partition (its web pages).

    fw_rev: the application that runs.
    available_fw_rev: the newest application available; omitted: the one that runs, so no update.
    www_fw_rev: the WWW partition in use.
    available_www_fw_rev: the newest available; omitted: the one in use.
    """

    fw_rev: Revision = "0.0.1"
    available_fw_rev: Revision | None = None
    www_fw_rev: Revision = "0.1.2"
    available_www_fw_rev: Revision | None = None

    @property
    def newest(self) -> str:
        """The application that runs after an update."""
        return _or(self.available_fw_rev, self.fw_rev)

    @property
    def newest_www(self) -> str:
        """The WWW partition that is in use after an update."""
        return _or(self.available_www_fw_rev, self.www_fw_rev)

    @property
    def has_update(self) -> bool:
        """Whether something else is available than what runs."""
        return (self.newest, self.newest_www) != (self.fw_rev, self.www_fw_rev)

    @property
    def has_new_application(self) -> bool:
        """Whether another application is available than the one that runs."""
        return self.newest != self.fw_rev

    def to_wire(self) -> dict[str, str]:
        """Return the `IM` block of a reply to callback 20."""
        return {
            "fw_rev": self.fw_rev,
            "available_fw_rev": self.newest,
            "www_fw_rev": self.www_fw_rev,
            "available_www_fw_rev": self.newest_www,
        }


class FaceplateFirmware(Checked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The firmware of the InvisDeco faceplate (PM).

    fw_rev: what runs.
    available_fw_rev: the newest available; omitted: the one that runs, so no update.
    """

    fw_rev: Revision = "0.5.0"
    available_fw_rev: Revision | None = None

    @property
    def newest(self) -> str:
        """What runs after an update."""
        return _or(self.available_fw_rev, self.fw_rev)

    @property
    def has_update(self) -> bool:
        """Whether something else is available than what runs."""
        return self.newest != self.fw_rev

    def to_wire(self) -> dict[str, str]:
        """Return the `PM` block of a reply to callback 20."""
        return {"fw_rev": self.fw_rev, "available_fw_rev": self.newest}


class FirmwareInventory(Checked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a reply to callback 20 says about firmware.

    IM: the outlet.
    PM: the faceplate; omitted: the outlet has none, unless [device] names a product that has one.
    update_check: "ok", or "fail": the outlet cannot reach its update service and answers `PUBACK`
    0.
    """

    IM: OutletFirmware = OutletFirmware()
    PM: FaceplateFirmware | None = None
    update_check: Literal["ok", "fail"] = "ok"

    def to_wire(self, *, faceplate: bool = True) -> dict[str, Any]:
        """Return the `callbackArgs` of a successful reply to callback 20.

        faceplate: whether the faceplate, if there is one, answers.
        """
        blocks = {"IM": self.IM.to_wire()}
        if self.PM is not None and faceplate:
            blocks["PM"] = self.PM.to_wire()
        return blocks


def _or(available: str | None, running: str) -> str:
    return running if available is None else available

"""The vendor's update service: what it says to a client that asks it for new firmware.

Clients ask it before they send 21. It is not part of the outlet, but knows the same firmware.
[the client `invisoutlet`; the vendor does not document the service]
"""

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from invis_sim.device.state import OutletState
from invis_sim.schema.describe import did_you_mean, quote

__all__ = ["Module", "Release", "find_release"]

PRODUCT_CODES = {"pro": "PRP1", "aura": "LIP1"}
"""Product → what the service calls its faceplate."""

OUTLET_CODE = "IVO1"
"""What the service calls every outlet."""

T = TypeVar("T")


class Module(msgspec.Struct, frozen=True):
    """Something with firmware of its own.

    module: "IM", the outlet, or "PM", the faceplate. product: as the service calls it.
    hw_rev: its hardware revision, as in callback 12.
    """

    module: str
    product: str
    hw_rev: str

    def __str__(self) -> str:
        return f"{self.module}/{self.product}/{self.hw_rev}"


class Release(msgspec.Struct, frozen=True):
    """The newest firmware of a module.

    module: of which. available_fw_rev: its revision. message: the release notes.
    """

    module: Module
    available_fw_rev: str
    message: str

    @property
    def url(self) -> str:
        """Where the image would be: a name that never exists, as there is no image."""
        return f"https://updates.invalid/{self.module}/{self.available_fw_rev}.bin"


def find_release(
    outlets: Iterable[tuple[T, OutletState]], asked: Module, running: str
) -> tuple[T, Release]:
    """Return the newest firmware for a module, and the outlet that it comes from.

    A client does not say which outlet it asks about. Of several with such a module it is one that
    runs the revision, if any does; of those one whose answer is a fault, then one with an update;
    then the first.

    outlets: each with its state. running: the revision that the client has found.

    Raises LookupError where no outlet has such a module.
    """
    found: list[tuple[tuple[bool, bool, bool], T, Release]] = []
    there: list[str] = []
    for outlet, state in outlets:
        for module, fw_rev, newest in _firmware(state):
            there.append(str(module))
            if module == asked:
                rank = (
                    fw_rev == running,
                    state.update_service.answer != "inventory",
                    newest != running,
                )
                found.append((rank, outlet, Release(module, newest, state.updates.release_notes)))
    if not found:
        known = sorted(set(there))[:20]
        hint = did_you_mean(str(asked), known) or f"; there are: {', '.join(known) or 'none'}"
        raise LookupError(f"no outlet has the firmware {quote(str(asked))}{hint}")
    _, outlet, release = max(found, key=lambda one: one[0])  # of equal ones the first
    return outlet, release


def _firmware(state: OutletState) -> Iterable[tuple[Module, str, str]]:
    """Yield each module of an outlet, the revision that it runs, and the newest."""
    firmware = state.firmware
    outlet = Module("IM", OUTLET_CODE, state.device.hw_rev)
    yield outlet, firmware.IM.fw_rev, firmware.IM.newest
    if firmware.PM is not None and state.product in PRODUCT_CODES:
        faceplate = Module("PM", PRODUCT_CODES[state.product], state.faceplate.hw_rev)
        yield faceplate, firmware.PM.fw_rev, firmware.PM.newest

"""Who the outlet is: callback 12.

[documentation of callback 12; the client `invisoutlet`; the Home Assistant integration]
"""

from typing import Any

from invis_sim.device.faceplate import Presence
from invis_sim.device.state import OutletState, Radar

__all__ = ["device_information", "faceplate_sn"]

# First bytes of hardware addresses that belong to no manufacturer (locally administered, to one
# station), so that no simulated device has the address of a real one.
OUTLET_MAC, FACEPLATE_MAC, RADAR_MAC = "02", "06", "0A"


def device_information(state: OutletState, presence: Presence) -> dict[str, Any]:
    """Return the `callbackArgs` of callback 12."""
    device = state.device
    blocks: dict[str, Any] = {
        "IM": {
            "sn": device.sn,
            "MAC": _or_derived(device.MAC, OUTLET_MAC, state),
            "device": device.device,
            "hw_rev": device.hw_rev,
            "fw_rev": state.firmware.IM.fw_rev,
        }
    }
    absent = None if presence.online else state.quirks.absent_faceplate
    if state.firmware.PM is None or absent == "omitted":
        return blocks
    faceplate, aura = state.faceplate, state.product == "aura"
    kind = faceplate.type
    if kind is None:
        kind = "Aura" if aura else "Pro"
    blocks["PM"] = {
        "online": presence.online,
        "sn": faceplate_sn(state),
        "MAC": _or_derived(faceplate.MAC, FACEPLATE_MAC, state),
        "device": faceplate.device,
        "type": kind,
        "hw_rev": faceplate.hw_rev,
        "fw_rev": state.firmware.PM.fw_rev,
    }
    if absent in ("degraded", "blank"):
        # Each of these was seen on real devices; that they come together is assumed.
        blocks["PM"]["device"] = "Unknown" if absent == "degraded" else ""
        blocks["PM"]["fw_rev"] = ""
        return blocks
    radar = faceplate.radar or (None if aura else Radar())
    if radar is not None:
        blocks["PM"]["radar"] = {
            state.quirks.radar_key: radar.fw_ver,
            "hw_type": radar.hw_type,
            "MAC": _or_derived(radar.MAC, RADAR_MAC, state),
        }
    return blocks


def faceplate_sn(state: OutletState) -> str:
    """Return the faceplate's serial number: what the state says, or the outlet's with another first
    digit, so that outlets with different serial numbers also have different faceplates.
    """
    if state.faceplate.sn is not None:
        return state.faceplate.sn
    sn = state.device.sn
    return f"{int(sn[0], 16) ^ 1:X}{sn[1:]}"


def _or_derived(mac: str | None, first: str, state: OutletState) -> str:
    """Return a hardware address: what the state says, or one derived from the serial number.

    first: its first byte.
    """
    if mac is not None:
        return mac
    digits = first + state.device.sn[-10:]
    return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))

"""Who the outlet is: callback 12.

[documentation of callback 12; the client `invisoutlet`; the Home Assistant integration]
"""

from typing import Any

from invis_sim.device.state import OutletState, Radar

__all__ = ["device_information"]


def device_information(state: OutletState, *, there: bool, online: bool) -> dict[str, Any]:
    """The `callbackArgs` of callback 12.

    there: whether the faceplate, if the product has one, is there at the moment.
    online: whether it answers.
    """
    device = state.device
    blocks: dict[str, Any] = {
        "IM": {
            "sn": device.sn,
            "MAC": device.MAC,
            "device": device.device,
            "hw_rev": device.hw_rev,
            "fw_rev": state.firmware.IM.fw_rev,
        }
    }
    is_shown = there or state.quirks.absent_faceplate == "offline"
    if state.firmware.PM is None or not is_shown:
        return blocks
    faceplate, aura = state.faceplate, state.product == "aura"
    kind = faceplate.type
    if kind is None:
        kind = "Aura" if aura else "Pro"
    blocks["PM"] = {
        "online": online,
        "sn": faceplate.sn,
        "MAC": faceplate.MAC,
        "device": faceplate.device,
        "type": kind,
        "hw_rev": faceplate.hw_rev,
        "fw_rev": state.firmware.PM.fw_rev,
    }
    radar = faceplate.radar or (None if aura else Radar())
    if radar is not None:
        blocks["PM"]["radar"] = {
            state.quirks.radar_key: radar.fw_ver,
            "hw_type": radar.hw_type,
            "MAC": radar.MAC,
        }
    return blocks

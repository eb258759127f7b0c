"""What the user calls the accessories: callbacks 3 and 4.

[documentation of callbacks 3 and 4; the client `invisoutlet`]
"""

from typing import Any

import msgspec

from invis_sim.device.arguments import array, refuse, shown

__all__ = ["Names"]

ACCESSORIES = {1: "outlet1", 2: "outlet2", 3: "nightlight"}
"""The number of each accessory on the wire → its field."""

NIGHTLIGHT = 3


class Names(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the user calls the accessories.

    outlet1: accessory 1, the top outlet.
    outlet2: accessory 2, the bottom outlet.
    nightlight: accessory 3, which is only there with a faceplate.
    """

    outlet1: str = "Outlet 1"
    outlet2: str = "Outlet 2"
    nightlight: str = "Nightlight"

    def report(self, *, nightlight: bool) -> list[dict[str, Any]]:
        """The list that callback 3 returns.

        nightlight: whether there is one.
        """
        return [
            {"accessory": number, "name": getattr(self, name)}
            for number, name in ACCESSORIES.items()
            if nightlight or number != NIGHTLIGHT
        ]

    def configured(self, args: Any, *, nightlight: bool) -> "Names":
        """The names as callback 4 wants them.

        args: a list of `{"accessory": number, "name": text}`; those left out stay as they are.
        nightlight: whether there is one.

        Raises Refused, also where an accessory is unknown.
        """
        names: dict[str, str] = {}
        for index, item in enumerate(array(args, "a list of {accessory, name}", 0, 1000)):
            if not isinstance(item, dict):
                refuse(f"expected {{accessory, name}}, found {shown(item)}", index)
            for key in item:
                if key not in ("accessory", "name"):
                    refuse(f"{shown(key)} is not known here", index, key)
            for key in ("accessory", "name"):
                if key not in item:
                    refuse(f"{key} is missing", index)
            number, name = item["accessory"], item["name"]
            known = [number for number in ACCESSORIES if nightlight or number != NIGHTLIGHT]
            if type(number) is not int or number not in known:
                expected = ", ".join(map(str, known))
                found = shown(number)
                reason = f"accessory: expected one of {expected}, found {found}"
                refuse(reason, index, "accessory")
            if not isinstance(name, str):
                refuse(f"name: expected text, found {shown(name)}", index, "name")
            names[ACCESSORIES[number]] = name
        return msgspec.structs.replace(self, **names)

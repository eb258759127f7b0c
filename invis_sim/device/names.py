"""What the user calls the accessories: callbacks 3 and 4.

[documentation of callbacks 3 and 4; the client `invisoutlet`]
"""

from typing import Any

import msgspec

from invis_sim.device.arguments import expect_array, format_value, reject
from invis_sim.schema.plain import NOT_UNICODE, is_unicode

__all__ = ["ACCESSORIES", "Names"]

ACCESSORIES = {1: "outlet1", 2: "outlet2", 3: "nightlight"}
"""The number of each accessory on the wire → its field."""

NIGHTLIGHT = 3

MAX_ITEMS = 1000
"""Far more than a client has use for; the documentation gives no limit."""


class Names(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the user calls the accessories.

    outlet1: accessory 1, the top outlet.
    outlet2: accessory 2, the bottom outlet.
    nightlight: accessory 3, which exists only with a faceplate.
    """

    outlet1: str = "Outlet 1"
    outlet2: str = "Outlet 2"
    nightlight: str = "Nightlight"

    def to_wire(self, *, nightlight: bool) -> list[dict[str, Any]]:
        """Return the list of callback 3.

        nightlight: whether there is one, as with every faceplate.
        """
        return [
            {"accessory": number, "name": getattr(self, name)}
            for number, name in ACCESSORIES.items()
            if nightlight or number != NIGHTLIGHT
        ]

    def with_args(self, args: Any, *, nightlight: bool, max_length: int) -> "Names":
        """Return the names as changed by callback 4.

        args: a list of `{"accessory": number, "name": text}`; omitted ones stay as they are.
        nightlight: whether there is one. max_length: of a name, in characters.

        Raises RequestRejected, also where an accessory is unknown, or named twice.
        """
        names: dict[str, str] = {}
        for index, item in enumerate(
            expect_array(args, "a list of {accessory, name}", 0, MAX_ITEMS)
        ):
            if not isinstance(item, dict):
                reject(f"expected {{accessory, name}}, found {format_value(item)}", index)
            for key in item:
                if key not in ("accessory", "name"):
                    reject(f"unknown key {format_value(key)}", index, key)
            for key in ("accessory", "name"):
                if key not in item:
                    reject(f"{key} is missing", index)
            number, name = item["accessory"], item["name"]
            known = [number for number in ACCESSORIES if nightlight or number != NIGHTLIGHT]
            if type(number) is not int or number not in known:
                expected = ", ".join(map(str, known))
                found = format_value(number)
                reason = f"accessory: expected one of {expected}, found {found}"
                reject(reason, index, "accessory")
            if not isinstance(name, str):
                reject(f"name: expected text, found {format_value(name)}", index, "name")
            if not is_unicode(name):
                reject(f"name: {NOT_UNICODE}", index, "name")
            if len(name) > max_length:
                reason = f"name: expected at most {max_length} characters, found {len(name)}"
                reject(reason, index, "name")
            if ACCESSORIES[number] in names:
                reject(f"accessory {number} is named twice", index, "accessory")
            names[ACCESSORIES[number]] = name
        return msgspec.structs.replace(self, **names)

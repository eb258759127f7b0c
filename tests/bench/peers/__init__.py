"""Servers as a user would write them by hand to stand in for an outlet, one file each.

They know one callback, keep no journal, and inject nothing. Each listens on a free port and prints
that port.
"""

import json
from typing import Any

SN = "0003C44076"

FIRMWARE = {
    "IM": {
        "fw_rev": "0.0.1",
        "available_fw_rev": "0.0.1",
        "www_fw_rev": "0.1.2",
        "available_www_fw_rev": "0.3.0",
    },
    "PM": {"fw_rev": "0.5.0", "available_fw_rev": "0.5.1"},
}


def answer(text: str | bytes) -> str:
    """The reply to a request, both as JSON."""
    return json.dumps(reply_to(json.loads(text)), separators=(",", ":"))


def reply_to(request: Any) -> dict[str, Any]:
    """The reply to a request, both as plain data."""
    reply: dict[str, Any] = {"sn": SN, "packetID": request["packetID"], "PUBACK": 0}
    if request["payload"]["callbackName"] == 20:
        reply["PUBACK"] = 1
        reply["payload"] = {"callbackName": 20, "callbackArgs": FIRMWARE}
    return reply

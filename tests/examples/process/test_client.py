"""A client's test against an outlet that runs as a process."""

import json
import socket
from typing import Any


def available_updates(host: str, port: int) -> dict[str, Any]:
    """The client under test."""
    with socket.create_connection((host, port), timeout=5) as connection:
        for packet_id in range(100_000, 100_003):  # it tries three times
            request = {"packetID": packet_id, "payload": {"callbackName": 20}}
            connection.sendall(json.dumps(request).encode())
            reply = json.loads(connection.recv(65536))
            if reply["PUBACK"] == 1:
                updates: dict[str, Any] = reply["payload"]["callbackArgs"]
                return updates
    raise ConnectionError("the outlet cannot tell")


def test_the_client_asks_again_when_the_update_check_fails(outlet: dict[str, Any]) -> None:
    assert "IM" in available_updates(**outlet["tcp"])

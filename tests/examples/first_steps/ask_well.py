"""Ask an outlet which firmware it has, and say so if it does not answer."""

import codecs
import json
import socket
import sys
from collections.abc import Iterator
from typing import Any

host, port = sys.argv[1], int(sys.argv[2])
request = {"packetID": 123456, "payload": {"callbackName": 20}}


def packets(connection: socket.socket) -> Iterator[Any]:
    """Yield each packet that arrives, whole."""
    text, decoder = "", codecs.getincrementaldecoder("utf-8")()
    while data := connection.recv(4096):
        text = (text + decoder.decode(data)).lstrip()
        while text:
            try:
                packet, end = json.JSONDecoder().raw_decode(text)
            except ValueError:
                break  # the rest of it is still to come
            yield packet
            text = text[end:].lstrip()


def ask(connection: socket.socket) -> Any:
    """Return the reply to the request."""
    connection.sendall(json.dumps(request).encode())
    for packet in packets(connection):
        if packet["packetID"] == request["packetID"] and "PUBACK" in packet:
            if packet["PUBACK"] != 1:
                raise ConnectionError("the outlet refused")
            return packet["payload"]["callbackArgs"]
    raise ConnectionError("the outlet hung up")


try:
    with socket.create_connection((host, port), timeout=3) as connection:
        for part, firmware in ask(connection).items():
            print(part, firmware["fw_rev"])
except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
    sys.exit(f"no answer: {type(error).__name__}: {error}")

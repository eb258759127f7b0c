"""A client that runs on, and asks for the state of the switches ten times a second.

    python -S -E staying.py FLAW HOST TCP_PORT

FLAW is "none" or one of `FLAWS`.
"""

import json
import socket
import sys
import time

FLAWS = {
    "never-reconnects": "stays without a connection once it has lost one",
    "keeps-connection": "asks for ever on a connection that is silent",
    "ends": "ends with the first error",
    "dies": "has no handler for the first error",
    "hammers": "connects again and again, without a rest",
}

PERIOD = 0.1
TIMEOUT = 0.4


def ask(sock: socket.socket, packet_id: int) -> None:
    """Ask, and wait for the reply. Raises OSError where it does not come."""
    request = {"packetID": packet_id, "payload": {"callbackName": 9}}
    sock.sendall(json.dumps(request).encode())
    end = time.monotonic() + TIMEOUT
    received = b""
    while str(packet_id).encode() not in received:
        sock.settimeout(max(0.001, end - time.monotonic()))
        piece = sock.recv(65536)
        if not piece:
            raise ConnectionError("the outlet ended the connection")
        received += piece


def main(flaw: str, host: str, port: str) -> int:
    sock: socket.socket | None = None
    packet_id = 100_000
    while True:
        packet_id += 1
        try:
            if sock is None:
                sock = socket.create_connection((host, int(port)), TIMEOUT)
            ask(sock, packet_id)
        except OSError as error:
            if flaw == "dies":
                raise
            if flaw == "ends":
                return 1
            if flaw == "never-reconnects":
                time.sleep(600)
            if sock is not None and not (
                flaw == "keeps-connection" and isinstance(error, TimeoutError)
            ):
                sock.close()
                sock = None
            if flaw == "hammers":
                continue
        time.sleep(PERIOD)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

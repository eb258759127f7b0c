"""`python -m tests.bench.readers ADDRESS NUMBER`: reads so many event streams, until it is ended.

ADDRESS is the `host:port` of a control server. It prints a line when all streams have begun.
"""

import select
import socket
import sys

from tests.bench.clients import raise_file_limit


def open_stream(host: str, port: int) -> socket.socket:
    sock = socket.create_connection((host, port))
    sock.sendall(f"GET /api/events HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
    begun = b""
    while b"retry:" not in begun:
        received = sock.recv(4096)
        if not received:
            raise SystemExit(f"the control server has ended a stream: {begun!r}")
        begun += received
    return sock


def main(address: str, number: int) -> None:
    raise_file_limit()
    host, _, port = address.partition(":")
    poller = select.poll()
    streams = {
        sock.fileno(): sock for sock in (open_stream(host, int(port)) for _ in range(number))
    }
    for descriptor in streams:
        poller.register(descriptor, select.POLLIN)
    print("reading", flush=True)
    while True:
        for descriptor, _ in poller.poll():
            if not streams[descriptor].recv(65536):
                raise SystemExit("the control server has ended a stream")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

"""Ask an outlet which firmware it has."""

import json
import socket
import sys

host, port = sys.argv[1], int(sys.argv[2])
request = {"packetID": 123456, "payload": {"callbackName": 20}}

with socket.create_connection((host, port)) as connection:
    connection.sendall(json.dumps(request).encode())
    reply = json.loads(connection.recv(4096))

for part, firmware in reply["payload"]["callbackArgs"].items():
    print(part, firmware["fw_rev"])

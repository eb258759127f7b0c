"""`invis-sim send`: one request to an outlet, simulated or real, and its reply."""

import argparse
import json
import random
import sys
from contextlib import aclosing
from typing import Any

import trio

from invis_sim.cli import CommandError
from invis_sim.client.connection import connect, parsed, shown
from invis_sim.client.errors import ClientError

__all__ = ["send"]


def send(args: argparse.Namespace) -> int:
    """Sends the request, prints the reply on stdout and whatever else comes on stderr."""
    packet_id = args.packet_id
    if packet_id is None:
        packet_id = random.randint(100_000, 999_999)
    payload: dict[str, Any] = {"callbackName": args.callback}
    if args.args is not None:
        try:
            payload["callbackArgs"] = json.loads(args.args)
        except ValueError as error:
            raise CommandError(f"ARGS is not JSON: {error}", status=2) from None
        except RecursionError:
            raise CommandError("ARGS is nested too deep", status=2) from None
    request = json.dumps({"packetID": packet_id, "payload": payload}).encode()
    reply = trio.run(_ask, args.address, request, packet_id, args.timeout)
    print(json.dumps(reply))
    return 0 if reply.get("PUBACK") == 1 else 1


async def _ask(address: str, request: bytes, packet_id: int, timeout: float) -> dict[str, Any]:
    with trio.move_on_after(timeout):
        async with connect(address) as connection, aclosing(connection.packets()) as packets:
            await connection.say(request)
            async for packet in packets:
                try:
                    answer = parsed(packet)
                except ValueError:
                    answer = None
                if isinstance(answer, dict) and answer.get("packetID") == packet_id:
                    return answer
                print(f"also received: {shown(packet)}", file=sys.stderr)
        end = f"closed {connection.kind} without a reply{connection.goodbye}"
        raise ClientError(f"{address} {end}")
    raise ClientError(f"{address} sent no reply within {timeout:g} s")

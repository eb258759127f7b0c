"""`invis-sim send`: one request to an outlet, simulated or real, and its reply."""

import argparse
import json
import random
from typing import Any

import msgspec
import trio

from invis_sim.cli import CliError
from invis_sim.cli.messages import print_message
from invis_sim.cli.streams import write_utf8
from invis_sim.client.ask import AskResult, ask
from invis_sim.client.connection import connect
from invis_sim.client.errors import NoReply
from invis_sim.protocol.json_text import parse_int
from invis_sim.protocol.packets import Reply
from invis_sim.protocol.printable import printable_packet
from invis_sim.schema.build import check

__all__ = ["send"]


def send(args: argparse.Namespace) -> int:
    """Send the request; print the reply on stdout, and packets that came before it on stderr.

    Raises CliError for ARGS that are not JSON; ClientError if there is no reply.
    """
    packet_id = args.packet_id
    if packet_id is None:
        packet_id = random.SystemRandom().randint(
            100_000, 999_999
        )  # six digits, as the documentation requires
    callback_args: Any = msgspec.UNSET
    if args.args is not None:
        callback_args = _parse_args(args.args)
    try:
        result = trio.run(_ask, args, packet_id, callback_args)
    except NoReply as error:
        _print_others(error)
        raise
    _print_others(result)
    write_utf8()
    print(_format(result.reply))
    return 0 if result.reply.ok else 1


def _parse_args(text: str) -> Any:
    """Return the JSON value in a text. Raises CliError."""
    try:
        # Python's parser also takes NaN and Infinity, which are not JSON.
        return check(Any, json.loads(text, parse_int=parse_int), "ARGS")
    except json.JSONDecodeError as error:
        raise CliError(f"ARGS is not JSON: {error}", status=2) from None
    except ValueError as error:
        raise CliError(str(error), status=2) from None
    except RecursionError:
        raise CliError("ARGS is nested too deep", status=2) from None


def _format(reply: Reply) -> str:
    try:
        return json.dumps(reply.fields)
    except ValueError:  # an integer with more digits than Python converts by default
        return printable_packet(reply.encode())


async def _ask(args: argparse.Namespace, packet_id: int, callback_args: Any) -> AskResult:
    async with connect(args.address, args.timeout) as client:
        return await ask(
            client, args.callback, callback_args, packet_id=packet_id, timeout=args.timeout
        )


def _print_others(result: AskResult | NoReply) -> None:
    for packet in result.others:
        print_message(f"also received: {printable_packet(packet)}")
    if result.omitted:
        print_message(f"also received: {result.omitted} more packets")

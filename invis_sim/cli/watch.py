"""`invis-sim watch`: every packet that an outlet, simulated or real, sends."""

import argparse
import math
from collections.abc import Collection
from contextlib import suppress
from typing import Any

import trio

from invis_sim.cli.messages import print_message, print_note, print_warning
from invis_sim.cli.signals import STOP_SIGNALS, on_signals
from invis_sim.cli.streams import dup_stdout, write_utf8
from invis_sim.cli.writers import LineWriter
from invis_sim.client.connection import check_address
from invis_sim.client.reconnect import Connected, reconnecting
from invis_sim.protocol.packets import MalformedPacket, parse_packet
from invis_sim.protocol.printable import printable, printable_packet

__all__ = ["watch"]

CONNECT_TIMEOUT = 5.0
"""Seconds in which each connection must be established."""


def watch(args: argparse.Namespace) -> int:
    """Print packets on stdout, a line each, and everything else on stderr. Raises ClientError."""
    check_address(args.address)
    write_utf8()
    trio.run(_watch, args)
    return 0


async def _watch(args: argparse.Namespace) -> None:
    token = trio.lowlevel.current_trio_token()
    failure: OSError | None = None

    def failed(error: OSError) -> None:
        nonlocal failure
        failure = error
        with suppress(trio.RunFinishedError):
            token.run_sync_soon(scope.cancel)

    writer = LineWriter(dup_stdout(), failed)
    try:
        with (
            trio.move_on_after(math.inf if args.seconds is None else args.seconds) as scope,
            on_signals(STOP_SIGNALS, scope.cancel),
        ):
            watcher = _Watcher(args.address, frozenset(args.callbacks), writer)
            await watcher.run(reconnect=args.reconnect)
    finally:
        writer.close()
    if failure is not None:
        raise failure


class _Watcher:
    """Prints what one outlet sends.

    callbacks: only packets with these callbackNames are printed; empty: all.
    writer: prints the packets.
    """

    def __init__(self, address: str, callbacks: Collection[int], writer: LineWriter) -> None:
        self._address = address
        self._callbacks = callbacks
        self._writer = writer

    async def run(self, *, reconnect: bool) -> None:
        """Print until cancelled.

        reconnect: whether to connect again after a connection has ended.

        Raises ClientError if a connection ends and `reconnect` is false, or if the first one cannot
        be established.
        """
        connected = False
        last_error = ""
        async with reconnecting(self._address, CONNECT_TIMEOUT) as items:
            async for item in items:
                if isinstance(item, bytes):
                    await self._print_packet(item)
                elif isinstance(item, Connected):
                    connected = True
                    last_error = ""
                    again = " again" if item.number > 1 else ""
                    print_note(f"watching {self._address}{again}")
                elif not (reconnect and connected):
                    raise item.error
                elif str(item.error) != last_error:  # printed once, not for every attempt
                    last_error = str(item.error)
                    print_warning(f"{last_error}; connecting again")

    async def _print_packet(self, packet: bytes) -> None:
        try:
            callback = parse_packet(packet).callback
        except MalformedPacket:
            print_message(f"also received: {printable_packet(packet)}")
            return
        if not self._callbacks or callback in self._callbacks:
            await self._print_line(_line(packet))

    async def _print_line(self, line: str) -> None:
        if self._writer.full:  # stdout is slow; waiting for it must be cancellable
            run_in_thread: Any = trio.to_thread.run_sync  # not every mypy sees its keywords
            await run_in_thread(self._writer.write, line, abandon_on_cancel=True)
        else:
            self._writer.write(line)


def _line(packet: bytes) -> str:
    """Return the packet as one line; apart from line breaks it is as it was sent."""
    text = packet.decode().strip()
    # JSON has line breaks only between tokens, where a space means the same.
    return printable(text.translate(_SPACES))


_SPACES = dict.fromkeys(map(ord, "\t\r\n"), " ")

"""`invis-sim watch`: what an outlet, simulated or real, tells its clients."""

import argparse
import math
import sys
from collections.abc import Collection
from contextlib import aclosing, suppress
from typing import Any

import trio

from invis_sim.cli.log import LineWriter, dup_stdout
from invis_sim.cli.signals import STOP_SIGNALS, on_signals
from invis_sim.client.connection import Connection, check_address, connect, parsed, shown
from invis_sim.client.errors import ClientError
from invis_sim.protocol.printable import printable

__all__ = ["watch"]

CONNECT_SECONDS = 5.0
"""How long a connection may take to come about."""

MIN_PAUSE, MAX_PAUSE = 0.1, 2.0
"""How long to rest before connecting again: seconds, the first time and in the long run."""


def watch(args: argparse.Namespace) -> int:
    """Prints packets on stdout, a line each, and on stderr whatever comes that is no JSON."""
    check_address(args.address)
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
            await _Watcher(args.address, frozenset(args.callbacks), writer).run(
                again=args.reconnect
            )
    finally:
        writer.close()
    if failure is not None:
        raise failure


class _Watcher:
    """Watches one outlet.

    callbacks: those whose packets are printed; empty: all. writer: where to.
    """

    def __init__(self, address: str, callbacks: Collection[int], writer: LineWriter) -> None:
        self._address = address
        self._callbacks = callbacks
        self._writer = writer
        self._pause = MIN_PAUSE

    async def run(self, *, again: bool) -> None:
        """Goes on until cancelled.

        again: whether to connect again when the connection has ended.

        Raises ClientError when it has, or if the first one does not come about.
        """
        connections = 0
        told = ""
        while True:
            try:
                async with connect(self._address, CONNECT_SECONDS) as connection:
                    connections += 1
                    told = ""
                    _say(f"watching {self._address}{' again' if connections > 1 else ''}")
                    await self._print_all(connection)
                raise ClientError(f"{self._address} closed {connection.kind}{connection.goodbye}")
            except ClientError as error:
                if not (again and connections):
                    raise
                if str(error) != told:  # said once, not every time that it fails
                    told = str(error)
                    _say(f"{error}; connecting again")
            await trio.sleep(self._pause)
            self._pause = min(self._pause * 2, MAX_PAUSE)

    async def _print_all(self, connection: Connection) -> None:
        """Prints what comes on one connection, until the outlet closes it."""
        async with aclosing(connection.packets()) as packets:
            async for packet in packets:
                self._pause = MIN_PAUSE
                try:
                    tree = parsed(packet)
                except ValueError:
                    print(f"also received: {shown(packet)}", file=sys.stderr, flush=True)
                else:
                    if not self._callbacks or _callback(tree) in self._callbacks:
                        await self._print(_line(packet))

    async def _print(self, line: str) -> None:
        if self._writer.full:  # nobody reads: to wait for that must not keep us from ending
            in_a_thread: Any = trio.to_thread.run_sync  # whose keywords not every mypy sees
            await in_a_thread(self._writer.write, line, abandon_on_cancel=True)
        else:
            self._writer.write(line)


def _callback(tree: Any) -> int | None:
    """The `callbackName` of a packet; None where it has none."""
    payload = tree.get("payload") if isinstance(tree, dict) else None
    name = payload.get("callbackName") if isinstance(payload, dict) else None
    return name if type(name) is int else None


def _line(packet: bytes) -> str:
    """JSON in one line, and as it came as far as that goes."""
    text = packet.decode().strip()
    # Between tokens, where alone JSON has line breaks, a space is as good.
    return printable(text.translate(_SPACES))


_SPACES = dict.fromkeys(map(ord, "\t\r\n"), " ")


def _say(words: str) -> None:
    print(f"invis-sim: {words}", file=sys.stderr, flush=True)

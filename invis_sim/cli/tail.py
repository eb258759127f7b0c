"""`invis-sim tail`: what happens to running outlets, as it happens."""

import argparse
import http.client
import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from invis_sim.cli import CliError
from invis_sim.cli.color import paint_for
from invis_sim.cli.control_client import ControlClient, ControlLost
from invis_sim.cli.lines import LineFormat, columns_of
from invis_sim.cli.messages import print_note, print_warning
from invis_sim.cli.signals import STOP_SIGNALS
from invis_sim.cli.streams import write_utf8
from invis_sim.journal import Entry
from invis_sim.journal.jsonl import JournalHeader, decode_line
from invis_sim.protocol.printable import printable

__all__ = ["tail"]

SILENCE_SECONDS = 45.0
"""After how long without a byte the connection is taken for dead: the server sends a comment every
15 s."""

RETRY_SECONDS = 0.5
"""How long to wait before connecting again, until the server says how long."""

_FILTERS = ("kind", "callback", "packet_id", "transport", "connection", "fault")
"""The options that select entries, named like the parameters of the API."""


def tail(args: argparse.Namespace) -> int:
    """Print entries until a signal, --count or --seconds. Raises CliError."""
    if args.log == "json":
        write_utf8()
    with _interrupted_by(STOP_SIGNALS):
        try:
            return _Tail(args).run()
        except KeyboardInterrupt:
            return 0


@contextmanager
def _interrupted_by(numbers: tuple[signal.Signals, ...]) -> Iterator[None]:
    """Raise KeyboardInterrupt when one of the signals arrives, until the block ends."""
    before = {
        number: signal.signal(number, signal.default_int_handler)
        for number in numbers
        if signal.getsignal(number) is not signal.SIG_IGN  # as by nohup
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _TimeIsUp(Exception):
    """The seconds of --seconds have passed."""


class _Tail:
    """Prints the entries of some outlets.

    _started: when each outlet started, by its serial number; another time is another process.
    _positions: up to which number each was received in full, as the server has it.
    _newest: the highest number of each that was printed: an exchange comes again when it is done,
    and so may what was received before the connection was lost.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self._args = args
        self._deadline = None if args.seconds is None else time.monotonic() + args.seconds
        self._left = args.count
        self._lines = LineFormat(paint_for(sys.stdout), columns_of(sys.stdout), label=self._label)
        self._retry = RETRY_SECONDS
        self._started: dict[str, float] = {}
        self._positions: dict[str, int] = {}
        self._newest: dict[str, int] = {}

    def run(self) -> int:
        """Print until there is a reason to stop; return the exit status."""
        connected = False
        last = ""
        while True:
            try:
                with ControlClient(self._args) as server:
                    for event in self._events(server):
                        if event is None:
                            again = " again" if connected else ""
                            print_note(f"following {server.url}{again}")
                            connected, last = True, ""
                        elif self._print(event):
                            return 0
            except _TimeIsUp:
                return 0 if self._left is None else 1
            except ControlLost as error:
                if not connected:
                    raise
                if str(error) != last:  # printed once, not for every attempt
                    last = str(error)
                    print_warning(f"{last}; connecting again")
            time.sleep(max(0.0, min(self._retry, self._remaining())))
            if self._remaining() <= 0:
                return 0 if self._left is None else 1

    def _remaining(self) -> float:
        return float("inf") if self._deadline is None else self._deadline - time.monotonic()

    def _events(self, server: ControlClient) -> Iterator[dict[str, str] | None]:
        """Yield None once connected, and then the fields of each event.

        Raises _TimeIsUp, ControlLost, ControlProblem.
        """
        self._look_at(server.outlets())
        wanted = {key: getattr(self._args, key) for key in _FILTERS}
        query = urlencode({key: one for key, one in wanted.items() if one is not None})
        single = self._args.sn is not None
        ids = (str(n) if single else f"{sn}={n}" for sn, n in self._positions.items())
        headers = {"Last-Event-ID": ",".join(ids)} if self._positions else {}
        response = server.stream(f"{server.base}/events?{query}", headers)
        yield None
        fields: dict[str, str] = {}
        while line := self._line(server, response):
            key, _, value = line.decode().rstrip("\r\n").partition(":")
            if key:
                fields[key] = value.removeprefix(" ")
            elif line in (b"\n", b"\r\n"):  # else it is a comment
                yield fields
                fields = {}
        raise ControlLost(f"{server.url}: the connection was closed")

    def _line(self, server: ControlClient, response: http.client.HTTPResponse) -> bytes:
        """Return the next line; b"" at the end. Raises _TimeIsUp, ControlLost."""
        remaining = self._remaining()
        if remaining <= 0:
            raise _TimeIsUp
        server.wait_at_most(min(SILENCE_SECONDS, remaining))
        try:
            return response.readline()
        except TimeoutError:
            if self._remaining() <= 0:
                raise _TimeIsUp from None
            raise ControlLost(f"{server.url}: nothing came for {SILENCE_SECONDS:g} s") from None
        except (OSError, http.client.HTTPException):
            raise ControlLost(f"{server.url}: the connection was lost") from None

    def _look_at(self, outlets: list[Any]) -> None:
        """Find out where to begin: at first with what comes, later where the connection was lost,
        and with everything of an outlet that is not the one of before.
        """
        first = not self._started
        before, self._positions = self._positions, {}
        for one in outlets:
            sn, started = one["sn"], one["started"]
            if self._started.get(sn) == started:
                self._positions[sn] = before[sn]
            elif first and self._args.after is None:
                self._positions[sn] = one["counters"]["journal"]
            else:
                self._positions[sn] = self._args.after if first else 0
                self._newest.pop(sn, None)
            self._started[sn] = started

    def _print(self, event: dict[str, str]) -> bool:
        """Print an event; return whether it was the last one that is wanted."""
        if retry := event.get("retry"):
            self._retry = int(retry) / 1000
        if "data" not in event:
            return False
        data = json.loads(event["data"])
        if event.get("event") == "lost":
            print_warning(f"{data['lost']} entries of {data['sn']} are missing")
            return False
        self._note_position(event["id"])
        sn, number = data["sn"], data["number"]
        if number <= self._newest.get(sn, 0):
            return False
        self._newest[sn] = number
        print(self._text(sn, event["data"]), flush=True)
        if self._left is not None:
            self._left -= 1
        return self._left == 0

    def _note_position(self, text: str) -> None:
        for part in text.split(","):
            sn, _, number = part.rpartition("=")
            self._positions[sn or self._args.sn] = int(number)

    def _text(self, sn: str, line: str) -> str:
        if self._args.log == "json":
            return printable(line)
        try:
            entry = decode_line(line)
        except ValueError:  # of a kind that this version does not know
            return printable(line)
        if isinstance(entry, JournalHeader):
            raise CliError(f"expected an entry, found {printable(line)}")
        return self._lines.line(entry, self._started.get(sn, 0.0))

    def _label(self, entry: Entry) -> str:
        return entry.sn if len(self._positions) > 1 else ""

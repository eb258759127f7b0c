"""`invis-sim journal`: what a journal file says."""

import argparse
import sys
import time

from invis_sim.cli import CliError
from invis_sim.cli.color import paint_for
from invis_sim.cli.lines import LineFormat, columns_of
from invis_sim.cli.streams import write_utf8
from invis_sim.journal import Entry, EntryFilter, Journal, JournalHeader, encode_entry
from invis_sim.journal.jsonl import encode_header
from invis_sim.protocol.printable import printable, printable_packet
from invis_sim.schema.fields import fields

__all__ = ["journal"]


def journal(args: argparse.Namespace) -> int:
    """Print the entries that match. Raises CliError."""
    wanted = _filter(args)
    try:
        source = sys.stdin.buffer.read().split(b"\n") if args.file == "-" else args.file
        loaded = Journal.load(source)
    except OSError as error:
        raise CliError(f"{args.file}: {error.strerror}") from None
    except ValueError as error:
        raise CliError(str(error)) from None
    entries = [entry for entry in _end_of(loaded, args.last) if wanted.matches(entry)]
    if args.json:
        write_utf8()
        for encoded in (encode_header(loaded.header), *map(encode_entry, entries)):
            print(printable_packet(encoded))
        return 0
    print(_about(loaded.header))
    several = len({entry.sn for entry in loaded}) > 1
    lines = LineFormat(
        paint_for(sys.stdout),
        columns_of(sys.stdout),
        full=args.bytes,
        label=lambda entry: entry.sn if several else "",
    )
    for entry in entries:
        for line in lines.lines(entry, loaded.started):
            print(line)
    return 0


def _filter(args: argparse.Namespace) -> EntryFilter:
    given = {name: getattr(args, name) for name in fields(EntryFilter) if name != "kinds"}
    try:
        return EntryFilter(kinds=args.kinds or None, **given)
    except ValueError as error:
        option, _, why = str(error).partition(": ")
        name = "kind" if option.startswith("kinds") else option.replace("_", "-")
        raise CliError(f"--{name}: {why}", status=2) from None


def _end_of(loaded: Journal, seconds: float | None) -> list[Entry]:
    """Return the entries of the last seconds before the newest one; None: all."""
    entries = list(loaded)
    if seconds is None or not entries:
        return entries
    first = max(entry.seconds for entry in entries) - seconds
    return [entry for entry in entries if entry.seconds >= first]


def _about(header: JournalHeader) -> str:
    """Return what the journal is about, in a line."""
    parts = [f"InvisOutlet {header.sn}" if header.sn else "A journal"]
    if header.started:
        moment = time.localtime(header.started)
        parts.append(f"started {time.strftime('%Y-%m-%d %H:%M:%S', moment)}")
    if header.seed is not None:
        parts.append(f"seed {header.seed}")
    if header.version:
        parts.append(f"invis-sim {header.version}")
    command = " ".join(header.options) or header.scenario
    return printable(", ".join(parts) + (f": {command}" if command else ""))

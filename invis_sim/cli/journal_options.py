"""The options of `invis-sim journal`."""

from typing import Any

from invis_sim.cli.argument_types import duration, whole
from invis_sim.cli.parser import add_command

__all__ = ["add_journal"]


def add_journal(commands: Any) -> None:
    """Add `journal` to the commands of a parser."""
    journal = add_command(
        commands,
        "journal",
        "journal:journal",
        help="show a journal file, or a part of it",
        description=(
            "Show the journal file that `run --journal` wrote, a line for each entry. With several "
            "options, show the entries that match all of them."
        ),
        examples=(
            "invis-sim journal seen.jsonl",
            "invis-sim journal seen.jsonl --callback 20 --last 60s --bytes",
        ),
    )
    journal.add_argument("file", metavar="FILE", help="a journal file; -: stdin")
    journal.add_argument(
        "--kind",
        action="append",
        default=[],
        dest="kinds",
        metavar="ENTRY",
        help="only entries of this kind, e.g. exchange, connected, fault (repeatable)",
    )
    journal.add_argument(
        "--callback", type=whole, metavar="CALLBACK", help="only about this callback"
    )
    journal.add_argument("--packet-id", type=whole, metavar="N", help="only with this packetID")
    journal.add_argument("--transport", metavar="T", help="only on this transport: tcp or ws")
    journal.add_argument("--connection", type=whole, metavar="N", help="only on this connection")
    journal.add_argument("--fault", metavar="NAME", help="only where this fault was applied")
    journal.add_argument("--sn", help="only of the outlet with this serial number")
    journal.add_argument(
        "--last", type=duration, metavar="TIME", help="only the end of the file, e.g. 60s, 5m"
    )
    journal.add_argument(
        "--bytes", action="store_true", help="also show the bytes that were received and sent"
    )
    journal.add_argument(
        "--json", action="store_true", help="write the entries as a journal file has them"
    )

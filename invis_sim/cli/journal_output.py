"""The option `--journal`: everything that happens, in a file."""

import argparse
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import IO

import msgspec

from invis_sim.cli import CliError
from invis_sim.cli.introduction import Running, outlets_of
from invis_sim.cli.log import JsonLog
from invis_sim.cli.messages import print_warning, warn
from invis_sim.cli.output_files import is_pipe, open_output
from invis_sim.cli.writers import JournalWriter
from invis_sim.journal import Subscription, subscribe_to_all
from invis_sim.journal.jsonl import encode_header

__all__ = ["MAX_WAITING_LINES", "write_journal"]

MAX_WAITING_LINES = 20_000
"""How many entries wait for a slow terminal or disk before some are lost: about 16 MB. Of those
with long contents, as many wait as make 16 MB more.
"""

JOURNAL_WAIT_SECONDS = 1.0
"""How long the outlet waits once for a slow disk before the journal file loses entries: a fast test
run loses nothing, and a disk that hangs does not stop the outlet.
"""

JOURNAL_CLOSE_SECONDS = 5.0
"""How long the end waits for a slow disk, as long as it takes anything."""


def write_journal(running: Running, args: argparse.Namespace, stack: ExitStack) -> None:
    """Write what happens to the outlets to a file, from a thread, until the stack ends. An exchange
    is written when nothing more of it will be sent. Raises CliError.
    """

    path: str = args.journal
    file: IO[str] | Callable[[], IO[str]]
    try:
        # The writer closes it. It also opens a pipe, which waits for a reader: the outlet does not.
        file = partial(open_output, path) if is_pipe(path) else open_output(path)
    except OSError as error:
        raise CliError(f"--journal {path}: {error.strerror}") from None
    outlets = outlets_of(running)
    header = msgspec.structs.replace(
        outlets[0].journal.header,
        scenario=args.scenario,
        options=tuple(args.words),
        seed=running.seed,
    )
    if len(outlets) > 1:
        header = msgspec.structs.replace(header, sn="")  # each entry has its own
    subscription: Subscription = subscribe_to_all(
        [outlet.journal for outlet in outlets],
        after=0,
        done=True,
        max_waiting=MAX_WAITING_LINES,
        wait_when_full=JOURNAL_WAIT_SECONDS,
        on_loss=lambda: warn(
            f"--journal {path}: it is written too slowly, so entries are missing, from number "
            f"{subscription.first_dropped} on"
        ),
    )
    writer = JournalWriter(
        file,
        subscription,
        JsonLog(),
        encode_header(header).decode(),
        on_error=lambda error: print_warning(
            f"--journal {path}: {error.strerror}; continuing without it"
        ),
    )

    def close() -> None:
        if not writer.close(JOURNAL_CLOSE_SECONDS):
            warn(f"--journal {path}: the last entries could not be written")
        missing = writer.dropped + subscription.dropped
        if missing:
            warn(f"--journal {path}: {missing} entries are missing in all")

    stack.callback(close)

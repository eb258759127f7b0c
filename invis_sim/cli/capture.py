"""`invis-sim capture`: a real outlet as a scenario file."""

import argparse
import os
import sys
from collections.abc import Iterable

from invis_sim.cli import CliError
from invis_sim.cli.messages import print_message
from invis_sim.cli.output_files import check_output_files, is_journal, write_output
from invis_sim.cli.streams import write_utf8
from invis_sim.recording.capture import Capture, CaptureError, is_capture
from invis_sim.recording.capture import capture as capture_outlet

__all__ = ["capture"]


def capture(args: argparse.Namespace) -> int:
    """Read the outlet, print the scenario, and write the files that were asked for.

    Raises CliError for a file that cannot be written; ClientError if there is no connection.
    """
    check_output_files({"-o": (args.output, is_capture), "--raw": (args.raw, is_journal)}, {})
    key = None if args.pseudonym_key is None else args.pseudonym_key.encode()
    try:
        captured = capture_outlet(
            args.host,
            tcp_port=args.tcp_port,
            ws_port=args.ws_port,
            listen=args.listen,
            pause=args.pause,
            keep_identity=args.keep_identity,
            key=key,
            progress=_print_progress,
        )
    except CaptureError as error:
        raise CliError(f"nothing was written: {error}") from None
    write_utf8()
    print(captured.to_toml(), end="", flush=True)
    _print_summary(captured, args.keep_identity)
    contents = {args.output: captured.to_toml().encode(), args.raw: captured.to_jsonl()}
    contents.pop(None, None)  # the option that is not given
    if not contents or not (args.yes or _agreed(contents)):
        return 0
    for path, content in contents.items():
        try:
            write_output(path, content)
        except OSError as error:
            raise CliError(f"cannot write {path}: {error.strerror}") from None
        print_message(f"written: {path}")
    return 0


def _print_progress(text: str) -> None:
    if sys.stderr is not None and sys.stderr.isatty():
        print_message(text)


def _print_summary(captured: Capture, keep_identity: bool) -> None:
    pushes = sum(exchange.outcome == "push" for exchange in captured.exchanges)
    asked = len(captured.exchanges) - pushes
    print_message(f"{asked} requests were sent, {pushes} pushes came")
    if keep_identity:
        print_message("identity is kept: think before you share this")
    else:
        print_message(f"{captured.replaced} values were replaced by pseudonyms")


def _agreed(paths: Iterable[str]) -> bool:
    """Ask whether to write, where there is a terminal to ask at."""
    if sys.stdin is None or not sys.stdin.isatty():  # it is None if the descriptor is closed
        return True
    named = " and ".join(
        f"{path} (which exists)" if os.path.exists(path) else path for path in paths
    )
    print(f"write {named}? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")

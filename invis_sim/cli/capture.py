"""`invis-sim capture`: a real outlet as a scenario file."""

import argparse
import sys
from pathlib import Path

from invis_sim.cli import CliError
from invis_sim.cli.messages import print_message
from invis_sim.recording.capture import Capture, CaptureError
from invis_sim.recording.capture import capture as capture_outlet

__all__ = ["capture"]


def capture(args: argparse.Namespace) -> int:
    """Read the outlet, print the scenario, and write the files that were asked for.

    Raises CliError for a file that cannot be written; ClientError if there is no connection.
    """
    outputs = [Path(name) for name in (args.output, args.raw) if name is not None]
    _check_outputs(outputs)
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
    sys.stdout.write(captured.to_toml())
    sys.stdout.flush()
    _print_summary(captured, args.keep_identity)
    if not outputs or not (args.yes or _agreed(outputs)):
        return 0
    contents = {args.output: captured.to_toml().encode(), args.raw: captured.to_jsonl()}
    for path in outputs:
        try:
            path.write_bytes(contents[str(path)])
        except OSError as error:
            raise CliError(f"cannot write {path}: {error.strerror}") from None
        print_message(f"written: {path}")
    return 0


def _check_outputs(outputs: list[Path]) -> None:
    """Refuse, before anything is done, what could not be written in the end."""
    if len({path.resolve() for path in outputs}) < len(outputs):
        raise CliError("-o and --raw are the same file", status=2)
    for path in outputs:
        if path.is_dir() or not path.parent.is_dir():
            why = "is a directory" if path.is_dir() else "is in a directory that does not exist"
            raise CliError(f"{path} {why}", status=2)


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


def _agreed(outputs: list[Path]) -> bool:
    """Ask whether to write, where there is a terminal to ask at."""
    if not sys.stdin.isatty():
        return True
    named = " and ".join(
        f"{path} (which exists)" if path.exists() else str(path) for path in outputs
    )
    print(f"write {named}? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")

"""`invis-sim compare`: where an outlet and the simulated one differ."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from invis_sim import scenario
from invis_sim.cli import CliError
from invis_sim.cli.argument_types import host
from invis_sim.cli.streams import write_utf8
from invis_sim.protocol.printable import printable, printable_lines
from invis_sim.recording.compare import TIERS, Comparison, compare_with

__all__ = ["compare"]


def compare(args: argparse.Namespace) -> int:
    """Print the differences, the most important first; return 1 if any is more than a value.

    Raises CliError for a journal or scenario with problems, and where there is no reply to compare;
    ClientError if there is no connection.
    """
    state = None
    if args.scenario is not None:
        try:
            state = scenario.load(args.scenario).state
        except scenario.ScenarioError as error:
            raise CliError(*error.problems, status=2) from None
    source: str | Path
    try:
        source = Path(args.host) if _is_path(args.host) else host(args.host)
    except argparse.ArgumentTypeError as error:
        raise CliError(f"HOST: {error}", status=2) from None
    try:
        found = compare_with(
            source, state, tcp_port=args.tcp_port, ws_port=args.ws_port, pause=args.pause
        )
    except ValueError as error:
        raise CliError(str(error), status=2) from None
    except OSError as error:
        raise CliError(f"cannot read {source}: {error.strerror}", status=2) from None
    if args.json:
        write_utf8()
        print(printable_lines(json.dumps(found.to_plain(), indent=2, ensure_ascii=False)))
    else:
        _print(found)
    if not found.compared:
        raise CliError(f"nothing was compared: {args.host} has no reply that can be read")
    return 1 if found.differs_in_more_than_values else 0


def _is_path(host_or_file: str) -> bool:
    """Whether this is a journal file, also one that does not exist."""
    path = Path(host_or_file)
    return path.is_file() or path.suffix == ".jsonl" or len(path.parts) > 1


def _print(found: Comparison) -> None:
    for tier, meaning in TIERS.items():
        of_tier = [one for one in found.differences if one.tier == tier]
        if of_tier:
            print(f"{tier} ({meaning}):")
            _print_lines([str(one) + found.manual_of(one) for one in of_tier])
    if found.unanswered:
        print("without an answer from the device:")
        _print_lines(found.unanswered)
    if found.compared and not found.differences:
        print(f"no difference in {found.compared} replies")


def _print_lines(lines: Sequence[str]) -> None:
    for line in lines:
        print(printable(f"  {line}"))

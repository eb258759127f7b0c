"""The commands that only print information: check, faults, scenarios, schema."""

import argparse
import difflib
import json
import textwrap

from invis_sim.cli import CliError
from invis_sim.cli.streams import write_utf8
from invis_sim.cli.width import reflow, text_width, wrap
from invis_sim.faults.catalogue import KINDS, kind_manual
from invis_sim.faults.fault import LAYERS, ConnectionFault, Fault
from invis_sim.faults.when import When
from invis_sim.protocol.printable import printable
from invis_sim.scenario.bundled import bundled
from invis_sim.scenario.fleet_check import fleet_notes
from invis_sim.scenario.json_schema import scenario_schema
from invis_sim.scenario.loading import ScenarioError, load
from invis_sim.schema.manual import NO_MANUALS, has_manuals, manual

__all__ = ["check", "faults", "scenarios", "schema"]


def check(args: argparse.Namespace) -> int:
    """Print a line for each valid scenario. Raises CliError with every problem of the others."""
    problems: list[str] = []
    for source in args.scenarios:
        try:
            scenario = load(source)
        except ScenarioError as error:
            problems += error.problems
        else:
            print(printable(f"{source}: good{_colon(scenario.description)}"))
            for note in fleet_notes(scenario):
                print(printable(f"{source}: note: {note}"))
    if problems:
        raise CliError(*problems, status=2)
    return 0


def faults(args: argparse.Namespace) -> int:
    """Print the catalogue by layer, or the manual of one kind. Raises CliError."""
    if args.kind is None:
        print(_catalogue())
        return 0
    if args.kind not in KINDS:
        close = difflib.get_close_matches(args.kind.replace("-", "_"), KINDS, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else f"; known kinds: {', '.join(KINDS)}"
        raise CliError(f"unknown fault kind {args.kind!r}{hint}", status=2)
    print(_manual(KINDS[args.kind]))
    return 0


def scenarios(args: argparse.Namespace) -> int:
    """Print the bundled scenarios with their descriptions."""
    files = bundled()
    width = max(map(len, files))
    for name, path in files.items():
        description = load(path).description
        lines = wrap(description, text_width() - width - 2) or [""]
        print(f"{name:{width}}  " + f"\n{'':{width}}  ".join(lines))
    return 0


def schema(args: argparse.Namespace) -> int:
    """Print the JSON Schema of scenario files."""
    write_utf8()
    print(json.dumps(scenario_schema(), indent=2, ensure_ascii=False))
    return 0


def _catalogue() -> str:
    parts = [] if has_manuals() else [NO_MANUALS, ""]
    for layer in LAYERS:
        kinds = [fault for fault in KINDS.values() if fault.layer == layer]
        if not kinds:
            continue
        parts.append(f"{layer}:")
        for fault in kinds:
            summary = manual(fault).partition("\n")[0]
            head = f"  {fault.kind():18} "
            parts += wrap(f"{head}{summary}".rstrip(), text_width(), indent=" " * len(head))
            parts.append("")
            parts.append(textwrap.indent(_toml(fault), " " * 21))
            parts.append("")
    parts.append("Run `invis-sim faults KIND` for details of one.")
    return "\n".join(parts)


def _manual(fault: type[Fault]) -> str:
    transports = " and ".join({"tcp": "TCP", "ws": "WebSocket"}[name] for name in fault.transports)
    manuals: tuple[str, ...] = (NO_MANUALS,)
    if has_manuals():
        manuals = (
            reflow(kind_manual(fault)),
            *_on_open_connections(fault),
            "",
            "Keys of every kind:",
            "",
            reflow(manual(Fault)).partition("\n\n")[2],
            "",
            "Keys of `when`; all given conditions must match:",
            "",
            reflow(manual(When)).partition("\n\n")[2],
        )
    return "\n".join(
        (
            f"{fault.kind()}  ({fault.layer} layer; {transports})",
            f"In Python: invis_sim.faults.{fault.__name__}",
            "",
            *manuals,
            "",
            "Example:",
            "",
            textwrap.indent(_toml(fault), "    "),
        )
    )


def _on_open_connections(fault: type[Fault]) -> tuple[str, ...]:
    """Return what becomes of connections that are open when the fault is injected."""
    if not issubclass(fault, ConnectionFault):
        return ()
    open_then = "connections that are open when it is injected or enabled"
    if fault.lasts:
        words = f"It also acts on {open_then}, until it is disabled or removed."
    else:
        words = f"It acts on new connections; {open_then} stay as they are."
    return "", *wrap(words, text_width())


def _toml(fault: type[Fault]) -> str:
    return "[[faults]]\n" + textwrap.dedent(fault.example).strip()


def _colon(text: str) -> str:
    return f": {text}" if text else ""

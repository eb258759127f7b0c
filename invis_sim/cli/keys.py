"""`invis-sim keys`: the manual of scenario files."""

import argparse
import json
from collections.abc import Iterator
from typing import Any

import msgspec

from invis_sim.cli import CliError
from invis_sim.cli.width import reflow, text_width, wrap
from invis_sim.commands.registry import COMMANDS
from invis_sim.faults.fault import Fault
from invis_sim.scenario.model import Scenario
from invis_sim.scenario.steps import Step
from invis_sim.schema.describe import describe, did_you_mean
from invis_sim.schema.fields import Field, fields, key_docs
from invis_sim.schema.manual import NO_MANUALS, has_manuals, manual

__all__ = ["expected_value", "first_paragraph", "format_default", "keys", "tables"]

NAME_WIDTH = 40
"""Columns of a name in the overview: the longest is [preferences.acc_prefs.homeAwayMode]."""

_FAULTS = "; `invis-sim faults` is the manual of [[faults]]"


def keys(args: argparse.Namespace) -> int:
    """Print the tables of a scenario file, or the keys of one. Raises CliError."""
    found = tables()
    if args.table is None:
        print(_overview(found))
        return 0
    name = args.table.strip("[]")
    if name not in found:
        hint = _FAULTS if name == "faults" else did_you_mean(name, found)
        hint = hint or f"; known tables: {', '.join(found)}"
        raise CliError(f"unknown table {name!r}{hint}", status=2)
    print(_manual(name, found[name]))
    return 0


def tables() -> dict[str, type[msgspec.Struct]]:
    """Return the tables of a scenario file, by the name that a file has in brackets."""
    return dict(_tables(Scenario))


def _tables(owner: type[msgspec.Struct], path: str = "") -> Iterator[tuple[str, type[Any]]]:
    """Yield the tables in a struct, and those in them."""
    for key, field in fields(owner).items():
        # Which keys a fault has depends on its kind; `invis-sim faults` shows them. Steps are where
        # they are at the top.
        if field.section is not None and field.section not in ((Fault, Step) if path else (Fault,)):
            yield f"{path}{key}", field.section
            yield from _tables(field.section, f"{path}{key}.")


def _overview(found: dict[str, type[msgspec.Struct]]) -> str:
    documented = key_docs(Scenario)
    known = fields(Scenario)
    lists = [key for key, field in known.items() if field.element is not None]
    top = [key for key in known if key not in {*found, *lists}]
    summaries = {
        f"[{name}]": _first_sentence(struct)
        for name, struct in found.items()
        if name.partition(".")[0] not in lists and not _is_list(name)
    }
    in_tables = {
        f"[[{name}]]": _first_sentence(struct)
        for name, struct in found.items()
        if "." in name and _is_list(name)
    }
    return "\n".join(
        (
            *(() if has_manuals() else (NO_MANUALS, "")),
            "A scenario file is TOML. Every key has a default. At the top, before any table:",
            "",
            *_rows({name: documented.get(name, "") for name in top}),
            "",
            "Tables; `invis-sim keys TABLE` shows the keys of one:",
            "",
            *_rows(summaries),
            "",
            "Lists of tables:",
            "",
            *_rows({f"[[{name}]]": documented.get(name, "") for name in lists}),
            *_rows(in_tables),
            "",
            *wrap(
                "`invis-sim faults` is the manual of [[faults]], `invis-sim keys steps` is that of "
                "[[steps]] and of the commands for `invis-sim run --do` and Python.",
                text_width(),
            ),
        )
    )


def _is_list(name: str) -> bool:
    """Return whether a table comes in a list, by its name."""
    owner: type[msgspec.Struct] = Scenario
    field = None
    for key in name.split("."):
        field = fields(owner)[key]
        owner = field.section or owner
    return field is not None and field.element is not None


def _rows(texts: dict[str, str]) -> Iterator[str]:
    """Yield the texts beside their names, in columns."""
    for name, text in texts.items():
        first, *rest = wrap(text, text_width() - NAME_WIDTH) or [""]
        yield f"  {name:{NAME_WIDTH - 2}}{first}".rstrip()
        yield from (f"{'':{NAME_WIDTH}}{line}" for line in rest)


def first_paragraph(struct: type[msgspec.Struct]) -> str:
    """Return what the manual of a table begins with, in one line."""
    return manual(struct).partition("\n\n")[0].replace("\n", " ")


def _first_sentence(struct: type[msgspec.Struct]) -> str:
    summary = first_paragraph(struct)
    return summary and summary.partition(". ")[0].rstrip(".") + "."


def _manual(name: str, struct: type[msgspec.Struct]) -> str:
    head = reflow(manual(struct).partition("\n\n")[0]) if has_manuals() else NO_MANUALS
    has_commands = struct is Step
    width = text_width()
    parts = [f"[[{name}]]" if _is_list(name) else f"[{name}]", "", head, ""]
    if has_commands:
        parts += ["When:", ""]
    for key, field in fields(struct).items():
        if has_commands and key == next(iter(COMMANDS)):
            parts += ["Commands, executed in this order:", ""]
        default = "" if has_commands else format_default(field)
        parts += wrap(f"{key}{f' = {default}' if default else ''}", width, indent="    ")
        for line in filter(None, (field.doc, f"({expected_value(field)})")):
            parts += wrap(line, width, "    ", "    ")
        parts.append("")
    return "\n".join(parts).rstrip()


def expected_value(field: Field) -> str:
    """Return what the value of a key must be."""
    if field.table is Fault:  # its keys depend on its kind
        return "a table as in [[faults]]; see `invis-sim faults`"
    return describe(msgspec.inspect.type_info(field.annotation))


def format_default(field: Field) -> str:
    """Return the default of a key as TOML; "" if it is a table, or if the key is omitted."""
    default = field.default
    if default is msgspec.NODEFAULT or default is None or isinstance(default, msgspec.Struct):
        return ""
    return json.dumps(msgspec.to_builtins(default), ensure_ascii=False)

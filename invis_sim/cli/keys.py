"""`invis-sim keys`: the manual of scenario files."""

import argparse
import inspect
import json
import textwrap
from collections.abc import Iterator
from typing import Any

import msgspec

from invis_sim.cli import CliError
from invis_sim.faults.fault import Fault
from invis_sim.scenario.model import Scenario
from invis_sim.schema.describe import describe, did_you_mean
from invis_sim.schema.fields import Field, fields, key_docs

__all__ = ["keys"]

WIDTH = 98
NAME_WIDTH = 40

_FAULTS = "; `invis-sim faults` is the manual of [[faults]]"


def keys(args: argparse.Namespace) -> int:
    """The tables of a scenario file, or the keys of one."""
    tables: dict[str, type[msgspec.Struct]] = dict(_tables(Scenario))
    if args.table is None:
        print(_overview(tables))
        return 0
    name = args.table.strip("[]")
    if name not in tables:
        hint = _FAULTS if name == "faults" else did_you_mean(name, tables)
        hint = hint or f"; there are: {', '.join(tables)}"
        raise CliError(f"no table is called {name!r}{hint}", status=2)
    print(_manual(name, tables[name]))
    return 0


def _tables(owner: type[msgspec.Struct], path: str = "") -> Iterator[tuple[str, type[Any]]]:
    """The tables in a struct, by the name that is in a file's brackets."""
    for key, field in fields(owner).items():
        # Which keys a fault has depends on its kind; `invis-sim faults` shows them.
        if field.section is not None and field.section is not Fault:
            yield f"{path}{key}", field.section
            yield from _tables(field.section, f"{path}{key}.")


def _overview(tables: dict[str, type[msgspec.Struct]]) -> str:
    documented = key_docs(Scenario)
    known = fields(Scenario)
    lists = [key for key, field in known.items() if field.element is not None]
    top = [key for key in known if key not in {*tables, *lists}]
    summaries = {
        f"[{name}]": _first_sentence(struct)
        for name, struct in tables.items()
        if name.partition(".")[0] not in lists
    }
    return "\n".join(
        (
            "A scenario file is TOML. Everything has a default. At its top, before any table:",
            "",
            *_rows({name: documented[name] for name in top}),
            "",
            "Tables, each with keys that `invis-sim keys TABLE` shows:",
            "",
            *_rows(summaries),
            "",
            "Lists of tables:",
            "",
            *_rows({f"[[{name}]]": documented[name] for name in lists}),
            "",
            "`invis-sim faults` is the manual of [[faults]], `invis-sim keys steps` of [[steps]].",
        )
    )


def _rows(texts: dict[str, str]) -> Iterator[str]:
    """The texts beside their names, in columns."""
    for name, text in texts.items():
        first, *rest = textwrap.wrap(text, WIDTH - NAME_WIDTH)
        yield f"  {name:{NAME_WIDTH - 2}}{first}"
        yield from (f"{'':{NAME_WIDTH}}{line}" for line in rest)


def _first_sentence(struct: type[msgspec.Struct]) -> str:
    summary = (inspect.getdoc(struct) or "").partition("\n\n")[0].replace("\n", " ")
    return summary.partition(". ")[0].rstrip(".") + "."


def _manual(name: str, struct: type[msgspec.Struct]) -> str:
    head = (inspect.getdoc(struct) or "").partition("\n\n")[0]
    is_list = name == "steps"
    parts = [f"[[{name}]]" if is_list else f"[{name}]", "", head, ""]
    for key, field in fields(struct).items():
        expected = describe(msgspec.inspect.type_info(field.annotation))
        default = _shown(field)
        parts += textwrap.wrap(
            f"{key}{f' = {default}' if default else ''}", WIDTH, subsequent_indent="    "
        )
        for line in (field.doc, f"({expected})"):
            parts += textwrap.wrap(line, WIDTH, initial_indent="    ", subsequent_indent="    ")
        parts.append("")
    return "\n".join(parts).rstrip()


def _shown(field: Field) -> str:
    """The default of a key as a file has it; "" if it is a table, or that the key is omitted."""
    default = field.default
    if default is msgspec.NODEFAULT or default is None or isinstance(default, msgspec.Struct):
        return ""
    return json.dumps(msgspec.to_builtins(default), ensure_ascii=False)

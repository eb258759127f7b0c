"""`invis-sim keys`: the manual of scenario files."""

import argparse
import inspect
import json
import textwrap
from collections.abc import Iterator
from typing import Any

import msgspec

from invis_sim.cli import CommandError
from invis_sim.faults.fault import Fault
from invis_sim.scenario.json_schema import key_docs
from invis_sim.scenario.model import Scenario
from invis_sim.schema.describe import describe, did_you_mean

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
        raise CommandError(f"no table is called {name!r}{hint}", status=2)
    print(_manual(name, tables[name]))
    return 0


def _tables(owner: type[msgspec.Struct], path: str = "") -> Iterator[tuple[str, type[Any]]]:
    """The tables in a struct, by the name that stands in a file's brackets."""
    for field in msgspec.structs.fields(owner):
        struct = _table(msgspec.inspect.type_info(field.type))
        if struct is not None:
            name = f"{path}{field.encode_name}"
            yield name, struct
            yield from _tables(struct, f"{name}.")


def _table(info: msgspec.inspect.Type) -> type[msgspec.Struct] | None:
    """The struct of which the type wants a table, or a list of tables, and nothing else."""
    match info:
        case msgspec.inspect.UnionType(types=types):
            wanted = [one for one in types if not isinstance(one, msgspec.inspect.NoneType)]
            return _table(wanted[0]) if len(wanted) == 1 else None
        case msgspec.inspect.VarTupleType(item_type=item):
            return _table(item)
        case msgspec.inspect.StructType(cls=struct, array_like=False) if struct is not Fault:
            return struct
        case _:
            return None


def _overview(tables: dict[str, type[msgspec.Struct]]) -> str:
    documented = key_docs(Scenario)
    fields = msgspec.structs.fields(Scenario)
    lists = [field.name for field in fields if field.default == ()]
    top = [field.name for field in fields if field.name not in {*tables, *lists}]
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
            "Tables, each with keys that `invis-sim keys TABLE` tells:",
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
    """The texts behind their names, in columns."""
    for name, text in texts.items():
        first, *rest = textwrap.wrap(text, WIDTH - NAME_WIDTH)
        yield f"  {name:{NAME_WIDTH - 2}}{first}"
        yield from (f"{'':{NAME_WIDTH}}{line}" for line in rest)


def _first_sentence(struct: type[msgspec.Struct]) -> str:
    summary = (inspect.getdoc(struct) or "").partition("\n\n")[0].replace("\n", " ")
    return summary.partition(". ")[0].rstrip(".") + "."


def _manual(name: str, struct: type[msgspec.Struct]) -> str:
    head = (inspect.getdoc(struct) or "").partition("\n\n")[0]
    documented = key_docs(struct)
    is_list = name == "steps"
    parts = [f"[[{name}]]" if is_list else f"[{name}]", "", head, ""]
    for field in msgspec.structs.fields(struct):
        key = field.encode_name
        expected = describe(msgspec.inspect.type_info(field.type))
        default = _shown(field)
        parts += textwrap.wrap(
            f"{key}{f' = {default}' if default else ''}", WIDTH, subsequent_indent="    "
        )
        text = documented.get(key, "")
        for line in (text, f"({expected})"):
            parts += textwrap.wrap(line, WIDTH, initial_indent="    ", subsequent_indent="    ")
        parts.append("")
    return "\n".join(parts).rstrip()


def _shown(field: msgspec.structs.FieldInfo) -> str:
    """The default of a key as it would stand in a file; "" where it is left out, or a table."""
    default = field.default
    if default is msgspec.NODEFAULT or default is None or isinstance(default, msgspec.Struct):
        return ""
    return json.dumps(msgspec.to_builtins(default), ensure_ascii=False)

"""The JSON Schema of scenario files, so that editors complete and check them.

It is made from the structs that load the files, so the two cannot drift apart. What no schema can
say, such as that two conditions exclude each other, only the loader knows.
"""

import inspect
import re
import typing
from collections.abc import Iterator
from typing import Any

import msgspec

from invis_sim.device.state import OutletState
from invis_sim.faults.catalogue import KINDS
from invis_sim.faults.fault import Fault
from invis_sim.scenario.model import Scenario

__all__ = ["key_docs", "scenario_schema"]

_REF = "#/$defs/{name}"


def scenario_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a scenario file, as plain data."""
    kinds = tuple(KINDS.values())
    _, definitions = msgspec.json.schema_components(
        (Scenario, OutletState, *kinds), ref_template=_REF
    )
    definitions.pop(Fault.__name__, None)
    definitions = _without_null(definitions)
    mentioned = (Scenario, OutletState, *kinds)
    for struct in {inner for outer in mentioned for inner in _structs_in(outer)}:
        if struct is not Fault:
            _document(definitions[struct.__name__], struct)
    for kind in kinds:
        definition = definitions[kind.__name__]
        definition["title"] = kind.kind()
        definition["properties"]["kind"]["description"] = definition["description"].split("\n\n")[0]
    # What a step sets is any part of what an outlet is and knows; no key of that is required.
    definitions["Step"]["properties"]["set"]["$ref"] = _REF.format(name=OutletState.__name__)
    scenario = definitions.pop(Scenario.__name__)
    scenario["properties"]["faults"] |= {
        "type": "array",
        "items": {"oneOf": [{"$ref": _REF.format(name=kind.__name__)} for kind in kinds]},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **scenario,
        "$defs": definitions,
    }


def _structs_in(annotation: Any) -> Iterator[type[msgspec.Struct]]:
    """The structs that an annotation mentions, and those that their fields mention."""
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        yield annotation
        for field in msgspec.structs.fields(annotation):
            yield from _structs_in(field.type)
    else:
        for argument in typing.get_args(annotation):
            yield from _structs_in(argument)


def _document(schema: dict[str, Any], struct: type[msgspec.Struct]) -> None:
    """Puts what the struct's docstring says about each field beside the field's property."""
    schema["description"] = inspect.getdoc(struct)
    for name, text in key_docs(struct).items():
        if name in schema.get("properties", {}):
            known = schema["properties"][name].get("description")
            schema["properties"][name]["description"] = f"{text}\n\n{known}" if known else text


def key_docs(struct: type[msgspec.Struct]) -> dict[str, str]:
    """What the docstrings of a struct and its bases say about each key."""
    described: dict[str, str] = {}
    for owner in reversed(struct.__mro__):
        if owner is not msgspec.Struct and issubclass(owner, msgspec.Struct):
            described |= _field_docs(owner)
    return described


def _field_docs(struct: type[msgspec.Struct]) -> dict[str, str]:
    """What a docstring says about each field.

    A field's part begins, on a line of its own or behind a full stop, with `name: …` (or
    `name, name: …`) and ends before the next one, or at a blank line.
    """
    fields = "|".join(map(re.escape, struct.__struct_encode_fields__))
    names = rf"(?:{fields})(?:, (?:{fields}))*"
    begins = re.compile(rf"({names}): (.*)")
    parts: dict[str, list[str]] = {}
    current: list[str] = []
    text = re.sub(rf"\. (?={names}: )", ".\n", inspect.getdoc(struct) or "")
    for line in text.splitlines():
        if match := begins.fullmatch(line):
            current = [match[2]]
            parts |= dict.fromkeys(match[1].split(", "), current)
        elif line:
            current.append(line)
        else:
            current = []
    return {name: " ".join(lines) for name, lines in parts.items()}


def _without_null(node: Any) -> Any:
    """The schema without null, for which TOML has no word: a key is left out instead."""
    if isinstance(node, list | tuple):
        return [_without_null(item) for item in node if item != {"type": "null"}]
    if not isinstance(node, dict):
        return node
    kept = {key: _without_null(item) for key, item in node.items() if item is not None}
    choices = kept.get("anyOf")
    if isinstance(choices, list) and len(choices) == 1:
        return {**choices[0], **{key: item for key, item in kept.items() if key != "anyOf"}}
    return kept

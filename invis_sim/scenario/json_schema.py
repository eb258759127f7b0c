"""The JSON Schema of scenario files, so that editors complete and check them.

It is made from the structs that load the files, so the two cannot drift apart. What a schema cannot
say, such as that two conditions exclude each other, only the loader knows.

Editors disagree on the draft that they know, whatever `$schema` says: taplo (Even Better TOML)
knows draft 7, tombi also 2020-12. So there are only keywords that mean the same in both.
"""

from typing import Any

import msgspec

from invis_sim.commands.set_state import Settings
from invis_sim.faults.catalogue import KINDS
from invis_sim.faults.fault import Fault
from invis_sim.scenario.fleet import PATCHED_TABLES, OutletDifferences
from invis_sim.scenario.model import Scenario
from invis_sim.schema.fields import fields, key_docs, structs_in
from invis_sim.schema.manual import NO_MANUALS, manual

__all__ = ["scenario_schema"]

_REF = "#/definitions/{name}"


def scenario_schema() -> dict[str, Any]:
    """JSON Schema of a scenario file, as plain data; draft 7, and valid as 2020-12 too."""
    kinds = tuple(KINDS.values())
    _, definitions = msgspec.json.schema_components((Scenario, Settings, *kinds), ref_template=_REF)
    definitions = _without_null(definitions)
    mentioned = (Scenario, Settings, *kinds)
    for struct in {inner for outer in mentioned for inner in structs_in(outer)}:
        if struct is not Fault:
            _document(definitions[struct.__name__], struct)
    for kind in kinds:
        definition = definitions[kind.__name__]
        definition["title"] = kind.kind()
        definition["properties"]["kind"]["description"] = (
            manual(kind).split("\n\n")[0] or NO_MANUALS
        )
    # What a step sets is any part of this; no key of it is required.
    definitions["Step"]["properties"]["set"]["$ref"] = _REF.format(name=Settings.__name__)
    # Of what differs on some outlets of a fleet, any part of a table.
    for key, field in fields(OutletDifferences).items():
        if field.annotation in PATCHED_TABLES:
            table = PATCHED_TABLES[field.annotation].__name__
            differing = definitions[OutletDifferences.__name__]["properties"][key]
            differing["$ref"] = _REF.format(name=table)
    scenario = definitions.pop(Scenario.__name__)
    # Only the kinds of a fault can be in a file, which msgspec does not know of their base class.
    fault = _REF.format(name=Fault.__name__)
    definitions[Fault.__name__] = {
        "title": Fault.__name__,
        "description": manual(Fault) or NO_MANUALS,
        "oneOf": [{"$ref": _REF.format(name=kind.__name__)} for kind in kinds],
    }
    scenario["properties"]["faults"] |= {"type": "array", "items": {"$ref": fault}}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        **_in_both_drafts(scenario),
        "definitions": {name: _in_both_drafts(one) for name, one in definitions.items()},
    }


def _document(schema: dict[str, Any], struct: type[msgspec.Struct]) -> None:
    """Add what the struct's docstring says about each key to the property of that key."""
    schema["description"] = manual(struct) or NO_MANUALS
    for name, text in key_docs(struct).items():
        if name in schema.get("properties", {}):
            known = schema["properties"][name].get("description")
            schema["properties"][name]["description"] = f"{text}\n\n{known}" if known else text


def _without_null(node: Any) -> Any:
    """The schema without null, which TOML cannot say: a key is omitted instead."""
    if isinstance(node, list | tuple):
        return [_without_null(item) for item in node if item != {"type": "null"}]
    if not isinstance(node, dict):
        return node
    kept = {key: _without_null(item) for key, item in node.items() if item is not None}
    choices = kept.get("anyOf")
    if isinstance(choices, list) and len(choices) == 1:
        return {**choices[0], **{key: item for key, item in kept.items() if key != "anyOf"}}
    return kept


def _in_both_drafts(node: Any) -> Any:
    """The schema of msgspec, which is of draft 2020-12, in keywords that draft 7 has as well."""
    if isinstance(node, list):
        return [_in_both_drafts(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {key: _in_both_drafts(item) for key, item in node.items()}
    if "prefixItems" in kept:
        # Draft 7 has another keyword for lists of which each item has a type of its own, which
        # 2020-12 has no more. What both have is what any item may be, and how many there are.
        items = kept.pop("prefixItems")
        # Not every version of msgspec knows that items with a default may be omitted at the end.
        required = [number for number, item in enumerate(items, 1) if "default" not in item]
        kept["minItems"] = max(required, default=0)
        kept["items"] = _any_of(items)
    if "$ref" in kept and len(kept) > 1:  # beside which draft 7 ignores everything
        kept["allOf"] = [{"$ref": kept.pop("$ref")}]
    return kept


def _any_of(schemas: list[Any]) -> Any:
    """A schema that what any of these accepts is valid for."""
    different = [schema for n, schema in enumerate(schemas) if schema not in schemas[:n]]
    return different[0] if len(different) == 1 else {"anyOf": different}

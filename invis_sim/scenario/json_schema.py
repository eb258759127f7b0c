"""The JSON Schema of scenario files, so that editors complete and check them.

It is made from the structs that load the files, so the two cannot drift apart. What a schema cannot
say, such as that two conditions exclude each other, only the loader knows.
"""

import inspect
from typing import Any

import msgspec

from invis_sim.device.state import OutletState
from invis_sim.faults.catalogue import KINDS
from invis_sim.faults.fault import Fault
from invis_sim.scenario.model import Scenario
from invis_sim.schema.fields import key_docs, structs_in

__all__ = ["scenario_schema"]

_REF = "#/$defs/{name}"


def scenario_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a scenario file, as plain data."""
    kinds = tuple(KINDS.values())
    _, definitions = msgspec.json.schema_components(
        (Scenario, OutletState, *kinds), ref_template=_REF
    )
    definitions = _without_null(definitions)
    mentioned = (Scenario, OutletState, *kinds)
    for struct in {inner for outer in mentioned for inner in structs_in(outer)}:
        if struct is not Fault:
            _document(definitions[struct.__name__], struct)
    for kind in kinds:
        definition = definitions[kind.__name__]
        definition["title"] = kind.kind()
        definition["properties"]["kind"]["description"] = definition["description"].split("\n\n")[0]
    # What a step sets is any part of the state; no key of that is required.
    definitions["Step"]["properties"]["set"]["$ref"] = _REF.format(name=OutletState.__name__)
    scenario = definitions.pop(Scenario.__name__)
    # Only the kinds of a fault can be in a file, which msgspec does not know of their base class.
    fault = _REF.format(name=Fault.__name__)
    definitions[Fault.__name__] = {
        "title": Fault.__name__,
        "description": inspect.getdoc(Fault),
        "oneOf": [{"$ref": _REF.format(name=kind.__name__)} for kind in kinds],
    }
    scenario["properties"]["faults"] |= {"type": "array", "items": {"$ref": fault}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **scenario,
        "$defs": definitions,
    }


def _document(schema: dict[str, Any], struct: type[msgspec.Struct]) -> None:
    """Add what the struct's docstring says about each key to the property of that key."""
    schema["description"] = inspect.getdoc(struct)
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

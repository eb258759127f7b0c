"""The JSON Schema of scenario files, so that editors complete and check them.

It is made from the structs that load the files, so the two cannot drift apart.
"""

import inspect
from typing import Any

import msgspec

from invis_sim.faults.catalogue import KINDS
from invis_sim.faults.fault import Fault
from invis_sim.scenario.model import Scenario

__all__ = ["scenario_schema"]

_REF = "#/$defs/{name}"


def scenario_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a scenario file, as plain data."""
    kinds = tuple(KINDS.values())
    _, definitions = msgspec.json.schema_components((Scenario, *kinds), ref_template=_REF)
    definitions.pop(Fault.__name__, None)
    for kind in kinds:
        definitions[kind.__name__]["description"] = inspect.getdoc(kind)
    scenario = definitions.pop(Scenario.__name__)
    scenario["properties"]["faults"] = {
        "type": "array",
        "items": {"oneOf": [{"$ref": _REF.format(name=kind.__name__)} for kind in kinds]},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **scenario,
        "$defs": definitions,
    }

"""The OpenAPI 3.1 document, made from the table of operations and the structs that they name."""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from invis_sim import __version__
from invis_sim.scenario.json_schema import scenario_schema
from invis_sim.scenario.steps import CommandTable
from invis_sim.schema.fields import fields, key_docs
from invis_sim.schema.manual import NO_MANUALS, manual
from invis_sim.web.operation import Operation

__all__ = ["ProblemDocument", "openapi"]

_REF = "#/components/schemas/{name}"


class PartProblem(msgspec.Struct, frozen=True):
    """path: of the key, into the body or the query. message: what was expected and found."""

    path: str
    message: str


class ProblemDocument(msgspec.Struct, frozen=True):
    """Why a request was not carried out (RFC 9457).

    detail: in a sentence. problems: each problem of a body.
    instead: what came in place of what was waited for, or verified, the nearest first.
    """

    type: str
    title: str
    status: int
    detail: str
    problems: list[PartProblem] = []
    instead: list[dict[str, Any]] = []
    count: int = 0


def openapi(operations: Iterable[Operation]) -> dict[str, Any]:
    """Return the document as plain data."""
    schemas = _Schemas(tuple(operations))
    paths: dict[str, Any] = {}
    for operation in schemas.operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(
            operation, schemas
        )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "invis-sim",
            "version": __version__,
            "description": "Steer simulated outlets while they run.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],  # a token only where other machines can connect
    }


class _Schemas:
    """The JSON Schema of each type that operations name."""

    def __init__(self, operations: tuple[Operation, ...]) -> None:
        self.operations = operations
        types: list[Any] = [ProblemDocument]
        for one in operations:
            types += [annotation for annotation in (one.answer, one.body) if annotation is not None]
            if one.query is not None:
                types += [field.annotation for field in fields(one.query).values()]
        found, components = msgspec.json.schema_components(types, ref_template=_REF)
        self._found = list(zip(types, found, strict=True))
        # What a scenario may say, documented as in its own schema, which differs from that of the
        # structs: of a patch no key is required, and a fault has one of many kinds.
        shared = _redirected(scenario_schema()["definitions"])
        self.components = {name: shared.get(name, schema) for name, schema in components.items()}
        self.components |= shared
        step = shared["Step"]["properties"]
        commands = self.components[CommandTable.__name__]
        commands["properties"] = {key: step[key] for key in commands["properties"]}
        for struct in (ProblemDocument, PartProblem):
            self._document(struct)

    def of(self, annotation: Any) -> Any:
        """Return the schema of a type."""
        return next(schema for one, schema in self._found if one is annotation)

    def _document(self, struct: type[msgspec.Struct]) -> None:
        for key, text in key_docs(struct).items():
            self.components[struct.__name__]["properties"][key]["description"] = text


def _redirected(node: Any) -> Any:
    """Return a schema whose references lead into the document."""
    if isinstance(node, list | tuple):
        return [_redirected(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: value.replace("#/definitions/", _REF.format(name=""))
        if key == "$ref"
        else _redirected(value)
        for key, value in node.items()
    }


def _operation(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    text = manual(operation.handler) or NO_MANUALS
    first = re.split(r"(?<=[.:])\s", text, maxsplit=1)[0]
    answer: dict[str, Any] = {"description": "It was carried out."}
    if operation.answer is not None:
        answer["content"] = {operation.media: {"schema": schemas.of(operation.answer)}}
    elif operation.media != "application/json":
        answer["content"] = {operation.media: {}}
    document: dict[str, Any] = {
        "operationId": _identifier(operation),
        "summary": first.rstrip(".:"),
        "description": text,
        "parameters": [*_path_parameters(operation), *_query_parameters(operation, schemas)],
        "responses": {
            str(operation.status): answer,
            "default": {
                "description": "It was not carried out.",
                "content": {"application/problem+json": {"schema": schemas.of(ProblemDocument)}},
            },
        },
    }
    if operation.body is not None:
        schema = schemas.of(operation.body)
        document["requestBody"] = {"content": {"application/json": {"schema": schema}}}
    return document


def _identifier(operation: Operation) -> str:
    words = re.findall(r"[A-Za-z]+", operation.path.removeprefix("/api"))
    return "_".join([operation.method.lower(), *words])


def _path_parameters(operation: Operation) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", operation.path)
    ]


def _query_parameters(operation: Operation, schemas: _Schemas) -> list[dict[str, Any]]:
    if operation.query is None:
        return []
    return [
        {
            "name": key,
            "in": "query",
            "required": field.required,
            "description": field.doc,
            "schema": schemas.of(field.annotation),
        }
        for key, field in fields(operation.query).items()
    ]

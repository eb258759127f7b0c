"""What a client asks for: the outlets in its path, its query, its body."""

import json
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request

from invis_sim.protocol.json_text import parse_int
from invis_sim.schema.build import build, build_table
from invis_sim.schema.fields import Path, fields
from invis_sim.server.runtime import Runtime
from invis_sim.server.simulator import Simulator
from invis_sim.web.broadcast import Broadcasts
from invis_sim.web.problems import HttpProblem, invalid
from invis_sim.web.selection import unknown_outlet

__all__ = ["Call"]

S = TypeVar("S", bound=msgspec.Struct)


class Call:
    """One request, as a handler sees it.

    runtime: whose outlets are steered. broadcasts: what event streams share.
    request: the rest, as Starlette has it. data: the body, read whole.
    """

    def __init__(
        self, runtime: Runtime, broadcasts: Broadcasts, request: Request, data: bytes
    ) -> None:
        self.runtime = runtime
        self.broadcasts = broadcasts
        self.request = request
        self.data = data

    @property
    def outlets(self) -> tuple[Simulator, ...]:
        """The outlets that the path is about: one by its serial number, or all.

        Raises HttpProblem where there is no such outlet.
        """
        sn = self.request.path_params.get("sn")
        if sn is None:
            return tuple(self.runtime.outlets)
        found = tuple(one for one in self.runtime.outlets if one.sn == sn)
        if not found:
            raise unknown_outlet(sn, self.runtime.outlets)
        return found

    @property
    def outlet(self) -> Simulator:
        """The outlet that the path is about."""
        return self.outlets[0]

    def parameter(self, name: str) -> str:
        """Return what the path has in this place."""
        value: str = self.request.path_params[name]
        return value

    def query(self, struct: type[S]) -> S:
        """Return the query as a struct, of which each field is a parameter.

        Raises HttpProblem with every problem.
        """
        known = fields(struct)
        plain: dict[str, Any] = {}
        for key, text in self.request.query_params.multi_items():
            annotation = known[key].annotation if key in known else str
            value = _from_text(text, annotation)
            if isinstance(value, list) and isinstance(plain.get(key), list):
                plain[key] += value
            else:
                plain[key] = value
        value, problems = build_table(struct, plain)
        if problems:
            raise invalid(*problems)
        assert isinstance(value, struct)
        return value

    def json(self) -> Any:
        """Return the body as plain data. Raises HttpProblem where it is not JSON."""
        try:
            return json.loads(self.data, parse_int=parse_int, parse_constant=_refuse_constant)
        except RecursionError:
            raise HttpProblem(
                400, "the body is not JSON that can be read: nested too deep"
            ) from None
        except UnicodeDecodeError as error:
            raise HttpProblem(400, f"the body is not UTF-8: {error.reason}") from None
        except json.JSONDecodeError as error:
            where = f"line {error.lineno}, column {error.colno}"
            raise HttpProblem(400, f"the body is not JSON: {error.msg} ({where})") from None
        except ValueError as error:
            raise HttpProblem(400, f"the body is not JSON: {error}") from None

    def body(self, struct: type[S]) -> S:
        """Return the body as a struct; an empty body is an empty object.

        Raises HttpProblem with every problem.
        """
        value, problems = build(struct, self.json() if self.data else {})
        if problems:
            raise invalid(*problems)
        assert isinstance(value, struct)
        return value

    def table(self) -> Mapping[str, Any]:
        """Return the body, which must be an object. Raises HttpProblem."""
        return as_table(self.json())


def as_table(value: Any, path: Path = ()) -> Mapping[str, Any]:
    """Return a part of a body that must be an object. Raises HttpProblem."""
    _, problems = build(dict[str, Any], value, path=path)
    if problems:
        raise invalid(*problems)
    assert isinstance(value, Mapping)
    return value


def _refuse_constant(text: str) -> float:
    raise ValueError(f"{text} is not a number of JSON")


def _from_text(text: str, annotation: Any) -> Any:
    """Return what a parameter means for a field of this type; the text itself where it means
    nothing, so that the builder says what was expected.
    """
    if annotation is Any:  # any JSON
        try:
            return json.loads(text, parse_int=parse_int, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            return text
    try:
        return msgspec.convert(text, annotation, strict=False)
    except msgspec.ValidationError:
        pass
    try:
        return msgspec.convert(text.split(","), annotation, strict=False)
    except msgspec.ValidationError:
        return text

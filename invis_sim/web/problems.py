"""What is wrong with a request, as an RFC 9457 problem document."""

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.responses import Response

from invis_sim.schema.build import Problem

__all__ = ["HttpProblem", "invalid", "problem_response"]

_KEY = re.compile(
    r"(?P<path>[\w#-]*(?:\.[\w-]+|\[\d+\]|\.\"[^\"]*\")*): (?P<message>.*)", re.DOTALL
)
"""A problem in words that begins with the path of its key: `set.outlets.states[1]: expected …`."""


class HttpProblem(Exception):
    """A request that is not carried out.

    status: of HTTP. detail: what is wrong, in a sentence.
    problems: each with the path into the body (or the query) and a message; of a body only.
    headers: of the response. more: further members of the document.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        problems: Iterable[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.problems = tuple(problems)
        self.headers = headers or {}
        self.more = more or {}

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions are pickled by their `args`, which are not what `__init__` takes.
        return type(self), (self.status, self.detail), self.__dict__


def invalid(*problems: Problem | str) -> HttpProblem:
    """Return what to raise for data that is valid JSON and no more.

    problems: as a scenario, or a command, has them; at least one.
    """
    found = []
    for problem in problems:
        if isinstance(problem, Problem):
            found.append({"path": problem.key, "message": problem.message})
        elif match := _KEY.fullmatch(problem):
            found.append({"path": match["path"], "message": match["message"]})
        else:
            found.append({"path": "", "message": problem})
    return HttpProblem(422, "\n".join(map(str, problems)), problems=found)


def problem_response(problem: HttpProblem) -> Response:
    """Return the problem document."""
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
    }
    if problem.problems:
        document["problems"] = problem.problems
    return Response(
        msgspec.json.encode({**document, **problem.more}),
        problem.status,
        dict(problem.headers),
        "application/problem+json",
    )

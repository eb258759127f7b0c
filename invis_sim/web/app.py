"""The application: from a request to its answer.

A request passes the guard, its body is read whole, the table of operations says which handler it is
for, and what the handler returns becomes JSON.
"""

import inspect
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from urllib.parse import unquote

import msgspec
import trio
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from invis_sim.commands.command import CommandError
from invis_sim.server.nursery import open_cancelled_nursery
from invis_sim.server.runtime import Runtime
from invis_sim.web.api import OPERATIONS
from invis_sim.web.broadcast import Broadcasts
from invis_sim.web.guard import READING, SECURITY_HEADERS, Guard
from invis_sim.web.operation import Operation
from invis_sim.web.problems import HttpProblem, invalid, problem_response
from invis_sim.web.request import Call

__all__ = ["ControlApp"]

MAX_BODY_BYTES = 2**20
"""How long a body may be: a hundred times the longest scenario that ships."""

BODY_SECONDS = 10.0
"""How long a client may take to send a body."""

DISCARD_SECONDS = 2.0
"""For how long the rest of a body that is refused is read. A connection that is closed with bytes
unread is reset, which takes the answer from the client."""

logger = logging.getLogger("invis_sim")


class ControlApp:
    """The application (ASGI) that steers the outlets of a runtime.

    guard: decides who may. on_internal_error: called with an error of ours, answered 500.
    """

    def __init__(
        self, runtime: Runtime, guard: Guard, on_internal_error: Callable[[Exception], None]
    ) -> None:
        self._runtime = runtime
        self._guard = guard
        self._on_internal_error = on_internal_error
        self._broadcasts = Broadcasts()

    async def run(self) -> None:
        """Do what event streams wait for, until cancelled."""
        await self._broadcasts.run()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # there is none; the same-origin policy would not cover it
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            return
        body = _Body(receive)
        response = await self._answer(Request(scope), body)
        for name, value in SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
        if body.complete:
            await response(scope, receive, send)
            return
        # Hypercorn hands a body over in a queue, and cannot end a request whose queue is full.
        async with trio.open_nursery() as nursery:
            nursery.start_soon(body.discard)
            await response(scope, trio.sleep_forever, send)
            nursery.cancel_scope.cancel()

    async def _answer(self, request: Request, body: "_Body") -> Response:
        try:
            if response := self._check(request):
                return response
            data = await body.read()
            return await body.unless_disconnected(partial(self._run, request, data))
        except HttpProblem as problem:
            with trio.move_on_after(DISCARD_SECONDS):
                await body.discard()
            return problem_response(problem)
        except Exception as error:
            logger.error("internal error on the control server", exc_info=error)
            self._on_internal_error(error)
            return problem_response(HttpProblem(500, f"internal error: {error!r}"))

    def _check(self, request: Request) -> Response | None:
        """Raise HttpProblem for a request that must not be carried out; return the answer of one
        that only brings the token of the page, to be kept as a cookie.
        """
        headers = {name.lower(): value for name, value in request.headers.items()}
        has_body = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
        given = request.query_params.get("token")
        # Only for the first load of the page, and only there: what is in a URL ends up in logs.
        is_first_load = given is not None and request.method in READING and request.url.path == "/"
        if is_first_load:
            headers["authorization"] = f"Bearer {given}"
        self._guard.check(request.method, headers, has_body)
        if not is_first_load or self._guard.token is None:
            return None
        response = RedirectResponse("/", 303)
        response.set_cookie(
            self._guard.cookie_name, self._guard.token, httponly=True, samesite="strict"
        )
        return response

    async def _run(self, request: Request, data: bytes) -> Response:
        """Carry out a request that has passed the guard. Raises HttpProblem."""
        path = request.scope["raw_path"].decode("ascii", "replace").partition("?")[0]
        found = {
            operation.method: (operation, parameters)
            for operation in OPERATIONS
            if (parameters := _match(operation.path, path)) is not None
        }
        if not found:
            raise HttpProblem(404, f"there is no {path!r}; see /api/openapi.json for what there is")
        method = "GET" if request.method == "HEAD" else request.method
        if method not in found:
            allowed = ", ".join([*found, *(["HEAD"] if "GET" in found else [])])
            raise HttpProblem(
                405, f"{path} has no {request.method}, only {allowed}", headers={"allow": allowed}
            )
        operation, request.scope["path_params"] = found[method]
        return await _carry_out(operation, Call(self._runtime, self._broadcasts, request, data))


async def _carry_out(operation: Operation, call: Call) -> Response:
    try:
        answer = operation.handler(call)
        if inspect.isawaitable(answer):
            answer = await answer
    except CommandError as error:
        raise invalid(*error.problems) from None
    if isinstance(answer, Response):
        return answer
    if operation.status == 204:
        return Response(status_code=204)
    return Response(msgspec.json.encode(answer), operation.status, media_type="application/json")


def _match(template: str, path: str) -> dict[str, str] | None:
    """Return the parameters in a path, decoded; None where it is another path."""
    expected, given = template.split("/"), path.split("/")
    if len(expected) != len(given):
        return None
    parameters: dict[str, str] = {}
    for one, other in zip(expected, given, strict=True):
        if one.startswith("{"):
            if not other:
                return None
            # Each part by itself: a name may have a slash in it.
            parameters[one[1:-1]] = unquote(other)
        elif one != unquote(other):
            return None
    return parameters


class _Body:
    """The body of a request, as it comes.

    complete: whether all of it has come.
    """

    def __init__(self, receive: Receive) -> None:
        self.complete = False
        self._receive = receive

    async def read(self) -> bytes:
        """Return the body. Raises HttpProblem where it is too long, or takes too long."""
        data = b""
        with trio.move_on_after(BODY_SECONDS):
            while not self.complete:
                data += await self._next()
                if len(data) > MAX_BODY_BYTES:
                    raise HttpProblem(413, f"the body has more than {MAX_BODY_BYTES} bytes")
        if not self.complete:
            raise HttpProblem(408, f"the body has not come within {BODY_SECONDS:g} s")
        return data

    async def discard(self) -> None:
        """Read what is left of it, and forget it."""
        while not self.complete:
            await self._next()

    async def unless_disconnected(self, function: Callable[[], Awaitable[Response]]) -> Response:
        """Return what the function does; where the client leaves first, cancel it: a long poll must
        not wait for a client that is gone.
        """
        answers: list[Response] = []
        async with open_cancelled_nursery() as nursery:

            async def watch() -> None:
                while (await self._receive())["type"] != "http.disconnect":
                    pass
                nursery.cancel_scope.cancel()

            nursery.start_soon(watch)
            answers.append(await function())
        return answers[0] if answers else Response(status_code=499)  # to a client that is gone

    async def _next(self) -> bytes:
        message: Any = await self._receive()
        self.complete = message["type"] != "http.request" or not message.get("more_body", False)
        data: bytes = message.get("body", b"")
        return data

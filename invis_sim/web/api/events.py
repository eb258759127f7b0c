"""The journal as it happens, as server-sent events.

An exchange is sent when it begins, and once more, with the same number, when nothing more of it
will be sent. The id of an event says which entries the reader has in full, so that a browser that
reconnects (`Last-Event-ID`) misses nothing; what it gets twice it recognises by the number.
"""

from contextlib import AbstractContextManager, ExitStack
from typing import Annotated, Any

import msgspec
import trio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from invis_sim.web.api.journal import EntryQuery
from invis_sim.web.broadcast import Reader, TooManyFilters
from invis_sim.web.operation import Operation
from invis_sim.web.problems import HttpProblem, problem_response
from invis_sim.web.request import Call

__all__ = ["OPERATIONS"]

KEEP_ALIVE_SECONDS = 15.0
"""How long a stream is silent at most: shorter than what proxies and browsers take for a dead
connection."""

RETRY_MILLISECONDS = 500
"""After how long a browser connects again."""


class EventQuery(EntryQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """after: begin with the kept entries of a higher number; omitted: only what comes."""

    after: Annotated[int, msgspec.Meta(ge=0)] | None = None


class EventStream(Response):
    """A response that does not end.

    reader: opens what is sent.
    """

    media_type = "text/event-stream"

    def __init__(self, reader: AbstractContextManager[Reader]) -> None:
        super().__init__()
        del self.headers["content-length"]
        self._reader = reader

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with ExitStack() as stack:
            try:
                # Before the client gets to know that the stream has begun: it misses nothing then.
                reader = stack.enter_context(self._reader)
            except TooManyFilters as error:
                problem = HttpProblem(503, str(error), more={"limit": error.limit})
                response = problem_response(problem)
                for name, value in self.headers.items():  # those for security
                    response.headers.setdefault(name, value)
                await response(scope, receive, send)
                return
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._send_events, reader, send)
                while (await receive())["type"] != "http.disconnect":
                    pass
                nursery.cancel_scope.cancel()

    async def _send_events(self, reader: Reader, send: Send) -> None:
        async def write(text: bytes) -> None:
            await send({"type": "http.response.body", "body": text, "more_body": True})

        await write(b"retry: %d\n\n" % RETRY_MILLISECONDS)
        while True:
            text = b": still here\n\n"
            with trio.move_on_after(KEEP_ALIVE_SECONDS):
                text = await reader.read()
            await write(text)


def get_events(call: Call) -> Response:
    """Stream entries as server-sent events, as they come: `data:` is an entry as in the journal.
    An exchange comes again with the same number when nothing more of it will be sent. `id:` can be
    given as `Last-Event-ID`, or its number as `after`, to go on from there. The streams of an
    outlet may have 32 different filters at a time; another is answered 503.
    """
    query = call.query(EventQuery)
    outlets = call.outlets
    single = "sn" in call.request.path_params
    after = {} if query.after is None else {outlet.sn: query.after for outlet in outlets}
    last = call.request.headers.get("last-event-id")
    if last:
        after |= _positions(last, outlets[0].sn if single else None)
    return EventStream(call.broadcasts.reader(outlets, query.filter, after, single=single))


def _positions(last: str, sn: str | None) -> dict[str, int]:
    """Return the numbers in a Last-Event-ID by serial number. Raises HttpProblem."""
    found: dict[str, int] = {}
    for part in last.split(","):
        name, _, number = part.rpartition("=")
        if not (number.isascii() and number.isdecimal() and len(number) < 19) or bool(name) is bool(
            sn
        ):
            raise HttpProblem(
                400, f"Last-Event-ID: expected the id of an event, found {last[:60]!r}"
            )
        found[sn or name] = int(number)
    return found


OPERATIONS = tuple(
    Operation(
        method="GET",
        path=path,
        handler=get_events,
        query=EventQuery,
        answer=dict[str, Any],
        media="text/event-stream",
    )
    for path in ("/api/outlets/{sn}/events", "/api/events")
)

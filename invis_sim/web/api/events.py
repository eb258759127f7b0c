"""The journal as it happens, as server-sent events.

An exchange is sent when it begins, and once more, with the same number, when nothing more of it
will be sent. The id of an event says which entries the reader has in full, so that a browser that
reconnects (`Last-Event-ID`) misses nothing; what it gets twice it recognises by the number.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import msgspec
import trio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from invis_sim.journal import Entry, EntryFilter, Exchange, encode_entry
from invis_sim.server.simulator import Simulator
from invis_sim.web.api.journal import EntryQuery
from invis_sim.web.news import News
from invis_sim.web.operation import Operation
from invis_sim.web.problems import HttpProblem
from invis_sim.web.request import Call

__all__ = ["OPERATIONS"]

KEEP_ALIVE_SECONDS = 15.0
"""How long a stream is silent at most: shorter than what proxies and browsers take for a dead
connection."""

MAX_WAITING = 10_000
"""How many entries wait for a reader, as many as a journal keeps; older ones are lost."""

CHUNK = 100
"""How many entries are encoded in one go. Meanwhile no client of an outlet is served."""

REST = 9
"""How much longer a stream rests than it encodes: the outlets, and not those who watch them, should
have the processor."""

RETRY_MILLISECONDS = 500
"""After how long a browser connects again."""


class EventQuery(EntryQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """after: begin with the kept entries of a higher number; omitted: only what comes."""

    after: Annotated[int, msgspec.Meta(ge=0)] | None = None


class _Feed:
    """The entries of one outlet, for one stream.

    sn: the serial number of the outlet, when the stream began.
    position: the highest number up to which the reader has every entry in full.
    """

    def __init__(
        self, outlet: Simulator, wanted: EntryFilter, after: int | None, news: "News"
    ) -> None:
        journal = outlet.journal
        self.sn = outlet.sn
        self.position = journal.last_number if after is None else after
        self._newest = self.position
        self._unfinished: set[int] = set()  # numbers of exchanges of which more will come
        self.recorded = journal.subscribe(
            wanted, after=self.position, max_waiting=MAX_WAITING, on_ready=news.set
        )
        self.finished = journal.subscribe(
            wanted, done=True, max_waiting=MAX_WAITING, on_ready=news.set
        )

    def read(self) -> tuple[list[Entry], int]:
        """Return the entries to send, and how many were lost before them."""
        batch = self.recorded.read_batch()
        entries = list(batch.entries)
        # Those that this stream has sent as unfinished; the others it has sent finished.
        sent_before = frozenset(self._unfinished)
        entries += [one for one in self.finished.read() if one.number in sent_before]
        return entries, batch.dropped

    def sent(self, entry: Entry) -> None:
        """Note that the entry was sent as it is now."""
        self._newest = max(self._newest, entry.number)
        if isinstance(entry, Exchange) and not entry.done:
            self._unfinished.add(entry.number)
        else:
            self._unfinished.discard(entry.number)
        self.position = min(self._unfinished, default=self._newest + 1) - 1

    def close(self) -> None:
        self.recorded.close()
        self.finished.close()


class EventStream(Response):
    """A response that does not end.

    after: number to begin after, by the serial number of the outlet; an outlet that is not in it
    begins with what comes.
    """

    media_type = "text/event-stream"

    def __init__(
        self, outlets: Sequence[Simulator], wanted: EntryFilter, after: dict[str, int], single: bool
    ) -> None:
        super().__init__()
        del self.headers["content-length"]
        self._outlets = outlets
        self._wanted = wanted
        self._after = after
        self._single = single

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        news = News()
        # Before the client gets to know that the stream has begun: from then on it misses nothing.
        feeds = [
            _Feed(outlet, self._wanted, self._after.get(outlet.sn), news)
            for outlet in self._outlets
        ]
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._send_entries, feeds, news, send)
                while (await receive())["type"] != "http.disconnect":
                    pass
                nursery.cancel_scope.cancel()
        finally:
            for feed in feeds:
                feed.close()

    async def _send_entries(self, feeds: Sequence[_Feed], news: News, send: Send) -> None:
        async def write(text: bytes) -> None:
            await send({"type": "http.response.body", "body": text, "more_body": True})

        await write(b"retry: %d\n\n" % RETRY_MILLISECONDS)
        news.set()  # what was kept is there already
        while True:
            with trio.move_on_after(KEEP_ALIVE_SECONDS) as silence:
                await news.wait()
            if silence.cancelled_caught:
                await write(b": still here\n\n")
            for feed in feeds:
                entries, lost = feed.read()
                if lost:
                    await write(
                        b'event: lost\ndata: {"sn":"%b","lost":%d}\n\n' % (feed.sn.encode(), lost)
                    )
                for start in range(0, len(entries), CHUNK):
                    began = trio.current_time()
                    text = b"".join(self._events(feed, feeds, entries[start : start + CHUNK]))
                    took = trio.current_time() - began
                    await write(text)
                    await trio.sleep(REST * took)

    def _events(
        self, feed: _Feed, feeds: Sequence[_Feed], entries: Sequence[Entry]
    ) -> Iterator[bytes]:
        for entry in entries:
            line = encode_entry(entry)
            feed.sent(entry)
            yield b"id: %b\ndata: %b\n\n" % (self._id(feed, feeds), line)

    def _id(self, feed: _Feed, feeds: Sequence[_Feed]) -> bytes:
        if self._single:
            return b"%d" % feed.position
        return ",".join(f"{one.sn}={one.position}" for one in feeds).encode()


def get_events(call: Call) -> Response:
    """Stream entries as server-sent events, as they come: `data:` is an entry as in the journal.
    An exchange comes again with the same number when nothing more of it will be sent. `id:` can be
    given as `Last-Event-ID`, or its number as `after`, to go on from there.
    """
    query = call.query(EventQuery)
    outlets = call.outlets
    single = "sn" in call.request.path_params
    after = {} if query.after is None else {outlet.sn: query.after for outlet in outlets}
    last = call.request.headers.get("last-event-id")
    if last:
        after |= _positions(last, outlets[0].sn if single else None)
    return EventStream(outlets, query.filter, after, single)


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

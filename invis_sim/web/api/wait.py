"""Wait for what clients do, and verify what they have done."""

from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, Literal, TypeAlias, cast

import msgspec
import trio

from invis_sim.journal import Entry, Exchange
from invis_sim.journal.expected import Expected, What, near_misses
from invis_sim.journal.filter import ExchangeFilter
from invis_sim.journal.jsonl import plain_entry
from invis_sim.journal.text import format_entry
from invis_sim.protocol.transport import Transport
from invis_sim.server.simulator import Simulator
from invis_sim.web.news import News
from invis_sim.web.operation import Operation
from invis_sim.web.problems import HttpProblem
from invis_sim.web.request import Call

__all__ = ["OPERATIONS"]

MAX_INSTEAD = 20
"""How many entries that came instead are listed."""

MAX_COUNT = 1000
"""How many entries can be waited for at once."""

CHECK_SECONDS = 0.005
"""How long (real time) between two looks at what an outlet is: not all of it is in the journal."""

For: TypeAlias = Literal[What, "up", "update", "idle"]


class Conditions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which entries; what is omitted may be anything.

    callback, packet_id, args: of the request. transport, connection: of the connection.
    fault: the name of one that was applied.
    after: only entries with a higher number, as commands answer it.
    """

    callback: int | None = None
    packet_id: int | None = None
    args: Any = msgspec.UNSET
    transport: Transport | None = None
    connection: Annotated[int, msgspec.Meta(ge=1)] | None = None
    fault: str | None = None
    after: Annotated[int, msgspec.Meta(ge=0)] = 0

    def expected(self, what: What) -> Expected:
        """Return what is expected."""
        wanted = ExchangeFilter(
            self.callback, self.connection, self.transport, self.packet_id, self.fault, self.args
        )
        return Expected(what, wanted)


class WaitQuery(Conditions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """for: "request": one has come. "reply": it was sent. "push", "connection", "disconnect". "up":
    the outlet is on the network. "update": no update is in progress. "idle": every request was
    answered, no update is in progress, and the outlet is up.
    count: how many entries. timeout: real seconds to wait at most.
    """

    for_: For = msgspec.field(name="for")
    count: Annotated[int, msgspec.Meta(ge=1, le=MAX_COUNT)] = 1
    timeout: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 5.0


class Came(msgspec.Struct, frozen=True):
    """What was waited for.

    entries: the first ones. after: the number of the last of them, to go on from there; of "up",
    "update" and "idle", the number of the newest entry.
    """

    entries: Sequence[dict[str, Any]]
    after: int


class VerifyBody(Conditions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """times: how often exactly; omitted: at least once."""

    times: Annotated[int, msgspec.Meta(ge=0)] | None = None


class Verified(msgspec.Struct, frozen=True):
    """count: how many there are."""

    count: int


async def wait(call: Call) -> Came:
    """Answer as soon as it has happened; what was there before counts. At the time-out the problem
    lists under `instead` what came in its place, the nearest first, with the conditions failed.
    """
    query = call.query(WaitQuery)
    if query.for_ in _CONDITIONS:
        return await _wait_for_condition(call.outlets, query)
    return await _wait_for_entries(call.outlets, query, cast(What, query.for_))


async def _wait_for_entries(outlets: Sequence[Simulator], query: WaitQuery, what: What) -> Came:
    expected, news = query.expected(what), News()
    feeds = [
        outlet.journal.subscribe(after=query.after, done=what == "reply", on_ready=news.set)
        for outlet in outlets
    ]
    found: list[Entry] = []
    try:
        news.set()
        with trio.move_on_after(query.timeout):
            while len(found) < query.count:
                await news.wait()
                found += (one for feed in feeds for one in feed.read() if expected.matches(one))
    finally:
        for feed in feeds:
            feed.close()
    if len(found) < query.count:
        times = f", {query.count} times" if query.count > 1 else ""
        raise HttpProblem(
            504,
            f"timed out after {query.timeout:g} s waiting for {expected}{times}; "
            f"{len(found) or 'none'} came",
            more={"instead": _instead(outlets, query, expected), "count": len(found)},
        )
    first = found[: query.count]
    return Came([plain_entry(entry) for entry in first], first[-1].number)


async def _wait_for_condition(outlets: Sequence[Simulator], query: WaitQuery) -> Came:
    words, holds = _CONDITIONS[query.for_]
    with trio.move_on_after(query.timeout):
        while not all(map(holds, outlets)):
            await trio.sleep(CHECK_SECONDS)
        return Came((), max((outlet.journal.last_number for outlet in outlets), default=0))
    late = ", ".join(outlet.sn for outlet in outlets if not holds(outlet))
    raise HttpProblem(504, f"timed out after {query.timeout:g} s: {words} ({late})")


def _is_idle(outlet: Simulator) -> bool:
    unfinished = any(isinstance(one, Exchange) and not one.done for one in outlet.journal)
    return not (unfinished or outlet.updating or outlet.offline)


_CONDITIONS: dict[str, tuple[str, Callable[[Simulator], bool]]] = {
    "up": ("the outlet has not come back", lambda outlet: not outlet.offline),
    "update": ("an update is in progress", lambda outlet: not outlet.updating),
    "idle": ("there is something in progress", _is_idle),
}
"""What is waited for that is not an entry → what to say at the time-out, and whether it holds."""


def verify(call: Call) -> Verified:
    """Answer 200 if there has been such a request, `times` times if that is given; else 409, with a
    problem that lists under `instead` what came in its place, the nearest first.
    """
    body = call.body(VerifyBody)
    expected = body.expected("request")
    found = sum(map(expected.matches, _entries(call.outlets, body.after)))
    if found != body.times and (body.times is not None or not found):
        times = "" if body.times is None else f", {body.times} times"
        raise HttpProblem(
            409,
            f"expected {expected}{times}; received {found or 'none'}",
            more={"instead": _instead(call.outlets, body, expected), "count": found},
        )
    return Verified(found)


def _entries(outlets: Sequence[Simulator], after: int) -> Iterator[Entry]:
    return (entry for outlet in outlets for entry in outlet.journal if entry.number > after)


def _instead(
    outlets: Sequence[Simulator], conditions: Conditions, expected: Expected
) -> list[dict[str, Any]]:
    """Return what came instead, the nearest first, as data."""
    found = near_misses(expected, _entries(outlets, conditions.after), MAX_INSTEAD)
    return [
        {
            "sn": one.entry.sn,
            "number": one.entry.number,
            "text": format_entry(one.entry).strip(),
            "failed": one.failed,
        }
        for one in found
    ]


OPERATIONS = tuple(
    operation
    for base in ("/api/outlets/{sn}", "/api")
    for operation in (
        Operation(method="GET", path=f"{base}/wait", handler=wait, query=WaitQuery, answer=Came),
        Operation(
            method="POST",
            path=f"{base}/verify",
            handler=verify,
            body=VerifyBody,
            answer=Verified,
        ),
    )
)

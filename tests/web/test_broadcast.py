"""Many readers of the same entries: all get them, in turns, and each knows what it has."""

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from random import Random

import msgspec
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from invis_sim.journal import DeviceLog, EntryFilter, Exchange, Journal
from invis_sim.web import broadcast, feed
from invis_sim.web.broadcast import Broadcasts, Reader, TooManyFilters
from tests.cases import for_each

ALL = EntryFilter()


class Source(msgspec.Struct, eq=False):
    """What entries are read of."""

    journal: Journal
    sn: str = "A"

    def log(self, text: str = "x") -> None:
        self.journal.add(DeviceLog, 0.0, text=text)

    def begin(self) -> Exchange:
        return self.journal.record(0.0, "tcp", 1, b"{}", None, "success")


class Events:
    """What one stream has got.

    numbers: of the entries, in order. finished: those of which nothing more will come.
    last: the id of the last one. lost: how many entries it was told are lost.
    """

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.finished: set[int] = set()
        self.last = ""
        self.lost = 0

    def take(self, text: bytes) -> None:
        for block in text.decode().split("\n\n")[:-1]:
            fields = dict(line.split(": ", 1) for line in block.split("\n"))
            data = json.loads(fields["data"])
            if fields.get("event") == "lost":
                self.lost += data["lost"]
                continue
            self.last = fields["id"]
            self.numbers.append(data["number"])
            if data.get("done", True):
                self.finished.add(data["number"])


async def follow(reader: Reader, events: Events) -> None:
    while True:
        events.take(await reader.read())


def run(scene: Callable[[Broadcasts, trio.Nursery], Awaitable[None]]) -> None:
    """Play a scene in which time passes only while all tasks wait."""

    async def main() -> None:
        broadcasts = Broadcasts()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(broadcasts.run)
            await scene(broadcasts, nursery)
            nursery.cancel_scope.cancel()

    trio.run(main, clock=MockClock(autojump_threshold=0))


async def settle() -> None:
    """Return when everything has been written."""
    await trio.sleep(3600)


def test_readers_write_a_few_at_a_time_and_others_have_their_turn_between() -> None:
    source = Source(Journal())
    number = 5 * broadcast.READERS_PER_TURN

    async def scene(broadcasts: Broadcasts, nursery: trio.Nursery) -> None:
        with ExitStack() as stack:
            readers = [
                stack.enter_context(broadcasts.reader([source], ALL, {}, single=True))
                for _ in range(number)
            ]
            everyone = [Events() for _ in readers]
            for reader, events in zip(readers, everyone, strict=True):
                nursery.start_soon(follow, reader, events)
            await settle()
            source.log()
            served = []
            for _ in range(7):
                await trio.testing.wait_all_tasks_blocked()
                served.append(sum(bool(events.numbers) for events in everyone))
                await trio.sleep(broadcast.TURN_SECONDS)
            turns = [broadcast.READERS_PER_TURN * turn for turn in (1, 2, 3, 4, 5, 5, 5)]
            assert served == turns

    run(scene)


def test_a_journal_has_two_subscriptions_for_any_number_of_readers_and_none_without() -> None:
    source = Source(Journal())

    async def scene(broadcasts: Broadcasts, nursery: trio.Nursery) -> None:
        with ExitStack() as stack:
            for _ in range(50):
                stack.enter_context(broadcasts.reader([source], ALL, {}, single=True))
            assert len(source.journal._subscriptions) == 2
        assert not source.journal._subscriptions

    run(scene)


def test_what_a_slow_reader_loses_is_counted_and_others_lose_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(broadcast, "MAX_WAITING", 10)
    source = Source(Journal())

    async def scene(broadcasts: Broadcasts, nursery: trio.Nursery) -> None:
        with (
            broadcasts.reader([source], ALL, {}, single=True) as slow,
            broadcasts.reader([source], ALL, {}, single=True) as fast,
        ):
            quick, late = Events(), Events()
            nursery.start_soon(follow, fast, quick)
            for _ in range(35):
                source.log()
                await settle()
            assert (quick.numbers, quick.lost) == (list(range(1, 36)), 0)
            assert len(slow._broadcast._chunks) == 10
            nursery.start_soon(follow, slow, late)
            await settle()
            assert (late.numbers, late.lost) == (list(range(26, 36)), 25)
            assert not slow._broadcast._chunks

    run(scene)


def test_nothing_is_kept_for_a_reader_that_has_left() -> None:
    source = Source(Journal())

    async def scene(broadcasts: Broadcasts, nursery: trio.Nursery) -> None:
        with broadcasts.reader([source], ALL, {}, single=True) as reader:
            nursery.start_soon(follow, reader, Events())
            with broadcasts.reader([source], ALL, {}, single=True):
                source.log()
                await settle()
                assert len(reader._broadcast._chunks) == 1
            assert not reader._broadcast._chunks

    run(scene)


def test_what_a_journal_loses_before_it_is_read_is_counted_for_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feed, "MAX_WAITING", 10)
    source = Source(Journal())

    async def scene(broadcasts: Broadcasts, nursery: trio.Nursery) -> None:
        with broadcasts.reader([source], ALL, {}, single=True) as reader:
            events = Events()
            nursery.start_soon(follow, reader, events)
            await settle()
            for _ in range(35):
                source.log()
            await settle()
            assert (events.numbers, events.lost) == (list(range(26, 36)), 25)

    run(scene)


def test_long_entries_are_written_one_at_a_time() -> None:
    source = Source(Journal())

    async def scene(broadcasts: Broadcasts, nursery: trio.Nursery) -> None:
        with broadcasts.reader([source], ALL, {}, single=True) as reader:
            for _ in range(3):
                source.log("x" * feed.MAX_CHUNK_BYTES)
            for number in (1, 2, 3):
                events = Events()
                events.take(await reader.read())
                assert events.numbers == [number]

    run(scene)


def test_there_is_a_limit_of_filters_and_none_of_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcast, "MAX_FILTERS", 2)
    source, other = Source(Journal()), Source(Journal(), "B")

    async def scene(broadcasts: Broadcasts, nursery: trio.Nursery) -> None:
        with ExitStack() as stack:

            def open_reader(sources: Sequence[Source], callback: int) -> Reader:
                wanted = EntryFilter(callback=callback)
                return stack.enter_context(broadcasts.reader(sources, wanted, {}, single=False))

            for _ in range(5):
                open_reader([source], 1)
                open_reader([source], 2)
            for sources in ([source], [other, source]):
                with pytest.raises(TooManyFilters, match="2 filters"):
                    open_reader(sources, 3)
            open_reader([other], 3)
            stack.close()
            open_reader([source, other], 3)

    run(scene)


@for_each(
    ("text", "raised"),
    [
        (b"id: 3\ndata: id: 3\n\nid: 12\n", b"id: 7\ndata: id: 3\n\nid: 12\n"),
        (b"id: A=3,B=3\ndata: 3\n\n", b"id: A=7,B=3\ndata: 3\n\n"),
        (b"event: lost\ndata: 3\n\n", b"event: lost\ndata: 3\n\n"),
    ],
)
def test_an_id_says_no_less_than_what_a_reader_began_after(text: bytes, raised: bytes) -> None:
    assert feed.with_ids_from(text, {"A": 7}) == raised


class Stream:
    """One stream of a client, and what it gets."""

    def __init__(
        self, broadcasts: Broadcasts, nursery: trio.Nursery, source: Source, after: int | None
    ) -> None:
        self.began = source.journal.last_number if after is None else after
        self.missing_from = self.began  # of a stream that goes on: where the first one began
        self.events = Events()
        self._stack = ExitStack()
        given = {} if after is None else {source.sn: after}
        reader = self._stack.enter_context(broadcasts.reader([source], ALL, given, single=True))
        self._scope = trio.CancelScope()
        nursery.start_soon(self._follow, reader)

    async def _follow(self, reader: Reader) -> None:
        with self._stack, self._scope:
            await follow(reader, self.events)

    def close(self) -> None:
        self._scope.cancel()


ACTIONS = ("log", "begin", "finish", "turn", "pause", "open", "open after", "close", "reopen")


@given(st.lists(st.sampled_from(ACTIONS), min_size=20, max_size=60), st.randoms())
def test_every_stream_gets_every_entry_whole_wherever_it_began_or_went_on(
    actions: list[str], random: Random
) -> None:
    source = Source(Journal())
    journal = source.journal
    begun: list[Exchange] = []
    unfinished: dict[Stream, set[int]] = {}  # when it was opened
    streams: list[Stream] = []
    closed: list[Stream] = []

    async def scene(broadcasts: Broadcasts, nursery: trio.Nursery) -> None:
        def open_stream(after: int | None) -> Stream:
            stream = Stream(broadcasts, nursery, source, after)
            unfinished[stream] = {one.number for one in begun}
            streams.append(stream)
            return stream

        for action in actions:
            match action:
                case "log":
                    source.log()
                case "begin":
                    begun.append(source.begin())
                case "finish" if begun:
                    journal.finish(begun.pop(random.randrange(len(begun))))
                case "turn":
                    await trio.testing.wait_all_tasks_blocked()
                case "pause":
                    await trio.sleep(broadcast.TURN_SECONDS)
                case "open":
                    open_stream(None)
                case "open after":
                    open_stream(random.randint(0, journal.last_number))
                case "close" if streams:
                    closed.append(streams.pop(random.randrange(len(streams))))
                    closed[-1].close()
                case "reopen" if closed:
                    old = closed.pop()
                    upto = int(old.events.last or old.began)
                    assert upto >= old.began
                    stream = open_stream(upto)
                    stream.missing_from = old.missing_from
                    stream.events.finished = {one for one in old.events.finished if one <= upto}
        for exchange in begun:
            journal.finish(exchange)
        await settle()
        for stream in streams:
            stream.close()

    run(scene)
    exchanges = {one.number for one in journal if isinstance(one, Exchange)}
    for stream in streams:
        got = stream.events
        assert set(range(stream.missing_from + 1, journal.last_number + 1)) <= got.finished
        for number, times in Counter(got.numbers).items():
            assert times <= (2 if number in exchanges else 1)
            assert number > stream.began or number in unfinished[stream]
    assert not journal._subscriptions

"""What the outlets of one event loop share, so that they do not slow each other down.

The poller listens to the clients of all of them: one that believed to be alone would hold the event
loop while the others' clients wait. The journals share a budget of memory, and those that are
announced by mDNS a responder. They come with the first outlet of an event loop and go with the
last. A clock can be shared too, by those who want one.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import msgspec
import trio

from invis_sim.journal import JournalBudget
from invis_sim.server.clock import Clock
from invis_sim.server.net.poller import Poller
from invis_sim.server.nursery import open_cancelled_nursery

if TYPE_CHECKING:
    from invis_sim.server.net.responder import Responder
    from invis_sim.server.simulator import Simulator

__all__ = ["ControlAddress", "Runtime", "open_runtime"]


MAX_JOURNAL_ENTRIES, MAX_JOURNAL_BYTES = 100_000, 128 * 2**20
"""What all journals of an event loop keep together: ten outlets keep as much as each would alone,
and with a thousand of them the process still fits on a small machine."""


class _Shared:
    """The parts that exist once per event loop.

    users: how many runtimes use them.
    """

    def __init__(self, *, owns_loop: bool) -> None:
        self.users = 0
        self.poller = Poller.create_if_supported(owns_loop=owns_loop)
        self.budget = JournalBudget(MAX_JOURNAL_ENTRIES, MAX_JOURNAL_BYTES)
        self._responder: Responder | None = None

    def responder(self) -> "Responder":
        """Return what answers mDNS queries. It takes python-zeroconf."""
        if self._responder is None:
            from invis_sim.server.net.responder import Responder  # here, for that is an extra

            self._responder = Responder()
        return self._responder

    async def close(self) -> None:
        if self.poller is not None:
            await self.poller.close()


_SHARED: trio.lowlevel.RunVar[_Shared | None] = trio.lowlevel.RunVar("invis_sim", default=None)


class ControlAddress(msgspec.Struct, frozen=True):
    """Where the outlets of a runtime are steered over HTTP.

    url: of the page; the API is below it. token: what each request must have; None: nothing.
    """

    url: str
    token: str | None


class Runtime:
    """What an outlet shares with others. `open_runtime` makes one.

    clock: the time of all outlets of this runtime.
    poller: listens to many clients at once; None: the system has no epoll.
    budget: how much the journals may keep together.
    responder: returns what answers mDNS queries for all outlets; it takes python-zeroconf.
    nursery: for tasks that end with it, such as those of an outlet that is alone in it.
    outlets: those that run in it, the oldest first.
    moved: set, and replaced by another, when one of them has got another address.
    control: where they are steered over HTTP; None: they are not.
    """

    def __init__(
        self,
        clock: Clock,
        poller: Poller | None,
        budget: JournalBudget,
        responder: "Callable[[], Responder]",
        nursery: trio.Nursery,
    ) -> None:
        self.clock = clock
        self.poller = poller
        self.budget = budget
        self.responder = responder
        self.nursery = nursery
        self.outlets: list[Simulator] = []
        self.moved = trio.Event()
        self.control: ControlAddress | None = None

    def report_move(self) -> None:
        """Wake those that wait for a change of addresses."""
        moved, self.moved = self.moved, trio.Event()
        moved.set()

    @contextmanager
    def containing(self, *outlets: "Simulator") -> Iterator[None]:
        """Have these among `outlets` for the time of the block."""
        self.outlets += outlets
        try:
            yield
        finally:
            self.outlets = [one for one in self.outlets if one not in set(outlets)]

    @contextmanager
    def controlled_at(self, address: ControlAddress) -> Iterator[None]:
        """Have this as `control` for the time of the block."""
        self.control = address
        try:
            yield
        finally:
            self.control = None


@asynccontextmanager
async def open_runtime(*, speed: float = 1.0, owns_loop: bool = False) -> AsyncIterator[Runtime]:
    """Provide a runtime for the time of the block; several outlets may use it.

    speed: of its clock; see `Clock`.
    owns_loop: whether nothing but simulators runs in this event loop. Then it may be held for up to
    a millisecond at a time, which serves requests that follow each other closely faster. The first
    runtime of an event loop decides.

    Raises ValueError for a speed that is not above 0.
    """
    clock = Clock(speed)
    shared = _SHARED.get()
    if shared is None:
        shared = _Shared(owns_loop=owns_loop)
        _SHARED.set(shared)
    shared.users += 1
    try:
        async with open_cancelled_nursery() as nursery:
            nursery.start_soon(clock.run)
            try:
                yield Runtime(clock, shared.poller, shared.budget, shared.responder, nursery)
            finally:
                # Most outlets have no other task left. One that ends by itself in the next turn of
                # the event loop takes half as long as one that is cancelled.
                clock.stop()
                await trio.lowlevel.cancel_shielded_checkpoint()
    finally:
        shared.users -= 1
        if not shared.users:
            _SHARED.set(None)
            await shared.close()

"""A proxy's outlet becomes what the device behind it shows of itself.

Commands, the page and the control server are about an outlet of the proxy's own; what they show and
push should be what the device is. Replies that pass say so, and so do pushes and settings.
"""

import time

import trio

from invis_sim.protocol.packets import Packet, Request
from invis_sim.recording.observed import READING_CALLBACKS, Observed
from invis_sim.recording.received import ReceivedReply
from invis_sim.server.session.connection import Connection
from invis_sim.server.session.context import ServerContext

__all__ = ["Learning"]

REST, BURST_SECONDS = 20, 2.0
"""How much longer than it takes to learn (some 3 ms) should pass before more is learnt, and how
much of that may still be due: a device whose readings change with every reply must not slow its
clients down, but what a client asks one after the other is known at once."""


class Learning:
    """Keeps the state of the proxy's outlet as the device shows its own."""

    def __init__(self) -> None:
        self._observed = Observed()
        # Callback → the end of the newest reply, from its payload on.
        self._last: dict[int | None, bytes] = {}
        self._rested = 0.0  # when (of trio's clock) all that was learnt has been rested for
        self._is_due = False  # whether there is news, and a task waits to look at it

    def reply(self, connection: Connection, request: Request, reply: ReceivedReply) -> None:
        """Take note of a reply of the device. Never raises."""
        # Every reply comes through here, and most say what the one before has said.
        callback, raw = request.callback, reply.raw
        payload = raw[raw.find(b'"payload"') :]
        if self._last.get(callback) == payload:
            return
        if callback in READING_CALLBACKS:
            self._last[callback] = payload
            if self._observed.reply(request, reply):
                self._learn(connection)
        elif reply.ok:
            context = connection.context
            self._set(context, self._observed.setting(request, context.outlet.state))
            self._last.clear()  # what was said before may count again

    def push(self, connection: Connection, push: Packet) -> None:
        """Take note of a push of the device. Never raises."""
        if self._observed.push(push):
            self._last.clear()
            self._learn(connection)

    def _learn(self, connection: Connection) -> None:
        if self._is_due:
            return
        if trio.current_time() >= self._rested - BURST_SECONDS:
            self._learn_now(connection.context)
        else:
            self._is_due = True
            connection.nursery.start_soon(self._learn_later, connection.context)

    async def _learn_later(self, context: ServerContext) -> None:
        try:
            await trio.sleep_until(self._rested - BURST_SECONDS)
        finally:  # also where the client leaves first
            self._is_due = False
            self._learn_now(context)

    def _learn_now(self, context: ServerContext) -> None:
        began = time.thread_time()
        self._set(context, self._observed.parts(context.outlet.state))
        rest = REST * (time.thread_time() - began)
        self._rested = max(self._rested, trio.current_time()) + rest

    def _set(self, context: ServerContext, parts: dict[str, object]) -> None:
        if not parts:
            return
        try:
            # What comes of it is nothing that clients get: the device sends its own pushes.
            context.outlet.set(parts, context.timeline.now())
        except ValueError:  # no scenario can have these parts together
            return
        context.owner.apply_effects(())  # which sees to what has changed all the same

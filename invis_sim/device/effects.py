"""What the outlet's operations return: the answer to a request, and effects.

Nothing in this package sends, waits or writes a log. An operation returns what is to be done, in
order, and the caller does it.
"""

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import msgspec

from invis_sim.protocol.packets import Note, Push, Reply
from invis_sim.protocol.transport import DisconnectMode

__all__ = ["NO_REPLY", "Answer", "Effect", "GoOffline", "Log", "NoReply", "WholePayload"]


class GoOffline(msgspec.Struct, frozen=True):
    """The outlet leaves the network: every connection ends, and new ones are refused.

    The caller ends the connections, calls `Outlet.go_offline`, and later `Outlet.come_online`.

    name: why, in a few words.
    seconds: for how long, in simulated seconds, ≥ 0; None: until it joins the network again.
    disconnect: how the connections end.
    """

    name: str
    seconds: float | None
    disconnect: DisconnectMode


class Log(msgspec.Struct, frozen=True):
    """Something for the journal alone; no client sees it.

    text: one line of English.
    """

    text: str


Effect: TypeAlias = Push | GoOffline | Log
"""What the caller does: send a push to every client, take the outlet offline, or write a log."""


class NoReply:
    """The type of `NO_REPLY`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "NO_REPLY"


NO_REPLY: Final = NoReply()
"""Returned by a handler in place of reply arguments: no packet is sent, not even `PUBACK` 0."""


class WholePayload(msgspec.Struct, frozen=True, gc=False):
    """Returned by a query in place of reply arguments: this is the reply's whole payload, as in the
    early forms of callbacks 1 and 3, which have neither `callbackName` nor `callbackArgs`.
    """

    payload: Any


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What a request leads to.

    reply: the packet for the client that asked; None: no packet.
    notes: why the reply has `PUBACK` 0, and oddities of the request.
    mutates: whether anything may have changed: state, timers. False for each rejected request.
    effects: what to do after the reply, in this order.
    before: what to do before the reply; pushes alone.
    to_sender: whether the client that asked gets the pushes among the effects too.
    encode_frame: text of the reply → its bytes on the wire, where they came from another outlet;
    None: as the transport makes them.
    """

    reply: Reply | None
    notes: tuple[Note, ...] = ()
    mutates: bool = False
    effects: tuple[Effect, ...] = ()
    before: tuple[Effect, ...] = ()
    to_sender: bool = True
    encode_frame: Callable[[bytes], bytes] | None = None

"""The life of a connection: one state, one reason, one table.

    HANDSHAKE ─▶ OPEN ─▶ DRAINING ─▶ HALF_CLOSED ─┬─▶ CLOSING ────┬─▶ CLOSED
                                                  └─▶ BLACKHOLED ─┘

A connection moves along the arrows and may skip states on its way, such as from HANDSHAKE to
CLOSED. It never moves back.

    HANDSHAKE    the connection exists, packets are not exchanged yet (TCP passes through it)
    OPEN         requests are answered, pushes are sent
    DRAINING     the client has ended its side: what is queued is sent, pushes are not
    CLOSING      the outlet ends the connection in an orderly way; nothing else is sent
    HALF_CLOSED  the outlet has sent FIN and goes on reading (a fault)
    BLACKHOLED   nothing is sent any more, the socket stays open (a fault, a power cut)
    CLOSED       over; what the client still sends does not count

Everything else is derived from the state: whether packets are sent, whether pushes are, whether
what is queued will ever leave, whether requests count. `move` is the only place where the state
changes. The reason of the first move that ends the connection counts: what follows is a consequence
of it.
"""

from enum import Enum, auto

__all__ = ["ConnectionState", "Lifecycle"]


class ConnectionState(Enum):
    """Where a connection is in its life. See the picture above."""

    HANDSHAKE = auto()
    OPEN = auto()
    DRAINING = auto()
    CLOSING = auto()
    HALF_CLOSED = auto()
    BLACKHOLED = auto()
    CLOSED = auto()


_S = ConnectionState

_MOVES: dict[ConnectionState, frozenset[ConnectionState]] = {
    _S.HANDSHAKE: frozenset(_S) - {_S.HANDSHAKE},
    _S.OPEN: frozenset(_S) - {_S.HANDSHAKE, _S.OPEN},
    _S.DRAINING: frozenset({_S.CLOSING, _S.HALF_CLOSED, _S.BLACKHOLED, _S.CLOSED}),
    _S.CLOSING: frozenset({_S.CLOSED}),
    _S.HALF_CLOSED: frozenset({_S.CLOSING, _S.BLACKHOLED, _S.CLOSED}),
    _S.BLACKHOLED: frozenset({_S.CLOSED}),
    _S.CLOSED: frozenset(),
}
"""From each state, where a connection may go. A move that is not here is ignored: a connection that
ends for one reason often meets a second one on its way."""

_SENDING = frozenset({_S.HANDSHAKE, _S.OPEN, _S.DRAINING})
_DISCARDING = frozenset({_S.HALF_CLOSED, _S.BLACKHOLED, _S.CLOSED})


class Lifecycle:
    """The state of one connection.

    state: where it is. reason: why it ends or has ended, for the journal.
    """

    __slots__ = ("_reason_given", "accepts_pushes", "closed", "reason", "sends", "state")

    def __init__(self) -> None:
        self.state = ConnectionState.HANDSHAKE
        self.reason = "by the client"
        self._reason_given = False
        # Derived, and kept because they are asked for each packet: whether packets are sent,
        # whether updates are that the client has not asked for, and whether the connection is over,
        # so that requests that were read no longer count.
        self.sends = True
        self.accepts_pushes = False
        self.closed = False

    def move(self, state: ConnectionState, reason: str | None = None) -> bool:
        """Go to a state, and say whether that was possible.

        reason: why the connection ends; None: this move does not end it, or the reason is known.
        """
        if state not in _MOVES[self.state]:
            return False
        self.state = state
        self.sends = state in _SENDING
        self.accepts_pushes = state is ConnectionState.OPEN
        self.closed = state is ConnectionState.CLOSED
        if reason is not None and not self._reason_given:
            self.reason = reason
            self._reason_given = True
        return True

    @property
    def discards(self) -> bool:
        """Whether nothing that is queued will leave."""
        return self.state in _DISCARDING

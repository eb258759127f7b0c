"""A connection's life: every move, what follows from each state, which reason counts."""

from invis_sim.server.session.lifecycle import ConnectionState, Lifecycle
from tests.cases import for_each

HANDSHAKE, OPEN, DRAINING, CLOSING, HALF_CLOSED, BLACKHOLED, CLOSED = ConnectionState

PATHS = {
    HANDSHAKE: (),
    OPEN: (OPEN,),
    DRAINING: (OPEN, DRAINING),
    CLOSING: (OPEN, CLOSING),
    HALF_CLOSED: (OPEN, HALF_CLOSED),
    BLACKHOLED: (OPEN, BLACKHOLED),
    CLOSED: (CLOSED,),
}
"""How to get to each state."""

MOVES = {
    HANDSHAKE: {OPEN, DRAINING, CLOSING, HALF_CLOSED, BLACKHOLED, CLOSED},
    OPEN: {DRAINING, CLOSING, HALF_CLOSED, BLACKHOLED, CLOSED},
    DRAINING: {CLOSING, HALF_CLOSED, BLACKHOLED, CLOSED},
    CLOSING: {CLOSED},
    HALF_CLOSED: {CLOSING, BLACKHOLED, CLOSED},
    BLACKHOLED: {CLOSED},
    CLOSED: set(),
}

SENDS = {HANDSHAKE, OPEN, DRAINING}
DISCARDS = {HALF_CLOSED, BLACKHOLED, CLOSED}


def at(state: ConnectionState) -> Lifecycle:
    lifecycle = Lifecycle()
    for step in PATHS[state]:
        assert lifecycle.move(step)
    return lifecycle


@for_each("to", ConnectionState)
@for_each("start", ConnectionState)
def test_a_connection_goes_where_the_table_says(
    start: ConnectionState, to: ConnectionState
) -> None:
    lifecycle = at(start)
    possible = to in MOVES[start]
    assert lifecycle.move(to, "why") is possible
    assert lifecycle.state is (to if possible else start)
    assert lifecycle.reason == ("why" if possible else "by the client")


@for_each("state", ConnectionState)
def test_everything_else_follows_from_the_state(state: ConnectionState) -> None:
    lifecycle = at(state)
    assert lifecycle.sends is (state in SENDS)
    assert lifecycle.discards is (state in DISCARDS)
    assert lifecycle.accepts_pushes is (state is OPEN)
    assert lifecycle.closed is (state is CLOSED)


def test_every_state_leads_to_the_end_and_none_leads_back() -> None:
    order = [HANDSHAKE, OPEN, DRAINING, HALF_CLOSED, CLOSING, BLACKHOLED, CLOSED]
    for start, targets in MOVES.items():
        assert start is CLOSED or CLOSED in targets
        assert all(order.index(to) > order.index(start) for to in targets)


def test_the_first_reason_counts() -> None:
    lifecycle = at(OPEN)
    lifecycle.move(DRAINING)  # gives none
    assert lifecycle.reason == "by the client"
    lifecycle.move(CLOSING, "first")
    lifecycle.move(CLOSED, "second")
    assert lifecycle.reason == "first"


def test_a_move_that_is_ignored_gives_no_reason() -> None:
    lifecycle = at(BLACKHOLED)
    lifecycle.move(DRAINING, "ignored")
    lifecycle.move(CLOSED, "counts")
    assert lifecycle.reason == "counts"

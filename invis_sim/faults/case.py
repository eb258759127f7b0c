"""How a client is tried with a kind of fault: the cases that each kind declares, as data.

A kind has a class variable `cases` beside its `example`. `invis_sim.gauntlet` makes a run of each:
the fault with these keys, aimed at what the client asks for, and the expectation that it is judged
by.
"""

from collections.abc import Iterable
from typing import Any, Final, Literal, Self, TypeAlias

import msgspec

from invis_sim.protocol.transport import Transport

__all__ = ["ASKED", "Case", "Expectation"]

Expectation: TypeAlias = Literal["survive", "notice", "either"]
"""What a good client does. "survive": it reaches its goal all the same. "notice": the goal cannot
be reached, and it says so, in time. "either": reasonable engineers differ, or it depends on what
the client needs; it survives, e.g. by asking again, or says so."""

ASKED: Final = "the callback that the client asks for"
"""In place of a value in the keys of a case: the number of the callback at which it is aimed."""


class Case(msgspec.Struct, frozen=True):
    """One way in which a kind of fault is tried.

    expectation: what a good client does.
    label: tells the cases of a kind apart; a part of the case's id.
    reason: why that is expected, in one line, for the author of the client.
    keys: of the fault, as in a scenario, without `kind` and `when`.
    when: conditions beside those that aim the fault at the client's requests.
    transports: only on these; None: on all that the kind has.
    at_start: whether the fault is in force from the start, whatever the client asks for.
    others: how many connections other clients hold while the client runs.
    then: commands, as in a step, that are carried out after the first request at which it is aimed.
    min_requests: how many such requests on one connection the fault needs before it can apply.
    """

    expectation: Expectation
    label: str
    reason: str
    keys: dict[str, Any] = {}
    when: dict[str, Any] = {}
    transports: tuple[Transport, ...] | None = None
    at_start: bool = False
    others: int = 0
    then: dict[str, Any] = {}
    min_requests: int = 1

    @classmethod
    def each(
        cls,
        expectation: Expectation,
        key: str,
        values: Iterable[str],
        reason: str,
        **more: Any,
    ) -> tuple[Self, ...]:
        """Return a case for each value of a key, labelled by the value.

        more: further fields of the cases.
        """
        keys = more.pop("keys", {})
        return tuple(
            cls(expectation, value, reason, {key: value, **keys}, **more) for value in values
        )

    @classmethod
    def once(cls, key: str, values: Iterable[str], reason: str) -> tuple[Self, ...]:
        """Return a case for each value of a key in which the fault applies a single time.

        What a good client does then depends on its needs: it asks again, or says so.
        """
        return tuple(
            cls("either", f"{value}-once", reason, {key: value}, when={"first": 1})
            for value in values
        )

"""How much of the protocol a client ever met, over all of its runs."""

from collections.abc import Iterable
from typing import Any, get_args

import msgspec

from invis_sim.device.state import Product
from invis_sim.gauntlet.result import Coverage, Covered
from invis_sim.journal import Entry, Exchange
from invis_sim.journal.text import format_callback
from invis_sim.protocol.callbacks import Callback

__all__ = ["Coverer"]

PUSHED = (9, 11, 12, 15, 18, 21, 22, 23)
"""The callbacks that an outlet pushes: states, readings, who it is, and its updates."""

UPDATE_STAGES = ("started", "progress", "succeeded", "failed")


class Coverer:
    """Collects what a client met; `coverage` says it."""

    def __init__(self) -> None:
        self._asked: set[int] = set()
        self._pushed: set[int] = set()
        self._products: set[str] = set()
        self._stages: set[str] = set()

    def add(self, journal: Iterable[Entry], product: str) -> None:
        """Take the journal of a run. product: of the outlet."""
        stages: set[str] = set()
        for entry in journal:
            if not isinstance(entry, Exchange) or entry.callback is None or not any(entry.sent):
                continue
            if entry.request is None:
                self._pushed.add(entry.callback)
                stages |= _stages(entry, stages)
            else:
                self._asked.add(entry.callback)
                self._products.add(product)
                if entry.callback == Callback.PERFORM_UPDATE and entry.outcome == "success":
                    stages.add("started")
        self._stages |= stages

    @property
    def coverage(self) -> Coverage:
        """What was met by now, and what was not."""
        return Coverage(
            callbacks=_covered(map(int, Callback), self._asked),
            pushes=_covered(PUSHED, self._pushed),
            products=_split(get_args(Product), self._products),
            update_stages=_split(UPDATE_STAGES, self._stages),
        )


def _stages(push: Exchange, before: set[str]) -> set[str]:
    """Return the stages of an update that a push is about. before: those that came before it."""
    if push.callback == Callback.UPDATE_PROGRESS:
        return {"progress"}
    if push.callback != Callback.UPDATE_RESULT:
        return set()
    match _args(push):
        case [_, 1]:
            return {"succeeded"}
        case [_, 0] if "progress" in before:  # before that, real devices send one without meaning
            return {"failed"}
    return set()


def _args(push: Exchange) -> Any:
    try:
        return msgspec.json.decode(push.sent_text)["payload"]["callbackArgs"]
    except (msgspec.DecodeError, UnicodeDecodeError, LookupError, TypeError, RecursionError):
        return None  # a fault has changed its form


def _covered(numbers: Iterable[int], met: set[int]) -> Covered:
    numbers = tuple(numbers)
    return Covered(
        tuple(format_callback(number) for number in numbers if number in met),
        tuple(format_callback(number) for number in numbers if number not in met),
    )


def _split(names: Iterable[str], met: set[str]) -> Covered:
    names = tuple(names)
    return Covered(
        tuple(name for name in names if name in met),
        tuple(name for name in names if name not in met),
    )

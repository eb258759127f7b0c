"""How a firmware update goes: its events and their times, as data.

[documentation of callbacks 21, 22 and 23; what the client `invisoutlet` says of real devices]
"""

from collections.abc import Iterator
from enum import IntEnum
from typing import Annotated, Literal, TypeAlias

import msgspec

__all__ = [
    "FaceplateUpdate",
    "OutletUpdate",
    "Part",
    "Progress",
    "Result",
    "Silence",
    "UpdateEvent",
    "UpdateService",
    "Updates",
    "update_timeline",
]

Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e9)]

UpdateOutcome: TypeAlias = Literal[
    "success", "refused", "fails_at_start", "fails", "hangs", "keeps_old_revision"
]


class Part(IntEnum):
    """What an update is of: the first argument of callbacks 21, 22 and 23."""

    OUTLET = 1
    FACEPLATE = 2
    WWW = 3

    @property
    def words(self) -> str:
        """What it is, in words."""
        return {1: "the outlet", 2: "the faceplate", 3: "the outlet's web pages"}[self]


class FaceplateUpdate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an update of the faceplate goes.

    outcome: "success". "refused": it does not start, and the request fails.
    "fails_at_start": it starts, and fails before any progress. "fails": it fails at `at_percent`.
    "hangs": no packet follows from `at_percent` on. "keeps_old_revision": it seems to succeed,
    and then the old firmware runs.
    at_percent: where it fails or hangs, 0-100.
    seconds: how long the download takes.
    steps: in how many steps progress is pushed, 1-100.
    """

    outcome: UpdateOutcome = "success"
    at_percent: Annotated[int, msgspec.Meta(ge=0, le=100)] = 50
    seconds: Seconds = 10.0
    steps: Annotated[int, msgspec.Meta(ge=1, le=100)] = 10


class OutletUpdate(FaceplateUpdate, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an update of the outlet goes: first its WWW partition, then its application. Both take
    effect when the outlet has restarted after the second; where that fails, neither does.

    silence_seconds: how long the outlet is silent before the first progress: it answers no request
    and no ping, and pushes nothing, as real devices do. The default is longer than a client with a
    heartbeat of 10 s waits, so that such a client drops the connection and opens another, which is
    served when the silence ends. 0: it is not silent.
    at_part: in which of the two it fails or hangs.
    seconds: how long the download of the application takes.
    www_seconds: how long the download of the WWW partition takes.
    steps: in how many steps the progress of each is pushed, 1-100.
    """

    silence_seconds: Seconds = 20.0
    at_part: Literal["www", "application"] = "application"
    www_seconds: Seconds = 10.0


class Updates(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How updates go. There is one at a time: while it runs or hangs, another is rejected. A
    restart of the outlet aborts it, and so does, for one of the faceplate, whatever takes that
    offline.

    IM: how those of the outlet go.
    PM: how those of the faceplate go.
    release_notes: what the vendor's update service says of the newest firmware, of either; it
    answers clients on the control port, below `/update-service`.
    """

    IM: OutletUpdate = OutletUpdate()
    PM: FaceplateUpdate = FaceplateUpdate()
    release_notes: Annotated[str, msgspec.Meta(max_length=10_000)] = (
        "A simulated update: nothing changes but the revision."
    )


class UpdateService(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the vendor's update service answers a client that asks it about this outlet or its
    faceplate, on the control port, below `/update-service`.

    answer: "inventory": what [firmware] has. "up-to-date": that what the client has is the newest.
    "error": status 500. "slow": what [firmware] has, after `slow_seconds`. "not json": a page of
    HTML with status 200. "no url": what [firmware] has, without `ota_bin_url`.
    slow_seconds: how long a slow answer takes. By default longer than the 10 s that a client waits.
    """

    answer: Literal["inventory", "up-to-date", "error", "slow", "not json", "no url"] = "inventory"
    slow_seconds: Seconds = 15.0


class Progress(msgspec.Struct, frozen=True):
    """A push of callback 22. percent: 0-100."""

    part: Part
    percent: int


class Result(msgspec.Struct, frozen=True):
    """A push of callback 23. status: 1 success, 0 failure. stray: whether it means nothing."""

    part: Part
    status: int
    stray: bool = False


class Silence(msgspec.Struct, frozen=True):
    """The outlet falls silent, or speaks again.

    seconds: for how long it falls silent, above 0; 0: the silence ends.
    """

    seconds: float


UpdateEvent: TypeAlias = Progress | Result | Silence
"""What happens in an update: something is pushed, or a silence begins or ends."""


def update_timeline(
    update: FaceplateUpdate, *, stray: bool, www_alone: bool = False
) -> Iterator[tuple[float, UpdateEvent]]:
    """Yield what happens in an update that has begun, after how many seconds from then.

    update: not one whose outcome is "refused". stray: whether it begins with a result that means
    nothing. www_alone: whether an update of the outlet ends with its WWW partition.
    """
    main = Part.OUTLET if isinstance(update, OutletUpdate) else Part.FACEPLATE
    ends_badly = update.outcome in ("fails", "hangs")
    if stray:
        yield 0.0, Result(main, 0, stray=True)
    begins = 0.0
    # After the stray result, which real devices still send.
    if isinstance(update, OutletUpdate) and update.silence_seconds:
        begins = update.silence_seconds
        yield 0.0, Silence(begins)
        yield begins, Silence(0.0)
    if update.outcome == "fails_at_start":
        yield begins, Result(main, 0)
        return
    if isinstance(update, OutletUpdate):
        here = ends_badly and (www_alone or update.at_part == "www")
        yield from _part(update, Part.WWW, begins, update.www_seconds, here)
        if here or www_alone:
            return
        begins += update.www_seconds
    yield from _part(update, main, begins, update.seconds, ends_badly)


def _part(
    update: FaceplateUpdate, part: Part, begins: float, seconds: float, ends_badly: bool
) -> Iterator[tuple[float, UpdateEvent]]:
    last = update.at_percent if ends_badly else 100
    percents = (round(100 * step / update.steps) for step in range(update.steps + 1))
    for percent in percents:
        if percent <= last:
            yield begins + seconds * (percent / 100), Progress(part, percent)
    if update.outcome != "hangs" or not ends_badly:
        yield begins + seconds * (last / 100), Result(part, 0 if ends_badly else 1)

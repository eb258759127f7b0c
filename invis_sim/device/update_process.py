"""The update in progress, from the request to the firmware that runs in the end.

    request ──────────────────────────────▶ downloading ──▶ its part restarts ──▶ new firmware
       └─▶ restarting ─▶ waiting ─(a client)─▶┘                (`install`)
            (a revB does that first)

`update_plan.py` says what is pushed during a download and when; here the update is started, its
events are applied, and it is completed or aborted. Every method returns what comes of it.
"""

from collections.abc import Iterable
from functools import partial
from typing import Literal, Protocol, TypeAlias

import msgspec

from invis_sim.device.effects import Effect, Log
from invis_sim.device.firmware import FirmwareInventory
from invis_sim.device.schedule import Schedule, Timer
from invis_sim.device.update_plan import (
    FaceplateUpdate,
    Part,
    Progress,
    Result,
    UpdateEvent,
    update_timeline,
)

__all__ = ["Downloaded", "UpdateOutput", "UpdateProcess"]


class Downloaded(msgspec.Struct, frozen=True):
    """A part has its new firmware: it restarts with that, or, the web pages, is to be installed."""

    part: Part


UpdateOutput: TypeAlias = Progress | Result | Log | Downloaded
"""What comes of an update: an event to push, a log, or a part to restart."""


class OnEvent(Protocol):
    """What the timers of a download do: `apply` the event, and return the effects of that."""

    def __call__(self, event: UpdateEvent, *, last: bool) -> Iterable[Effect]: ...


class _Update(msgspec.Struct, eq=False):
    """An update that has been accepted. How it goes, and to what, is fixed from then on.

    part: the outlet or the faceplate. plan: how it goes. stray: whether it begins with a result
    that means nothing. target: what is available, and will run.
    timers: of the events of its download. hangs: whether it has stopped making progress.
    """

    part: Part
    plan: FaceplateUpdate
    stray: bool
    target: FirmwareInventory
    stage: Literal["restarting", "waiting", "downloading"] = "downloading"
    hangs: bool = False
    timers: list[Timer] = msgspec.field(default_factory=list)


class UpdateProcess:
    """The update in progress, if any, and the firmware that is to run after the next restart of a
    part. There is one update at a time.

    schedule: where the timers of a download are added.

    resumed_update: what callback 21 says to each client that connects after the restart of a revB:
    the part, and whether its update continues; None: nothing.
    """

    def __init__(self, schedule: Schedule) -> None:
        self.resumed_update: tuple[Part, bool] | None = None
        self._schedule = schedule
        self._current: _Update | None = None
        # A part with firmware that runs after its next restart → what was available; None: it
        # keeps the old one.
        self._installing: dict[Part, FirmwareInventory | None] = {}

    @property
    def in_progress(self) -> bool:
        """Whether there is an update that has not ended. One that hangs has not."""
        return self._current is not None

    # Its beginning

    def start(
        self,
        part: Part,
        plan: FaceplateUpdate,
        target: FirmwareInventory,
        *,
        stray: bool,
        on_event: OnEvent,
    ) -> tuple[UpdateOutput, ...]:
        """Start the download. There must be no update in progress.

        plan: not one whose outcome is "refused".
        """
        return self._download(_Update(part, plan, stray, target), on_event)

    def start_after_restart(
        self, part: Part, plan: FaceplateUpdate, target: FirmwareInventory, *, stray: bool
    ) -> None:
        """Accept an update whose download starts once the outlet has restarted: see `resume`."""
        self._current = _Update(part, plan, stray, target, "restarting")

    def resume(self, on_event: OnEvent) -> tuple[UpdateOutput, ...]:
        """Start the download if the update waits for a client after a restart: one has connected,
        or the time for that is over.
        """
        current = self._current
        if current is not None and current.stage == "waiting":
            return self._download(current, on_event)
        return ()

    def _download(self, update: _Update, on_event: OnEvent) -> tuple[UpdateOutput, ...]:
        update.stage = "downloading"
        self._current = update
        events = list(update_timeline(update.plan, stray=update.stray))
        update.timers = [
            self._schedule.after(seconds, partial(on_event, event, last=number == len(events)))
            for number, (seconds, event) in enumerate(events, 1)
        ]
        return (Log(f"the update of {update.part.words} begins"),)

    # Its progress

    def apply(self, event: UpdateEvent, *, last: bool) -> tuple[UpdateOutput, ...]:
        """Apply an event of the download whose time has come.

        last: whether it is the last of the download.
        """
        update = self._current
        assert update is not None  # the timers of an update end with it
        words = update.part.words
        if isinstance(event, Progress):
            if not last:
                return (event,)
            update.hangs = True  # a download that ends does so with a result
            return event, Log(f"the update of {words} hangs at {event.percent} %")
        if event.stray:
            return (event,)
        if event.status == 0:
            self._current = None
            return event, Log(f"the update of {words} fails")
        takes_effect = update.plan.outcome != "keeps_old_revision"
        if last:
            self._current = None
            self._installing[event.part] = update.target if takes_effect else None
            return event, Downloaded(event.part)
        # The web pages; the application follows.
        if not takes_effect:
            return (event,)
        self._installing[event.part] = update.target
        return event, Downloaded(event.part)

    # Its end

    def install(
        self, inventory: FirmwareInventory, *parts: Part
    ) -> tuple[FirmwareInventory, tuple[Log, ...]]:
        """The inventory after these parts have restarted, and what to log. A part that was not
        updated is as before.

        inventory: what ran until now.
        """
        im, pm = inventory.IM, inventory.PM
        logs = []
        for part in parts:
            if part not in self._installing:
                continue
            target = self._installing.pop(part)
            if target is not None:
                if part is Part.WWW:
                    im = msgspec.structs.replace(im, www_fw_rev=target.IM.newest_www)
                elif part is Part.OUTLET:
                    im = msgspec.structs.replace(im, fw_rev=target.IM.newest)
                elif pm is not None and target.PM is not None:
                    pm = msgspec.structs.replace(pm, fw_rev=target.PM.newest)
            if part is Part.OUTLET:
                runs = f"{im.fw_rev}, and web pages {im.www_fw_rev}"
                logs.append(Log(f"after its update, the outlet runs {runs}"))
            elif part is Part.FACEPLATE and pm is not None:
                logs.append(Log(f"after its update, the faceplate runs {pm.fw_rev}"))
        return msgspec.structs.replace(inventory, IM=im, PM=pm), tuple(logs)

    def discard(self, part: Part) -> None:
        """Forget firmware that was to run after the next restart of a part: it was replaced."""
        self._installing.pop(part, None)

    def cancel(self) -> tuple[Log, ...]:
        """Abort the update, and forget all firmware that was to be installed."""
        self.resumed_update = None
        self._installing.clear()
        return () if self._current is None else self._abort(self._current, "is cancelled")

    def on_offline(self) -> tuple[Log, ...]:
        """The outlet restarts, or its power fails: lose a download."""
        self.resumed_update = None
        current = self._current
        if current is None:
            return ()
        if current.stage == "restarting":
            current.stage = "waiting"  # this is the restart that the update began with
            return ()
        if current.stage == "waiting":
            self.resumed_update = current.part, False
        return self._abort(current, "is lost")

    def on_online(self) -> tuple[Log, ...]:
        """The outlet is back on the network: decide whether the update of a revB continues."""
        current = self._current
        if current is None or current.stage != "waiting":
            return ()
        starts = current.plan.outcome != "refused"
        self.resumed_update = current.part, starts
        return () if starts else self._abort(current, "does not start")

    def on_faceplate_lost(self) -> tuple[UpdateOutput, ...]:
        """The faceplate is absent, or does not answer: abort its update."""
        current = self._current
        if current is None or current.part is not Part.FACEPLATE or current.stage == "restarting":
            return ()
        if current.stage == "waiting":
            self.resumed_update = Part.FACEPLATE, False
            return self._abort(current, "fails")
        # One that hangs ends without a packet, as it would for ever.
        result = () if current.hangs else (Result(Part.FACEPLATE, 0),)
        return (*result, *self._abort(current, "fails"))

    def _abort(self, update: _Update, how: str) -> tuple[Log, ...]:
        for timer in update.timers:
            timer.cancel()
        self._current = None
        return (Log(f"the update of {update.part.words} {how}"),)

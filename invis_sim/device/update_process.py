"""The update that is under way, from the request to the firmware that runs in the end.

    request ──────────────────────────────▶ downloading ──▶ its part restarts ──▶ new firmware
       └─▶ restarting ─▶ waiting ─(a client)─▶┘                (`install`)
            (a revB does that first)

`updates.py` says what is told of a download and when; this is where it happens, or is lost.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import msgspec

from invis_sim.device.firmware import FirmwareInventory
from invis_sim.device.schedule import Schedule, Timer
from invis_sim.device.update_plan import FaceplateUpdate, Part, Progress, Result, course
from invis_sim.protocol.callbacks import Callback

__all__ = ["UpdateProcess"]


@dataclass(slots=True, eq=False)
class _Update:
    """An update that has been accepted. How it goes, and to what, is settled by then.

    part: the outlet or the faceplate. plan: how it goes. stray: whether it begins with a result
    that means nothing. offer: what was on offer.
    appointments: what is told of its download. hangs: whether nothing more comes of it.
    """

    part: Part
    plan: FaceplateUpdate
    stray: bool
    offer: FirmwareInventory
    stage: Literal["restarting", "waiting", "downloading"] = "downloading"
    hangs: bool = False
    timers: list[Timer] = field(default_factory=list)


class UpdateProcess:
    """Which update is under way, if any, and what is to run after the next restart of a part.

    agenda: where its appointments are made.
    push: tells every connection: (callback, its arguments).
    remark: tells the journal, in words.
    downloaded: called with a part that has its new firmware, and with that restarts, or for the web
    pages is to `install` it.

    announced: what callback 21 tells whoever connects after the restart of a revB: the part, and
    whether its update goes on; None: nothing.
    """

    def __init__(
        self,
        schedule: Schedule,
        push: Callable[[int, Any], None],
        remark: Callable[[str], None],
        downloaded: Callable[[Part], None],
    ) -> None:
        self.announced: tuple[Part, bool] | None = None
        self._agenda = schedule
        self._push = push
        self._remark = remark
        self._downloaded = downloaded
        self._current: _Update | None = None
        # A part with firmware that runs after its next restart → what was on offer; None: nothing
        # new will run.
        self._installing: dict[Part, FirmwareInventory | None] = {}

    @property
    def under_way(self) -> bool:
        """Whether there is an update that has not ended, one that hangs included."""
        return self._current is not None

    # Its beginning

    def start(
        self, part: Part, plan: FaceplateUpdate, offer: FirmwareInventory, *, stray: bool
    ) -> None:
        """Downloads from now on. `plan` is not one that is refused."""
        self._download(_Update(part, plan, stray, offer))

    def restart(
        self, part: Part, plan: FaceplateUpdate, offer: FirmwareInventory, *, stray: bool
    ) -> None:
        """The outlet restarts now, and downloads when somebody is back."""
        self._current = _Update(part, plan, stray, offer, "restarting")

    def resume(self) -> None:
        """Somebody is back, or has been waited for long enough."""
        current = self._current
        if current is not None and current.stage == "waiting":
            self._download(current)

    def _download(self, update: _Update) -> None:
        self._remark(f"the update of {update.part.words} begins")
        update.stage = "downloading"
        self._current = update
        events = list(course(update.plan, stray=update.stray))
        update.timers = [
            self._agenda.after(seconds, partial(self._tell, event, last=number == len(events)))
            for number, (seconds, event) in enumerate(events, 1)
        ]

    # Its course

    def _tell(self, event: Progress | Result, *, last: bool) -> None:
        """It has come so far."""
        update = self._current
        assert update is not None
        words = update.part.words
        if isinstance(event, Progress):
            self._push(Callback.UPDATE_PROGRESS, [int(event.part), event.percent])
            if last:
                update.hangs = True
                self._remark(f"the update of {words} hangs at {event.percent} %")
            return
        self._push(Callback.UPDATE_RESULT, [int(event.part), event.status])
        if event.stray:
            return
        takes = update.plan.outcome != "keeps_old_revision"
        if event.status == 0:
            self._current = None
            self._remark(f"the update of {words} fails")
        elif not last:  # the web pages: the application follows
            if takes:
                self._installing[event.part] = update.offer
                self._downloaded(event.part)
        else:
            self._current = None
            self._installing[event.part] = update.offer if takes else None
            self._downloaded(event.part)

    # Its end

    def install(self, inventory: FirmwareInventory, *parts: Part) -> FirmwareInventory:
        """The inventory as it is when these parts have restarted.

        inventory: what it was. What was not updated stays.
        """
        im, pm = inventory.IM, inventory.PM
        for part in parts:
            if part not in self._installing:
                continue
            offer = self._installing.pop(part)
            if offer is not None:
                if part is Part.WWW:
                    im = msgspec.structs.replace(im, www_fw_rev=offer.IM.newest_www)
                elif part is Part.OUTLET:
                    im = msgspec.structs.replace(im, fw_rev=offer.IM.newest)
                elif pm is not None and offer.PM is not None:
                    pm = msgspec.structs.replace(pm, fw_rev=offer.PM.newest)
            if part is Part.OUTLET:
                runs = f"{im.fw_rev}, and web pages {im.www_fw_rev}"
                self._remark(f"after its update, the outlet runs {runs}")
            elif part is Part.FACEPLATE and pm is not None:
                self._remark(f"after its update, the faceplate runs {pm.fw_rev}")
        return msgspec.structs.replace(inventory, IM=im, PM=pm)

    def forget(self, part: Part) -> None:
        """The part is not there any more: nothing of it will run."""
        self._installing.pop(part, None)

    def went_down(self) -> None:
        """The outlet restarts, or its power fails."""
        self.announced = None
        current = self._current
        if current is None:
            return
        if current.stage == "restarting":
            current.stage = "waiting"
            return
        if current.stage == "waiting":
            self.announced = current.part, False
        self._lose(current, "is lost")

    def came_up(self) -> None:
        """The outlet is back."""
        current = self._current
        if current is not None and current.stage == "waiting":
            starts = current.plan.outcome != "refused"
            self.announced = current.part, starts
            if not starts:
                self._lose(current, "does not start")

    def faceplate_gone(self) -> None:
        """The faceplate is not there, or does not answer."""
        current = self._current
        if current is None or current.part is not Part.FACEPLATE:
            return
        if current.stage == "downloading":
            if not current.hangs:
                self._push(Callback.UPDATE_RESULT, [int(Part.FACEPLATE), 0])
            self._lose(current, "fails")
        elif current.stage == "waiting":
            self.announced = Part.FACEPLATE, False
            self._lose(current, "fails")

    def _lose(self, update: _Update, how: str) -> None:
        for timer in update.timers:
            timer.cancel()
        self._current = None
        self._remark(f"the update of {update.part.words} {how}")

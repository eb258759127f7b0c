"""The update in progress, from the request to the firmware that runs in the end.

    request ──────────────────────────────▶ downloading ──▶ its part restarts ──▶ new firmware
       └─▶ restarting ─▶ waiting ─(a client)─▶┘                (`install`)
            (the outlet itself, on a revB, does that first)

`update_plan.py` says what happens during a download and when; here the update is started, its
events are applied, and it is completed or aborted. Every method returns what comes of it.
"""

from collections.abc import Iterable, Mapping
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
    Silence,
    UpdateEvent,
    update_timeline,
)

__all__ = ["AcceptedUpdate", "Downloaded", "UpdateOutput", "UpdateProcess", "UpdateStatus"]


class Downloaded(msgspec.Struct, frozen=True):
    """A part has its new firmware: it restarts with that. The web pages: they are in use."""

    part: Part


UpdateOutput: TypeAlias = Progress | Result | Log | Downloaded
"""What comes of an update: an event to push, a log, or a part to restart."""


class OnEvent(Protocol):
    """What the timers of a download do: `apply` the event, and return the effects of that."""

    def __call__(self, event: UpdateEvent, *, last: bool) -> Iterable[Effect]: ...


class AcceptedUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """An update that is to be. How it goes, and to what, is fixed from then on.

    part: the outlet or the faceplate. plan: how it goes. stray: whether it begins with a result
    that means nothing. www_alone: whether an update of the outlet ends with its web pages.
    target: what is available, and will run.
    packet_id: of its pushes; None: each has another one.
    """

    part: Part
    plan: FaceplateUpdate
    target: FirmwareInventory
    stray: bool = True
    www_alone: bool = False
    packet_id: int | None = None


Stage: TypeAlias = Literal["restarting", "waiting", "downloading"]


class UpdateStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How far an update is.

    part: what is downloaded at the moment: "outlet", "faceplate" or "www". stage: "restarting",
    "waiting" (for a client after that), or "downloading". percent: of that part, as pushed last; 0
    before the first progress. hangs: whether it has stopped making progress.
    """

    part: Literal["outlet", "faceplate", "www"]
    stage: Stage
    percent: int
    hangs: bool


_PART_NAMES: Mapping[Part, Literal["outlet", "faceplate", "www"]] = {
    Part.OUTLET: "outlet",
    Part.FACEPLATE: "faceplate",
    Part.WWW: "www",
}


class _Update(msgspec.Struct, eq=False):
    """An update in progress.

    timers: of the events of its download. hangs: whether it has stopped making progress.
    progress: the newest; None before the first.
    """

    accepted: AcceptedUpdate
    stage: Stage = "downloading"
    hangs: bool = False
    progress: Progress | None = None
    timers: list[Timer] = msgspec.field(default_factory=list)

    @property
    def part(self) -> Part:
        return self.accepted.part


class UpdateProcess:
    """The update in progress, if any, and the firmware that is to run after the next restart of a
    part. There is one update at a time.

    schedule: where the timers of a download are added.

    silent: whether the outlet is silent, as it is at the beginning of an update.
    packet_id: of the pushes of the update, as `AcceptedUpdate` has it.
    resumed: what callback 21 says to each client that connects after the restart of a revB: whether
    the update of the outlet continues; None: nothing.
    """

    def __init__(self, schedule: Schedule) -> None:
        self.silent = False
        self.packet_id: int | None = None
        self.resumed: bool | None = None
        self._schedule = schedule
        self._current: _Update | None = None
        # A part with firmware that runs after its next restart → what was available; None: it
        # keeps the old one.
        self._installing: dict[Part, FirmwareInventory | None] = {}

    @property
    def in_progress(self) -> bool:
        """Whether there is an update that has not ended. One that hangs has not."""
        return self._current is not None

    @property
    def status(self) -> UpdateStatus | None:
        """How far the update in progress is; None: there is none."""
        current = self._current
        if current is None:
            return None
        progress = current.progress or Progress(current.part, 0)
        return UpdateStatus(
            part=_PART_NAMES[progress.part],
            stage=current.stage,
            percent=progress.percent,
            hangs=current.hangs,
        )

    # Its beginning

    def start(self, accepted: AcceptedUpdate, on_event: OnEvent) -> tuple[UpdateOutput, ...]:
        """Start the download. There must be no update in progress.

        accepted: not one whose outcome is "refused".
        """
        return self._download(_Update(accepted), on_event)

    def start_after_restart(self, accepted: AcceptedUpdate) -> None:
        """Accept an update whose download starts once the outlet has restarted: see `resume`."""
        self._current = _Update(accepted, "restarting")

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
        accepted = update.accepted
        self.packet_id = accepted.packet_id
        events = list(
            update_timeline(accepted.plan, stray=accepted.stray, www_alone=accepted.www_alone)
        )
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
        if isinstance(event, Silence):
            self.silent = event.seconds > 0
            if self.silent:
                why = "as at the beginning of each of its updates; see silence_seconds"
                return (Log(f"the outlet is silent for {event.seconds:g} s, {why}"),)
            return (Log("the outlet answers again"),)
        if isinstance(event, Progress):
            update.progress = event
            if not last:
                return (event,)
            update.hangs = True  # a download that ends does so with a result
            return event, Log(f"the update of {words} hangs at {event.percent} %")
        if event.stray:
            return (event,)
        if event.status == 0:
            self._current = None
            # With the application, the web pages that came before it are lost.
            self._installing.pop(Part.WWW, None)
            return event, Log(f"the update of {words} fails")
        takes_effect = update.accepted.plan.outcome != "keeps_old_revision"
        self._installing[event.part] = update.accepted.target if takes_effect else None
        if not last:
            return (event,)  # the web pages; the application follows
        self._current = None
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
        self.resumed = None
        self._installing.clear()
        return () if self._current is None else self._abort(self._current, "is cancelled")

    def on_offline(self) -> tuple[Log, ...]:
        """The outlet restarts, or its power fails: lose a download."""
        self.resumed = None
        current = self._current
        if current is None:
            return ()
        if current.stage == "restarting":
            current.stage = "waiting"  # this is the restart that the update began with
            return ()
        if current.stage == "waiting":
            self.resumed = False
        return self._abort(current, "is lost")

    def on_online(self) -> tuple[Log, ...]:
        """The outlet is back on the network: decide whether the update of a revB continues."""
        current = self._current
        if current is None or current.stage != "waiting":
            return ()
        self.resumed = current.accepted.plan.outcome != "refused"
        return () if self.resumed else self._abort(current, "does not start")

    def on_faceplate_lost(self) -> tuple[UpdateOutput, ...]:
        """The faceplate is absent, or does not answer: abort its update."""
        current = self._current
        if current is None or current.part is not Part.FACEPLATE:
            return ()
        # One that hangs ends without a packet, as it would for ever.
        result = () if current.hangs else (Result(Part.FACEPLATE, 0),)
        return (*result, *self._abort(current, "fails"))

    def _abort(self, update: _Update, how: str) -> tuple[Log, ...]:
        for timer in update.timers:
            timer.cancel()
        self._current = None
        self._installing.pop(Part.WWW, None)  # they come into use with the application alone
        logs = [Log(f"the update of {update.part.words} {how}")]
        if self.silent:
            self.silent = False
            logs.append(Log("the outlet answers again"))
        return tuple(logs)

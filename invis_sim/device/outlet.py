"""The outlet: request in, reply and pushes out.

The rules of this file:

- `HANDLERS` maps a callback number to the function that answers it. A callback that is not in the
  table is answered `PUBACK` 0, as an undocumented one is. Nobody edits an `if` chain to add a
  callback.
- A handler gets the outlet and the request, changes the outlet's state, and returns the reply's
  arguments, or raises `Refused` with the reason, which becomes `PUBACK` 0 and shows in the journal.
- Nothing here knows of sockets, clocks or faults.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, TypeAlias

import msgspec

from invis_sim.device.firmware import FirmwareInventory
from invis_sim.protocol.callbacks import Callback
from invis_sim.protocol.packets import Note, Push, Reply, Request

__all__ = ["Answer", "Outlet", "PacketIds"]

PacketIds: TypeAlias = Literal["lenient", "six-digits"]
"""Which packetIDs are served: any integer, as real devices do, or 100000-999999, as documented."""


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What a request leads to.

    reply: None where the outlet says nothing.
    pushes: what the request causes the outlet to tell every connection, after the reply.
    notes: why it is `PUBACK` 0, and oddities of the request.
    """

    reply: Reply | None
    pushes: tuple[Push, ...] = ()
    notes: tuple[Note, ...] = ()


class Refused(Exception):
    """Raised by a handler: the request is answered `PUBACK` 0, for the reason in the note."""

    def __init__(self, note: Note) -> None:
        super().__init__(note.reason)
        self.note = note


class Outlet:
    """One simulated InvisOutlet.

    sn: its serial number, as it stands in every packet.
    firmware: its inventory; may be replaced at any time between requests.
    packet_ids: which packetIDs it serves.
    faceplate_online: whether the faceplate, if it has one, is there at the moment.
    """

    def __init__(
        self, sn: str, firmware: FirmwareInventory, packet_ids: PacketIds = "lenient"
    ) -> None:
        self.sn = sn
        self._faceplate_online = True
        self.firmware = firmware
        self.packet_ids = packet_ids

    @property
    def firmware(self) -> FirmwareInventory:
        """Which firmware runs and which is available."""
        return self._firmware

    @firmware.setter
    def firmware(self, inventory: FirmwareInventory) -> None:
        self._firmware = inventory
        self._prepare()

    @property
    def faceplate_online(self) -> bool:
        """Whether the faceplate, if it has one, is there at the moment."""
        return self._faceplate_online

    @faceplate_online.setter
    def faceplate_online(self, online: bool) -> None:
        self._faceplate_online = online
        self._prepare()

    def _prepare(self) -> None:
        """Makes the report on firmware: it is asked for more than anything else."""
        self._report = self._firmware.report(faceplate=self._faceplate_online)

    def handle(self, request: Request) -> Answer:
        """The answer to a request. Never raises: what cannot be done is a reply with `PUBACK` 0."""
        try:
            args, notes = self._perform(request)
        except Refused as refusal:
            failure = Reply.failure(self.sn, request.packet_id)
            return Answer(failure, notes=(*request.notes, refusal.note))
        assert request.callback is not None
        return Answer(
            Reply.success(self.sn, request.packet_id, request.callback, args), notes=notes
        )

    def _perform(self, request: Request) -> tuple[Any, tuple[Note, ...]]:
        if request.problem is not None:
            raise Refused(request.problem)
        if self.packet_ids == "six-digits" and not 100_000 <= request.packet_id <= 999_999:
            raise Refused(Note("packetID is no six-digit integer", path=("packetID",)))
        assert request.callback is not None
        handler = HANDLERS.get(request.callback)
        if handler is None:
            number = f"{Decimal(request.callback):.9g}"  # which may have any number of digits
            reason = f"callback {number} is not known to this outlet"
            raise Refused(Note(reason, path=("payload", "callbackName")))
        args = handler.answer(self, request)
        if not handler.takes_arguments and request.args is not msgspec.UNSET:
            reason = f"callback {request.callback} takes no arguments; they are ignored"
            return args, (*request.notes, Note(reason, path=("payload", "callbackArgs")))
        return args, request.notes

    def _available_updates(self, request: Request) -> Any:
        if self._firmware.update_check == "fail":
            raise Refused(Note("the update check fails, as the scenario says"))
        return self._report


@dataclass(frozen=True, slots=True)
class Handler:
    """How one callback is answered.

    answer: (outlet, request) → the reply's `callbackArgs`, or `msgspec.UNSET` for a success without
    payload.
    takes_arguments: whether `callbackArgs` of the request mean anything to it.
    """

    answer: Callable[[Outlet, Request], Any]
    takes_arguments: bool = False


HANDLERS: dict[int, Handler] = {
    Callback.AVAILABLE_UPDATES: Handler(Outlet._available_updates),
}
"""Callback number → how it is answered."""

"""A push on its way to the clients of an outlet: what is the same for all of them is found once."""

from collections.abc import Callable

from invis_sim.faults.pipeline import AppliedFault
from invis_sim.journal import Exchange
from invis_sim.protocol.packets import Note, Packet
from invis_sim.protocol.transport import Transport
from invis_sim.server.session.context import ServerContext
from invis_sim.server.session.long_packets import MAX_EARLY_READ_BYTES, note_long_packet

__all__ = ["OutgoingPush"]


class OutgoingPush:
    """A push on its way to clients. A thousand may get it, so each of them must cost little.

    context: of the outlet; the push is caused now, by its time.
    packet: the push. recipients: to how many connections it goes.
    encode_frame: as in an `Answer`. notes: remarks on it.
    raw: its bytes on the wire where no fault applies; None: what `encode_frame` makes of it.

    text: the packet, encoded. callback: its `callbackName`.
    seconds, now: when it was caused, in real and in simulated time.
    """

    def __init__(
        self,
        context: ServerContext,
        packet: Packet,
        recipients: int = 1,
        encode_frame: Callable[[bytes], bytes] | None = None,
        notes: tuple[Note, ...] = (),
        raw: bytes | None = None,
    ) -> None:
        self.packet = packet
        self.text = packet.encode()
        self.callback = packet.callback
        self.recipients = recipients
        self.encode_frame = encode_frame
        self.notes = notes
        self.seconds = context.seconds()
        self.now = context.timeline.now()
        self._raw = raw
        self._unchanged: dict[Transport, tuple[tuple[bytes], tuple[Note, ...]]] = {}

    def exchange(
        self,
        transport: Transport,
        connection: int,
        notes: tuple[Note, ...],
        sent: tuple[bytes, ...] = (),
        faults: tuple[AppliedFault, ...] = (),
    ) -> Exchange:
        """Return what the journal has of the push on one connection.

        sent: what leaves at once, which is all; empty: it leaves later.
        """
        return Exchange(
            0,
            self.seconds,
            transport,
            connection,
            None,
            None,
            "push",
            sent,
            faults,
            notes,
            bool(sent),
            self.callback,
            "",
            self.recipients,
        )

    def unchanged(
        self, transport: Transport, encode_frame: Callable[[bytes], bytes]
    ) -> tuple[tuple[bytes], tuple[Note, ...]]:
        """Return what is sent where no fault applies, and the notes on that, as an `Exchange` has
        them: its entries share both.

        encode_frame: the text → its bytes on this transport.
        """
        found = self._unchanged.get(transport)
        if found is None:
            data, notes = self._raw, self.notes
            if data is None:
                data = encode_frame(self.text)
            if len(data) > MAX_EARLY_READ_BYTES:  # rarely; a frame is a little longer
                notes += note_long_packet(len(self.text))
            found = self._unchanged[transport] = ((data,), notes)
        return found

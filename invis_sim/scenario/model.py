"""What a scenario says: who the outlet is, what firmware it has, where it listens, and what goes
wrong.

The structs are the format: their fields are the keys of a scenario file, their docstrings its
manual, and both the loader and the JSON Schema are made from them.
"""

from collections.abc import Iterable, Iterator
from typing import Annotated

import msgspec

from invis_sim.device.firmware import FirmwareInventory
from invis_sim.device.outlet import PacketIds
from invis_sim.faults.fault import Fault
from invis_sim.protocol.framing import MAX_PACKET_BYTES

__all__ = ["Device", "Listen", "Protocol", "Scenario", "SerialNumber"]

SerialNumber = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[0-9A-F]{10,11}$(?!\n)",  # "$" alone would let a newline follow
        description="A serial number: ten or eleven upper-case hexadecimal digits.",
    ),
]
Port = Annotated[int, msgspec.Meta(ge=0, le=65535, description="A port; 0: any free one.")]
WebSocketPath = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^/[!-~]*$(?!\n)",
        description="A path: / and then ASCII without blanks.",
    ),
]


class Device(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who the outlet is.

    sn: its serial number, which stands in every packet.
    """

    sn: SerialNumber = "0003C44076"


class Listen(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the outlet listens.

    host: an address or a name of this machine. The default is reachable from this machine only.
    tcp, ws: whether there is such a transport.
    tcp_port: left out: 3333 from the command line, as on a real outlet, and any free one from
    Python.
    ws_port: left out: 8080 from the command line (a real outlet has 80), and any free one from
    Python.
    ws_path: the path of the WebSocket; any other is answered 404.
    """

    host: Annotated[str, msgspec.Meta(min_length=1)] = "127.0.0.1"
    tcp: bool = True
    tcp_port: Port | None = None
    ws: bool = True
    ws_port: Port | None = None
    ws_path: WebSocketPath = "/ws"

    def __post_init__(self) -> None:
        if not (self.tcp or self.ws):
            raise ValueError("tcp and ws are both false, so nobody could reach the outlet")


class Protocol(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where real outlets, documentation and taste differ.

    packet_id: "lenient": any integer is echoed, as real devices do. "six-digits": anything outside
    100000-999999 is answered `PUBACK` 0, as the documentation would have it.
    tcp_terminator: what follows each packet on TCP; a real outlet sends nothing.
    max_packet_bytes: the longest packet that a client may send; on a longer one the connection is
    closed.
    write_timeout_seconds: a client that reads nothing for so long while packets wait for it is
    disconnected.
    """

    packet_id: PacketIds = "lenient"
    tcp_terminator: Annotated[str, msgspec.Meta(max_length=16)] = ""
    max_packet_bytes: Annotated[int, msgspec.Meta(ge=64, le=2**30)] = MAX_PACKET_BYTES
    write_timeout_seconds: Annotated[float, msgspec.Meta(gt=0)] = 10.0


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One outlet and what happens to it. Everything has a default: the empty file is a good outlet.

    description: what the scenario is for, in a sentence.
    seed: of everything that is drawn by chance; left out: a new one each time, which is shown.
    device: who the outlet is.
    firmware: what it runs, and what is on offer.
    listen: where it listens.
    protocol: where real outlets, documentation and taste differ.
    faults: what goes wrong; applied layer by layer, within a layer in this order.
    """

    description: str = ""
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None = None
    device: Device = Device()
    firmware: FirmwareInventory = FirmwareInventory()
    listen: Listen = Listen()
    protocol: Protocol = Protocol()
    faults: tuple[Fault, ...] = ()

    def __post_init__(self) -> None:
        found = [message for _, message in self.contradictions(self.listen, self.faults)]
        if found:
            raise ValueError("; ".join(found))

    @staticmethod
    def contradictions(
        listen: Listen, faults: Iterable[Fault | None]
    ) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """What does not fit together of parts that are each valid: where to change it, and why.

        faults: None stands for one that is not valid.
        """
        offered = {"tcp": listen.tcp, "ws": listen.ws}
        for index, fault in enumerate(faults):
            if fault is None:
                continue
            possible = [t for t in fault.transports if fault.when.transport in (None, t)]
            if not any(offered[transport] for transport in possible):
                name = fault.name or fault.kind()
                missing = " and ".join(possible)
                yield (
                    ("faults", index, *(("when", "transport") if fault.when.transport else ())),
                    f"{name!r} never applies: it acts on {missing} only, which listen switches off",
                )

"""What a scenario says: who the outlet is, what firmware it has, where it listens, and what goes
wrong.

The structs are the format: their fields are the keys of a scenario file, their docstrings its
manual, and both the loader and the JSON Schema are made from them.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any

import msgspec

from invis_sim.device.requests import PacketIds
from invis_sim.device.state import Device, OutletState, Quirks
from invis_sim.faults.fault import Fault
from invis_sim.protocol.json_stream import MAX_PACKET_BYTES
from invis_sim.protocol.transport import Transport
from invis_sim.scenario.ineffective import ineffective_settings
from invis_sim.scenario.steps import Step
from invis_sim.schema.describe import Path, format_path

__all__ = ["Listen", "Protocol", "Scenario", "transports_of"]

Port = Annotated[int, msgspec.Meta(ge=0, le=65535, description="A port; 0: any free one.")]
WebSocketPath = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^/[!-~]*$(?!\n)",
        description="A path: / and then ASCII without blanks.",
    ),
]


class Listen(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the outlet listens.

    host: an address or a name of this machine. The default is reachable from this machine only.
    tcp, ws: whether there is such a transport.
    tcp_port: left out: 3333 from the command line, as on a real outlet, and any free one from
    Python.
    ws_port: left out: 8080 from the command line (a real outlet has 80), and any free one from
    Python.
    ws_path: the path of the WebSocket; any other is answered 404.
    mdns: whether it is announced on the network as _invis._tcp.local.; needs python-zeroconf, which
    comes with invis-sim[mdns].
    """

    host: Annotated[str, msgspec.Meta(min_length=1)] = "127.0.0.1"
    tcp: bool = True
    tcp_port: Port | None = None
    ws: bool = True
    ws_port: Port | None = None
    ws_path: WebSocketPath = "/ws"
    mdns: bool = False

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


def transports_of(listen: Listen, device: Device, quirks: Quirks) -> tuple[Transport, ...]:
    """The transports that an outlet has."""
    by_revision = quirks.transports == "by_revision"
    rev_b = device.hw_rev == "revB"
    offered: dict[Transport, bool] = {
        "tcp": listen.tcp and (rev_b or not by_revision),
        "ws": listen.ws and not (rev_b and by_revision),
    }
    return tuple(transport for transport, is_there in offered.items() if is_there)


class Scenario(OutletState, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One outlet and what happens to it. Everything has a default: the empty file is a good outlet.

    description: what the scenario is for, in a sentence.
    seed: of everything that is drawn by chance; left out: a new one each time, which is shown.
    listen: where it listens.
    protocol: how it deals with clients.
    faults: what goes wrong; applied layer by layer, within a layer in this order.
    steps: what changes over time, or after a request.
    """

    description: str = ""
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None = None
    listen: Listen = Listen()
    protocol: Protocol = Protocol()
    faults: tuple[Fault, ...] = ()
    steps: tuple[Step, ...] = ()

    def __post_init__(self) -> None:
        found = self.conflicts(msgspec.structs.asdict(self))
        if words := [f"{format_path(path)}: {message}" for path, message in found]:
            raise ValueError("; ".join(words))

    @property
    def state(self) -> OutletState:
        """What the outlet is and knows at the beginning."""
        fields = OutletState.__struct_fields__
        return OutletState(**{name: getattr(self, name) for name in fields})

    @property
    def transports(self) -> tuple[Transport, ...]:
        """The transports that the outlet has."""
        return transports_of(self.listen, self.device, self.quirks)

    @classmethod
    def conflicts(cls, parts: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
        """What does not fit together of parts that are each valid: where to change it, and why.

        parts: key at the top of the file → its value; those left out have their defaults. In a
        list, None stands for an element that is not valid.
        """
        defaults = {f.name: f.default for f in msgspec.structs.fields(cls)}
        given = {**defaults, **{key: value for key, value in parts.items() if value is not None}}
        device, firmware = given["device"], given["firmware"]
        if device.product == "bare" and firmware.PM is not None:
            yield ("device", "product"), '"bare" has no faceplate, and here is a [firmware.PM]'
        else:
            yield from ineffective_settings(
                {**given, **{k: v for k, v in parts.items() if v is None}}
            )
        wrong = {key for key, value in parts.items() if value is None}
        listen, quirks = given["listen"], given["quirks"]
        if quirks.transports == "both":
            wrong.discard("device")  # it does not matter then
        if not wrong & {"listen", "quirks", "device"}:
            transports = transports_of(listen, device, quirks)
            if not transports:
                yield (
                    ("quirks", "transports"),
                    f'"by_revision": listen switches off the transport of hw_rev {device.hw_rev!r}',
                )
            by_listen = tuple(name for name in ("tcp", "ws") if not getattr(listen, name))
            yield from _faults_that_never_apply(transports, by_listen, given["faults"])
        if "faults" not in wrong:
            yield from _switches_of_nothing(given["steps"], given["faults"])


def _faults_that_never_apply(
    offered: tuple[Transport, ...], by_listen: tuple[str, ...], faults: Iterable[Fault | None]
) -> Iterator[tuple[Path, str]]:
    """by_listen: the transports that [listen] switches off; all others that are not offered are
    off by [quirks].
    """
    for index, fault in enumerate(faults):
        if fault is None:
            continue
        possible = [t for t in fault.transports if fault.when.transport in (None, t)]
        if offered and not any(transport in offered for transport in possible):
            name = fault.name or fault.kind()
            missing = " and ".join(possible)
            off = "listen switches" if set(possible) <= set(by_listen) else "quirks.transports has"
            yield (
                ("faults", index, *(("when", "transport") if fault.when.transport else ())),
                f"{name!r} never applies: it acts on {missing} only, which {off} off",
            )


def _switches_of_nothing(
    steps: Iterable[Step | None], faults: Iterable[Fault | None]
) -> Iterator[tuple[Path, str]]:
    every = tuple(faults)
    if None in every:
        return  # one that is not valid may be the one that is meant
    known = {fault.display_name for fault in every if fault is not None}
    for index, step in enumerate(steps):
        for key, names in () if step is None else step.fault_names.items():
            for name in names:
                if name not in known:
                    there = ", ".join(map(repr, sorted(known))) or "none"
                    message = f"no fault is called {name!r}; there are: {there}"
                    yield ("steps", index, key), message

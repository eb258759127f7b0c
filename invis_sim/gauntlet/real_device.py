"""A real outlet in place of the simulated one: in every case a proxy is in front of it."""

import msgspec

from invis_sim.client.ask import ask
from invis_sim.client.connection import connect
from invis_sim.client.errors import ClientError
from invis_sim.client.ports import TCP_PORT, WS_PORT
from invis_sim.device.state import SerialNumber
from invis_sim.protocol.address import host_and_port
from invis_sim.protocol.callbacks import Callback
from invis_sim.protocol.transport import Transport
from invis_sim.recording.device import Device
from invis_sim.recording.proxy import servers_of
from invis_sim.schema.build import check
from invis_sim.server import StartError
from invis_sim.server.session.context import Servers

__all__ = ["RealDevice"]

ANSWER_SECONDS = 10.0
"""How long the outlet may take to connect, and to answer: clients give up at about that time."""


class RealDevice(msgspec.Struct, frozen=True):
    """An outlet in the network. host: its name or address. tcp_port, ws_port: where it listens."""

    host: str
    tcp_port: int = TCP_PORT
    ws_port: int = WS_PORT

    def servers(self) -> Servers:
        """Return what serves the clients of one proxy."""
        return servers_of(Device(self.host, self.tcp_port, self.ws_port, sn_known=True))

    async def serial_number(self, transport: Transport) -> str:
        """Ask the outlet for its serial number. Raises StartError where it gives none."""
        port = self.tcp_port if transport == "tcp" else self.ws_port
        where = host_and_port(self.host, port)
        address = where if transport == "tcp" else f"ws://{where}/ws"
        try:
            async with connect(address, ANSWER_SECONDS) as client:
                number = int(Callback.DEVICE_INFORMATION)
                answer = await ask(client, number, packet_id=1, timeout=ANSWER_SECONDS)
        except ClientError as error:
            raise StartError(f"--device: {error}") from None
        if answer.reply.sn is None:
            raise StartError(f"--device: the outlet at {address} gives no serial number")
        try:
            check(SerialNumber, answer.reply.sn, "sn")
        except ValueError as error:
            raise StartError(f"--device: the outlet at {address}: {error}") from None
        return answer.reply.sn

    @property
    def arguments(self) -> tuple[str, ...]:
        """The device on a command line."""
        given = ["--device", self.host]
        for name, port, usual in (("tcp", self.tcp_port, TCP_PORT), ("ws", self.ws_port, WS_PORT)):
            if port != usual:
                given += [f"--device-{name}-port", str(port)]
        return tuple(given)

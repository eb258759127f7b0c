"""Where an outlet that runs listens from now on."""

from typing import TypeVar

import msgspec

from invis_sim.protocol.address import Host, Port, is_ip_address
from invis_sim.schema.describe import quote

__all__ = ["NewAddress"]

T = TypeVar("T", bound=msgspec.Struct)


class NewAddress(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the outlet listens from now on. It leaves its old address, and every connection there
    is reset.

    host: an IP address of this machine, or "localhost"; omitted: as before.
    tcp_port: of TCP; omitted: as before.
    ws_port: of the WebSocket; omitted: as before.
    """

    host: Host | None = None
    tcp_port: Port | None = None
    ws_port: Port | None = None

    def __post_init__(self) -> None:
        # Another name may take a slow name server, and every client would wait for that.
        host = self.host
        if host is not None and host.rstrip(".").lower() != "localhost" and not is_ip_address(host):
            raise ValueError(f'host: expected an IP address, or "localhost", found {quote(host)}')

    def in_place_of(self, other: T) -> T:
        """Return another struct that has these keys, with what this one says in their place."""
        said = {key: one for key, one in msgspec.structs.asdict(self).items() if one is not None}
        return msgspec.structs.replace(other, **said)

"""Announces the outlet on the network by mDNS (`_invis._tcp.local.`), with python-zeroconf.

[the TXT keys: the client `invisoutlet`, `hostname`: the vendor's early app; host and instance name:
the Home Assistant integration]
"""

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import trio

from invis_sim.device.device_info import faceplate_sn
from invis_sim.device.outlet import Outlet
from invis_sim.protocol.transport import Transport
from invis_sim.scenario.listen import Listen
from invis_sim.server.net.listeners import StartError

if TYPE_CHECKING:
    from zeroconf import ServiceInfo

    from invis_sim.server.net.responder import Responder, Service

__all__ = ["SERVICE_TYPE", "Announcement", "MdnsUnavailable", "reachable_addresses"]

SERVICE_TYPE = "_invis._tcp.local."

MAX_TEXT_BYTES = 255
"""Of a TXT entry, key and `=` included. [RFC 6763, 6.1]"""


class MdnsUnavailable(StartError):
    """python-zeroconf is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "to be announced by mDNS takes python-zeroconf: pip install 'invis-sim[mdns]' "
            "(from a clone: pip install '.[mdns]')"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions are pickled by their `args`, which are not what `__init__` takes.
        return type(self), (), self.__dict__


class _Message(msgspec.Struct, frozen=True):
    """What the network is told of an outlet.

    host, port: where it listens. sn: of its name, and of the host name that only it has.
    properties: of the TXT record; a text: why there can be none.
    """

    host: str
    port: int
    sn: str
    properties: dict[str, str] | str

    @property
    def name(self) -> str:
        return f"{self.sn}.{SERVICE_TYPE}"


class Announcement:
    """The announcement of one outlet.

    outlet: who it is. listen: as what it is announced; see `Listen`.
    addresses: returns host and port of each of its transports at the moment.
    responder: returns what announces it; it takes python-zeroconf.
    log_error: called with what went wrong, in words; the outlet goes on.

    Raises MdnsUnavailable.
    """

    def __init__(
        self,
        outlet: Outlet,
        listen: Listen,
        addresses: Callable[[], Mapping[Transport, tuple[str, int]]],
        responder: "Callable[[], Responder]",
        log_error: Callable[[str], None],
    ) -> None:
        try:
            import zeroconf  # here, for it is an extra
        except ImportError:
            raise MdnsUnavailable from None
        self._zeroconf: Any = zeroconf
        self._responder = responder()
        self._outlet = outlet
        self._listen = listen
        self._addresses = addresses
        self._log_error = log_error
        self._wanted = True
        self._changed = trio.Event()
        self._seen = (outlet.state, addresses())

    def set_visible(self, visible: bool) -> None:
        """Announce the outlet, or withdraw it, from now on."""
        self._wanted = visible
        self._changed.set()

    def refresh(self) -> None:
        """Announce again if address, name or TXT record have changed."""
        # Called after all that happens, and most of it is nothing that the network is told.
        seen = (self._outlet.state, self._addresses())
        if seen[0] is not self._seen[0] or seen[1] != self._seen[1]:
            self._seen = seen
            self._changed.set()

    async def run(self) -> None:
        """Keep what the network knows up to date, until it is cancelled; then withdraws it."""
        service: Service | None = None
        tried: _Message | None = None  # also what could not be said
        try:
            while True:
                self._changed = trio.Event()
                if service is not None and service.error is not None:
                    assert tried is not None
                    self._report(tried, service.error)
                    await self._responder.withdraw(service)
                    service = None
                message = self._message() if self._wanted else None
                if message != tried:
                    if service is not None:
                        await self._responder.withdraw(service)
                        service = None
                    tried = message
                    service = None if message is None else self._announce(message)
                    continue  # there may be something else to say by now
                await self._changed.wait()
        finally:
            if service is not None:
                await self._responder.withdraw(service)

    def _wake(self) -> None:
        self._changed.set()

    def _announce(self, message: _Message) -> "Service | None":
        """Begin to announce an outlet; None where that cannot be."""
        if isinstance(message.properties, str):
            self._log_refusal(message, message.properties)
            return None
        host = ipaddress.ip_address(message.host)
        return self._responder.announce(host, partial(self._info, message), self._wake)

    def _report(self, message: _Message, error: Exception) -> None:
        from invis_sim.server.net.responder import NoNetwork

        if isinstance(error, NoNetwork):
            self._log_error(f"mDNS is not possible on {message.host}: {error}")
        elif isinstance(error, self._zeroconf.Error | OSError | ValueError):
            taken = (
                self._zeroconf.NonUniqueNameException,  # elsewhere on the network
                self._zeroconf.ServiceNameAlreadyRegistered,  # in this process
            )
            why = str(error) or type(error).__name__
            if isinstance(error, taken):
                why = "there is one already; give this one a serial number of its own"
            self._log_refusal(message, why)
        else:
            raise error

    def _log_refusal(self, message: _Message, why: str) -> None:
        self._log_error(f"mDNS: it cannot be announced as {message.name}: {why}")

    def _message(self) -> _Message:
        """What there is to say now."""
        properties: dict[str, str] | str
        try:
            properties = self._properties()
        except ValueError as error:
            properties = str(error)
        addresses = self._addresses()
        host, port = addresses["tcp"] if "tcp" in addresses else addresses["ws"]
        if self._listen.mdns_port is not None:
            port = self._listen.mdns_port
        return _Message(host, port, self._outlet.state.device.sn, properties)

    def _properties(self) -> dict[str, str]:
        """What there is to say about the outlet. Raises ValueError where that is too long."""
        state = self._outlet.state
        sn = state.device.sn
        # The early app takes the last four characters of the host name for those of MQTT topics.
        hostname = self._listen.mdns_hostname
        hostname = sn if hostname is None else hostname
        properties = {"sn": sn, "device": state.device.device}
        if hostname:
            properties["hostname"] = hostname
        if state.product != "bare" and state.faceplate.attached:
            kind = "Aura" if state.product == "aura" else "Pro"
            properties |= {
                "sub_type": state.faceplate.type or kind,
                "sub_device": state.faceplate.device,
                "sub_sn": faceplate_sn(state),
            }
        for key, value in properties.items():
            size = len(f"{key}={value}".encode(errors="surrogatepass"))
            if size > MAX_TEXT_BYTES:
                raise ValueError(f"{key} and its value have {size} bytes; {MAX_TEXT_BYTES} fit")
        return properties

    def _info(self, message: _Message) -> "ServiceInfo":
        """Return the message as python-zeroconf has it, in the thread of the responder."""
        from invis_sim.server.net.responder import own_addresses

        # Without the interface of a link-local address: who reads the announcement has its own.
        host = message.host.partition("%")[0]
        ip = ipaddress.ip_address(host)
        info: ServiceInfo = self._zeroconf.ServiceInfo(
            SERVICE_TYPE,
            message.name,
            parsed_addresses=(
                reachable_addresses(ip.version, own_addresses()) if ip.is_unspecified else [host]
            ),
            port=message.port,
            properties=message.properties,
            server=f"{message.sn}.local.",
        )
        return info


def reachable_addresses(version: int, addresses: Iterable[str]) -> list[str]:
    """Return the addresses at which other machines reach an outlet that listens on all of one
    version of IP; those of this machine alone where it has no other.

    version: 4 or 6. addresses: all that the machine has, of both versions.
    """
    ips = [one for one in map(ipaddress.ip_address, addresses) if one.version == version]
    return [str(ip) for ip in ips if not ip.is_loopback] or [str(ip) for ip in ips]

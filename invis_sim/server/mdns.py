"""Announces the outlet on the network by mDNS (`_invis._tcp.local.`), with python-zeroconf.

[the TXT keys: the client `invisoutlet`, `hostname`: the vendor's early app; host and instance name:
the Home Assistant integration]
"""

import ipaddress
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import trio

from invis_sim.device.device_info import faceplate_sn
from invis_sim.device.outlet import Outlet
from invis_sim.server.threads import run_in_thread

if TYPE_CHECKING:
    from zeroconf import ServiceInfo, Zeroconf

__all__ = ["SERVICE_TYPE", "Announcement", "MdnsUnavailable", "reachable_addresses"]

SERVICE_TYPE = "_invis._tcp.local."

MAX_TEXT_BYTES = 255
"""Of a TXT entry, key and `=` included. [RFC 6763, 6.1]"""


class MdnsUnavailable(Exception):
    """python-zeroconf is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "to be announced by mDNS takes python-zeroconf: pip install 'invis-sim[mdns]' "
            "(from a clone: pip install '.[mdns]')"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions are pickled by their `args`, which are not what `__init__` takes.
        return type(self), (), self.__dict__


class Announcement:
    """The announcement of one outlet.

    outlet: who it is. host: an IP address at which it listens. port: where.
    hostname: in the TXT record; "": none; None: the serial number.
    log_error: called with what went wrong, in words; the outlet goes on.

    Raises MdnsUnavailable.
    """

    def __init__(
        self,
        outlet: Outlet,
        host: str,
        port: int,
        hostname: str | None,
        log_error: Callable[[str], None],
    ) -> None:
        try:
            import zeroconf  # here, for it is an extra
        except ImportError:
            raise MdnsUnavailable from None
        self._zeroconf: Any = zeroconf
        self._outlet = outlet
        # Without the interface of a link-local address: who reads the announcement has its own.
        self._host = ipaddress.ip_address(host.partition("%")[0])
        self._port = port
        self._hostname = hostname
        self._log_error = log_error
        self._wanted = True
        self._changed = trio.Event()
        self._token = trio.lowlevel.current_trio_token()

    def set_visible(self, visible: bool) -> None:
        """Announce the outlet, or withdraw it, from now on."""
        self._wanted = visible
        self._changed.set()

    def refresh(self) -> None:
        """Announce again if name or TXT record have changed."""
        self._changed.set()

    def _message(self) -> tuple[str, dict[str, str] | str]:
        """What there is to say now: the name, and the properties, or why they cannot be."""
        try:
            return self._name(), self._properties()
        except ValueError as error:
            return self._name(), str(error)

    async def run(self) -> None:
        """Keep what the network knows up to date, until it is cancelled; then withdraws it."""
        try:
            network = await run_in_thread(self._join)
        except OSError as error:
            self._log_error(f"mDNS is not possible on {self._host}: {error.strerror or error}")
            return
        announced: ServiceInfo | None = None
        tried: tuple[str, dict[str, str] | str] | None = None  # also what could not be said
        try:
            while True:
                self._changed = trio.Event()
                message = self._message() if self._wanted else None
                if message != tried:
                    if announced is not None:
                        await run_in_thread(self._withdraw, network, announced)
                        announced = None
                    tried = message
                    if message is not None:
                        announced = await run_in_thread(self._announce, network)
                    continue  # there may be something else to say by now
                await self._changed.wait()
        finally:
            with trio.CancelScope(shield=True):
                await run_in_thread(network.close)  # which also says goodbye

    def _join(self) -> "Zeroconf":
        everywhere = self._host.is_unspecified
        choice = self._zeroconf.InterfaceChoice.All if everywhere else [str(self._host)]
        version = self._zeroconf.IPVersion
        only = version.V4Only if self._host.version == 4 else version.V6Only
        joined: Zeroconf = self._zeroconf.Zeroconf(interfaces=choice, ip_version=only)
        return joined

    def _announce(self, network: "Zeroconf") -> "ServiceInfo | None":
        """Announce the outlet, in a thread; None where that cannot be."""
        try:
            info = self._info()
            network.register_service(info)
        except (self._zeroconf.Error, OSError, ValueError) as error:
            why = str(error) or type(error).__name__
            if isinstance(error, self._zeroconf.NonUniqueNameException):
                why = "there is one already; give this one a serial number of its own"
            words = f"mDNS: it cannot be announced as {self._name()}: {why}"
            self._log_from_thread(words)
            return None
        return info

    def _withdraw(self, network: "Zeroconf", info: "ServiceInfo") -> None:
        """Withdraw the announcement, in a thread."""
        try:
            network.unregister_service(info)
        except (self._zeroconf.Error, OSError) as error:
            why = str(error) or type(error).__name__
            words = f"mDNS: {info.name} cannot be taken back: {why}"
            self._log_from_thread(words)

    def _log_from_thread(self, words: str) -> None:
        # With the token, as this is no thread of trio's.
        trio.from_thread.run_sync(self._log_error, words, trio_token=self._token)

    def _name(self) -> str:
        return f"{self._outlet.state.device.sn}.{SERVICE_TYPE}"

    def _properties(self) -> dict[str, str]:
        """What there is to say about the outlet. Raises ValueError where that is too long."""
        state = self._outlet.state
        sn = state.device.sn
        # The early app takes the last four characters of the host name for those of MQTT topics.
        hostname = sn if self._hostname is None else self._hostname
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

    def _info(self) -> "ServiceInfo":
        state = self._outlet.state
        addresses = [str(self._host)]
        if self._host.is_unspecified:
            addresses = reachable_addresses(self._host.version, self._own_addresses())
        info: ServiceInfo = self._zeroconf.ServiceInfo(
            SERVICE_TYPE,
            self._name(),
            parsed_addresses=addresses,
            port=self._port,
            properties=self._properties(),
            server=f"{state.device.sn}.local.",
        )
        return info

    def _own_addresses(self) -> list[str]:
        import ifaddr  # which python-zeroconf brings along

        ips = [one.ip for adapter in ifaddr.get_adapters() for one in adapter.ips]
        return [str(ip[0] if isinstance(ip, tuple) else ip) for ip in ips]


def reachable_addresses(version: int, addresses: Iterable[str]) -> list[str]:
    """Return the addresses at which other machines reach an outlet that listens on all of one
    version of IP; those of this machine alone where it has no other.

    version: 4 or 6. addresses: all that the machine has, of both versions.
    """
    ips = [one for one in map(ipaddress.ip_address, addresses) if one.version == version]
    return [str(ip) for ip in ips if not ip.is_loopback] or [str(ip) for ip in ips]

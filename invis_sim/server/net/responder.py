"""Answers mDNS queries for every outlet of an event loop, with python-zeroconf.

All of it runs in one thread with an asyncio loop of its own, which starts with the first service
and ends with the last. There is one set of sockets for each network interface, however many
services and addresses there are on it: a thousand outlets open as many as one does.
"""

import asyncio
import ipaddress
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, TypeAlias

import ifaddr  # which python-zeroconf brings along
import msgspec
import trio
import zeroconf
from zeroconf import InterfaceChoice, IPVersion, ServiceInfo, const
from zeroconf.asyncio import AsyncZeroconf

__all__ = ["NoNetwork", "Responder", "Service", "own_addresses"]

IPAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Subnet: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
Interface: TypeAlias = str | int


QUESTIONS, QUESTION_SECONDS = 3, 0.25
"""How often it is asked which names are taken, and how long to wait for answers. [RFC 6762, 8.1]"""

REPEAT_SECONDS = 1.3
"""When it is said once more that a service is there, or gone. Until then python-zeroconf may answer
queries as things were at the query (a second where it has said the same within the last one, and
0.2 to collect other answers), and others may take a packet for a copy of one from before. An
announcement is to be repeated after a second at the earliest. [RFC 6762, 8.3]"""


class NoNetwork(Exception):
    """There can be no mDNS on a network; the message says why."""


class Service:
    """A service that is announced, or is about to be. `Responder.announce` makes one.

    error: why it is not announced; None: it is, or will be in a moment.
    """

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.task: asyncio.Task[None] | None = None
        self.ended = trio.Event()


class Responder:
    """Announces services, and answers queries about them. Its methods are for trio's thread."""

    def __init__(self) -> None:
        self._thread: _LoopThread | None = None
        self._services = 0
        # In the thread alone, from here on.
        self._interfaces = _Interfaces()
        self._networks: dict[tuple[IPVersion, Interface | None], _Network] = {}

    def announce(
        self, host: IPAddress, info: Callable[[], ServiceInfo], on_failure: Callable[[], None]
    ) -> Service:
        """Announce a service on the network of an address, until it is withdrawn.

        host: of this machine; one that stands for all addresses: on every network.
        info: makes what is announced, in the thread of the responder.
        on_failure: called in trio's thread when the service cannot be announced; `error` says why.
        """
        if self._thread is None:
            self._thread = _LoopThread()
        self._services += 1
        service = Service()
        thread = self._thread

        def end(error: Exception | None) -> None:
            service.error = error
            service.ended.set()
            if error is not None:
                on_failure()

        def report(done: asyncio.Task[None]) -> None:
            error = None if done.cancelled() else done.exception()
            assert error is None or isinstance(error, Exception)
            thread.tell(end, error)

        def start() -> None:
            service.task = thread.loop.create_task(self._keep(host, info))
            service.task.add_done_callback(report)

        thread.call(start)
        return service

    async def withdraw(self, service: Service) -> None:
        """Tell the network that a service is gone, once; return when that is done."""
        thread = self._thread
        assert thread is not None

        def cancel() -> None:
            assert service.task is not None
            service.task.cancel()

        thread.call(cancel)
        with trio.CancelScope(shield=True):
            await service.ended.wait()
            self._services -= 1
            if not self._services:
                self._thread = None
                await thread.stop()

    # In the thread

    async def _keep(self, host: IPAddress, make_info: Callable[[], ServiceInfo]) -> None:
        """Announce a service until the task is cancelled; then say goodbye."""
        info = make_info()
        version = IPVersion.V4Only if host.version == 4 else IPVersion.V6Only
        interface = None if host.is_unspecified else self._interfaces.find(host)
        place = (version, interface)
        network = self._networks.get(place)
        if network is None:
            network = self._networks[place] = _open_network(version, interface, info.type)
        network.users += 1
        try:
            # Shielded, for it is opened for others as well; and python-zeroconf leaves sockets open
            # where it is closed before.
            await asyncio.shield(network.opened)
            await _announce(network, info)
        finally:
            network.users -= 1
            if not network.users:
                del self._networks[place]
                if not self._networks:
                    self._interfaces = _Interfaces()  # they may be others when they are used again
                await asyncio.wait([network.opened])
                for gone in tuple(network.withdrawn.values()):
                    _say(network, gone)
                await AsyncZeroconf(zc=network.zeroconf).async_close()


class _LoopThread:
    """A thread that runs an asyncio loop."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._ended = trio.Event()
        self._token = trio.lowlevel.current_trio_token()
        self._thread = threading.Thread(target=self._run, name="invis-sim-mdns", daemon=True)
        self._thread.start()

    def call(self, function: Callable[[], object]) -> None:
        """Call the function in the thread, soon; in the order of the calls."""
        self.loop.call_soon_threadsafe(function)

    def tell(self, function: Callable[..., object], *args: Any) -> None:
        """Call the function in trio's thread, soon."""
        with suppress(trio.RunFinishedError):  # where the host program has left this thread behind
            self._token.run_sync_soon(function, *args)

    async def stop(self) -> None:
        """End the thread."""
        self.call(self.loop.stop)
        await self._ended.wait()
        self._thread.join()

    def _run(self) -> None:
        try:
            self.loop.run_forever()
        finally:
            # Of python-zeroconf's own loop, old versions leave the descriptors open.
            self.loop.close()
            self.tell(self._ended.set)


class _Network(msgspec.Struct):
    """The sockets for mDNS on one network interface, or on all of them.

    opened: done when they are open, and it is known who is there.
    users: how many services use them.
    withdrawn: services that were withdrawn a moment ago, by name.
    """

    zeroconf: zeroconf.Zeroconf
    opened: asyncio.Task[None]
    users: int = 0
    withdrawn: dict[str, ServiceInfo] = {}


def _open_network(version: IPVersion, interface: Interface | None, service_type: str) -> _Network:
    """Open the sockets for an interface; None: for all. Raises NoNetwork."""
    choice: Any = InterfaceChoice.All if interface is None else [interface]
    try:
        zc = zeroconf.Zeroconf(interfaces=choice, ip_version=version)
    except (OSError, RuntimeError) as error:  # RuntimeError: none has an address of this version
        raise NoNetwork(getattr(error, "strerror", None) or str(error)) from error
    return _Network(zc, asyncio.get_running_loop().create_task(_look_around(zc, service_type)))


async def _look_around(zc: zeroconf.Zeroconf, service_type: str) -> None:
    """Ask which services of a type there are on the network, and wait for the answers: from then on
    python-zeroconf knows every name that is taken, as it hears of all that come and go.
    """
    protocol: Any = zeroconf  # which has these classes without a promise
    await zc.async_wait_for_start()
    for number in range(QUESTIONS):
        # The first answer may come directly, and so at once; the others go to everyone.
        kind = const._CLASS_IN if number else const._CLASS_IN | const._CLASS_UNIQUE
        question = protocol.DNSOutgoing(const._FLAGS_QR_QUERY)
        question.add_question(protocol.DNSQuestion(service_type, const._TYPE_PTR, kind))
        zc.async_send(question)
        await asyncio.sleep(QUESTION_SECONDS)


class _Interfaces:
    """The network interfaces of this machine, by address."""

    def __init__(self) -> None:
        self._by_address: dict[str, Interface] = {}
        self._by_subnet: dict[Subnet, Interface] = {}

    def find(self, host: IPAddress) -> Interface:
        """Return the interface that has an address, as python-zeroconf wants to know it: by its
        first address or its index, so that all addresses on it share its sockets.
        """
        found = self._look(host)
        if found is None:  # an address that the machine has got meanwhile
            self._scan()
            found = self._look(host)
        return str(host) if found is None else found

    def _look(self, host: IPAddress) -> Interface | None:
        found = self._by_address.get(str(host))
        if found is None:  # such as 127.0.0.5: its system has all of 127.0.0.0/8
            found = next((one for net, one in self._by_subnet.items() if host in net), None)
        return found

    def _scan(self) -> None:
        for adapter in ifaddr.get_adapters():
            first: Interface | None = None
            for ip in adapter.ips:
                text = _text(ip.ip)
                if ip.is_IPv4:
                    first = text if first is None else first
                    self._by_address[text] = first
                    subnet = ipaddress.ip_network(f"{text}/{ip.network_prefix}", strict=False)
                    self._by_subnet[subnet] = first
                elif adapter.index is not None:
                    # A link-local address may be that of several interfaces.
                    for name in (text, f"{text}%{ip.nice_name}"):
                        self._by_address[name] = adapter.index


async def _announce(network: _Network, info: ServiceInfo) -> None:
    """Announce a service until the task is cancelled; then say goodbye. Raises zeroconf.Error."""
    zc = network.zeroconf
    loop = asyncio.get_running_loop()
    if zc.cache.current_entry_with_name_and_alias(info.type, info.name):
        raise zeroconf.NonUniqueNameException
    # "Cooperating": without asking others about this name alone. Each outlet of a crowd would get
    # an answer with all that are there, thousands of packets in all.
    registered = zc.async_register_service(info, cooperating_responders=True)
    announcing = asyncio.ensure_future(await registered)
    network.withdrawn.pop(info.name, None)
    again = loop.call_later(REPEAT_SECONDS, _say, network, info)
    try:
        await loop.create_future()  # which only a cancellation ends
    finally:
        # Nothing may announce it after the goodbye.
        announcing.cancel()
        again.cancel()
        network.withdrawn[info.name] = info
        loop.call_later(REPEAT_SECONDS, _say, network, info)
        await (await zc.async_unregister_service(info))


def _say(network: _Network, info: ServiceInfo) -> None:
    """Say once more what holds for a service: that it is there, or that it is gone."""
    zc = network.zeroconf
    if zc.registry.async_get_info_name(info.name.lower()) is info:  # as which it keeps every name
        zc.async_send(zc.generate_service_broadcast(info, None))
    elif network.withdrawn.get(info.name) is info:
        del network.withdrawn[info.name]
        zc.async_send(zc.generate_service_broadcast(info, 0))


def own_addresses() -> list[str]:
    """Return every address of this machine, of both versions of IP."""
    import ifaddr

    return [_text(ip.ip) for adapter in ifaddr.get_adapters() for ip in adapter.ips]


def _text(ip: str | Iterable[Any]) -> str:
    """Return an address as ifaddr has it, without the scope of one of IPv6."""
    return ip if isinstance(ip, str) else str(next(iter(ip)))

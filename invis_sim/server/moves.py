"""Moves a running outlet to another address: by a command, or by a fault."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from invis_sim.commands.command import Command, CommandError
from invis_sim.commands.new_address import NewAddress
from invis_sim.journal import AddressChanged, ServerError
from invis_sim.protocol.address import host_and_port, is_loopback
from invis_sim.server.acceptor import Acceptor
from invis_sim.server.net.listeners import ListenerGroup, StartError

if TYPE_CHECKING:
    from invis_sim.server.runtime import Runtime
    from invis_sim.server.session.connection import Connection

__all__ = ["Moves", "Opened"]


class Opened(msgspec.Struct, frozen=True):
    """A new address of an outlet, at which it listens and does not accept clients yet.

    address: as it was asked for. groups: what listens; of the transports whose address changes.
    """

    address: NewAddress
    groups: tuple[ListenerGroup, ...]


class Moves:
    """The changes of the address of one outlet.

    acceptor, connections: what they act on.
    record: adds an event to the journal: (its type, its fields).
    ws_url: returns where the WebSocket is at the moment.
    runtime: where it is steered from, and what learns of each change.

    so_far: what has changed since the start of the outlet.
    """

    def __init__(
        self,
        acceptor: Acceptor,
        connections: Mapping[int, "Connection"],
        record: Callable[..., object],
        ws_url: Callable[[], str],
        runtime: "Runtime",
    ) -> None:
        self._acceptor = acceptor
        self._connections = connections
        self._record = record
        self._ws_url = ws_url
        self._runtime = runtime
        self.so_far = NewAddress()

    def open_for(
        self, commands: Sequence[Command], rehearse: Callable[[Sequence[Command]], None]
    ) -> Opened | None:
        """Listen where the commands want the outlet to be, without accepting clients there: of
        several, where all of them together do.

        rehearse: raises CommandError where the commands cannot be carried out; it is called first,
        so that nothing can fail any more once the outlet listens there.

        Returns what `carry_out` or `give_up` takes; None where no command changes the address.
        Raises CommandError, and has changed nothing then.
        """
        if all(command.new_address is None for command in commands):
            return None
        rehearse(commands)
        key = ""
        wanted = NewAddress()
        for command in commands:
            if command.new_address is not None:
                key = f"{command.key}.listen"
                wanted = command.new_address.in_place_of(wanted)
        for transport, port in {"tcp": wanted.tcp_port, "ws": wanted.ws_port}.items():
            if port is not None and transport not in self._acceptor.addresses:
                why = f"this outlet has no {transport}: the scenario switches it off"
                raise CommandError(f"{key}.{transport}_port: {why}")
        try:
            return Opened(wanted, self._open_at(wanted))
        except StartError as error:
            raise CommandError(f"{key}: {error}") from None

    def give_up(self, opened: Opened | None) -> None:
        """Leave the outlet where it is, and no longer listen where `open_for` has begun to."""
        if opened is not None:
            self._acceptor.give_up(opened.groups)

    def carry_out(self, opened: Opened | None) -> bool:
        """Have the outlet where it listens by now, and end its connections at the addresses before.

        Returns whether its address has changed.
        """
        if opened is None or not opened.groups:
            return False
        moved = {group.transport for group in opened.groups}
        self._move(opened.groups)
        self.so_far = opened.address.in_place_of(self.so_far)
        for connection in tuple(self._connections.values()):
            if connection.transport in moved:
                # As the network does with packets for an address that the outlet has no more.
                connection.disconnect("reset", "by command set")
        return True

    def carry_out_for_fault(self, address: str | None) -> None:
        """Have the outlet at another address as soon as it is back; where that cannot be, it comes
        back where it was.

        address: None: the next one of this machine.
        """
        try:
            if address is None:
                # Not that of another outlet, which may have other ports there.
                others = self._runtime.outlets
                taken = {host for one in others for host, _ in one.addresses.values()}
                groups = self._acceptor.open_at_next_address(taken)
            else:
                groups = self._open_at(NewAddress(host=address))
        except StartError as error:
            self._record(ServerError, text=f"{error}; the outlet comes back where it was")
            return
        self._move(groups)
        self.so_far = NewAddress(host=self._acceptor.host).in_place_of(self.so_far)

    def _open_at(self, address: NewAddress) -> tuple[ListenerGroup, ...]:
        control = self._runtime.control
        # Any program of this machine may use a control server that asks for no token. None of them
        # may open the outlet to the network.
        if (
            address.host is not None
            and control is not None
            and control.token is None
            and is_loopback(self._acceptor.host)
            and not is_loopback(address.host)
        ):
            raise StartError(
                f"cannot listen on {address.host}: the control server asks for no token, so the "
                "outlet stays on this machine; start it with --host or --control-host otherwise"
            )
        return self._acceptor.open_at(address)

    def _move(self, groups: Iterable[ListenerGroup]) -> None:
        self._acceptor.move_to(groups)
        addresses = self._acceptor.addresses
        tcp = host_and_port(*addresses["tcp"]) if "tcp" in addresses else None
        ws = self._ws_url() if "ws" in addresses else None
        self._record(AddressChanged, tcp=tcp, ws=ws)
        self._runtime.report_move()

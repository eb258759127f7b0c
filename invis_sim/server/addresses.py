"""Where a running outlet is reached: by its clients, and by those who steer it over HTTP."""

from invis_sim.protocol.address import host_and_port
from invis_sim.protocol.transport import Transport
from invis_sim.scenario import Scenario
from invis_sim.schema.build import check
from invis_sim.server.runtime import ControlAddress, Runtime

__all__ = ["AddressMethods", "ControlMethods"]


class ControlMethods:
    """What says where outlets are steered.

    runtime: what they share.
    """

    runtime: Runtime

    @property
    def control_url(self) -> str:
        """The URL of their page; the HTTP API is below. Raises LookupError where control is off."""
        return self._control().url

    @property
    def control_token(self) -> str | None:
        """What each request to the control server must have; None: nothing, or control is off."""
        return None if self.runtime.control is None else self.runtime.control.token

    def _control(self) -> ControlAddress:
        if self.runtime.control is None:
            raise LookupError("control is off; start with control=True")
        return self.runtime.control


class AddressMethods(ControlMethods):
    """What a running outlet says about where it is.

    scenario: what it was made from. runtime: what it shares with others.
    """

    scenario: Scenario

    @property
    def addresses(self) -> dict[Transport, tuple[str, int]]:
        """Host and port of each transport that it has."""
        raise NotImplementedError

    @property
    def tcp_address(self) -> tuple[str, int]:
        """Host and port of the TCP transport. Raises LookupError where the scenario has it off."""
        return self._address("tcp")

    @property
    def ws_url(self) -> str:
        """The URL of the WebSocket. Raises LookupError where the scenario has it off."""
        host, port = self._address("ws")
        return f"ws://{host_and_port(host, port)}{self.scenario.listen.ws_path}"

    def has(self, transport: Transport) -> bool:
        """Return whether the outlet has this transport. Raises ValueError for an unknown one."""
        check(Transport, transport, "transport")
        return transport in self.addresses

    def _address(self, transport: Transport) -> tuple[str, int]:
        if not self.has(transport):
            raise LookupError(f"this outlet has no {transport}: the scenario switches it off")
        return self.addresses[transport]

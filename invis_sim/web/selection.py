"""Which of the outlets of a process a request is about: by serial number, text and state."""

from collections.abc import Iterable

import msgspec

from invis_sim.device.state import Product
from invis_sim.schema.describe import did_you_mean
from invis_sim.server.simulator import Simulator
from invis_sim.web.problems import HttpProblem

__all__ = ["Selection", "unknown_outlet"]

MAX_SHOWN = 20
"""How many serial numbers a problem lists."""


class Selection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which outlets; what is omitted may be anything.

    sn: its serial number, or several with commas.
    search: a part of its serial number, of a name of its sockets, or of its scenario's description.
    product: "bare", "pro" or "aura".
    up: whether it is on the network. connected: whether a client is. faulty: whether a fault is
    enabled.
    """

    sn: tuple[str, ...] | None = None
    search: str | None = None
    product: Product | None = None
    up: bool | None = None
    connected: bool | None = None
    faulty: bool | None = None

    def of(self, outlets: Iterable[Simulator]) -> tuple[Simulator, ...]:
        """Return those that are selected, in their order; a serial number selects each once.

        Raises HttpProblem for a serial number that no outlet has.
        """
        every = tuple(outlets)
        if self.sn is not None:
            there = {one.sn for one in every}
            for sn in self.sn:
                if sn not in there:
                    raise unknown_outlet(sn, every)
            wanted = set(self.sn)
            every = tuple(one for one in every if one.sn in wanted)
        return tuple(filter(self._matches, every))

    def _matches(self, outlet: Simulator) -> bool:
        if self.search is not None and not _contains(outlet, self.search.casefold()):
            return False
        return (
            self.product in (None, outlet.state.product)
            and self.up in (None, not outlet.offline)
            and self.connected in (None, bool(outlet.connections))
            and self.faulty in (None, any(armed.enabled for armed in outlet.pipeline))
        )


def _contains(outlet: Simulator, text: str) -> bool:
    state = outlet.state
    texts = (outlet.sn, state.names.outlet1, state.names.outlet2, outlet.scenario.description)
    return any(text in one.casefold() for one in texts)


def unknown_outlet(sn: str, outlets: Iterable[Simulator]) -> HttpProblem:
    """Return what to raise for a serial number that no outlet has."""
    there = [one.sn for one in outlets]
    more = ", …" if len(there) > MAX_SHOWN else ""
    listed = f"; there are: {', '.join(there[:MAX_SHOWN]) or 'none'}{more}"
    return HttpProblem(
        404, f"no outlet has the serial number {sn!r}{did_you_mean(sn, there) or listed}"
    )

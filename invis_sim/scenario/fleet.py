"""The table `[fleet]`: how many outlets there are, what tells them apart, and which differ."""

import inspect
import ipaddress
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import msgspec

from invis_sim.device.state import OutletState
from invis_sim.faults.fault import Fault
from invis_sim.scenario.address_block import addresses
from invis_sim.scenario.listen import Listen, Protocol
from invis_sim.scenario.serial_numbers import serial_numbers
from invis_sim.scenario.steps import Step
from invis_sim.schema.build import Checked

__all__ = ["PATCHED_TABLES", "FleetSettings", "OutletDifferences"]

MAX_OUTLETS = 100_000
"""How many outlets a fleet has at most: a thousand take some 50 MiB."""

OUTLET_ZERO = ipaddress.IPv4Address("127.0.1.0")
"""The address from which those of outlets count where each needs one and none is given. They belong
to this machine alone, and are not the one at which everything else listens."""

MAX_NUMBER = 2**24 - 2**8 - 1
"""The number of the first outlet that has no such address."""

SHARED_KEYS = ("control", "control_host", "control_port", "control_allow_hosts")
"""The keys of [listen] that are about the whole process."""

_TABLES: dict[str, type[msgspec.Struct]] = {
    "listen": Listen,
    "protocol": Protocol,
    # Not by `fields`, which resolves annotations: every start would wait for that.
    **inspect.get_annotations(OutletState),
}


def _patch(key: str) -> Any:
    """Return the type of a table of which only the keys that differ are given."""
    return Annotated[dict[str, Any], msgspec.Meta(description=f"As [{key}].")]


PATCHED_TABLES: Mapping[Any, type[msgspec.Struct]] = {
    form: struct for key, struct in _TABLES.items() for form in (_patch(key), _patch(key) | None)
}
"""Type of a key of [[fleet.outlets]] → the table of which it has some keys."""

OutletNumber: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]


class _Selection(Checked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Some outlets of a fleet, and what differs on them: keys as at the top of the file. Of a table
    only the keys that are given are other ones; a list, such as `faults`, replaces that of the
    file. Where several of these tables say the same key for an outlet, the last one counts.

    every: every tenth for 10: those whose number it divides. Exactly one of `every`, `n` and
    `share` is given.
    n: the outlet of this number, or of these numbers.
    share: about this part of them, chosen by the seed: 0.1 is one in ten.
    description: what their scenario is for, in place of the file's.
    faults: what goes wrong on them, in place of the file's.
    steps: what changes on them over time, or after a request, in place of the file's.
    """

    every: Annotated[int, msgspec.Meta(ge=1)] | None = None
    n: OutletNumber | Annotated[tuple[OutletNumber, ...], msgspec.Meta(min_length=1)] | None = None
    share: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None

    def __post_init__(self) -> None:
        # Here, for it imports this module.
        from invis_sim.scenario.validation import check_struct

        check_struct(self)
        given = [name for name in ("every", "n", "share") if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none of them"
            raise ValueError(f"expected one of every, n and share, found {found}")
        for key in SHARED_KEYS:
            if key in (self.changes.get("listen") or {}):
                raise ValueError(f"listen.{key}: is about all outlets; it belongs in [listen]")

    @property
    def changes(self) -> dict[str, Any]:
        """What differs: key at the top of a file → its value, or the keys that differ in it."""
        given = ((key, getattr(self, key)) for key in DIFFERING_KEYS)
        return {key: value for key, value in given if value is not None}


def _manual() -> str | None:
    """Return the docstring of these tables: a part for each key. None where Python has stripped
    those it is made of.
    """
    if _Selection.__doc__ is None:
        return None
    parts = [inspect.cleandoc(_Selection.__doc__)]
    parts += [f"{key}: keys of [{key}] that are other ones on these outlets." for key in _TABLES]
    return "\n".join(parts)


_DIFFERENCES: list[tuple[str, Any, Any]] = [
    ("description", str | None, None),
    ("faults", tuple[Fault, ...] | None, None),
    ("steps", tuple[Step, ...] | None, None),
    *((key, _patch(key) | None, None) for key in _TABLES),
]

DIFFERING_KEYS = tuple(key for key, _, _ in _DIFFERENCES)
"""What may differ from outlet to outlet: keys at the top of a file."""

if TYPE_CHECKING:
    # To type checkers the differences are keyword arguments of any type, as for `Step`.
    class OutletDifferences(_Selection, frozen=True):
        """Some outlets of a fleet, and what differs on them."""

        faults: tuple[Fault, ...] | None

        def __init__(
            self,
            *,
            every: int | None = None,
            n: int | tuple[int, ...] | None = None,
            share: float | None = None,
            **differences: Any,
        ) -> None: ...

else:
    OutletDifferences = msgspec.defstruct(
        "OutletDifferences",
        _DIFFERENCES,
        bases=(_Selection,),
        namespace={"__doc__": _manual()},
        module=__name__,
        frozen=True,
        kw_only=True,
        forbid_unknown_fields=True,
    )


class FleetSettings(Checked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Many outlets in one process. All are as the rest of the file says, but for their serial
    numbers, addresses and seeds, and for what `[[fleet.outlets]]` says. The seed of an outlet is
    made of the file's and its serial number, so one outlet more changes no other.

    count: how many.
    first: the number of the first one, the `n` of its serial number; another process has others.
    sn: the serial numbers, with {n} in place of the number of the outlet, or {n:05X} for five
    hexadecimal digits.
    address: that of the first one; each next one has the next of its block: of 127.0.0.0/8, else
    of 24 bits of IPv4 and 64 of IPv6, or of those that are given as in "10.0.0.1/16". Omitted:
    127.0.1.1 for outlet 1, 127.0.1.2 for outlet 2 and so on, but `host` of [listen] where all ports
    are free ones, or there is one outlet alone.
    ports: "usual": those of [listen], for all outlets the same; "free": any free ones.
    outlets: those that differ.
    """

    count: Annotated[int, msgspec.Meta(ge=1, le=MAX_OUTLETS)]
    first: Annotated[int, msgspec.Meta(ge=0, le=2**44)] = 1
    sn: Annotated[str, msgspec.Meta(max_length=64)] = "0003C4{n:05X}"
    address: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    ports: Literal["usual", "free"] = "usual"
    outlets: tuple[OutletDifferences, ...] = ()

    def __post_init__(self) -> None:
        # Here, for it imports this module.
        from invis_sim.scenario.validation import check_struct

        check_struct(self)
        try:
            self.serial_numbers()
        except ValueError as error:
            raise ValueError(f"sn: {error}") from None
        if self.address is not None:
            self.hosts()

    @property
    def numbers(self) -> range:
        """The numbers of the outlets."""
        return range(self.first, self.first + self.count)

    def serial_numbers(self) -> list[str]:
        """Return the serial number of each outlet, as the pattern has it."""
        return serial_numbers(self.sn, self.numbers)

    def hosts(self) -> list[str]:
        """Return the address of each outlet, where it has one of its own.

        Raises ValueError where there are too few.
        """
        first = self.address
        try:
            if first is None:  # another process, with other numbers, has others then
                if self.first >= MAX_NUMBER:
                    raise ValueError(f"expected the address of outlet {self.first}, found none")
                first = str(OUTLET_ZERO + self.first)
            return addresses(first, self.count)
        except ValueError as error:
            raise ValueError(f"address: {error}") from None

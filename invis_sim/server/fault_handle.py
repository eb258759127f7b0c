"""The faults of a running outlet, as those who steer it see them.

The same classes serve trio and other threads: `call` says how a function reaches the outlet.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Protocol, Self, TypeVar

from invis_sim.commands.command import CommandError
from invis_sim.commands.registry import CommandMethods
from invis_sim.faults.armed import ArmedFault
from invis_sim.faults.fault import Fault
from invis_sim.faults.pipeline import Pipeline
from invis_sim.journal import Journal
from invis_sim.protocol.hidden_frames import hide_frames
from invis_sim.schema.build import check
from invis_sim.server.unapplied import unapplied

__all__ = ["FaultHandle", "FaultHandles", "FaultMethods", "call_here"]

__tracebackhide__ = hide_frames

T = TypeVar("T")


class _Call(Protocol):
    def __call__(self, function: Callable[..., T], *args: Any) -> T:
        """Call a function where the outlet runs, and return what it returns."""


def call_here(function: Callable[..., T], *args: Any) -> T:
    """Call a function: the outlet runs in the caller's thread."""
    return function(*args)


class FaultHandle:
    """A fault of a running outlet, or all faults of a name.

    As a context manager it removes the fault at the end of the block.

    key: the name or the identity by which commands find it.
    """

    def __init__(
        self, owner: CommandMethods, faults: Pipeline, key: str, armed: ArmedFault, read: _Call
    ) -> None:
        self._owner = owner
        self._faults = faults
        self._key = key
        self._armed = armed
        self._read = read

    @property
    def name(self) -> str:
        """The name of the fault, or its kind where it has none."""
        return self._armed.name

    @property
    def identity(self) -> str:
        """The name with the place among the faults of that name: `drop#1`."""
        return self._armed.identity

    @property
    def fault(self) -> Fault:
        """The fault itself; of several of a name, the first."""
        return self._armed.fault

    @property
    def applied(self) -> int:
        """How often it has applied; of several of a name, all together."""
        return self._read(lambda: sum(armed.applied for armed in self._members()))

    @property
    def enabled(self) -> bool:
        """Whether it applies; may be set at any time. Of several of a name: whether one does."""
        return self._read(lambda: any(armed.enabled for armed in self._members()))

    @enabled.setter
    def enabled(self, enabled: bool) -> None:
        check(bool, enabled, "enabled")
        if self._is_gone():
            raise CommandError(f"{'enable' if enabled else 'disable'}: {self._key} was removed")
        if enabled:
            self._owner.enable(self._key)
        else:
            self._owner.disable(self._key)

    def remove(self) -> None:
        """Remove the fault. One that is gone already, or whose outlet has stopped, is no error."""
        if self._is_gone():
            return
        # CommandError: the fault is gone. RuntimeError: the outlet is (SimulatorStopped).
        with suppress(CommandError, RuntimeError):
            self._owner.remove(self._key)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def _is_gone(self) -> bool:
        """Return whether the only fault of this handle was removed. Another one may have been
        injected since, and may have got its identity.
        """
        only_one = self._key == self._armed.identity
        return only_one and self._read(lambda: self._armed not in tuple(self._faults))

    def _members(self) -> tuple[ArmedFault, ...]:
        if self._key == self._armed.identity:
            return (self._armed,)
        try:
            return self._faults.matching(self._key)
        except LookupError:  # removed: what it counted stays readable
            return (self._armed,)


class FaultHandles:
    """The faults of a running outlet, by name or one after the other."""

    def __init__(
        self, owner: CommandMethods, faults: Pipeline, journal: Journal, read: _Call
    ) -> None:
        self._owner = owner
        self._faults = faults
        self._journal = journal
        self._read = read

    def __getitem__(self, name: str) -> FaultHandle:
        """Return a handle of all faults of this name. Raises KeyError that lists the names."""
        armed = self._read(lambda: self._faults[name])
        return FaultHandle(self._owner, self._faults, name, armed, self._read)

    def __iter__(self) -> Iterator[FaultHandle]:
        present = self._read(lambda: tuple(self._faults))
        return iter([self.handle(armed) for armed in present])

    def __len__(self) -> int:
        return self._read(lambda: len(self._faults))

    def assert_applied(self, *names: str) -> None:
        """Do as `FaultMethods.assert_faults_applied`."""
        if message := self._read(lambda: unapplied(self._faults, self._journal, names)):
            raise AssertionError(message)

    def handle(self, armed: ArmedFault) -> FaultHandle:
        """Return a handle of this one fault."""
        return FaultHandle(self._owner, self._faults, armed.identity, armed, self._read)


class FaultMethods:
    """What a running outlet offers to those who ask about its faults."""

    @property
    def faults(self) -> FaultHandles:
        """What goes wrong; by name or one after the other, each with its switch `enabled`."""
        raise NotImplementedError

    def assert_faults_applied(self, *names: str) -> None:
        """Fail with an AssertionError unless each fault has applied at least once: a test whose
        fault never applied has proved nothing.

        names: of the faults; none: all that are enabled.

        The message says for each fault how many packets it matched, and the nearest packets with
        the condition that they fail. Raises KeyError for a name that no fault has.
        """
        self.faults.assert_applied(*names)

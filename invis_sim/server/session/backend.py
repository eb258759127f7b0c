"""Who answers requests behind a connection: the simulated outlet, a real one, a recording.

    request ──▶ Backend.handle ──▶ Answer, at once
                              └──▶ PendingAnswer … resolve(Answer), later

Faults, delivery, journal and control know no difference.
"""

from collections.abc import Callable
from typing import Protocol

import msgspec

from invis_sim.device.effects import Answer
from invis_sim.protocol.packets import Request

__all__ = ["Backend", "PendingAnswer"]


class PendingAnswer(msgspec.Struct, eq=False):
    """An answer that comes later. The back end makes one, and resolves it once."""

    _answer: Answer | None = None
    _then: Callable[[Answer], None] | None = None

    def resolve(self, answer: Answer) -> None:
        """Give the answer. Only the first one counts."""
        if self._answer is not None:
            return
        self._answer = answer
        if self._then is not None:
            self._then(answer)

    def then(self, function: Callable[[Answer], None]) -> None:
        """Call the function with the answer: when it comes, or now where it is there."""
        self._then = function
        if self._answer is not None:
            function(self._answer)


class Backend(Protocol):
    """Answers requests. `Outlet` is one."""

    def handle(self, request: Request, now: float) -> Answer | PendingAnswer:
        """Answer a request, now or later. Must not raise or wait.

        now: simulated seconds since the outlet started.
        """

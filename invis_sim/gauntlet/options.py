"""What a run of the gauntlet is asked to do."""

import msgspec

from invis_sim.gauntlet.command import wants_control
from invis_sim.gauntlet.plan import PlanName
from invis_sim.gauntlet.real_device import RealDevice
from invis_sim.protocol.transport import Transport
from invis_sim.scenario import Scenario

__all__ = ["Options"]


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """A client, an outlet, and how to try the one with the other.

    command: the client, with placeholders.
    scenario: of the outlet. scenario_name: what the user calls it; "": the default one.
    transports: which are tried. plan: which cases there are. only, skip: patterns of those to run.
    jobs: how many run at a time, ≥ 1.
    timeout: seconds after which a client is ended; None: a multiple of its undisturbed run.
    seed: of all that is random.
    ports: fixed ones, for clients that know no others; empty: free ones.
    callback: the packets that faults touch; None: those of the client's first request.
    probe: whether the client runs once more when the fault is gone.
    stays: whether the client runs on, and is judged by whether it recovers.
    speed: how many simulated seconds pass in a real one.
    device: a real outlet in place of the simulated one, behind a proxy; None: there is none.
    """

    command: tuple[str, ...]
    scenario: Scenario
    scenario_name: str = ""
    transports: tuple[Transport, ...] = ("tcp", "ws")
    plan: PlanName = "faults"
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    jobs: int = 1
    timeout: float | None = None
    seed: int = 0
    ports: dict[Transport, int] = {}
    callback: int | None = None
    probe: bool = False
    stays: bool = False
    speed: float = 1.0
    device: RealDevice | None = None

    @property
    def control(self) -> bool:
        """Whether the client steers its outlet."""
        return wants_control(self.command)

    @property
    def scenario_arguments(self) -> tuple[str, ...]:
        """The scenario on a command line."""
        return (self.scenario_name,) if self.scenario_name else ()

    @property
    def repeat_arguments(self) -> tuple[str, ...]:
        """The options, beside which case it is and the seed, on which the outcome depends."""
        given: list[str] = [] if self.device is None else [*self.device.arguments]
        if self.plan != "faults":
            given += ["--plan", self.plan]
        for transport, port in self.ports.items():
            given += [f"--{transport}-port", str(port)]
        if self.callback is not None:
            given += ["--callback", str(self.callback)]
        if self.timeout is not None:
            given += ["--timeout", f"{self.timeout:g}"]
        if self.speed != 1:
            given += ["--speed", f"{self.speed:g}"]
        if self.probe:
            given.append("--probe")
        if self.stays:
            given.append("--stays")
        return tuple(given)

"""Another scenario in place of the one that runs: the difference is carried out, and no more."""

import msgspec
import pytest
import trio
from hypothesis import given

from invis_sim import Scenario, ScenarioError, faults, open_simulator, start_simulator
from invis_sim.commands.command import Target
from invis_sim.commands.run import apply_all
from invis_sim.device.outlet import Outlet
from invis_sim.faults.pipeline import Pipeline
from invis_sim.journal.text import summary
from invis_sim.scenario.diff import changes_between
from tests.scenario.random_scenarios import scenarios
from tests.server.peers import connected

BEFORE = """
seed = 1
[device]
product = "pro"
[sensors]
lux = 5
[names]
outlet1 = "Lamp"
[[faults]]
kind = "wrong_packet_id"
when = { nth = 3 }
[[faults]]
kind = "fail"
when = { callback = 3 }
[[steps]]
after_seconds = 100
push = 9
"""


def reloaded(old: Scenario, new: Scenario) -> tuple[Outlet, Pipeline]:
    """The outlet and the faults of the old scenario after a reload of the new one."""
    outlet, armed = Outlet(old.state, seed=1), Pipeline(old.faults, 1)
    command = changes_between(old, new).command
    if command is not None:
        apply_all([command], Target(outlet, armed, 0.0))
    return outlet, armed


@given(scenarios, scenarios)
def test_after_a_reload_the_outlet_is_as_the_new_scenario_says(
    old: Scenario, new: Scenario
) -> None:
    fixed = {key: getattr(Scenario(), key) for key in ("listen", "protocol", "seed")}
    try:
        old, new = (msgspec.structs.replace(one, **fixed) for one in (old, new))
    except ValueError:
        return  # it makes no sense on both transports
    outlet, armed = reloaded(old, new)
    expected = Outlet(new.state, seed=1)
    assert outlet.state == expected.state
    wanted = Pipeline(new.faults, 1)
    assert [(one.fault, one.enabled) for one in armed] == [
        (one.fault, one.enabled) for one in wanted
    ]
    # And it is what resets go back to.
    outlet.set({"outlets": {"states": [1, 1]}}, 1.0)
    outlet.reset(1.0)
    armed.reset()
    assert outlet.state == expected.state
    assert [one.fault for one in armed] == [one.fault for one in wanted]


@given(scenarios)
def test_the_same_scenario_changes_nothing(same: Scenario) -> None:
    difference = changes_between(same, same)
    assert (difference.command, difference.changed, difference.fixed) == (None, (), ())
    assert difference.scenario == same


def test_what_did_not_change_goes_on_with_its_counters_and_connections() -> None:
    after = BEFORE.replace("lux = 5", "lux = 6").replace("callback = 3", "callback = 1")
    after = f'{after}[[steps]]\nafter_seconds = 50\nset = {{ names = {{ outlet1 = "Fan" }} }}\n'
    with start_simulator(BEFORE) as sim, connected(sim, "tcp") as peer:
        sim.clock.pause()
        sim.set(outlets={"states": [1, 0]})
        peer.send_requests(1, 2)
        while not {packet["packetID"] for packet in peer.packets(1)} >= {2}:
            pass
        sim.clock.advance(60)
        found = sim.reload(after)
        assert found.changed == ("sensors.lux = 6.0", "fault fail changed", "1 step added")
        assert found.fixed == ()
        # The third packet, counted from before the reload.
        peer.send_requests(3)
        assert peer.packet()["packetID"] != 3
        assert (sim.state.outlets.states, sim.state.sensors.lux) == ((1, 0), 6.0)
        # The old step has 40 s left, the new one 50.
        sim.clock.advance(45)
        while peer.packet()["payload"]["callbackName"] != 9:
            pass
        assert sim.state.names.outlet1 == "Lamp"
        sim.clock.advance(5)
        assert sim.state.names.outlet1 == "Fan"
        assert len(sim.journal.events(kind="connected")) == 1


def test_what_cannot_change_is_said_and_stays() -> None:
    after = f"{BEFORE.replace('seed = 1', 'seed = 2')}[listen]\ntcp_port = 4711\n"
    after += "[protocol]\ntcp_terminator = '\\n'\n"
    with start_simulator(BEFORE) as sim:
        port = sim.tcp_address
        found = sim.reload(after)
        assert (found.changed, sim.tcp_address, sim.seed) == ((), port, 1)
        assert found.fixed == ("seed", "listen.tcp_port", "protocol.tcp_terminator")


def test_a_scenario_with_problems_changes_nothing() -> None:
    with start_simulator(BEFORE) as sim:
        before = sim.state
        with pytest.raises(ScenarioError, match=r"sensors\.lux"):
            sim.reload(BEFORE.replace("lux = 5", "lux = true").replace("Lamp", "Fan"))
        assert sim.state == before
        assert not sim.journal.events(kind="command")


def test_faults_that_were_added_stay_after_those_of_the_file() -> None:
    with start_simulator(BEFORE) as sim:
        added = faults.Delay(seconds=9)
        sim.inject(added)
        sim.reload(BEFORE + '[[faults]]\nkind = "delay"\nname = "slow"\nseconds = 1\n')
        delays = [armed.fault for armed in sim.faults if armed.fault.kind() == "delay"]
        assert delays[-1] == added
        assert delays[0].name == "slow"


def test_only_the_switch_of_a_fault_changes() -> None:
    off = BEFORE.replace('kind = "fail"', 'kind = "fail"\nenabled = false')
    with start_simulator(BEFORE) as sim:
        assert sim.reload(off).changed == ("fault fail disabled",)
        assert [one.enabled for one in sim.faults if one.name == "fail"] == [False]
        assert sim.reload(BEFORE).changed == ("fault fail enabled",)


def test_the_journal_says_what_changed() -> None:
    async def run() -> None:
        async with open_simulator(BEFORE) as sim:
            sim.reload(BEFORE.replace("lux = 5\n", "").replace("Lamp", "Fan"))
            assert [summary(entry) for entry in sim.journal] == [
                "python: reload the scenario, 2 changes",
                'outlet: names.outlet1 = "Fan"',
                "outlet: sensors.lux as usual",
            ]

    trio.run(run)

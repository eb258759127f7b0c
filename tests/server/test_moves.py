"""An outlet that moves to another address while it runs: by `set`, and by the fault `readdress`."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from invis_sim import Fleet, open_fleet
from invis_sim.commands.command import CommandError
from invis_sim.commands.set_state import SetState
from invis_sim.faults import Readdress, When
from invis_sim.journal import AddressChanged, FaultNote, ServerError
from invis_sim.journal.text import summary
from invis_sim.protocol.transport import Transport
from invis_sim.scenario import ScenarioError
from invis_sim.scenario.loading import parse
from invis_sim.server.export import export
from invis_sim.testing.block import start_simulator
from invis_sim.testing.handle import SimulatorHandle
from invis_sim.web.opening import open_simulator
from tests.cases import for_each
from tests.server.peers import Address, Peers, address, connected
from tests.server.support import TRANSPORTS, on_both, outlet, updates_reply, wait_until


def has_second_loopback() -> bool:
    with socket.socket() as sock:
        try:
            sock.bind(("127.0.0.2", 0))
        except OSError:
            return False
    return True


pytestmark = pytest.mark.skipif(
    not has_second_loopback(), reason="this system has 127.0.0.1 alone of 127.0.0.0/8"
)


def is_refused(where: Address) -> bool:
    try:
        socket.create_connection(where).close()
    except ConnectionRefusedError:
        return True
    return False


def answers(sim: SimulatorHandle, transport: Transport) -> bool:
    with connected(sim, transport) as peer:
        peer.send_requests(7)
        return bool(peer.packet()["packetID"] == 7)


def moves(sim: SimulatorHandle) -> list[str]:
    return [summary(event) for event in sim.journal.events() if isinstance(event, AddressChanged)]


@contextmanager
def taken_port(host: str = "127.0.0.2") -> Iterator[int]:
    """A port on which another program listens."""
    with socket.socket() as sock:
        sock.bind((host, 0))
        sock.listen()
        yield sock.getsockname()[1]


@on_both
def test_it_listens_at_the_new_address_and_no_longer_at_the_old_one(transport: Transport) -> None:
    with start_simulator(outlet()) as sim, Peers(sim) as peers:
        peer = peers.listen(transport)
        before = {kind: address(sim, kind) for kind in TRANSPORTS}
        sim.set(outlets={"states": [1, 0]}, listen={"host": "127.0.0.2"})
        for kind in TRANSPORTS:
            assert address(sim, kind) == ("127.0.0.2", before[kind][1])
            assert is_refused(before[kind])
            assert answers(sim, kind)
        # The push about the switch comes before the end.
        assert peer.packet()["payload"]["callbackName"] == 9
        assert peer.end() == (b"", "RST")
        assert sim.state.outlets.states == (1, 0)
        tcp, port = sim.tcp_address
        assert moves(sim) == [f"now at {tcp}:{port} and {sim.ws_url}"]


@on_both
def test_a_transport_whose_address_stays_keeps_its_connections(transport: Transport) -> None:
    (other,) = set(TRANSPORTS) - {transport}
    with start_simulator(outlet()) as sim, Peers(sim) as peers:
        staying, leaving = peers.listen(other), peers.listen(transport)
        before = address(sim, transport)
        sim.do(set={"listen": {f"{transport}_port": 0}})
        assert leaving.end() == (b"", "RST")
        assert address(sim, transport)[0] == "127.0.0.1"
        assert address(sim, transport) != before
        assert is_refused(before)
        staying.send_requests(3)
        assert staying.packet() == updates_reply(3)
        assert answers(sim, transport)


def test_where_it_cannot_listen_nothing_changes() -> None:
    with taken_port() as port, start_simulator(outlet()) as sim, Peers(sim) as peers:
        peer = peers.tcp()
        here = dict(sim.addresses)
        for host, why in (("127.0.0.2", "already in use"), ("192.0.2.123", "Cannot assign")):
            with pytest.raises(CommandError, match=rf"^set\.listen: cannot listen .*{port}.*{why}"):
                sim.set(
                    outlets={"states": [1, 0]},
                    listen={"host": host, "ws_port": 0, "tcp_port": port},
                )
        assert sim.addresses == here
        assert sim.state.outlets.states == (0, 0)
        assert not sim.journal.events(kind="command")
        peer.send_requests(3)
        assert peer.packet() == updates_reply(3)
        assert all(answers(sim, kind) for kind in TRANSPORTS)


@pytest.mark.parametrize("host", ["0.0.0.0", "localhost", "::"])
def test_its_own_ports_are_not_in_its_way(host: str) -> None:
    with start_simulator(outlet()) as sim:
        here = dict(sim.addresses)
        sim.set(listen={"host": host})
        assert [port for _, port in sim.addresses.values()] == [port for _, port in here.values()]
        assert answers(sim, "tcp") if host == "localhost" else sim.tcp_address[0] == host
        sim.set(listen={"host": "127.0.0.1"})
        assert sim.addresses == here
        assert all(answers(sim, kind) for kind in TRANSPORTS)


def test_from_both_addresses_of_localhost_it_moves_to_one() -> None:
    with start_simulator(outlet(), host="localhost") as sim:
        port = sim.tcp_address[1]
        if is_refused_or_missing(("::1", port)):
            pytest.skip("this machine has no ::1")
        sim.set(listen={"host": "localhost"})
        assert moves(sim) == []
        sim.set(listen={"host": "127.0.0.1"})
        assert is_refused(("::1", port))
        assert answers(sim, "tcp")
        sim.set(listen={"host": "localhost"})
        assert not is_refused(("::1", port))
        assert len(moves(sim)) == 2


def is_refused_or_missing(where: Address) -> bool:
    try:
        return is_refused(where)
    except OSError:
        return True


def test_its_two_ports_can_be_exchanged() -> None:
    with start_simulator(outlet()) as sim:
        tcp, ws = (address(sim, kind)[1] for kind in TRANSPORTS)
        sim.set(listen={"tcp_port": ws, "ws_port": tcp})
        assert [address(sim, kind)[1] for kind in TRANSPORTS] == [ws, tcp]
        assert all(answers(sim, kind) for kind in TRANSPORTS)


def test_a_port_of_its_own_and_one_of_another_program_leave_it_where_it_is() -> None:
    with taken_port() as port, start_simulator(outlet()) as sim:
        here = dict(sim.addresses)
        with pytest.raises(CommandError, match="already in use"):
            sim.set(listen={"tcp_port": sim.addresses["ws"][1], "ws_port": port, "host": "0.0.0.0"})
        assert sim.addresses == here
        assert all(answers(sim, kind) for kind in TRANSPORTS)


def test_several_commands_move_it_once_to_where_all_of_them_together_want_it() -> None:
    with start_simulator(outlet()) as sim:
        port = sim.tcp_address[1]
        sim.do(
            SetState({"listen": {"host": "127.0.0.3", "tcp_port": 0}}),
            SetState({"listen": {"host": "127.0.0.2"}}),
        )
        assert sim.tcp_address[0] == "127.0.0.2"
        assert sim.tcp_address[1] != port
        assert len(moves(sim)) == 1


def test_while_it_restarts_it_moves_and_comes_back_there() -> None:
    with start_simulator(outlet()) as sim:
        before = sim.tcp_address
        sim.clock.pause()
        sim.reboot(5)
        sim.set(listen={"host": "127.0.0.2"})
        assert is_refused(before)
        assert is_refused(sim.tcp_address)
        sim.clock.advance(5)
        assert is_refused(before)
        assert all(answers(sim, kind) for kind in TRANSPORTS)


@for_each(
    ("listen", "problem"),
    [
        (
            {"host": "example.org"},
            'set.listen.host: expected an IP address, or "localhost", found "example.org"',
        ),
        ({"mdns": True}, "set.listen.mdns: unknown key; it cannot change while the outlet runs"),
        ({"prot": 1}, "set.listen.prot: unknown key; known here: host, tcp_port, ws_port"),
        ({"tcp_port": 70000}, "set.listen.tcp_port: expected "),
        ({"ws_port": 0}, "set.listen.ws_port: this outlet has no ws: the scenario switches it off"),
    ],
)
def test_what_cannot_be_an_address_is_an_error(listen: Any, problem: str) -> None:
    with start_simulator(outlet(), ws=False) as sim:
        with pytest.raises(CommandError) as caught:
            sim.set(listen=listen)
        assert str(caught.value).startswith(problem)


def test_a_step_that_cannot_be_is_a_problem_of_the_file() -> None:
    text = "[[steps]]\nafter_seconds = 1\nset = { listen = { host = 'x' } }\n"
    with pytest.raises(ScenarioError, match=r"set\.listen\.host: expected an IP address"):
        parse(text)


def test_a_step_moves_it_and_says_so_where_that_fails() -> None:
    text = """
        [[steps]]
        after_seconds = 1
        set = { listen = { host = "192.0.2.123" } }
        [[steps]]
        after_seconds = 2
        set = { listen = { host = "127.0.0.2" } }
    """
    with start_simulator(text) as sim:
        sim.clock.pause()
        sim.clock.advance(1)
        (failed,) = (event for event in sim.journal.events() if "step 1" in summary(event))
        assert "failed: set.listen: cannot listen for TCP on host 192.0.2.123" in summary(failed)
        assert sim.tcp_address[0] == "127.0.0.1"
        sim.clock.advance(1)
        assert sim.tcp_address[0] == "127.0.0.2"
        assert answers(sim, "tcp")


def test_the_scenario_of_one_that_has_moved_says_the_new_address() -> None:
    async def main() -> None:
        async with open_simulator(outlet()) as sim:
            sim.set(listen={"host": "127.0.0.2", "tcp_port": 0})
            scenario, _ = export(sim)
            assert (scenario.listen.host, scenario.listen.tcp_port) == ("127.0.0.2", 0)
            sim.inject(Readdress(seconds=0, when=When(from_seconds=0)))
            scenario, _ = export(sim)
            assert scenario.listen.host == sim.tcp_address[0] == "127.0.0.3"

    trio.run(main)


# Several outlets


def test_of_a_fleet_all_move_or_none() -> None:
    async def main() -> None:
        async with open_fleet(3, ports="free") as fleet:
            here = {sn: dict(outlet.addresses) for sn, outlet in fleet.items()}
            port = here[fleet_first(fleet)]["tcp"][1]
            # The first can listen there, also where its own port is in its way; the others cannot.
            for host in ("127.0.0.2", "0.0.0.0"):
                with pytest.raises(CommandError, match=r"^set\.listen: .*in use.* \(outlet .*\)$"):
                    fleet.set(outlets={"states": [1, 0]}, listen={"host": host, "tcp_port": port})
            assert {sn: dict(outlet.addresses) for sn, outlet in fleet.items()} == here
            for outlet in fleet.values():
                assert outlet.state.outlets.states == (0, 0)
                assert not is_refused(outlet.tcp_address)
            fleet.set(listen={"host": "127.0.0.2"})
            for sn, outlet in fleet.items():
                assert outlet.tcp_address == ("127.0.0.2", here[sn]["tcp"][1])
                assert is_refused(here[sn]["tcp"])
                assert not is_refused(outlet.tcp_address)

    trio.run(main)


def fleet_first(fleet: Fleet) -> str:
    return next(iter(fleet))


def test_one_of_a_fleet_finds_an_address_behind_the_others() -> None:
    async def main() -> None:
        with taken_port("127.0.77.1") as port:
            pass
        async with open_fleet(3, address="127.0.77.1", tcp_port=port, ws=False) as fleet:
            first = fleet[fleet_first(fleet)]
            first.inject(Readdress(seconds=0))
            assert first.tcp_address == ("127.0.77.4", port)

    trio.run(main)


@pytest.mark.parametrize("address", [None, "127.0.77.1"])
def test_at_free_ports_none_gets_the_address_of_another(address: str | None) -> None:
    async def main() -> None:
        async with open_fleet(3, address=address, tcp_port=0, ws_port=0) as fleet:
            for outlet in fleet.values():
                outlet.inject(Readdress(seconds=0))
                hosts = [one.tcp_address[0] for one in fleet.values()]
                assert hosts.count(outlet.tcp_address[0]) == 1

    trio.run(main)


# The fault


@on_both
@pytest.mark.parametrize("given", [None, "127.0.0.9"])
def test_readdress_brings_it_back_at_another_address(transport: Transport, given: str) -> None:
    fault = Readdress(address=given, seconds=5, when=When(callback=20, times=1))
    with start_simulator(outlet(fault)) as sim, Peers(sim) as peers:
        sim.clock.pause()
        before = {kind: address(sim, kind) for kind in TRANSPORTS}
        peer = peers.listen(transport)
        peer.send_requests(3)
        assert peer.packet() == updates_reply(3)
        assert peer.end() == (b"", "RST")
        wait_until(sim, lambda journal: bool(journal.events(kind="address_changed")))
        for kind in TRANSPORTS:
            assert is_refused(before[kind])
            assert is_refused(address(sim, kind))
        sim.clock.advance(5)
        for kind in TRANSPORTS:
            assert address(sim, kind) == (given or "127.0.0.2", before[kind][1])
            assert is_refused(before[kind])
            assert answers(sim, kind)
        sim.faults["readdress"].remove()
        assert sim.tcp_address[0] == (given or "127.0.0.2")


def test_each_time_it_is_at_the_next_address_that_is_free() -> None:
    fault = Readdress(seconds=0, when=When(callback=20))
    with start_simulator(outlet(fault), ws=False) as sim:
        port = sim.tcp_address[1]
        with socket.socket() as other:
            other.bind(("127.0.0.3", port))
            other.listen()
            for times, host in enumerate(("127.0.0.2", "127.0.0.4"), 1):
                with connected(sim, "tcp") as peer:
                    peer.send_requests(1)
                    wait_until(sim, lambda journal: len(moves(sim)) == times)  # noqa: B023
                sim.wait_until_up()
                assert sim.tcp_address == (host, port)


def test_an_address_that_the_machine_has_not_is_said_at_once_and_leaves_it_where_it_is() -> None:
    fault = Readdress(address="192.0.2.123", seconds=0, when=When(from_seconds=5))
    with start_simulator(outlet(fault)) as sim:
        sim.clock.pause()
        here = sim.tcp_address
        (note,) = (one for one in sim.journal.events() if isinstance(one, FaultNote))
        assert note.text == "cannot change the address: this machine has no 192.0.2.123"
        sim.clock.advance(5)
        (error,) = (one for one in sim.journal.events() if isinstance(one, ServerError))
        assert error.text.endswith("; the outlet comes back where it was")
        assert sim.tcp_address == here
        assert answers(sim, "tcp")


def test_an_address_that_is_none_is_an_error_where_its_author_sees_it() -> None:
    with pytest.raises(ValueError, match='address: expected an IP address, found "x"'):
        Readdress(address="x")
    with pytest.raises(ScenarioError, match=r"faults\[0\]\.address: expected an IP address"):
        parse('[[faults]]\nkind = "readdress"\naddress = "x"\n')


# In any order


@given(
    st.lists(
        st.one_of(
            st.fixed_dictionaries(
                {},
                optional={
                    "host": st.sampled_from(["127.0.0.1", "127.0.0.2", "0.0.0.0", "localhost"]),
                    "tcp_port": st.just(0),
                },
            ),
            st.sampled_from(["reboot", "readdress"]),
        ),
        max_size=5,
    )
)
def test_whatever_moves_it_it_is_at_its_address_and_at_no_other(plan: list[Any]) -> None:
    with start_simulator(outlet(), ws=False) as sim:
        left: set[Address] = set()
        for one in plan:
            left.add(sim.tcp_address)
            if one == "reboot":
                sim.reboot(0)
                sim.wait_until_up()
            elif one == "readdress":
                with sim.inject(
                    Readdress(address="127.0.0.5", seconds=0, when=When(from_seconds=0))
                ):
                    pass
            else:
                sim.set(listen=one)
            left.discard(sim.tcp_address)
        assert answers(sim, "tcp")
        host, port = sim.tcp_address
        if host != "0.0.0.0":
            assert all(is_refused(where) for where in left if where != ("0.0.0.0", port))

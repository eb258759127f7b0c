"""An outlet in a thread of its own, for tests and programs of any kind."""

import asyncio
import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import invis_sim
from invis_sim.faults import Fail
from invis_sim.testing.background import start_simulator

PATIENCE = 20.0
"""Seconds after which something that should have happened is given up."""

ASK = b'{"packetID": 221040, "payload": {"callbackName": 20}}'


class Mishap(Exception):
    """Something that goes wrong."""


def connect(address: tuple[str, int]) -> socket.socket:
    return socket.create_connection(address, timeout=PATIENCE)


def test_the_package_hands_it_out() -> None:
    assert invis_sim.start_simulator is start_simulator


def test_it_says_who_it_is_and_where_and_what_has_happened() -> None:
    with start_simulator(seed=7, sn="1111111111") as sim:
        assert (sim.seed, sim.sn) == (7, "1111111111")
        with connect(sim.tcp_address) as client:
            client.sendall(ASK)
            reply = json.loads(client.recv(4096))
        assert (reply["sn"], reply["PUBACK"]) == ("1111111111", 1)
        assert [exchange.packet_id for exchange in sim.journal.exchanges] == [221040]


def test_it_serves_a_client_in_asyncio_in_the_same_test() -> None:
    async def ask(address: tuple[str, int]) -> Any:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(ASK)
        reply = json.loads(await asyncio.wait_for(reader.read(4096), PATIENCE))
        writer.close()
        await writer.wait_closed()
        return reply

    with start_simulator() as sim:
        assert asyncio.run(ask(sim.tcp_address))["PUBACK"] == 1


def test_it_may_be_used_from_many_threads() -> None:
    def use(turn: int) -> int:
        with sim.inject(Fail()), connect(sim.tcp_address) as client:
            client.sendall(ASK)
            return int(json.loads(client.recv(4096))["PUBACK"])

    with start_simulator() as sim, ThreadPoolExecutor(8) as pool:
        assert list(pool.map(use, range(50))) == [0] * 50
        with connect(sim.tcp_address) as client:
            client.sendall(ASK)
            assert json.loads(client.recv(4096))["PUBACK"] == 1


def test_after_stop_the_outlet_is_gone_at_the_end_of_the_block() -> None:
    with start_simulator() as sim:
        address = sim.tcp_address
        sim.stop()
        sim.stop()  # once more is no error
    with pytest.raises(OSError, match="refused"):
        connect(address)


def test_a_fault_may_be_injected_for_a_block_in_which_the_outlet_stops() -> None:
    with start_simulator() as sim, sim.inject(Fail()):
        sim.stop()


def test_a_function_is_called_in_the_thread_of_the_outlet_and_its_error_comes_back() -> None:
    def fail() -> None:
        raise Mishap(threading.current_thread().name)

    with start_simulator() as sim, pytest.raises(Mishap, match=r"^invis-sim$"):
        sim.call(fail)

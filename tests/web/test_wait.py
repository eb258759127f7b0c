"""Waiting for clients, and verifying what they did, over HTTP."""

import http.client
import threading
from typing import Any

from invis_sim import When, faults
from tests.cases import for_each
from tests.support import TIMEOUT, connect, exchange, make_request
from tests.web.support import OUTLET, Client, steered

WAIT = f"{OUTLET}/wait"
VERIFY = f"{OUTLET}/verify"


class LongPoll:
    """A wait on a connection of its own."""

    def __init__(self, client: Client, path: str) -> None:
        self._client = Client(f"http://{client.host}:{client.port}/")
        self._answer: Any = None
        self._thread = threading.Thread(target=self._run, args=(path,), daemon=True)
        self._thread.start()

    def _run(self, path: str) -> None:
        with self._client:
            self._answer = self._client.request("GET", path)

    def answer(self) -> Any:
        self._thread.join(TIMEOUT)
        assert self._answer.status == 200, self._answer
        return self._answer.body


def test_what_has_come_before_counts_and_what_comes_later_is_waited_for() -> None:
    with steered() as (sim, client), connect(sim.tcp_address) as outlet:
        exchange(outlet, packet_id=111_111)
        came = client.get(f"{WAIT}?for=request&callback=20")
        assert came["entries"][0]["packetID"] == 111_111
        poll = LongPoll(client, f"{WAIT}?for=request&callback=20&after={came['after']}&timeout=30")
        exchange(outlet, packet_id=222_222)
        assert poll.answer()["entries"][0]["packetID"] == 222_222


def test_several_entries_and_arguments_can_be_waited_for() -> None:
    with steered() as (sim, client), connect(sim.tcp_address) as outlet:
        poll = LongPoll(client, f"{WAIT}?for=reply&callback=10&count=2&timeout=30")
        for args in ([1, 1], [1, 0]):
            outlet.sendall(make_request(10, args))
            outlet.recv(4096)
        assert len(poll.answer()["entries"]) == 2
        found = client.get(f"{WAIT}?for=request&args=%5B1,%200%5D")
        assert '"callbackArgs": [1, 0]' in found["entries"][0]["received"]


def test_connections_and_their_ends_are_waited_for() -> None:
    with steered() as (sim, client):
        poll = LongPoll(client, f"{WAIT}?for=connection&transport=tcp&timeout=30")
        with connect(sim.tcp_address):
            assert poll.answer()["entries"][0]["kind"] == "connected"
        assert client.get(f"{WAIT}?for=disconnect&connection=1")["entries"][0]["kind"] == "closed"
        assert client.get("/api/wait?for=connection")["entries"][0]["connection"] == 1


def test_a_wait_in_vain_says_what_came_instead_the_nearest_first() -> None:
    with steered() as (sim, client), connect(sim.tcp_address) as outlet:
        exchange(outlet, callback=12)
        exchange(outlet, packet_id=333_333)
        problem = client.refused("GET", f"{WAIT}?for=request&packet_id=1&callback=20&timeout=0")
        assert problem.status == 504
        assert problem.body["detail"] == (
            "timed out after 0 s waiting for a request for callback 20 (available updates) with "
            "packetID 1; none came"
        )
        assert [one["failed"] for one in problem.body["instead"]] == [
            ["packetID: expected 1, found 333333"],
            [
                "callback: expected 20, found 12 device information",
                "packetID: expected 1, found 221040",
            ],
        ]
        assert "20 available updates -> PUBACK 1" in problem.body["instead"][0]["text"]


def test_up_update_and_idle_are_waited_for() -> None:
    with steered() as (sim, client), connect(sim.tcp_address) as outlet:
        client.send("PATCH", "/api/clock", {"paused": True})
        client.do({"reboot": {"seconds": 10}})
        problem = client.refused("GET", f"{WAIT}?for=up&timeout=0.001")
        assert problem.body["detail"] == (
            "timed out after 0.001 s: the outlet has not come back (0003C44076)"
        )
        client.send("POST", "/api/clock/advance", {"seconds": 10})
        assert client.get(f"{WAIT}?for=up")["after"] == sim.journal.last_number
        assert client.get(f"{WAIT}?for=idle")["entries"] == []
        outlet.recv(1)
    with steered() as (sim, client), connect(sim.tcp_address) as outlet:
        sim.inject(faults.Delay(seconds=1000, when=When(callback=20)))
        outlet.sendall(make_request())
        client.get(f"{WAIT}?for=request")
        assert client.refused("GET", f"{WAIT}?for=idle&timeout=0.001").status == 504
        sim.clock.advance(1000)
        assert client.get(f"{WAIT}?for=idle")


def test_a_client_that_leaves_a_long_poll_leaves_nothing_behind() -> None:
    with steered() as (sim, client):
        connection = http.client.HTTPConnection(client.host, client.port, timeout=TIMEOUT)
        connection.request("GET", f"{WAIT}?for=request&timeout=3600")
        while not sim.journal._subscriptions:
            client.get("/api/version")
        connection.close()
        while sim.journal._subscriptions:
            client.get("/api/version")


@for_each(("query", "path"), [("", "for"), ("for=rain", "for"), ("for=up&count=0", "count")])
def test_a_wrong_wait_is_a_problem(query: str, path: str) -> None:
    with steered() as (_, client):
        problem = client.refused("GET", f"{WAIT}?{query}")
        assert problem.status == 422
        assert path in str(problem.body["problems"])


def test_what_a_client_did_is_verified() -> None:
    with steered() as (sim, client), connect(sim.tcp_address) as outlet:
        exchange(outlet)
        assert client.send("POST", VERIFY, {"callback": 20, "times": 1}) == {"count": 1}
        assert client.send("POST", VERIFY, {"callback": 21, "times": 0}) == {"count": 0}
        after = client.send("POST", "/api/verify", {})["count"]
        assert after == 1
        problem = client.refused("POST", VERIFY, {"callback": 21})
        assert (problem.status, problem.body["count"]) == (409, 0)
        assert problem.body["instead"][0]["failed"] == [
            "callback: expected 21, found 20 available updates"
        ]
        again = client.refused("POST", VERIFY, {"callback": 20, "times": 2})
        assert again.body["detail"] == (
            "expected a request for callback 20 (available updates), 2 times; received 1"
        )
        later = {"callback": 20, "after": sim.journal.last_number}
        assert client.refused("POST", VERIFY, later).body["instead"] == []

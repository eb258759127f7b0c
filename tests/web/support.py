"""What the tests of the control server share: a client, and outlets that can be steered."""

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, Self
from urllib.parse import quote, urlsplit

from invis_sim import start_fleet, start_simulator
from invis_sim.scenario.loading import ScenarioSource
from invis_sim.testing.handle import SimulatorHandle
from tests.support import SN, TIMEOUT

__all__ = ["OUTLET", "QUIET", "Answer", "Client", "Events", "Several", "several", "steered"]

OUTLET = f"/api/outlets/{SN}"

QUIET = """
    seed = 7
    [device]
    product = "pro"
    [timing]
    sensor_seconds = 0
    reconnect_seconds = 0
"""
"""An outlet that says nothing by itself."""


class Answer(NamedTuple):
    """An answer. body: decoded where it is JSON, else the bytes."""

    status: int
    headers: Mapping[str, str]
    body: Any


class Client:
    """A client of a control server, with one connection, which a `with` block closes."""

    def __init__(self, url: str, token: str | None = None) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self.host, self.port, self.token = parts.hostname, parts.port, token
        self.connection = http.client.HTTPConnection(self.host, self.port, timeout=TIMEOUT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def request(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request. body: plain data, or bytes as they are. headers: instead of the usual."""
        usual = {} if self.token is None else {"Authorization": f"Bearer {self.token}"}
        if method not in ("GET", "HEAD"):
            usual["Content-Type"] = "application/json"
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        self.connection.request(method, path, body, usual if headers is None else dict(headers))
        response = self.connection.getresponse()
        received: Any = response.read()
        if "json" in response.headers.get("content-type", ""):
            received = json.loads(received or b"null")
        names = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status, names, received)

    def get(self, path: str) -> Any:
        """Return what is there."""
        answer = self.request("GET", path)
        assert answer.status == 200, answer
        return answer.body

    def send(self, method: str, path: str, body: Any = None) -> Any:
        """Send something that must be done; return what is answered."""
        answer = self.request(method, path, body)
        assert answer.status in (200, 201, 204), answer
        return answer.body

    def refused(self, method: str, path: str, body: Any = None) -> Answer:
        """Send something that must be refused, and return the problem."""
        answer = self.request(method, path, body)
        assert answer.status >= 400, answer
        assert answer.headers["content-type"] == "application/problem+json", answer
        assert answer.body["status"] == answer.status, answer
        return answer

    def do(self, *commands: Any) -> int:
        """Give commands; return the number of the newest entry then."""
        after: int = self.send("POST", f"{OUTLET}/commands", list(commands))["after"]
        return after

    @contextmanager
    def events(self, path: str = f"{OUTLET}/events", **headers: str) -> Iterator["Events"]:
        """Read a stream of events for the time of the block."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=TIMEOUT)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request("GET", path, headers=named)
            response = connection.getresponse()
            assert response.status == 200, response.read()
            assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
            yield Events(response)
        finally:
            connection.close()


class Events:
    """Server-sent events, one after the other."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self._response = response

    def lines(self) -> list[str]:
        """Return the lines of the next block, without the empty one that ends it."""
        lines: list[str] = []
        while line := self._response.readline().decode().rstrip("\n"):
            lines.append(line)
        return lines

    def next(self) -> tuple[str, Any]:
        """Return the id and the data of the next event that is an entry."""
        while True:
            fields = dict(line.partition(": ")[::2] for line in self.lines())
            assert fields, "the stream ended"
            if "data" in fields:
                return fields["id"], json.loads(fields["data"])


def path_of(identity: str) -> str:
    """The path of a fault."""
    return f"{OUTLET}/faults/{quote(identity, safe='')}"


@contextmanager
def steered(
    scenario: ScenarioSource = QUIET, **more: Any
) -> Iterator[tuple[SimulatorHandle, Client]]:
    """An outlet in a thread that can be steered over HTTP, and a client that does."""
    with (
        start_simulator(scenario, control=True, **more) as sim,
        Client(sim.control_url) as client,
    ):
        yield sim, client


class Several(NamedTuple):
    """Several outlets of one process.

    url: where they are steered. names: their serial numbers. outlets: the handle of each.
    """

    url: str
    names: tuple[str, ...]
    outlets: tuple[SimulatorHandle, ...]


@contextmanager
def several(count: int = 2, scenario: ScenarioSource = QUIET, **more: Any) -> Iterator[Several]:
    """Outlets of one process that are steered over one port, in a thread."""
    sn = "0003C4{n:04d}"
    with start_fleet(count, scenario, sn=sn, control=True, **more) as fleet:
        yield Several(fleet.control_url, tuple(fleet), tuple(fleet.values()))

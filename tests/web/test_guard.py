"""The control server keeps out whom it must: each mistake of others on localhost is a test.

A page that a developer visits can make the browser send requests here; so can any program. What a
browser would send is sent by hand.
"""

import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from invis_sim import start_simulator
from invis_sim.testing.handle import SimulatorHandle
from invis_sim.web.api import OPERATIONS
from invis_sim.web.guard import SECURITY_HEADERS, Guard
from invis_sim.web.problems import HttpProblem
from tests.cases import for_each
from tests.server.support import wait_until
from tests.support import SN, TIMEOUT, connect, exchange
from tests.web.support import OUTLET, QUIET, Client, steered

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[SimulatorHandle, Client]]:
    with steered() as pair:
        yield pair


@pytest.fixture
def client(running: tuple[SimulatorHandle, Client]) -> Client:
    return running[1]


@pytest.fixture
def sim(running: tuple[SimulatorHandle, Client]) -> SimulatorHandle:
    return running[0]


def status(client: Client, method: str = "GET", path: str = "/api/version", **headers: str) -> int:
    """The status of a request with these headers."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.request(method, path, None if method == "GET" else {"push": 9}, named).status


# 1. CORS that allows everything


@for_each("path", ["/", "/api/version", f"{OUTLET}/state", "/nope"])
def test_no_answer_allows_other_origins(client: Client, path: str) -> None:
    origin = {"Origin": f"http://127.0.0.1:{client.port}"}
    answer = client.request("GET", path, None, origin)
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_preflight_gets_nothing(client: Client) -> None:
    headers = {"Origin": "http://evil.test", "Access-Control-Request-Method": "PATCH"}
    assert client.request("OPTIONS", f"{OUTLET}/state", None, headers).status == 403
    same = client.request("OPTIONS", f"{OUTLET}/state", None, JSON)
    assert (same.status, same.headers["allow"]) == (405, "GET, PATCH, HEAD")


# 2. WebSockets, which no same-origin policy covers


@for_each("path", ["/", "/ws", f"{OUTLET}/events"])
def test_there_is_no_websocket(client: Client, path: str) -> None:
    upgrade = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    assert client.request("GET", path, None, upgrade).status == 403


# 3. Origins that are waved through


@for_each(
    "origin",
    [
        "http://evil.test",
        "http://127.0.0.1:1",
        "https://127.0.0.1:{port}",
        "http://10.0.0.1:{port}",
        "null",
        "http://localhost",
        "http://localhost:{port}",
        "http://127.0.0.1:{port}.evil.test",
    ],
)
def test_a_foreign_origin_is_refused(client: Client, origin: str) -> None:
    given = origin.format(port=client.port)
    assert status(client, Origin=given) == 403
    assert status(client, "POST", f"{OUTLET}/commands", Origin=given, **JSON) == 403
    assert status(client, "GET", f"{OUTLET}/events", Origin=given) == 403


def test_our_own_origin_is_good(client: Client) -> None:
    assert (
        status(client, Origin=f"http://127.0.0.1:{client.port}", Sec_Fetch_Site="same-origin")
        == 200
    )
    local = f"localhost:{client.port}"
    assert status(client, Host=local, Origin=f"http://{local}") == 200


@for_each("site", ["cross-site", "same-site", "what"])
def test_a_page_of_another_site_is_refused(client: Client, site: str) -> None:
    """Another port of this machine is the same site."""
    assert status(client, Sec_Fetch_Site=site) == 403


# 4. A Host that is not ours: DNS rebinding


@for_each(
    "host",
    [
        "evil.test",
        "evil.test:{port}",
        "127.0.0.1",
        "127.0.0.1:1",
        "localhost.evil.test:{port}",
        "10.0.0.1:{port}",
        "[::2]:{port}",
        "",
        "127.0.0.1:{port}@evil.test",
        "0.0.0.0:{port}",
    ],
)
def test_a_foreign_host_is_refused(client: Client, host: str) -> None:
    assert status(client, Host=host.format(port=client.port)) == 403


@for_each("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.1.2.3", "[::1]"])
def test_a_loopback_host_is_good(client: Client, host: str) -> None:
    assert status(client, Host=f"{host}:{client.port}") == 200


# 5. The User-Agent as the guard


def test_the_user_agent_makes_no_difference(client: Client) -> None:
    mozilla = "Mozilla/5.0 (X11; Linux x86_64)"
    assert status(client, User_Agent=mozilla) == 200
    assert status(client, User_Agent="curl/8", Origin="http://evil.test") == 403


# 6. Any body taken for JSON: a form needs no permission to send one


@for_each("method", ["POST", "PUT", "PATCH", "DELETE"])
@for_each(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        None,
        "text/plain; application/json",
        "application/jsonp",
    ],
)
def test_what_a_form_can_send_is_refused(
    sim: SimulatorHandle, client: Client, method: str, content_type: str | None
) -> None:
    before = sim.journal.last_number
    headers = {} if content_type is None else {"Content-Type": content_type}
    for path in (f"{OUTLET}/commands", f"{OUTLET}/faults", f"{OUTLET}/state"):
        answer = client.request(method, path, {"push": 9}, headers)
        assert answer.status == 415
        assert "expected application/json" in answer.body["detail"]
    assert sim.journal.last_number == before


def test_a_request_without_a_body_needs_the_content_type_too(client: Client) -> None:
    assert client.request("POST", "/api/clock/settle", None, {}).status == 415


# 7. State changed by GET


def everything(client: Client) -> Any:
    """All that there is to change, as the API says it. Time is paused."""
    parts = ("", "/state", "/faults", "/steps", "/connections", "/journal?limit=10000")
    return [client.get(f"{OUTLET}{part}") for part in parts] + [client.get("/api/clock")]


def test_get_changes_nothing(sim: SimulatorHandle, client: Client) -> None:
    with connect(sim.tcp_address) as outlet:
        exchange(outlet)
        number = client.get(f"{OUTLET}/connections")[-1]["number"]
        sim.clock.pause()
        client.send("POST", f"{OUTLET}/faults", {"kind": "drop", "enabled": False})
        step = client.send("POST", f"{OUTLET}/steps", {"after_seconds": 60, "push": 9})
        before = everything(client)
        for operation in OPERATIONS:
            if operation.method != "GET" or operation.media == "text/event-stream":
                continue
            numbered = number if "connections" in operation.path else step["number"]
            path = operation.path.replace("{sn}", SN).replace("{id}", "drop")
            path = path.replace("{number}", str(numbered))
            query = "enabled=true&paused=false&seconds=9&speed=9&push=9&timeout=0.001&for=up"
            client.request("GET", f"{path}?{query}")
            client.request("GET", path)
        assert everything(client) == before


# 8. The peer's address as proof; 9. tokens that leak; 16. a guard without a key


@pytest.fixture(scope="module")
def exposed() -> Iterator[tuple[SimulatorHandle, Client]]:
    """An outlet whose control server other machines can reach."""
    with start_simulator(
        QUIET, control=True, control_host="0.0.0.0", control_allow_hosts=["outlet.test"]
    ) as sim:
        control = sim.call(lambda: sim._simulator.runtime.control)
        assert control is not None
        url = f"http://127.0.0.1:{control.url.rpartition(':')[2]}"
        with Client(url, control.token) as client:
            yield sim, client


def test_on_this_machine_no_token_is_needed(sim: SimulatorHandle) -> None:
    assert sim.control_token is None


def test_where_other_machines_can_connect_a_token_is_required_of_everybody(
    exposed: tuple[SimulatorHandle, Client],
) -> None:
    sim, client = exposed
    assert client.get("/api/version")
    assert sim.control_token == client.token
    for path in (
        "/",
        "/api/version",
        "/api/openapi.json",
        "/index.html",
        "/nope",
        f"{OUTLET}/events",
    ):
        answer = client.request("GET", path, None, {})
        assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert str(client.token) not in str(answer)
    for wrong in ("", "Bearer", "Bearer x", f"Basic {client.token}", f"Bearer {client.token}x"):
        assert client.request("GET", "/", None, {"Authorization": wrong}).status == 401


def test_the_token_in_a_query_only_opens_the_page(
    exposed: tuple[SimulatorHandle, Client],
) -> None:
    _, client = exposed
    assert client.request("GET", f"/api/version?token={client.token}", None, {}).status == 401
    assert client.request("GET", "/?token=wrong", None, {}).status == 401
    answer = client.request("GET", f"/?token={client.token}", None, {})
    assert (answer.status, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict"} <= set(cookie.split("; "))
    pair = {"Cookie": cookie.partition(";")[0]}
    assert client.request("GET", "/api/version", None, pair).status == 200
    # The browser sends the cookie for a foreign page too, if it is old enough.
    assert client.request("GET", "/", None, {**pair, "Origin": "http://evil.test"}).status == 403
    assert client.request("GET", "/", None, {"Cookie": "a=1; invis-sim-0=x"}).status == 401


def test_the_token_is_in_no_answer(exposed: tuple[SimulatorHandle, Client]) -> None:
    _, client = exposed
    assert client.token is not None
    for operation in OPERATIONS:
        if operation.method == "GET" and operation.media != "text/event-stream":
            answer = client.request("GET", operation.path.replace("{sn}", SN))
            assert client.token not in str(answer), operation.path
    asked = [
        ("GET", "/nope", None),
        ("GET", f"{OUTLET}/journal?afer=1", None),
        ("GET", "/api/outlets/FF", None),
        ("POST", "/api/version", {}),
        ("PATCH", f"{OUTLET}/state", {"token": 1}),
        ("POST", f"{OUTLET}/commands", b"{"),
    ]
    for method, path, body in asked:
        assert client.token not in str(client.refused(method, path, body)), path


def test_a_further_name_can_be_allowed(exposed: tuple[SimulatorHandle, Client]) -> None:
    _, client = exposed
    key = {"Authorization": f"Bearer {client.token}"}
    assert client.request("GET", "/", None, {**key, "Host": "outlet.test"}).status == 200
    proxied = {"Host": "outlet.test", "Origin": "https://outlet.test"}
    assert client.request("GET", "/", None, {**key, **proxied}).status == 200
    assert client.request("GET", "/", None, {**key, "Host": "other.test"}).status == 403
    # By an address: rebinding needs a name.
    assert (
        client.request("GET", "/", None, {**key, "Host": f"10.1.2.3:{client.port}"}).status == 200
    )


# 10. Exemptions by file type; 11. paths from the URL


@for_each(
    "path",
    [
        "/../server.py",
        "/..%2fserver.py",
        "/static/index.html",
        "/%2e%2e/guard.py",
        "//etc/passwd",
        "/index.html/..",
        "/.git/config",
        "/index.html%00.js",
        "/api/../index.html",
    ],
)
def test_no_path_leads_to_a_file_that_is_not_the_pages(client: Client, path: str) -> None:
    assert client.request("GET", path).status == 404
    assert client.request("GET", path, None, {"Origin": "http://evil.test"}).status == 403


# 12. All interfaces by default


def test_it_listens_on_this_machine_only(client: Client) -> None:
    with socket.socket() as free:  # another address of this machine, on the same port
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.2", client.port))


# 13. Data as a script, or in a frame


def test_every_answer_says_that_no_other_page_may_use_it(client: Client) -> None:
    paths = ["/", "/api/version", f"{OUTLET}/journal", "/nope"]
    answers = [client.request("GET", path) for path in paths]
    answers.append(client.request("POST", "/", b"x", {}))
    for answer in answers:
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["x-content-type-options"] == "nosniff"
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert {name: answer.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS


def test_no_data_of_an_outlet_is_a_script() -> None:
    assert not [o.path for o in OPERATIONS if "script" in o.media and o.path.startswith("/api")]


# 14. Targets, and 15. setters that reach too far: see test_reach.py


# What an outlet can be made to do

STAYS = "the control server asks for no token, so the outlet stays on this machine"


@for_each("host", ["0.0.0.0", "192.0.2.7", "::"])
def test_without_a_token_a_command_cannot_open_the_outlet_to_the_network(
    sim: SimulatorHandle, client: Client, host: str
) -> None:
    here = sim.tcp_address
    command = {"set": {"listen": {"host": host}}}
    assert STAYS in str(client.refused("POST", f"{OUTLET}/commands", command).body["problems"])
    assert sim.tcp_address == here


def test_without_a_token_a_fault_cannot_open_the_outlet_to_the_network(
    sim: SimulatorHandle, client: Client
) -> None:
    here = sim.tcp_address
    when = {"from_seconds": 0}
    fault = {"kind": "readdress", "address": "0.0.0.0", "seconds": 0, "when": when}
    (made,) = client.send("POST", f"{OUTLET}/faults", [fault])
    wait_until(sim, lambda journal: any(STAYS in str(one) for one in journal.events(kind="error")))
    client.send("DELETE", f"{OUTLET}/faults/{made['id']}")
    assert sim.tcp_address == here


def test_with_a_token_it_can_be_opened(exposed: tuple[SimulatorHandle, Client]) -> None:
    sim, client = exposed
    for host in ("0.0.0.0", "127.0.0.1"):
        client.do({"set": {"listen": {"host": host}}})
        assert sim.tcp_address[0] == host


# And nothing of it where control is off


def test_where_control_is_off_nothing_of_it_is_imported() -> None:
    code = """
import sys
from invis_sim import start_simulator
with start_simulator() as sim:
    try:
        sim.control_url
    except LookupError as error:
        print(error)
loaded = {name.partition(".")[0] for name in sys.modules}
print(loaded & {"starlette", "hypercorn", "h2", "anyio", "watchfiles"})
print(sorted(name for name in sys.modules if name.startswith("invis_sim.web")))
"""
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=TIMEOUT, check=True
    )
    assert ended.stdout.splitlines() == [
        "control is off; start with control=True",
        "set()",
        "['invis_sim.web', 'invis_sim.web.opening']",
    ]


def refusal(guard: Guard, **headers: str) -> int | None:
    try:
        guard.check(
            "GET", {name.replace("_", "-"): value for name, value in headers.items()}, False
        )
    except HttpProblem as problem:
        return problem.status
    return None


@for_each("more", [{"origin": "http://h:1"}, {"sec_fetch_site": "cross-site"}, {}])
def test_the_host_is_looked_at_first(more: dict[str, Any]) -> None:
    guard = Guard(port=1, token="t", local_only=False)
    assert refusal(guard, host="h:1", **more) == 403

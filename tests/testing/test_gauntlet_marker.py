"""The marker `invis_gauntlet` makes one test per case, and judges how it ends."""

import pytest

from tests.testing.test_pytest_plugin import Run, run, text

__all__ = ["run"]

CLIENT = """
import json
import socket
import pytest

class NoAnswer(Exception):
    pass

def get_updates(sim, packet_id=221040):
    try:
        with socket.create_connection(sim.tcp_address, timeout=1) as client:
            client.sendall(b'{"packetID": %d, "payload": {"callbackName": 20}}' % packet_id)
            received = b""
            while True:
                piece = client.recv(4096)
                if not piece:
                    raise NoAnswer("the outlet hung up")
                received += piece
                try:
                    reply = json.loads(received)
                    break
                except ValueError:
                    continue
    except OSError as error:
        raise NoAnswer(str(error)) from error
    if reply["packetID"] != packet_id or reply["PUBACK"] != 1:
        raise NoAnswer("refused")
    return reply["payload"]["callbackArgs"]
"""

CASES = "('fail/always', 'split/2-pieces', 'close/after', 'connection_limit')"


def test_there_is_a_test_for_each_case_and_the_good_client_passes_all(run: Run) -> None:
    result = run(
        CLIENT
        + f"""
@pytest.mark.invis_gauntlet(only={CASES}, transport="tcp", noticed=NoAnswer)
def test_updates(invis_sim, invis_case):
    assert invis_case.id.endswith("/tcp")
    assert invis_case.expectation in ("survive", "notice", "either")
    assert "IM" in get_updates(invis_sim)
""",
        "-v",
        here=True,
    )
    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(["*test_updates[[]fail/always/tcp[]] PASSED*"])


def test_a_client_that_is_wrong_gives_up_or_never_meets_the_fault_fails(run: Run) -> None:
    result = run(
        CLIENT
        + """
@pytest.mark.invis_gauntlet(only=("fail/always/tcp", "split/2-pieces/tcp"), noticed=(NoAnswer,))
class TestBad:
    def test_wrong(self, invis_sim, invis_case):
        with pytest.raises(NoAnswer) if invis_case.kind == "fail" else open("/dev/null"):
            get_updates(invis_sim)

    def test_gives_up(self, invis_sim):
        get_updates(invis_sim)
        raise NoAnswer("too hard")

    def test_asks_nothing(self, invis_sim):
        pass

    def test_dies(self, invis_sim):
        raise KeyError("sn")
""",
        here=True,
    )
    result.assert_outcomes(passed=2, failed=6)
    output = text(result)
    assert "wrong: the test passed, though its client cannot have got what it wanted." in output
    assert "The outlet rejects the request each time." in output
    assert "noticed: the client must get through, and raised NoAnswer: too hard." in output
    assert "not reached: the client never connected" in output
    assert "KeyError: 'sn'" in output


def test_what_needs_more_requests_is_skipped_unless_the_test_makes_them(run: Run) -> None:
    result = run(
        CLIENT
        + """
@pytest.mark.invis_gauntlet(only="stale/1-ago/tcp")
def test_once(invis_sim):
    get_updates(invis_sim)

@pytest.mark.invis_gauntlet(only="stale/1-ago/tcp", requests=2, callback=20)
def test_twice(invis_sim):
    with socket.create_connection(invis_sim.tcp_address, timeout=5) as client:
        for number in (1, 2):
            client.sendall(b'{"packetID": %d, "payload": {"callbackName": 20}}' % number)
            assert client.recv(4096)
""",
        here=True,
    )
    result.assert_outcomes(passed=1, skipped=1)


def test_the_scenario_and_the_plan_of_the_device(run: Run) -> None:
    result = run(
        CLIENT
        + """
@pytest.mark.invis_scenario("bare", sn="0003C44077", speed=10)
@pytest.mark.invis_gauntlet(plan="device", only=("product/*/tcp", "faceplate/off/tcp"))
def test_updates(invis_sim, invis_case):
    assert invis_sim.sn == "0003C44077"
    assert invis_sim.scenario.product == invis_case.id.split("/")[1]
    get_updates(invis_sim)
""",
        here=True,
    )
    result.assert_outcomes(passed=3, skipped=1)  # a bare outlet has no faceplate to lose


NONSENSE = {
    "only='dorp'": "'dorp' matches no case; did you mean 'drop'?",
    "plan='devise'": 'plan: expected one of "all", "device", "faults", found "devise"',
    "transport='udp'": 'transport: expected one of "both", "tcp", "ws", found "udp"',
    "nonsense=1": "nonsense",
    "'drop'": "takes arguments by name only",
}
"""The arguments of a marker → the problem."""


def test_a_marker_that_makes_no_sense_is_an_error_that_says_so(
    run: Run, pytester: pytest.Pytester
) -> None:
    for number, arguments in enumerate(NONSENSE):
        source = f"""
import pytest
@pytest.mark.invis_gauntlet({arguments})
def test_it(invis_sim):
    pass
"""
        pytester.makepyfile(**{f"test_nonsense_{number}": source})
    result = run("", here=True)
    result.assert_outcomes(errors=len(NONSENSE))
    _, *errors = text(result).split("ERROR collecting ")
    for number, (error, problem) in enumerate(zip(errors, NONSENSE.values(), strict=True)):
        assert error.startswith(f"test_nonsense_{number}.py")
        assert problem in error


def test_fixtures_without_each_other_are_an_error(run: Run) -> None:
    result = run(
        """
import pytest
def test_no_marker(invis_case):
    pass
""",
        here=True,
    )
    assert "invis_case needs the marker invis_gauntlet" in text(result)
    result = run(
        """
import pytest
@pytest.mark.invis_gauntlet(only="drop")
def test_no_outlet():
    pass
""",
        here=True,
    )
    assert "invis_gauntlet is for tests that use invis_sim" in text(result)


ASYNC = """
import asyncio
import pytest

async def get_updates(sim):
    reader, writer = await asyncio.open_connection(*sim.tcp_address)
    try:
        writer.write(b'{"packetID": 221040, "payload": {"callbackName": 20}}')
        async with asyncio.timeout(5):
            reply = await reader.readuntil(b"}")
    finally:
        writer.close()
    if b'"PUBACK":1' not in reply:
        raise RuntimeError("refused")
"""


def test_it_works_beside_asyncio_and_anyio(run: Run) -> None:
    result = run(
        ASYNC
        + """
pytestmark = pytest.mark.invis_gauntlet(
    only=("fail/always/tcp", "split/2-pieces/tcp"), noticed=RuntimeError
)

@pytest.mark.asyncio
async def test_asyncio(invis_sim):
    await get_updates(invis_sim)

@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_anyio(invis_sim, anyio_backend):
    await get_updates(invis_sim)
    if anyio_backend != "asyncio":
        raise AssertionError

@pytest.mark.xfail(strict=True)
@pytest.mark.invis_gauntlet(only="split/2-pieces/tcp")
@pytest.mark.asyncio
async def test_wrong(invis_sim):
    await get_updates(invis_sim)
    raise RuntimeError
""",
        beside=("asyncio", "anyio"),
    )
    result.assert_outcomes(passed=4, xfailed=1)

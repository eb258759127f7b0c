"""A client's tests against an outlet that runs in a thread, and misbehaves on demand."""

import asyncio
import json
from typing import Any

from invis_sim import SimulatorHandle, When, faults


async def available_updates(host: str, port: int, patience: float = 5) -> dict[str, Any] | None:
    """The client under test: None where the outlet does not answer in time."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        request = {"packetID": 221040, "payload": {"callbackName": 20}}
        writer.write(json.dumps(request).encode())
        answer = await asyncio.wait_for(reader.readuntil(b"}}}}"), patience)
        updates: dict[str, Any] = json.loads(answer)["payload"]["callbackArgs"]
        return updates
    except TimeoutError:
        return None
    finally:
        writer.close()
        await writer.wait_closed()


def test_the_client_finds_the_update(outlet: SimulatorHandle) -> None:
    updates = asyncio.run(available_updates(*outlet.tcp_address))
    assert updates is not None
    assert updates["IM"]["available_fw_rev"] != updates["IM"]["fw_rev"]


def test_the_client_gives_up_on_an_outlet_that_says_nothing(outlet: SimulatorHandle) -> None:
    with outlet.inject(faults.Drop(when=When(callback=20))):
        assert asyncio.run(available_updates(*outlet.tcp_address, patience=0.05)) is None


def test_the_client_puts_an_answer_together_that_comes_in_pieces(outlet: SimulatorHandle) -> None:
    with outlet.inject(faults.Split(pieces=7, gap=0.001)):
        assert asyncio.run(available_updates(*outlet.tcp_address)) is not None

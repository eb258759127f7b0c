"""Many simulated outlets in one process and one event loop, all with the firmware of the bench.

Prints their TCP ports as a JSON list. Argument: how many.
"""

import json
import sys
from contextlib import AsyncExitStack

import trio

from invis_sim import open_simulator
from invis_sim.scenario import Scenario, parse
from invis_sim.server.runtime import open_runtime
from tests.bench.servers import firmware


def scenario() -> Scenario:
    return parse(f"{firmware()}[timing]\nsensor_seconds = 0\n[listen]\nws = false\n")


async def main(number: int) -> None:
    async with open_runtime(owns_loop=True) as runtime, AsyncExitStack() as stack:
        outlets = [
            await stack.enter_async_context(open_simulator(scenario(), runtime=runtime))
            for _ in range(number)
        ]
        print(json.dumps([outlet.tcp_address[1] for outlet in outlets]), flush=True)
        await trio.sleep_forever()


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]))

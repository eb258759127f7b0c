"""Ask an outlet which updates are available; once more, where the reply does not come."""

import asyncio
import os
import sys

from invisoutlet import InvisOutletClient
from invisoutlet.exceptions import InvisOutletError


async def main() -> None:
    ws_port, tcp_port = (int(os.environ[name]) for name in ("INVIS_WS_PORT", "INVIS_TCP_PORT"))
    async with InvisOutletClient(os.environ["INVIS_HOST"], ws_port, tcp_port) as client:
        try:
            print(await client.get_available_updates(timeout=1.5))
        except InvisOutletError:
            print(await client.get_available_updates(timeout=1.5))


try:
    asyncio.run(main())
except InvisOutletError as error:
    sys.exit(f"{type(error).__name__}: {error}")

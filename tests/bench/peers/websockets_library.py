"""WebSocket with the asyncio server of the `websockets` library and json."""

import asyncio
from contextlib import suppress

from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as listen
from websockets.exceptions import ConnectionClosed

from tests.bench.peers import answer


async def serve(websocket: ServerConnection) -> None:
    with suppress(ConnectionClosed):
        async for message in websocket:
            await websocket.send(answer(message))


async def main() -> None:
    # Neither compression nor pings of its own: both would only cost it time here.
    async with listen(serve, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())

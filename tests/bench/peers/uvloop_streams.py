"""The server of `asyncio_streams` on the event loop of uvloop."""

import uvloop

from tests.bench.peers.asyncio_streams import main

if __name__ == "__main__":
    uvloop.run(main())

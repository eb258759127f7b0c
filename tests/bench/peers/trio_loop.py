"""TCP with a plain trio loop and msgspec, for clients that end each request with a newline."""

import msgspec
import trio

from tests.bench.peers import reply_to

decode = msgspec.json.Decoder().decode
encode = msgspec.json.Encoder().encode


async def serve(stream: trio.SocketStream) -> None:
    unfinished = b""
    while data := await stream.receive_some():
        *lines, unfinished = (unfinished + data).split(b"\n")
        for line in lines:
            await stream.send_all(encode(reply_to(decode(line))))


async def main() -> None:
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        print(listeners[0].socket.getsockname()[1], flush=True)
        nursery.start_soon(trio.serve_listeners, serve, listeners)


if __name__ == "__main__":
    trio.run(main)

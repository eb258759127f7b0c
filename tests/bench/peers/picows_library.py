"""WebSocket with picows, on the event loop of uvloop, and json."""

import picows
import uvloop

from tests.bench.peers import answer


class Server(picows.WSListener):
    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type == picows.WSMsgType.TEXT:
            reply = answer(frame.get_payload_as_memoryview().tobytes())
            transport.send(picows.WSMsgType.TEXT, reply.encode())
        elif frame.msg_type == picows.WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()


async def main() -> None:
    server = await picows.ws_create_server(lambda request: Server(), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())

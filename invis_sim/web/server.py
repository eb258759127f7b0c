"""The control server of a runtime: Hypercorn on a port of its own, within bounds of ours.

Hypercorn parses HTTP and runs the application. Accepting and the streams are ours, because of what
Hypercorn leaves to others: it has no limit on connections, and writes in a shielded scope without
a time-out, so a client that does not read would keep the simulator from ending.
"""

import logging
import resource
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import trio
from hypercorn.config import Config
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState
from hypercorn.utils import wrap_app

from invis_sim.protocol.address import is_loopback
from invis_sim.protocol.printable import printable
from invis_sim.server.net.forks import close_in_children
from invis_sim.server.net.listeners import StartError
from invis_sim.server.nursery import open_cancelled_nursery
from invis_sim.server.runtime import ControlAddress, Runtime
from invis_sim.web.app import ControlApp
from invis_sim.web.guard import Guard

__all__ = ["open_control"]

MAX_CONNECTIONS = 2000
"""How many clients may be connected: room for a thousand event streams."""

MAX_HEADER_BYTES = 64 * 2**10
"""How long the head of a request may be. `Last-Event-ID` has 20 bytes for each outlet."""

HEADER_SECONDS = 30.0
"""How long a client may take from one answer to the whole head of its next request. Shorter than a
browser keeps connections, it would meet many a request with a close."""

WRITE_SECONDS = 10.0
"""How long a client may read nothing while something waits for it."""


BLOCKED_SECONDS = 0.05
"""How often to look whether sockets can be made again."""

logger = logging.getLogger("invis_sim")


class _Listener(trio.abc.Listener[trio.SocketStream]):
    """Accepts clients, but not while a tool such as pytest-socket blocks sockets for a test: then a
    client that is accepted is lost.
    """

    def __init__(self, listener: trio.SocketListener) -> None:
        self._listener = listener

    async def accept(self) -> trio.SocketStream:
        while True:
            await trio.lowlevel.wait_readable(self._listener.socket)
            if _can_make_sockets():
                with suppress(RuntimeError):  # where they are blocked since
                    stream = await self._listener.accept()
                    return trio.SocketStream(_closed_in_children(stream.socket))
            await trio.sleep(BLOCKED_SECONDS)

    async def aclose(self) -> None:
        await self._listener.aclose()


def _can_make_sockets() -> bool:
    try:
        socket.socket().close()
    except RuntimeError:  # what such tools raise
        return False
    except OSError:  # as where there are no descriptors left, which `serve_listeners` deals with
        pass
    return True


def _closed_in_children(sock: trio.socket.SocketType) -> trio.socket.SocketType:
    """Return the socket, of which processes that are forked from this one keep no copy."""
    own = socket.socket(fileno=sock.detach())
    close_in_children(own)
    return trio.socket.from_stdlib_socket(own)


class _Stream:
    """A stream, as Hypercorn uses one, that a client cannot block for ever."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.socket = stream.socket
        self.receive_some = stream.receive_some
        self.send_eof = stream.send_eof
        self.aclose = stream.aclose
        self._send_all = stream.send_all

    async def send_all(self, data: bytes) -> None:
        """Send it. Raises BrokenResourceError where the client takes nothing for too long."""
        try:
            with trio.fail_after(WRITE_SECONDS):
                await self._send_all(data)
        except trio.TooSlowError:
            self.socket.close()
            raise trio.BrokenResourceError("the client reads nothing") from None


class _Server:
    """Serves the application on listeners."""

    def __init__(self, app: ControlApp, on_internal_error: Callable[[Exception], None]) -> None:
        self._on_internal_error = on_internal_error
        self._config = Config()
        self._config.accesslog = self._config.errorlog = None
        self._config.h11_max_incomplete_size = MAX_HEADER_BYTES
        self._config.keep_alive_timeout = HEADER_SECONDS
        self._config.include_server_header = False
        asgi: Any = app  # Starlette and Hypercorn have types of their own for the same thing
        self._app = wrap_app(asgi, 0, "asgi")
        self._context = WorkerContext(None)
        self._streams: set[_Stream] = set()
        self._max = min(MAX_CONNECTIONS, _descriptors() // 2)

    async def serve(self, accepted: trio.SocketStream) -> None:
        """Serve one client to its end."""
        stream = _Stream(accepted)
        if len(self._streams) >= self._max:
            stream.socket.close()
            return
        self._streams.add(stream)
        state = ConnectionState({})
        try:
            await TCPServer(self._app, self._config, self._context, state, stream)  # type: ignore[arg-type]
        except Exception as error:  # a defect must cost this client alone
            logger.error("internal error on the control server", exc_info=error)
            self._on_internal_error(error)
        finally:
            stream.socket.close()
            self._streams.discard(stream)

    def close(self) -> None:
        """End every connection at once."""
        for stream in self._streams:
            # Not by cancellation alone: a write is shielded from that.
            stream.socket.close()


def _descriptors() -> int:
    """Return how many descriptors this process may have: half of them are for the outlets."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 2 * MAX_CONNECTIONS if soft == resource.RLIM_INFINITY else soft


@asynccontextmanager
async def open_control(
    runtime: Runtime,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    allow_hosts: Iterable[str] = (),
    on_internal_error: Callable[[Exception], None] = lambda error: None,
) -> AsyncIterator[ControlAddress]:
    """Steer the outlets of the runtime over HTTP for the time of the block.

    host, port: where to listen; 0: any free port. Where other machines can reach it, a token is
    required. allow_hosts: further names by which clients may call it.
    on_internal_error: called with an error of the server's own, which was answered 500.

    Raises StartError where it cannot listen.
    """
    listeners = await _listen(host, port)
    try:
        bound, port = listeners[0].socket.getsockname()[:2]
        local_only = all(is_loopback(one.socket.getsockname()[0]) for one in listeners)
        guard = Guard(
            port=port,
            token=None if local_only else secrets.token_urlsafe(24),
            local_only=local_only,
            allow_hosts=frozenset(name.lower() for name in allow_hosts),
        )
        shown = f"[{bound}]" if ":" in bound else bound
        address = ControlAddress(f"http://{shown}:{port}/", guard.token)
        app = ControlApp(runtime, guard, on_internal_error)
        server = _Server(app, on_internal_error)
        async with open_cancelled_nursery() as nursery:
            nursery.start_soon(app.run)
            try:
                with runtime.controlled_at(address):
                    serving = [_Listener(one) for one in listeners]
                    nursery.start_soon(partial(trio.serve_listeners, server.serve, serving))
                    yield address
            finally:
                server.close()
    finally:
        for listener in listeners:
            listener.socket.close()


async def _listen(host: str, port: int) -> list[trio.SocketListener]:
    where = f"host {printable(host)}, port {port}"
    try:
        # Of a name with several addresses, the first: with a free port they could differ.
        first = (await trio.open_tcp_listeners(port, host=host))[0]
        return [trio.SocketListener(_closed_in_children(first.socket))]
    except OSError as error:
        why = error.strerror or str(error)
        raise StartError(f"cannot listen for control on {where}: {why}") from error
    except UnicodeError:
        raise StartError(f"cannot listen for control on {where}: that is not a host name") from None

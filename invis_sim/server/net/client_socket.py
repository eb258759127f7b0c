"""One connected socket: the only place where a client's bytes arrive and ours leave.

Sending has two forms. `send_now` never waits, and the fast lane uses it; `send` waits for a slow
client, but only so long. Both are for the holder of `lock`, so that what one writes is never cut by
what another writes.
"""

import socket
import struct
from collections.abc import Callable
from contextlib import suppress

import trio

from invis_sim.server.net.poller import Poller

__all__ = ["ClientSocket", "WriteTimeout"]

RECEIVE_BYTES = 4096
"""How much is read at a time: little enough that a client which floods leaves others turns."""

LINGER_SECONDS = 1.0
"""How long, after our last byte, a client is given to read it and hang up."""


class WriteTimeout(Exception):
    """The client has not read anything for too long while something waited to be sent."""


class ClientSocket:
    """A connected socket.

    sock: stays the caller's no more.
    stall_seconds: after so long without reading, a client that something waits for is given up.
    hub: listens for many sockets at once; None: each task listens for itself.
    broken: whether the connection is known to be broken; nothing can be sent or received then.
    """

    def __init__(
        self, sock: socket.socket, write_timeout: float, hub: Poller | None = None
    ) -> None:
        sock.setblocking(False)
        self.lock = trio.Lock()
        self.broken = False
        self._socket = sock
        self._fd = sock.fileno()
        self._write_timeout = write_timeout
        self._hub = hub
        self._heard = trio.Event()  # set when the hub need not listen any more
        self._closed = False

    @property
    def peer(self) -> str:
        """Who is at the other end, as host and port; "" where that cannot be told any more."""
        try:
            host, port, *_ = self._socket.getpeername()
        except OSError:
            return ""
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def receive(self) -> bytes:
        """The next bytes, however many; b"" at the end of the stream.

        Raises trio.BrokenResourceError if the connection is broken, trio.ClosedResourceError if it
        is closed here.
        """
        self._check()
        while True:
            await trio.lowlevel.wait_readable(self._fd)
            self._check()  # it may have been closed after it became readable
            try:
                return self._socket.recv(RECEIVE_BYTES)
            except BlockingIOError:
                continue
            except OSError as error:
                raise self._break(error) from error

    async def hear(self, take: Callable[[bytes], bool]) -> None:
        """Hands over what arrives, as it arrives, until `take` wants no more.

        take: gets each piece, and b"" at the end of the stream; says whether it wants more, which
        at the end it must not. It must not wait.

        Raises as `receive`, and whatever `take` raises.
        """
        hub = self._hub
        if hub is None:
            while take(await self.receive()):
                pass
            return
        self._check()
        failure: Exception | None = None
        heard = self._heard = trio.Event()

        def listen() -> None:
            nonlocal failure
            try:
                if take(self._socket.recv(RECEIVE_BYTES)):
                    return
            except BlockingIOError:
                return
            except OSError as error:
                failure = self._break(error)
            except Exception as error:  # it belongs to this connection, not to the hub
                failure = error
            hub.remove(self._fd)  # now: it may be called again before the task wakes
            heard.set()

        hub.add(self._fd, listen)
        try:
            await heard.wait()
        finally:
            if not self._closed:  # else it is done, and the number may be another socket's by now
                hub.remove(self._fd)
        if failure is not None:
            raise failure
        self._check()

    def send_now(self, data: bytes | memoryview) -> int:
        """Sends what the kernel takes at once, and says how many bytes that is.

        Raises trio.BrokenResourceError if the connection is broken, trio.ClosedResourceError if it
        is closed here.
        """
        self._check()
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise self._break(error) from error

    async def send(self, data: bytes) -> None:
        """Sends all of it.

        Raises ClientStalled, and as `send_now`.
        """
        rest = memoryview(data)[self.send_now(data) :]
        while rest:
            with trio.move_on_after(self._write_timeout) as patience:
                await trio.lowlevel.wait_writable(self._fd)
            if patience.cancelled_caught:
                raise WriteTimeout(f"the client has read nothing for {self._write_timeout:g} s")
            rest = rest[self.send_now(rest) :]

    def send_eof(self) -> None:
        """Says that no more will come (FIN). The client may still send."""
        if not self._closed:
            with suppress(OSError):  # it may be broken already
                self._socket.shutdown(socket.SHUT_WR)

    async def linger(self) -> None:
        """Ends the connection so that the client can read all that was sent.

        To close a socket on bytes that nobody read makes the kernel discard what the client has not
        read yet. So the rest of what the client sends is read here, and forgotten.
        """
        self.send_eof()
        with (
            trio.move_on_after(LINGER_SECONDS),
            suppress(trio.BrokenResourceError, trio.ClosedResourceError),
        ):
            while await self.receive():
                pass

    def reset(self) -> None:
        """Breaks the connection off: the client gets a RST."""
        if not self._closed:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close()

    def stop_busy_polling(self) -> None:
        """Another task has something to do; to be said where this may run in the hub's task."""
        if self._hub is not None:
            self._hub.stop_busy_polling()

    def close(self) -> None:
        """Closes the socket. Whoever waits on it gets trio.ClosedResourceError."""
        if not self._closed:
            self._closed = True
            self._heard.set()
            if self._hub is not None:
                self._hub.remove(self._fd)
            trio.lowlevel.notify_closing(self._fd)
            self._socket.close()

    def _break(self, error: OSError) -> trio.BrokenResourceError:
        self.broken = True
        return trio.BrokenResourceError(error.strerror or str(error))

    def _check(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError

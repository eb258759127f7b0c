"""One connected socket: the only place where a client's bytes arrive and ours leave.

Sending has two forms. `send_now` never waits, and the fast path uses it; `send` waits for a slow
client, but not for ever. Both are for the holder of `lock`, so that what one task writes is never
cut by what another writes. A packet that was sent in part and never will be whole leaves the stream
`torn`: nothing may follow it.
"""

import select
import socket
import struct
from collections.abc import Callable
from contextlib import suppress

import trio

from invis_sim.protocol.address import host_and_port
from invis_sim.server.net.forks import close_in_children
from invis_sim.server.net.poller import Poller

__all__ = ["ClientSocket", "WriteTimeout"]

RECEIVE_BYTES = 4096
"""How much is read at a time: little enough that a client which floods leaves others turns."""

LINGER_SECONDS = 1.0
"""How long, after our last byte, a client may take to read it and hang up. On a real network that
is one round trip; a client that takes longer loses nothing but an orderly end."""

_PEER_ENDED = sum(getattr(select, name, 0) for name in ("POLLRDHUP", "POLLHUP", "POLLERR"))
"""What the system reports of a socket whose other side has ended, or that is broken."""


class WriteTimeout(Exception):
    """The client has read nothing for too long while something waited to be sent."""


class ClientSocket:
    """A connected socket.

    sock: ownership passes to this object.
    write_timeout: how long (real seconds) a client may read nothing while something waits for it.
    poller: listens to many sockets at once; None: each task listens for itself.

    lock: held by who writes, from the first byte of a packet to its last.
    broken: whether the connection is known to be broken; nothing can be sent or received then.
    torn: whether a packet was sent in part, and its rest will never come.
    """

    def __init__(
        self, sock: socket.socket, write_timeout: float, poller: Poller | None = None
    ) -> None:
        sock.setblocking(False)
        close_in_children(sock)
        # No `trio.Lock`: what `send_now` writes in part is finished by another task, which must not
        # find that a third one has taken the lock in between.
        self.lock = trio.Semaphore(1, max_value=1)
        self.broken = False
        self.torn = False
        self._socket = sock
        self._fd = sock.fileno()
        self._write_timeout = write_timeout
        self._poller = poller
        self._done = trio.Event()  # set when the poller need not listen any more
        self._closed = False
        self._why_broken = ""

    @property
    def peer(self) -> str:
        """The client's host and port; "" where the system does not know them any more."""
        try:
            host, port, *_ = self._socket.getpeername()
        except OSError:  # the client has gone already
            return ""
        return host_and_port(host, port)

    async def receive(self) -> bytes:
        """Return the next bytes, however many; b"" at the end of the stream.

        Raises trio.BrokenResourceError if the connection is broken, trio.ClosedResourceError if it
        is closed here.
        """
        self._check()
        while True:
            await trio.lowlevel.wait_readable(self._fd)
            self._check()  # it may have been closed after it became readable
            try:
                return self._socket.recv(RECEIVE_BYTES) or self._end()
            except BlockingIOError:  # a false alarm, which systems allow themselves
                continue
            except OSError as error:
                raise self._break(error) from error

    async def read_loop(self, on_data: Callable[[bytes], bool]) -> None:
        """Hand over what arrives, as it arrives, until the callback wants no more.

        on_data: gets each piece, and b"" at the end of the stream; returns whether it wants more,
        which at the end it must not. It must not wait.

        Raises as `receive`, and whatever `on_data` raises.
        """
        poller = self._poller
        if poller is None:
            while on_data(await self.receive()):
                pass
            return
        self._check()
        failure: Exception | None = None
        done = self._done = trio.Event()
        receive, end = self._socket.recv, self._end

        def on_readable() -> None:
            nonlocal failure
            try:
                if on_data(receive(RECEIVE_BYTES) or end()):
                    return
            except BlockingIOError:
                return
            except OSError as error:
                failure = self._break(error)
            except Exception as error:  # it belongs to this connection, not to the poller
                failure = error
            # Here and not in the task: the poller may call again before the task wakes.
            poller.remove(self._fd)
            done.set()

        poller.add(self._fd, on_readable)
        try:
            await done.wait()
        finally:
            # A closed socket was removed by `close`, and its number may be another socket's by now.
            if not self._closed:
                poller.remove(self._fd)
        if failure is not None:
            raise failure
        self._check()  # `close` also ends the wait

    def send_now(self, data: bytes | memoryview) -> int:
        """Send what the kernel takes at once, and return how many bytes that is.

        Raises trio.BrokenResourceError if the connection is broken, trio.ClosedResourceError if it
        is closed here.
        """
        if self._closed:
            raise trio.ClosedResourceError
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise self._break(error) from error

    async def send(self, data: bytes) -> None:
        """Send all of it.

        Raises WriteTimeout, and as `send_now`.
        """
        rest = memoryview(data)[self.send_now(data) :]
        try:
            while rest:
                with trio.move_on_after(self._write_timeout) as timeout:
                    await trio.lowlevel.wait_writable(self._fd)
                if timeout.cancelled_caught:
                    raise WriteTimeout(f"the client has read nothing for {self._write_timeout:g} s")
                rest = rest[self.send_now(rest) :]
        finally:
            if 0 < len(rest) < len(data):
                self.torn = True

    @property
    def locked(self) -> bool:
        """Whether a packet is being sent, so that no other may be now."""
        return self.lock.value == 0

    def send_eof(self) -> None:
        """Send FIN: no more will come. The client may still send."""
        if not self._closed:
            with suppress(OSError):  # it may be broken already
                self._socket.shutdown(socket.SHUT_WR)

    async def linger(self) -> None:
        """End the connection so that the client can read all that was sent.

        Closing a socket that has unread bytes makes the kernel discard what the client has not read
        yet. So the rest of what the client sends is read here, and discarded.
        """
        self.send_eof()
        with (
            trio.move_on_after(LINGER_SECONDS),
            suppress(trio.BrokenResourceError, trio.ClosedResourceError),
        ):
            while await self.receive():
                pass

    def reset(self) -> None:
        """Break the connection off: the client gets a RST."""
        if not self._closed:
            # With a linger time of 0, close() sends RST instead of FIN.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close()

    @property
    def peer_ended(self) -> bool:
        """Whether the client has ended its side, or broken the connection; nothing need have been
        read of that yet.
        """
        if self._closed or self.broken:
            return True
        if not hasattr(select, "poll"):
            return False  # it shows when the end is read
        waiting = select.poll()
        waiting.register(self._fd, _PEER_ENDED)
        return any(events & _PEER_ENDED for _, events in waiting.poll(0))

    def stop_busy_polling(self) -> None:
        """Give other tasks their turn. To be called where this may run in the poller's task."""
        if self._poller is not None:
            self._poller.stop_busy_polling()

    def close(self) -> None:
        """Close the socket. A task that waits on it gets trio.ClosedResourceError."""
        if not self._closed:
            self._closed = True
            self._done.set()
            if self._poller is not None:
                self._poller.remove(self._fd)
            trio.lowlevel.notify_closing(self._fd)
            self._socket.close()

    def _end(self) -> bytes:
        """Return b"" where the stream has ended in order. The system reports that a connection is
        broken once: if that was to the sender, it looks like such an end to the receiver.
        """
        if self.broken:
            raise trio.BrokenResourceError(self._why_broken)
        return b""

    def _break(self, error: OSError) -> trio.BrokenResourceError:
        self.broken = True
        self._why_broken = error.strerror or str(error)
        return trio.BrokenResourceError(self._why_broken)

    def _check(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError

"""Functions that block, in threads that end with them.

Trio keeps its own worker threads for ten seconds. A test suite that looks for threads which a test
has left behind would find them.
"""

import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

import trio

__all__ = ["look_names_up_in_own_threads", "run_in_thread"]

T = TypeVar("T")


async def run_in_thread(
    function: Callable[..., T], *args: Any, abandon_on_cancel: bool = False
) -> T:
    """Call the function in a thread of its own, which has ended when this returns.

    abandon_on_cancel: whether a caller that is cancelled leaves the thread to itself, instead of
    waiting for it.

    Raises what the function raises.
    """
    token = trio.lowlevel.current_trio_token()
    done = trio.Event()
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(function(*args))
        except BaseException as error:  # it belongs to the caller
            answer.set_exception(error)
        with suppress(trio.RunFinishedError):  # where it was abandoned
            token.run_sync_soon(done.set)

    thread = threading.Thread(target=run, name="invis-sim-blocking", daemon=True)
    thread.start()
    with trio.CancelScope(shield=not abandon_on_cancel):
        await done.wait()
    thread.join()
    return answer.result()


class _Resolver(trio.abc.HostnameResolver):
    """Looks host names up in threads that end with it."""

    async def getaddrinfo(
        self,
        host: bytes | None,
        port: bytes | str | int | None,
        family: int = 0,
        type: int = 0,  # noqa: A002 - as `socket` calls it
        proto: int = 0,
        flags: int = 0,
    ) -> Any:
        return await run_in_thread(
            socket.getaddrinfo, host, port, family, type, proto, flags, abandon_on_cancel=True
        )

    async def getnameinfo(self, sockaddr: Any, flags: int) -> tuple[str, str]:
        return await run_in_thread(socket.getnameinfo, sockaddr, flags, abandon_on_cancel=True)


def look_names_up_in_own_threads() -> None:
    """Make trio look host names up in threads that end with it, in the event loop that runs: it
    must be one of ours, as a caller may have said how that is done in his.
    """
    trio.socket.set_custom_hostname_resolver(_Resolver())

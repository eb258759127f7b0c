"""Keeps sockets out of processes that are forked from this one.

A forked child, as of `multiprocessing`, has a copy of every descriptor. A connection ends, and a
port is closed, when the last copy is: if a child kept some, clients would wait for an outlet that
has closed its own.
"""

import os
import socket
import weakref

__all__ = ["close_in_children"]

_sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()


def close_in_children(sock: socket.socket) -> None:
    """Close the socket in each child process as soon as that is forked."""
    _sockets.add(sock)


def _close_all() -> None:
    for sock in tuple(_sockets):
        sock.close()


if hasattr(os, "register_at_fork"):  # Windows does not fork
    os.register_at_fork(after_in_child=_close_all)

"""What the system refuses, and what can be done about it."""

import errno

__all__ = [
    "DESCRIPTORS_OF_AN_EVENT_LOOP",
    "DESCRIPTORS_OF_AN_OUTLET",
    "OUT_OF_DESCRIPTORS",
    "explain",
]

OUT_OF_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)
"""Errors for which there are too many open files, of this process or of the whole system."""

DESCRIPTORS_OF_AN_OUTLET = 2
"""How many files an outlet has open: the sockets that listen. Each connection is one more."""

DESCRIPTORS_OF_AN_EVENT_LOOP = 6
"""How many files the event loop of the outlets of a process has open."""

FIRST_FREE_PORT = 1024
"""The first port that every user may listen on; systems differ only in making it less."""


def explain(error: OSError, port: int = 0) -> str:
    """Return why the system has refused something, and what to do where that is known.

    port: the one that was to be listened on; 0: any, or none.
    """
    why = error.strerror or str(error)
    if error.errno == errno.EACCES and 0 < port < FIRST_FREE_PORT:
        right = "root, or CAP_NET_BIND_SERVICE on Linux"
        return f"{why}; a port below {FIRST_FREE_PORT} needs a right ({right}), others do not"
    if error.errno == errno.EMFILE:
        return (
            f"{why}; this process may have {_limit()} open, all outlets together take "
            f"{DESCRIPTORS_OF_AN_EVENT_LOOP}, each {DESCRIPTORS_OF_AN_OUTLET} more, and a "
            "connection one: raise the limit with `ulimit -n`"
        )
    if error.errno == errno.ENFILE:
        return f"{why}: the limit of the whole system is reached; stop other programs, or raise it"
    return why


def _limit() -> str:
    try:
        import resource  # here, for not every system has it
    except ImportError:  # nor can it be loaded where there is room for no file at all
        return "no more"
    return str(resource.getrlimit(resource.RLIMIT_NOFILE)[0])

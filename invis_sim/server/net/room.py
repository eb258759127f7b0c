"""Whether this machine has room for many outlets: addresses and open files, and what gives it room
where it has not.
"""

import errno
import ipaddress
import os
import sys
from collections.abc import Sequence
from typing import TypeAlias

from invis_sim.server.net.listeners import StartError, has_address

__all__ = ["check_addresses", "check_open_files", "commands_for_addresses"]

_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

SPARE_FILES = 64
"""How many files a process opens besides its listeners and connections, with a margin: those of the
interpreter, a journal, a page that is open in some browsers."""


def check_open_files(outlets: int, listeners: int) -> None:
    """Raise StartError, with the command that helps, where this process may not open as many files
    as these outlets need to listen.

    listeners: how many sockets listen in all.
    """
    try:
        import resource  # here, for not every system has it
    except ImportError:
        return
    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = _open_files() + listeners
    if limit == resource.RLIM_INFINITY or needed <= limit:
        return
    # Room for a client on each of them, as that is what they are there for.
    wanted = needed + listeners + SPARE_FILES
    hint = f"ulimit -n {wanted}"
    if most != resource.RLIM_INFINITY and wanted > most:
        hint += f", as root, for this system allows others {most}"
    raise StartError(
        f"{outlets} outlets cannot start: they open {listeners} files, one for each listener, and "
        f"this process may have {limit} open; with a client on each, in the shell that starts "
        f"them: {hint}"
    )


def _open_files() -> int:
    """Return how many files this process has open."""
    for folder in ("/proc/self/fd", "/dev/fd"):
        try:
            return len(os.listdir(folder))
        except OSError:  # not every system has it
            continue
    return SPARE_FILES


def check_addresses(hosts: Sequence[str], error: StartError) -> None:
    """Raise StartError, with the commands that help, where this machine lacks some of these
    addresses; return where it has all of them.

    error: what has shown that it lacks one.
    """
    cause = error.__cause__
    if not isinstance(cause, OSError) or cause.errno != errno.EADDRNOTAVAIL:
        return
    missing = [host for host in dict.fromkeys(hosts) if not has_address(host)]
    if not missing:
        return
    some = missing[0] if len(missing) == 1 else f"{missing[0]} to {missing[-1]} ({len(missing)})"
    commands = commands_for_addresses(missing, sys.platform)
    how = f"add them with: {' && '.join(commands)}" if commands else "add them"
    raise StartError(
        f"this machine does not have the addresses {some}; {how}; or use free ports "
        '(--tcp-port 0 --ws-port 0, or ports = "free" under [fleet]): then all share one address'
    ) from error


def commands_for_addresses(missing: Sequence[str], system: str) -> list[str]:
    """Return the commands for a shell that add these addresses to this machine; none where it is
    not known how.

    missing: ascending, as those of a fleet are. system: as `sys.platform` has it.
    """
    parsed = [ipaddress.ip_address(host.partition("%")[0]) for host in missing]
    command = _COMMANDS.get((system, parsed[0].version))
    if command is None:
        return []
    commands = []
    for version, prefix, first, last in _runs(parsed):
        if first == last:
            number = f"{last}" if version == 4 else f"{last:x}"
            commands.append("sudo " + command.format(prefix + number))
        else:
            number = "$n" if version == 4 else "$(printf %x $n)"
            each = command.format(prefix + number)
            commands.append(f"for n in $(seq {first} {last}); do sudo {each}; done")
    return commands


_COMMANDS = {
    ("darwin", 4): "ifconfig lo0 alias {} up",
    ("darwin", 6): "ifconfig lo0 inet6 alias {} prefixlen 128",
    ("linux", 4): "ip addr add {}/32 dev lo",
    ("linux", 6): "ip addr add {}/128 dev lo",
}
"""System and version of IP → what adds an address to its loopback interface."""


def _runs(addresses: Sequence[_Address]) -> list[tuple[int, str, int, int]]:
    """Return the runs of addresses that differ in their last number alone: the version of IP, what
    comes before that number, the first, the last.
    """
    runs: list[tuple[int, str, int, int]] = []
    for address in addresses:
        bits = 8 if address.version == 4 else 16
        number = int(address) % 2**bits
        if address.version == 4:
            prefix = str(address).rpartition(".")[0] + "."
        else:
            prefix = "".join(f"{int(part, 16):x}:" for part in address.exploded.split(":")[:-1])
        if runs and runs[-1][:2] == (address.version, prefix) and runs[-1][3] == number - 1:
            runs[-1] = (*runs[-1][:3], number)
        else:
            runs.append((address.version, prefix, number, number))
    return runs

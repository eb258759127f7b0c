"""The addresses of a fleet: the first one, and those that follow it in its block."""

import ipaddress

from invis_sim.schema.describe import quote

__all__ = ["addresses"]

_LOOPBACK = ipaddress.ip_network("127.0.0.0/8")

_PREFIXES = {4: 24, 6: 64}
"""Version of IP → how long the prefix of a block is that has none, as in most networks."""


def addresses(first: str, count: int) -> list[str]:
    """Return this many addresses, each the next one of its block.

    first: an address of IPv4 or IPv6. A block ends where a network does: at that of 127.0.0.1 for
    addresses of this machine, else at 24 bits of IPv4 and 64 of IPv6, or at the prefix that
    follows, as `10.0.0.1/16`.

    Raises ValueError for what is no address, or where the block has too few.
    """
    text, slash, prefix = first.partition("/")
    text, percent, scope = text.partition("%")
    try:
        address = ipaddress.ip_address(text)
        block = (
            _block(address) if not slash else ipaddress.ip_network(f"{text}/{prefix}", strict=False)
        )
    except ValueError:
        raise ValueError(
            f'expected an address such as "127.0.1.1", "10.0.0.1/16" or "fd00::1", '
            f"found {quote(first)}"
        ) from None
    last = int(block.broadcast_address)
    if block.version == 4 and block.num_addresses > 2:  # the others are those of the network
        last -= 1
        if address == block.network_address:
            raise ValueError(f"{address} is that of the network {block}; expected one in it")
    available = last - int(address) + 1
    if available < count:
        left = "1 address" if available == 1 else f"{max(available, 0)} addresses"
        raise ValueError(
            f"the block {block} has {left} from {address} on, and there are {count} outlets"
        )
    return [f"{address + number}{percent}{scope}" for number in range(count)]


def _block(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """Return the block of an address without a prefix."""
    if address in _LOOPBACK:
        return _LOOPBACK
    prefix = 128 if address.is_loopback else _PREFIXES[address.version]
    return ipaddress.ip_network((int(address), prefix), strict=False)

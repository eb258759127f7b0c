"""Where an outlet listens: hosts and ports, as scenarios, commands and faults name them."""

import ipaddress
from typing import Annotated

import msgspec

__all__ = ["Host", "Port", "host_and_port", "is_ip_address", "is_loopback", "url_host"]

Port = Annotated[int, msgspec.Meta(ge=0, le=65535, description="A port; 0: any free one.")]
Host = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        # Some systems take a number alone for an address.
        pattern=r"[^0-9]",
        description="An address or a name.",
    ),
]


def is_ip_address(text: str) -> bool:
    """Return whether the text is an IP address of either version."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach the host: an IP address, or "localhost"."""
    if not is_ip_address(host):
        return host.rstrip(".").lower() == "localhost"
    return ipaddress.ip_address(host).is_loopback


def url_host(host: str) -> str:
    """Return a host as it is in a URL, and before a colon and a port."""
    return f"[{host}]" if ":" in host else host


def host_and_port(host: str, port: int) -> str:
    """Return host and port as one text."""
    return f"{url_host(host)}:{port}"

"""The ports of an outlet whose address names none."""

__all__ = ["TCP_PORT", "WS_PORT"]

TCP_PORT, WS_PORT = 3333, 80
"""The protocol's for TCP, that of HTTP for WebSocket."""

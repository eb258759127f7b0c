"""Words that every package shares: transports, kinds of packets, ways to end a connection."""

from typing import Literal, TypeAlias

__all__ = ["DisconnectMode", "PacketKind", "Transport"]

Transport: TypeAlias = Literal["tcp", "ws"]
"""Raw TCP, or WebSocket."""

PacketKind: TypeAlias = Literal["reply", "push"]
"""What the outlet sends: a reply to a request, or a push, which no client asked for."""

DisconnectMode: TypeAlias = Literal["close", "reset", "close_frame", "blackhole"]
"""How the outlet ends a connection.

"close": end the stream (FIN). "reset": send a TCP RST. "close_frame": send a close frame on
WebSocket, then FIN. "blackhole": send nothing more and keep the socket open; once the outlet is
back, send RST.
"""

"""Packets of another outlet, which leave as they came."""

from invis_sim.protocol.packets import Push, Reply, encode_json

__all__ = ["ReceivedPush", "ReceivedReply"]


class ReceivedReply(Reply, frozen=True, gc=False):
    """A reply with the bytes that it came as. A changed copy has none."""

    raw: bytes = b""

    def encode(self) -> bytes:
        """Return the bytes as they came, or those of the changed copy."""
        return self.raw or encode_json(self.fields)


class ReceivedPush(Push, frozen=True, gc=False):
    """A push with the bytes that it came as. A changed copy has none."""

    raw: bytes = b""

    def encode(self) -> bytes:
        """Return the bytes as they came, or those of the changed copy."""
        return self.raw or encode_json(self.fields)

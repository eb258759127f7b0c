"""The catalogue: every kind of fault, in the order in which it is shown."""

from invis_sim.faults.fault import Fault
from invis_sim.faults.kinds import (
    connection,
    content,
    delivery,
    device,
    identity,
    interruption,
    syntax,
    text,
    websocket,
)

__all__ = ["KINDS"]

# The one registry line of a new kind. Layer by layer; within a layer, what belongs together.
_CLASSES: tuple[type[Fault], ...] = (
    content.Fail,
    identity.WrongPacketId,
    identity.WrongSn,
    content.WrongCallback,
    content.WrongPuback,
    content.SetField,
    content.RemoveField,
    content.Stale,
    content.PushFirst,
    content.CollidingPush,
    syntax.MalformedJson,
    syntax.UnusualJson,
    syntax.NoObject,
    text.Empty,
    text.Garbage,
    text.InvalidUtf8,
    text.Bom,
    text.Utf16,
    text.Pad,
    text.BitFlip,
    websocket.Binary,
    websocket.Fragment,
    websocket.BadFrame,
    websocket.RejectHandshake,
    websocket.BadHandshake,
    websocket.SlowHandshake,
    websocket.NoPong,
    delivery.Delay,
    delivery.Drop,
    delivery.Duplicate,
    delivery.Reorder,
    delivery.Split,
    delivery.Coalesce,
    delivery.Throttle,
    interruption.CloseConnection,
    interruption.ResetConnection,
    interruption.HalfCloseConnection,
    interruption.StallConnection,
    connection.Refuse,
    connection.Unreachable,
    connection.AcceptClose,
    connection.SlowAccept,
    connection.Greeting,
    connection.ConnectionLimit,
    connection.IdleClose,
    device.Reboot,
    device.FaceplateOffline,
)

KINDS: dict[str, type[Fault]] = {fault.kind(): fault for fault in _CLASSES}
"""`kind` in a scenario → the class."""

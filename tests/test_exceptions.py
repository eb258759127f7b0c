"""Every exception of ours survives a process pool, which pickles it, and a copy."""

import copy
import importlib
import pickle
import pkgutil
from collections.abc import Callable, Iterator

import invis_sim
from invis_sim.cli import CliError
from invis_sim.client.errors import (
    AddressError,
    ClientError,
    ConnectError,
    ConnectionLost,
    HandshakeError,
    NoReply,
)
from invis_sim.commands.command import CommandError
from invis_sim.device.arguments import PartMissing, RequestRejected
from invis_sim.gauntlet.expect import ExpectError
from invis_sim.protocol.json_object import MalformedPacket, Note
from invis_sim.scenario import ScenarioError
from invis_sim.schema.plain import NotPlain
from invis_sim.server.mdns import MdnsUnavailable
from invis_sim.web.problems import HttpProblem
from tests.cases import for_each

OWN = (
    CliError("one", "two", status=2),
    ClientError("host", "is away"),
    AddressError("host:x"),
    ConnectError("host", "refused"),
    ConnectionLost("host", "closed"),
    HandshakeError("host", "says 404"),
    NoReply("host", "says nothing", (b"a", b"b"), 3),
    CommandError("push: one", "push: two"),
    ExpectError(["one", "two"]),
    HttpProblem(409, "no", problems=({"path": "a", "message": "b"},), headers={"Allow": "GET"}),
    MalformedPacket("expected '{'", 7),
    MdnsUnavailable(),
    NotPlain((1, "a"), "a set"),
    PartMissing(Note("it has none", 4)),
    RequestRejected(Note("out of range", 4)),
    ScenarioError(["a.toml:1: one", "a.toml:2: two"]),
)
"""Those that say in their own way what they are made of."""


def other_classes() -> Iterator[type[BaseException]]:
    """Every other class of exceptions in the package."""
    own = {type(error) for error in OWN}
    for module in pkgutil.walk_packages(invis_sim.__path__, "invis_sim."):
        if not module.name.endswith("__main__"):
            for thing in vars(importlib.import_module(module.name)).values():
                if not (isinstance(thing, type) and issubclass(thing, BaseException)):
                    continue
                if thing.__module__ == module.name and thing not in own:
                    yield thing


ALL = (
    *OWN,
    # The others take a message, as those of Python do.
    *(kind("what") for kind in other_classes()),
)


def pickled(protocol: int) -> Callable[[BaseException], BaseException]:
    def again(error: BaseException) -> BaseException:
        same: BaseException = pickle.loads(pickle.dumps(error, protocol))
        return same

    return again


@for_each(
    "again",
    [copy.copy, copy.deepcopy, *map(pickled, range(pickle.HIGHEST_PROTOCOL + 1))],
    ids=["copy", "deepcopy", *(f"pickle {n}" for n in range(pickle.HIGHEST_PROTOCOL + 1))],
)
@for_each("error", ALL, ids=lambda error: type(error).__name__)
def test_a_copy_says_the_same(
    error: BaseException, again: Callable[[BaseException], BaseException]
) -> None:
    error.add_note("seen in a process pool")
    same = again(error)
    assert type(same) is type(error)
    assert str(same) == str(error)
    assert same.args == error.args
    assert vars(same) == vars(error)
    assert vars(same)["__notes__"][0] == "seen in a process pool"

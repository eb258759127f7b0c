"""What the control server uses of Hypercorn beyond its public interface is there.

`hypercorn.trio.serve` takes no streams, so it can neither limit the connections nor the time of a
write; `web/server.py` says why it must. So it uses the class that serves one stream, and what that
takes. Where one of these tests fails, a version of Hypercorn has come that `web/server.py` must be
adapted to; until then, pyproject.toml must exclude that version.
"""

import inspect
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import tomli
from hypercorn.config import Config
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState
from hypercorn.utils import wrap_app
from packaging.requirements import Requirement

from invis_sim import start_simulator
from invis_sim.server.net.listeners import StartError
from tests.cases import for_each

ROOT = Path(__file__).parents[2]


@for_each(
    ("part", "parameters"),
    [
        (TCPServer, ["app", "config", "context", "state", "stream"]),
        (WorkerContext, ["max_requests"]),
        (wrap_app, ["app", "wsgi_max_body_size", "mode"]),
    ],
)
def test_a_part_that_is_not_public_takes_what_it_is_given(
    part: object, parameters: list[str]
) -> None:
    assert callable(part)
    assert list(inspect.signature(part).parameters) == parameters


def test_a_server_is_awaited_and_its_state_is_a_dict() -> None:
    assert hasattr(TCPServer, "__await__")
    assert ConnectionState({}) == {}


@pytest.mark.parametrize("name", ["h11_max_incomplete_size", "keep_alive_timeout"])
def test_a_limit_is_still_called_so(name: str) -> None:
    assert hasattr(Config(), name)


def test_no_version_that_was_not_tried_is_installed() -> None:
    extras = tomli.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (wanted,) = (one for one in map(Requirement, extras["control"]) if one.name == "hypercorn")
    assert "<" in str(wanted.specifier), "a later version may have other parts"
    assert wanted.specifier.contains(version("hypercorn"))


def test_another_version_is_named_where_a_part_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "invis_sim.web.server", raising=False)
    monkeypatch.setitem(sys.modules, "hypercorn.trio.tcp_server", None)
    expected = f"Hypercorn {version('hypercorn')} has no hypercorn.trio.tcp_server; pip install"
    with pytest.raises(StartError, match=expected), start_simulator(control=True):
        raise AssertionError("it has started")

"""A command learns the address from placeholders and from its environment."""

import pytest

from invis_sim.gauntlet.command import (
    PLACEHOLDERS,
    PlaceholderError,
    check_placeholders,
    environment,
    fill,
    transports_of,
)
from invis_sim.protocol.transport import Transport

VALUES = {name: name.upper() for name in PLACEHOLDERS}


def test_placeholders_are_replaced_wherever_they_are_and_other_braces_are_not() -> None:
    command = ["client", "--at={host}:{port}", '{"case": "{case}"}', "{nonsense}", "{HOST}"]
    assert fill(command, VALUES) == [
        "client",
        "--at=HOST:PORT",
        '{"case": "CASE"}',
        "{nonsense}",
        "{HOST}",
    ]


def test_the_environment_has_the_same() -> None:
    assert environment({"tcp_port": "1", "sn": "x"}) == {"INVIS_TCP_PORT": "1", "INVIS_SN": "x"}


def test_a_misspelled_placeholder_is_an_error_with_a_hint() -> None:
    with pytest.raises(PlaceholderError, match=r"did you mean \{tcp_port\}\?"):
        check_placeholders(["client", "{tcpport}"])
    check_placeholders(["client", "{host}", '{"a": {"b": 1}}', "{x}"])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["{host}"], ("tcp", "ws")),
        (["{host}", "{tcp_port}"], ("tcp",)),
        (["{ws_url}"], ("ws",)),
        (["{ws_port}"], ("ws",)),
        (["{ws_port}", "{tcp_port}"], ("tcp", "ws")),
        (["{transport}", "{tcp_port}"], ("tcp", "ws")),
        (["{address}"], ("tcp", "ws")),
    ],
)
def test_the_placeholders_say_which_transports_the_client_knows(
    arguments: list[str], expected: tuple[Transport, ...]
) -> None:
    assert transports_of(arguments) == expected

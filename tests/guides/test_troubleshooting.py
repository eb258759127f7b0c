"""The messages in the guide to troubleshooting are those of the program."""

import ast
import errno
import os
import re
from collections.abc import Iterator
from functools import cache

from tests.cases import for_each
from tests.guides.blocks import ROOT

FOREIGN = (
    "command not found",
    "spawn invis-sim ENOENT",
    "externally-managed-environment",
    "No matching distribution",
    "ensurepip is not available",
    "fixture 'invis_sim' not found",
    "SocketBlockedError",
)
"""What is in messages of the shell, Node, pip, Python and pytest."""


def messages() -> list[str]:
    """What is in the first column of each table, where that is code."""
    text = (ROOT / "invis_sim/guides/troubleshooting.md").read_text(encoding="utf-8")
    found = re.findall(r"^\| `([^`]+)`(?: \(.*?\))? \|", text, re.MULTILINE)
    return [message for message in found if not any(part in message for part in FOREIGN)]


def strings() -> Iterator[str]:
    """Every text in the program and in the Makefile, with … for what is filled in; and what the
    system says.
    """
    yield from map(
        os.strerror, (errno.EACCES, errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.ECONNREFUSED)
    )
    yield (ROOT / "Makefile").read_text("utf-8").replace("$(PYTHON)", "…").replace("$(VENV)", "…")
    for path in (ROOT / "invis_sim").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
            elif isinstance(node, ast.JoinedStr):
                parts = (getattr(part, "value", "…") for part in node.values)
                yield "".join(part if isinstance(part, str) else "…" for part in parts)


@cache
def program() -> str:
    return "\n".join(strings())


@for_each("message", messages())
def test_a_message_is_one_of_the_program(message: str) -> None:
    for piece in re.split(r"\s*[…;]\s*", message):
        assert piece.strip(" :;,'()") in program(), piece


def test_there_are_messages() -> None:
    assert len(messages()) > 40

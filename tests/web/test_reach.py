"""What is sent to the control server reaches nothing but the outlets.

A scenario and the API have names, texts and addresses in them. Wherever one may be, the name of a
file, of a host and of a program is put in its place, and Python's own audit says whether any of
them was opened, looked up, connected to or run.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from invis_sim.web.api import OPERATIONS
from tests.support import SN
from tests.web.support import OUTLET, Client, steered

BAIT = "invis-sim-bait"
"""What is in the name of each file, host and program that is sent."""

touched: list[str] = []
"""What Python has done with a bait since the beginning of the test."""

STATE = {
    "device": {"MAC": "x", "device": "x", "hw_rev": "x"},
    "names": {"outlet1": "x", "nightlight": "x"},
    "firmware": {"IM": {"fw_rev": "0.0.1", "available_fw_rev": "0.9.0"}},
    "preferences": {
        "sys_prefs": {
            "mqtt": {"mqtt_broker_url": "mqtt://192.0.2.26:1883", "user": "x", "pass": "x"},
            "internet": {"ip": "192.0.2.10", "mainDNS": "192.0.2.1"},
        }
    },
    "updates": {"release_notes": "x"},
    "update_service": {"answer": "inventory"},
}

FAULTS = [
    {"kind": "drop", "name": "one"},
    {"kind": "greeting", "text": "x"},
    {"kind": "set_field", "path": "payload.x", "value": "x"},
    {"kind": "push_first", "callback": 9, "args": ["x"], "when": {"transport": "tcp"}},
]

STEP = {"after_seconds": 9, "set": STATE, "enable": "one", "inject": FAULTS[0]}

BODIES: dict[tuple[str, str], list[Any]] = {
    ("POST", "/faults"): [FAULTS],
    ("PUT", "/faults"): [FAULTS],
    ("PATCH", "/faults/{id}"): [{"enabled": True}],
    ("PATCH", "/state"): [STATE],
    ("POST", "/steps"): [STEP, {"after_request": {"callback": 20}, "push": 9}],
    ("POST", "/commands"): [
        [{"reset": "faults"}, {"reset": ["counters"]}, {"set": STATE}],
        [{"inject": FAULTS[0]}, {"enable": "one"}, {"disable": ["one"]}, {"remove": "one"}],
        [{"push": {"callback": 99, "args": ["x"]}}, {"sample": True}, {"faceplate": "on"}],
        [{"disconnect": "close"}, {"reboot": {"seconds": 0, "how": "close"}}, {"update": "IM"}],
        [{"join_network": True}],
    ],
    ("POST", "/verify"): [{"callback": 20, "args": ["x"], "times": 0, "transport": "tcp"}],
    ("PATCH", "/clock"): [{"speed": "inf", "paused": True}],
    ("POST", "/clock/advance"): [{"seconds": 1}],
    ("PUT", "/scenario"): [
        {
            **STATE,
            "description": "x",
            "listen": {"host": "127.0.0.1", "control_host": "x", "ws_path": "/x"},
            "faults": FAULTS,
            "steps": [STEP],
        }
    ],
}
"""For each operation that has a body: some that are good, with a text wherever there may be one."""


def _audit(event: str, args: tuple[Any, ...]) -> None:
    # No other event touches anything. A hook can never be removed, and this one costs little.
    kinds = ("open", "os.", "socket.", "subprocess.", "exec", "compile", "import")
    if event.startswith(kinds) and BAIT in repr(args):
        touched.append(f"{event} {args!r}")


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    sys.addaudithook(_audit)
    with steered() as (_, client):
        yield client


@pytest.fixture
def baits(tmp_path: Path) -> tuple[str, str]:
    """Names that would show if they were used: of a file, which is a program too, and a host."""
    file = tmp_path / f"{BAIT}.toml"
    file.write_text("#!/bin/sh\nseed = 4711\n")
    file.chmod(0o700)
    touched.clear()
    return str(file), f"{BAIT}.invalid"


def baited(value: Any, bait: str) -> Iterator[Any]:
    """The value with the bait in place of one part of it, of each in turn, and of the whole."""
    yield bait
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from ({**value, key: one} for one in baited(inner, bait))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from ([*value[:index], one, *value[index + 1 :]] for one in baited(inner, bait))


def tail_of(path: str) -> str:
    return path.removeprefix("/api/outlets/{sn}").removeprefix("/api")


def test_every_operation_with_a_body_is_tried() -> None:
    assert {(one.method, tail_of(one.path)) for one in OPERATIONS if one.body} == set(BODIES)


def test_no_text_of_a_body_is_the_name_of_something_to_use(
    client: Client, baits: tuple[str, str]
) -> None:
    for (method, tail), bodies in BODIES.items():
        path = f"{'/api' if tail.startswith('/clock') else OUTLET}{tail}".replace("{id}", "one")
        for body in bodies:
            before = client.get(f"{OUTLET}/journal")
            client.send(method, path, body)
            new = client.get(f"{OUTLET}/journal")[len(before) :]
            assert tail == "/verify" or [one for one in new if one.get("by") == "API"], path
            for bait in baits:
                for one in baited(body, bait):
                    client.request(method, path, one)
                    assert touched == [], (method, path, one)


def test_no_toml_is_the_name_of_something_to_use(client: Client, baits: tuple[str, str]) -> None:
    for bait in baits:
        for text in (bait, f"description = {json.dumps(bait)}", f"include = {json.dumps(bait)}"):
            toml = {"Content-Type": "application/toml"}
            client.request("PUT", f"{OUTLET}/scenario", text.encode(), toml)
            assert touched == [], text


def test_no_part_of_a_url_is_the_name_of_something_to_use(
    client: Client, baits: tuple[str, str]
) -> None:
    for operation in OPERATIONS:
        if operation.media == "text/event-stream" or operation.body is not None:
            continue
        fields = operation.query.__struct_encode_fields__ if operation.query else ()
        for bait in baits:
            path = operation.path.replace("{sn}", SN)
            for name in ("id", "number", "module", "product", "hw_rev", "fw_rev"):
                path = path.replace(f"{{{name}}}", quote(bait, safe=""))
            usual = {"timeout": 0, "for": "request"} if "for" in fields else {}
            for field in fields:
                client.request(operation.method, f"{path}?{urlencode({**usual, field: bait})}")
            client.request(operation.method, path)
            assert touched == [], (operation.method, path)

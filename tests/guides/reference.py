"""The reference parts of the guides, made from what the commands and the API themselves say.

`make guides` writes them between their markers, `<!-- made by make guides: NAME -->` and
`<!-- end -->`; `test_reference.py` holds that they are there as they would be written.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from invis_sim.cli.arguments import make_parser
from invis_sim.cli.callbacks import PRODUCTS, description, example_exchange, products_with
from invis_sim.cli.completion import Argument, commands_of
from invis_sim.cli.keys import expected_value, first_paragraph, format_default, tables
from invis_sim.commands.registry import COMMANDS
from invis_sim.device.manual import MANUAL
from invis_sim.faults.catalogue import KINDS
from invis_sim.faults.fault import LAYERS, Fault, Layer
from invis_sim.journal.text import format_callback
from invis_sim.scenario.model import Scenario
from invis_sim.scenario.steps import Step
from invis_sim.schema.fields import fields, key_docs
from invis_sim.web.api import OPERATIONS
from invis_sim.web.openapi import openapi
from tests.guides.blocks import ROOT

__all__ = ["GUIDES", "PARTS", "filled"]

GUIDES = ROOT / "invis_sim/guides"

_PART = re.compile(r"(<!-- made by make guides: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(text: str) -> str:
    """Return a guide with its reference parts as they must be. Raises KeyError for a part that
    there is not.
    """
    return _PART.sub(lambda part: f"{part[1]}\n{PARTS[part[2]]().strip()}\n\n{part[3]}", text)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = [*head]
    lines = [head, ["---"] * len(head), *rows]
    cells = ([_cell(text) for text in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells) + "\n"


def _cell(text: str) -> str:
    """Return a text without what a cell cannot have, and with no * outside of code that would begin
    emphasis.
    """
    parts = text.replace("|", "\\|").replace("\n", " ").split("`")
    parts[::2] = (part.replace("*", "\\*") for part in parts[::2])
    return "`".join(parts)


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _faults() -> str:
    parts = []
    for layer in LAYERS:
        kinds = [kind for kind in KINDS.values() if kind.layer == layer]
        rows = (
            (_code(kind.kind()), first_paragraph(kind), ", ".join(_own_keys(kind)))
            for kind in kinds
        )
        if kinds:
            parts.append(f"### {_LAYER_NAMES[layer]}\n")
            parts.append(_table(("kind", "what it does", "its keys"), rows))
    return "\n".join(parts)


_LAYER_NAMES: Mapping[Layer, str] = {
    "content": "Valid JSON, wrong content",
    "text": "The bytes of the text",
    "websocket": "WebSocket: frames and handshake",
    "delivery": "How and when it is sent",
    "connection": "Connections",
    "device": "The device",
}


def _own_keys(kind: type[Fault]) -> Iterator[str]:
    shared = fields(Fault)
    return (_code(key) for key in fields(kind) if key not in shared)


def _keys() -> str:
    documented = key_docs(Scenario)
    top = {key: field for key, field in fields(Scenario).items() if field.section is None}
    rows = ((_code(key), "", documented.get(key, "")) for key in top)
    parts = [_table(("key", "default", "what it is"), rows)]
    for name, struct in tables().items():
        if struct is Step:
            continue  # the guide to steering has it
        keys = [(key, field) for key, field in fields(struct).items() if field.section is None]
        parts.append(f"### [{name}]\n")
        parts.append(f"{first_paragraph(struct)}\n")
        if keys:
            rows = (
                (
                    _code(key),
                    _code(format_default(field)),
                    f"{_sentence(field.doc)} ({expected_value(field)})".strip(),
                )
                for key, field in keys
            )
            parts.append(_table(("key", "default", "what it is"), rows))
    return "\n".join(parts)


def _commands() -> str:
    known = fields(Step)
    rows = ((_code(key), f"{known[key].doc} ({expected_value(known[key])})") for key in COMMANDS)
    return _table(("command", "what it does"), rows)


def _products() -> str:
    rows = (
        (format_callback(callback), *("yes" if product in having else "" for product in PRODUCTS))
        for callback in MANUAL
        for having in [products_with(callback)]
        if MANUAL[callback].takes is not None  # else it is only pushed
    )
    return _table(("callback", *PRODUCTS), rows)


def _callbacks() -> str:
    parts = []
    for callback in MANUAL:
        parts.append(f"### {format_callback(callback)}\n")
        parts.append("\n".join(f"- {line}" for line in description(callback)) + "\n")
        parts.append("```text\n" + "\n".join(example_exchange(callback)) + "\n```\n")
    return "\n".join(parts)


def _http() -> str:
    document = openapi(OPERATIONS)
    rows = []
    for path, methods in document["paths"].items():
        if not path.startswith(("/api", "/update-service")):
            continue
        for method, operation in methods.items():
            query = [one["name"] for one in operation["parameters"] if one["in"] == "query"]
            asked = f" Query: {', '.join(map(_code, query))}." if query else ""
            rows.append((_code(f"{method.upper()} {path}"), f"{operation['description']}{asked}"))
    return _table(("request", "what it does"), rows)


def _command_line() -> str:
    parts = []
    for command in commands_of(make_parser()):
        parts.append(f"### invis-sim {command.name}\n")
        parts.append(f"{' '.join(command.description.split())}\n")
        examples = "".join(f"$ {example}\n" for example in command.examples)
        parts.append(f"```console\n{examples}```\n")
        # Every command has these; the guide says so once.
        of_all = (("-h", "--help"), ("--color",))
        arguments = [one for one in command.arguments if one.flags not in of_all]
        if arguments:
            rows = ((_code(_written(one)), _sentence(one.help)) for one in arguments)
            parts.append(_table(("argument", "what it is"), rows))
    return "\n".join(parts)


def _written(argument: Argument) -> str:
    value = argument.metavar or "|".join(argument.words)
    names = ", ".join(argument.flags)
    return f"{names} {value}".strip() if argument.takes_value else names


PARTS: Mapping[str, Callable[[], str]] = {
    "faults": _faults,
    "keys": _keys,
    "commands": _commands,
    "products": _products,
    "callbacks": _callbacks,
    "http": _http,
    "command_line": _command_line,
}
"""Each reference part by the name in its marker."""


if __name__ == "__main__":
    for path in sorted(GUIDES.glob("*.md")):
        path.write_text(filled(path.read_text(encoding="utf-8")), encoding="utf-8")

"""The package keeps to the layers that CONTRIBUTING.md draws."""

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

import invis_sim
from tests.cases import for_each

PACKAGE = Path(invis_sim.__file__).parent

LAYERS = {
    "protocol": 1,
    "guides": 2,
    "schema": 2,
    "device": 3,
    "faults": 3,
    "client": 3,
    "journal": 4,
    "commands": 5,
    "scenario": 6,
    "server": 7,
    "web": 8,
    "recording": 9,
    "gauntlet": 10,
    "testing": 11,
    "cli": 12,
}
FORBIDDEN_BELOW_THE_SERVER = {"trio", "socket", "time", "asyncio", "select", "subprocess"}

MAX_LINES = 420
"""Of a source file; one that grows beyond does more than one thing."""

OLD_WORDS = {
    *("Agenda", "Appointment", "Arrivals", "Courier", "Happening", "Hub", "Lane", "Listening"),
    *("Parcel", "Refused", "Rhythm", "Rule", "Script", "Spread", "Tally", "Touch", "Updating"),
    *("Welcome", "Wire", "WithState", "Mishap", "ASK", "PATIENCE", "MOST", "IN_A_LOOP"),
    *("farewell", "goodbye", "happenings", "hush", "ordinal", "patience", "remark", "somebody"),
    *("nobody", "spelled", "misfits", "stirs", "stirred", "told", "touched", "courier", "lane"),
    *("stall_seconds", "befell", "rubbish", "oddities", "contradictions"),
}
"""Words of an older vocabulary, for which the field has its own: `Effect` for *Happening*, `Timer`
for *Appointment*, `FaultSession` for *Lane*, `ConnectionPlan` for *Welcome*, `number` for
*ordinal*, `close_frame` for *goodbye*, `timeout` for *patience*, `MAX` for *MOST*.
"""

NO_IO = ("guides", "protocol", "schema", "device", "faults", "journal", "commands", "scenario")

FILES = sorted(path for package in LAYERS for path in (PACKAGE / package).rglob("*.py"))


class Source(NamedTuple):
    """What the tests ask of a file, which is parsed once for all of them.

    imported: the modules that it imports, anywhere in it.
    ours: those of them that are ours. at_load: those that are imported when it is loaded.
    from_outside: lines where an `on_…` is assigned to something other than `self`.
    old_words: lines where it names something by a word of the old vocabulary.
    """

    lines: int
    imported: frozenset[str]
    ours: frozenset[str]
    at_load: frozenset[str]
    from_outside: list[tuple[int, str]]
    old_words: list[tuple[int, str]]


@cache
def source(path: Path) -> Source:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    nodes = list(ast.walk(tree))
    return Source(
        len(text.splitlines()),
        frozenset(imported(nodes)),
        frozenset(module for node in nodes for module in our_modules(node)),
        frozenset(module for node in run_at_load(tree) for module in our_modules(node)),
        list(assigned_from_outside(nodes)),
        [(line, name) for line, name in identifiers(nodes) if words_of(name) & OLD_WORDS],
    )


def imported(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """The modules that a file imports, anywhere in it."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import"
            assert node.module is not None
            yield node.module


def package_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0]


@for_each("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_package_imports_from_itself_and_from_layers_below(path: Path) -> None:
    package = package_of(path)
    for module in source(path).imported:
        parts = module.split(".")
        if parts[0] == "invis_sim" and len(parts) > 1 and parts[1] != package:
            assert LAYERS[parts[1]] < LAYERS[package], f"{package} imports {module}"


@for_each(
    "path",
    [path for path in FILES if package_of(path) in NO_IO],
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_what_does_no_io_imports_nothing_that_does(path: Path) -> None:
    roots = {module.split(".")[0] for module in source(path).imported}
    assert not roots & FORBIDDEN_BELOW_THE_SERVER


def test_all_names_that_the_package_hands_out_are_there() -> None:
    code = "import invis_sim\nfor name in invis_sim.__all__: getattr(invis_sim, name)"
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        importlib.import_module("invis_sim").nonsense  # noqa: B018


# Modules


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path) for path in FILES}


def run_at_load(tree: ast.AST) -> Iterator[ast.AST]:
    """What is run when a module is loaded: not what is in functions, nor for types alone."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
            continue
        yield node
        waiting += ast.iter_child_nodes(node)


def our_modules(node: ast.AST) -> Iterator[str]:
    """Our modules that a node imports."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name in MODULES)
    elif isinstance(node, ast.ImportFrom) and node.module is not None:
        inside = {f"{node.module}.{alias.name}" for alias in node.names} & MODULES
        yield from inside
        if node.module in MODULES and len(inside) < len(node.names):
            yield node.module


def import_graph(*, at_load: bool) -> dict[str, set[str]]:
    """Each module of the package with those that it imports."""
    sources = {module_name(path): source(path) for path in FILES}
    graph = {name: set(one.at_load if at_load else one.ours) for name, one in sources.items()}
    assert sum(map(len, graph.values())) > len(FILES)  # there is something to look at
    return graph


def reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    """What a module imports, and what that imports, and so on."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        for following in graph[waiting.pop()] - found:
            found.add(following)
            waiting.append(following)
    return found


def cycle_in(graph: dict[str, set[str]]) -> list[str]:
    """A way from a module back to itself, or an empty list."""
    done: set[str] = set()

    def search(node: str, way: list[str]) -> list[str]:
        if node in way:
            return [*way[way.index(node) :], node]
        if node in done:
            return []
        for following in sorted(graph.get(node, ())):
            if found := search(following, [*way, node]):
                return found
        done.add(node)
        return []

    return next((found for node in sorted(graph) if (found := search(node, []))), [])


def test_a_cycle_of_imports_would_be_found() -> None:
    assert cycle_in({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert cycle_in({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert cycle_in(import_graph(at_load=True)) == []


def test_every_module_can_be_the_first_to_be_imported() -> None:
    # Where imports run in no circle, not even through functions, the order makes no difference; so
    # it is enough to try those where they do, and one of each package.
    graph = import_graph(at_load=False)
    names = [name for name in graph if name in reachable(graph, name)]
    names += [f"invis_sim.{package}" for package in LAYERS]
    # Each in a state in which nothing of ours is loaded, so that a cycle would show.
    code = (
        "import importlib, sys\n"
        f"for name in {names!r}:\n"
        "    for loaded in [m for m in sys.modules if m.split('.')[0] == 'invis_sim']:\n"
        "        del sys.modules[loaded]\n"
        "    importlib.import_module(name)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@for_each("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_source_file_is_too_long(path: Path) -> None:
    assert source(path).lines <= MAX_LINES


# Effects are returned: nothing is assigned from outside to be called back


def assigned_from_outside(nodes: Iterable[ast.AST]) -> Iterator[tuple[int, str]]:
    """Line and name of each `on_…` that is assigned to something other than `self`."""
    for node in nodes:
        match node:
            case ast.Assign(targets=targets):
                pass
            case ast.AnnAssign(target=target) | ast.AugAssign(target=target):
                targets = [target]
            case ast.Call(func=ast.Name("setattr"), args=[_, ast.Constant(value=str(name)), *_]):
                if name.startswith("on_"):
                    yield node.lineno, name
                continue
            case _:
                continue
        for one in (part for target in targets for part in ast.walk(target)):
            match one:
                case ast.Attribute(value=owner, attr=name) if name.lstrip("_").startswith("on_"):
                    if not (isinstance(owner, ast.Name) and owner.id == "self"):
                        yield one.lineno, ast.unparse(one)


def test_what_is_assigned_from_outside_would_be_found() -> None:
    code = """
class A:
    def __init__(self, on_end):
        self.on_end = on_end
a = A(on_end=None)
a.on_end = print
a.b.on_end: object = print
a.first, a._on_end = 1, print
setattr(a, "on_end", print)
a.only = 1
"""
    found = [line for line, _ in assigned_from_outside(ast.walk(ast.parse(code)))]
    assert found == [6, 7, 8, 9]


@for_each("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_callback_is_assigned_from_outside(path: Path) -> None:
    assert source(path).from_outside == []


# Words


def words_of(name: str) -> set[str]:
    """The words of an identifier: the whole, and its parts, in CamelCase or with underscores.

    The wire's own names, in camelCase, are taken as they are.
    """
    parts = [part for part in name.split("_") if part]
    camel = [
        word for part in parts if part[0].isupper() for word in re.findall("[A-Z][a-z0-9]+", part)
    ]
    return {name, name.strip("_"), *parts, *camel}


def identifiers(nodes: Iterable[ast.AST]) -> Iterator[tuple[int, str]]:
    """Line and name of all that a module names itself."""
    for node in nodes:
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                yield node.lineno, name
            case ast.AsyncFunctionDef(name=name) | ast.arg(arg=name):
                yield node.lineno, name
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield node.lineno, name


def test_an_old_word_would_be_found() -> None:
    code = "class _CourierTask:\n    def say_farewell(self, ordinal): self.most = MOST_BYTES = 1"
    found = {
        name for _, name in identifiers(ast.walk(ast.parse(code))) if words_of(name) & OLD_WORDS
    }
    assert found == {"_CourierTask", "say_farewell", "ordinal", "MOST_BYTES"}


@for_each("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_identifier_is_of_the_old_vocabulary(path: Path) -> None:
    assert source(path).old_words == []


def test_type_checkers_may_read_the_package() -> None:
    assert (PACKAGE / "py.typed").exists()

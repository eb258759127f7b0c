"""A TOML file → a validated `Scenario`, or every problem of the file with its line."""

import pathlib
import re
from collections.abc import Iterable
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
import tomli

from invis_sim.faults.fault import Fault
from invis_sim.protocol.hidden_frames import hide_frames
from invis_sim.protocol.package_files import PackageFile
from invis_sim.protocol.printable import printable
from invis_sim.scenario.bundled import bundled, find_bundled
from invis_sim.scenario.conflicts import conflicts
from invis_sim.scenario.fleet import FleetSettings
from invis_sim.scenario.listen import transports_of
from invis_sim.scenario.model import NarrowedScenario, Scenario
from invis_sim.scenario.toml_positions import key_lines
from invis_sim.scenario.validation import validate
from invis_sim.schema.build import Problem, values_checked
from invis_sim.schema.describe import did_you_mean, format_path, format_value
from invis_sim.schema.fields import Path, fields
from invis_sim.schema.plain import NOT_UNICODE, is_unicode

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

__all__ = [
    "OVERRIDES",
    "ScenarioError",
    "ScenarioSource",
    "check_overrides",
    "load",
    "one_outlet",
    "override",
    "parse",
    "parse_bytes",
    "resolve",
    "scenario_in",
    "with_faults",
]

__tracebackhide__ = hide_frames

ScenarioSource: TypeAlias = "Scenario | str | FilePath | Traversable | None"
"""A scenario, the path of a file, the name of a bundled one, TOML text, a resource of a package, or
None for the default.
"""

MAX_CACHED_TEXTS = 32
"""How many texts are kept with the scenarios that they say. A test suite starts an outlet of the
same few for each test, and to check one takes as long as everything else that a start does."""


class ScenarioError(ValueError):
    """A scenario that cannot be used.

    problems: one line each, naming file, line, key path, what was expected and what was found,
    harmless for a terminal.
    """

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(map(printable, problems))
        super().__init__("\n".join(self.problems))

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions are pickled by their `args`, which are not what `__init__` takes.
        return type(self), ([*self.problems],), self.__dict__


def load(source: "str | FilePath | Traversable | PackageFile") -> Scenario:
    """The scenario in a file.

    source: a path, the name of a bundled scenario, or a resource of a package.

    Raises ScenarioError.
    """
    try:
        path = _find(source)
        data = path.read_bytes()
    except OSError as error:
        raise ScenarioError([f"{source}: {error.strerror}"]) from None
    return parse_bytes(data, str(path))


def parse_bytes(data: bytes, file: str) -> Scenario:
    """The scenario in the content of a file. file: its path. Raises ScenarioError."""
    try:
        text = data.decode("utf-8-sig")  # some editors begin a file with a BOM
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ScenarioError([f"{file}:{line}: not UTF-8: {error.reason}"]) from None
    return parse(text, file)


def parse(text: str, file: str = "<scenario>") -> Scenario:
    """The scenario in a TOML text.

    file: what messages call it.

    Raises ScenarioError.
    """
    return _parse(text, file)


# A scenario is immutable, so all who have the same text may share one. Errors are not kept.
@lru_cache(MAX_CACHED_TEXTS)
def _parse(text: str, file: str) -> Scenario:
    try:
        data = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        raise ScenarioError([f"{file}:{error.lineno}: not TOML: {_explain(error)}"]) from None
    except RecursionError:
        raise ScenarioError([f"{file}: not TOML that can be read: nested too deep"]) from None
    except ValueError:  # Python's own limit for digits, which tomli passes on
        raise ScenarioError([f"{file}: a number in it has too many digits"]) from None
    scenario, problems = validate(data, Scenario)
    if problems:
        lines = key_lines(text)
        # By line; the problems of one line stay in their order.
        placed = sorted(
            ((_line(problem.path, lines), str(problem)) for problem in problems),
            key=lambda pair: pair[0],
        )
        raise ScenarioError([f"{file}:{line}: {message}" for line, message in placed])
    assert isinstance(scenario, Scenario)
    return scenario


def resolve(
    source: ScenarioSource = None, faults: Iterable[Fault] = (), **overrides: Any
) -> Scenario:
    """The scenario of a source, with further faults, and with other values for some keys.

    source: text with a newline in it is TOML, and so is text with a `=`, unless it ends in .toml;
    other text is a path or the name of a bundled scenario.
    faults: as for `with_faults`. overrides: as for `override`.

    Raises ScenarioError, also where it is about several outlets.
    """
    scenario = override(one_outlet(scenario_in(source)), **overrides)
    return scenario if faults == () else with_faults(scenario, faults)


def scenario_in(source: ScenarioSource) -> Scenario:
    """The scenario of a source, as `resolve` takes it. Raises ScenarioError."""
    if source is None:
        source = _default()
    _require_source(source)
    if isinstance(source, Scenario):
        return source
    if isinstance(source, str) and _is_toml(source):
        return parse(source)
    return load(source)


def one_outlet(scenario: Scenario) -> Scenario:
    """The scenario, which must be about one outlet. Raises ScenarioError where it has a fleet."""
    if scenario.fleet is not None:
        expected = "expected a scenario of one outlet; `invis-sim run` and start_fleet run several"
        raise ScenarioError([f"fleet: {expected}"])
    return scenario


def _require_source(source: object) -> None:
    """Raises ScenarioError for what cannot be the source of a scenario."""
    if not (isinstance(source, Scenario | str | FilePath) or hasattr(source, "read_bytes")):
        expected = "a Scenario, a path, the name of a shipped scenario, TOML text or None"
        raise ScenarioError([f"scenario: expected {expected}, found {format_value(source)}"])
    if isinstance(source, str) and not is_unicode(source):
        raise ScenarioError([f"scenario: {NOT_UNICODE}"])


@cache
def _default() -> Scenario:
    """The default outlet: always the bundled one, also where a file here is called `default`."""
    file = find_bundled("default")
    assert file is not None
    return load(file)


def _is_toml(source: str) -> bool:
    return not source or "\n" in source or ("=" in source and not source.endswith(".toml"))


OVERRIDES: dict[str, tuple[str, str]] = {
    "sn": ("device", "sn"),
    "seed": ("", "seed"),
    "host": ("listen", "host"),
    "tcp": ("listen", "tcp"),
    "tcp_port": ("listen", "tcp_port"),
    "ws": ("listen", "ws"),
    "ws_port": ("listen", "ws_port"),
    "ws_path": ("listen", "ws_path"),
    "mdns": ("listen", "mdns"),
    "control": ("listen", "control"),
    "control_host": ("listen", "control_host"),
    "control_port": ("listen", "control_port"),
    "control_allow_hosts": ("listen", "control_allow_hosts"),
}
"""The values that the command line and Python can give beside a scenario → what they replace: a
table, or "" for the top of the file, and a key of it."""


def check_overrides(names: Iterable[str], known: Iterable[str]) -> None:
    """Raises TypeError for the first name that is not known, with those that are."""
    every = tuple(known)
    for name in names:
        if name not in every:
            hint = did_you_mean(name, every)
            raise TypeError(f"{name!r} cannot be overridden; known: {', '.join(every)}{hint}")


def override(scenario: Scenario, **values: Any) -> Scenario:
    """The scenario with other values for some keys; None leaves a key as it is.

    values: any of OVERRIDES. Where one switches a transport off, faults for that transport stay,
    and never apply; see `NarrowedScenario`. An outlet whose revision has that transport alone, by
    `quirks.transports`, has the other one then.

    Raises ScenarioError for a value that is not valid, TypeError for any other name.
    """
    problems: list[Problem] = []
    changes: dict[str, dict[str, Any]] = {}  # table → key → value; the top of the file is ""
    for name, value in values.items():
        check_overrides((name,), OVERRIDES)
        if value is None:
            continue
        table, key = OVERRIDES[name]
        struct: type[msgspec.Struct] = type(getattr(scenario, table) if table else scenario)
        checked, found = validate(value, fields(struct)[key].annotation, (name,))
        problems += found
        changes.setdefault(table, {})[key] = checked
    if problems:
        raise ScenarioError([*map(str, problems)])
    if not changes:
        return scenario
    # All at once: two values may be valid together even if one of them alone is not.
    top = changes.pop("", {})
    try:
        with values_checked():
            for table, keys in changes.items():
                top[table] = msgspec.structs.replace(getattr(scenario, table), **keys)
            listen, quirks = top.get("listen", scenario.listen), scenario.quirks
            if not transports_of(listen, scenario.device, quirks):
                top["quirks"] = msgspec.structs.replace(quirks, transports="both")
            with suppress(ValueError):
                return msgspec.structs.replace(scenario, **top)
            # Perhaps for no other reason than faults for a transport that is off now.
            return NarrowedScenario(**{**msgspec.structs.asdict(scenario), **top})
    except ValueError as error:
        raise ScenarioError([str(error)]) from None


def with_faults(scenario: Scenario, faults: Iterable[Fault]) -> Scenario:
    """The scenario with these faults after its own.

    Raises ScenarioError for what is not a fault, if a name is taken, or if one of these faults
    needs a transport that is switched off.
    """
    every, problems = validate(faults, tuple[Fault, ...], ("faults",))
    if not problems:
        every, problems = validate((*scenario.faults, *every), tuple[Fault, ...], ("faults",))
        parts = {**msgspec.structs.asdict(scenario), "faults": every}
        # Those of its own for a transport that an option has switched off are no error.
        given = range(len(scenario.faults), len(every))
        problems += (
            Problem(path, message)
            for path, message in conflicts(parts)
            if path[0] != "faults" or path[1] in given
        )
    if problems:
        raise ScenarioError([*map(str, problems)])
    fleet = scenario.fleet and _with_faults_in_fleet(scenario.fleet, every[len(scenario.faults) :])
    with values_checked():
        return msgspec.structs.replace(scenario, faults=every, fleet=fleet)


def _with_faults_in_fleet(fleet: FleetSettings, faults: tuple[Fault, ...]) -> FleetSettings:
    """The fleet with these faults after those that some of its outlets have in place of the
    scenario's. Raises ScenarioError.
    """
    problems: list[Problem] = []
    outlets = []
    for index, one in enumerate(fleet.outlets):
        if one.faults is not None:
            path = ("fleet", "outlets", index, "faults")
            every, wrong = validate((*one.faults, *faults), tuple[Fault, ...], path)
            problems += wrong
            with values_checked():
                one = one if wrong else msgspec.structs.replace(one, faults=every)
        outlets.append(one)
    if problems:
        raise ScenarioError([*map(str, problems)])
    with values_checked():
        return msgspec.structs.replace(fleet, outlets=tuple(outlets))


def _find(
    source: "str | FilePath | Traversable | PackageFile",
) -> "FilePath | Traversable | PackageFile":
    if not isinstance(source, str | FilePath):
        return source
    # Not the name that was imported: tools that fake the file system for a test replace this one.
    path = pathlib.Path(source)
    if path.is_file() or path.suffix == ".toml" or path.parent != pathlib.Path():
        return path
    found = find_bundled(str(source))
    if found is not None:
        return found
    names = bundled()
    hint = did_you_mean(str(source), names) or f"; those are {', '.join(names)}"
    problem = f"{str(source)!r} is neither a file nor the name of a shipped scenario{hint}"
    raise ScenarioError([problem])


def _explain(error: tomli.TOMLDecodeError) -> str:
    """The parser's message with the column, and with the usual reason if there is one."""
    words = _without_tuple(error.msg)
    message = f"{words[:1].lower()}{words[1:]} (column {error.colno})"
    if error.msg == "Invalid value" and re.match(r"[^\W\d]", error.doc[error.pos :][:1]):
        message += "; text needs quotes, true and false are in lower case"
    return message


def _without_tuple(message: str) -> str:
    """The parser's message with the name of a table as a file has it, and not as a tuple."""
    import ast  # only when something is wrong: it would slow down every start

    found = re.search(r"\('.*'[^']*\)|\(\".*\"[^\"]*\)", message, re.DOTALL)
    try:
        path = ast.literal_eval(found[0]) if found else None
    except (ValueError, SyntaxError):
        return message
    if not found or not isinstance(path, tuple):
        return message
    name = format_path(path)
    if message.startswith("Cannot declare "):
        return f"[{name}] is defined twice"
    if message.startswith("Cannot mutate "):
        return f"{name} is given whole already, and nothing can be added to it"
    return message.replace(found[0], name)


def _line(path: Path, lines: dict[Path, int]) -> int:
    """The line of a path; of a key that is missing, that of its table."""
    while path not in lines:
        path = path[:-1]
    return lines[path]

"""A TOML file → a validated `Scenario`, or every problem of the file with its line."""

from pathlib import Path as FilePath
from typing import Any

import msgspec
import tomli

from invis_sim.scenario.lines import key_lines
from invis_sim.scenario.model import Scenario
from invis_sim.scenario.validation import Path, Problem, validate

__all__ = ["ScenarioError", "load", "override", "parse", "shipped"]


class ScenarioError(ValueError):
    """A scenario that cannot be used.

    problems: one line each, naming file, line, key path, what was expected and what was found.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


def load(source: str | FilePath) -> Scenario:
    """The scenario in a file.

    source: a path, or the name of a scenario that ships with the package.

    Raises ScenarioError.
    """
    path = _find(source)
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        raise ScenarioError([f"{source}: {error.strerror}"]) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ScenarioError([f"{source}:{line}: not UTF-8: {error.reason}"]) from None
    return parse(text, str(path))


def parse(text: str, file: str = "<scenario>") -> Scenario:
    """The scenario in a TOML text.

    file: how to call it in messages.

    Raises ScenarioError.
    """
    try:
        data = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        raise ScenarioError([f"{file}:{error.lineno}: not TOML: {error.msg}"]) from None
    except RecursionError:
        raise ScenarioError([f"{file}: nested too deep"]) from None
    scenario, problems = validate(data, Scenario)
    if problems:
        lines = key_lines(text)
        placed = sorted((_line(problem.path, lines), problem) for problem in problems)
        raise ScenarioError([f"{file}:{line}: {_message(problem)}" for line, problem in placed])
    assert isinstance(scenario, Scenario)
    return scenario


OVERRIDES: dict[str, Path] = {
    "sn": ("device", "sn"),
    "seed": ("seed",),
    "host": ("listen", "host"),
    "tcp": ("listen", "tcp"),
    "tcp_port": ("listen", "tcp_port"),
    "ws": ("listen", "ws"),
    "ws_port": ("listen", "ws_port"),
    "ws_path": ("listen", "ws_path"),
}
"""What can be said beside a scenario, on the command line or from Python → the key it replaces."""


def override(scenario: Scenario, **values: Any) -> Scenario:
    """The scenario with other values for some keys; None leaves a key as it is.

    values: any of sn, seed, host, tcp, tcp_port, ws, ws_port, ws_path.

    Raises ScenarioError for a value that does not fit, TypeError for a name that is none of these.
    """
    problems = []
    for name, value in values.items():
        if name not in OVERRIDES:
            raise TypeError(f"{name!r} cannot be overridden; known: {', '.join(OVERRIDES)}")
        if value is None:
            continue
        *tables, key = OVERRIDES[name]
        owner = getattr(scenario, str(tables[0])) if tables else scenario
        field = next(f for f in msgspec.structs.fields(owner) if f.name == key)
        checked, found = validate(value, field.type, (name,))
        if found:
            problems += found
            continue
        try:
            changed = msgspec.structs.replace(owner, **{str(key): checked})
            if tables:
                changed = msgspec.structs.replace(scenario, **{str(tables[0]): changed})
            scenario = changed
        except ValueError as error:
            problems.append(Problem((name,), str(error)))
    if problems:
        raise ScenarioError([_message(problem) for problem in problems])
    return scenario


def shipped() -> dict[str, FilePath]:
    """The scenarios that ship with the package: name → file, by name."""
    package = FilePath(__file__).parent.parent
    installed, checkout = package / "scenarios", package.parent / "scenarios"
    folder = installed if installed.is_dir() else checkout
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def _find(source: str | FilePath) -> FilePath:
    path = FilePath(source)
    if path.is_file() or path.suffix == ".toml" or path.parent != FilePath():
        return path
    names = shipped()
    if str(source) in names:
        return names[str(source)]
    raise ScenarioError(
        [
            (
                f"{source}: no such file, and no shipped scenario of this name; "
                f"those are {', '.join(names)}"
            )
        ]
    )


def _line(path: Path, lines: dict[Path, int]) -> int:
    while path not in lines:
        path = path[:-1]
    return lines[path]


def _message(problem: Problem) -> str:
    return f"{problem.key}: {problem.message}" if problem.path else problem.message

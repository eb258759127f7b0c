"""A parser of command lines: help that fits the terminal, errors in one line."""

import argparse
import re
import sys
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import IO, Any, NoReturn

from invis_sim.cli.color import COLOR_CHOICES, Paint, paint_for
from invis_sim.cli.messages import print_error
from invis_sim.cli.width import MAX_WIDTH, text_width, wrap

__all__ = ["Parser", "add_command", "add_commands"]


class Parser(argparse.ArgumentParser):
    """The parser of `invis-sim`, or of one of its commands.

    examples: command lines, for the help; see `add_command`.
    """

    examples: tuple[str, ...] = ()

    def __init__(self, **more: Any) -> None:
        if sys.version_info >= (3, 14):
            more["color"] = False  # we colour the same on every Python
        # A script that abbreviates an option would break when another one begins the same.
        super().__init__(**{"formatter_class": _Formatter, "allow_abbrev": False, **more})
        self._positionals.title = "arguments"
        self.add_argument(
            "--color",
            choices=COLOR_CHOICES,
            default="auto",
            metavar="WHEN",
            help="use colours: always, never, or auto: on a terminal, without NO_COLOR (default)",
        )

    def parse_words(self, words: Sequence[str]) -> argparse.Namespace:
        """Parse all words; options of a command may stand between its arguments."""
        parse = self.parse_known_args if self.commands else self.parse_known_intermixed_args
        self.usage = self.usage or self._short_usage()  # argparse would make a long one
        args, unknown = parse(words)
        if unknown:
            self.error(self._about_unknown(unknown))
        return args

    @property
    def commands(self) -> dict[str, "Parser"]:
        """The parsers of the commands, by name."""
        return {name: one for group in self._groups() for name, one in group.choices.items()}

    @property
    def command_actions(self) -> list[argparse.Action]:
        """The commands as the help lists them: each with its name as `dest`."""
        return [one for group in self._groups() for one in group._get_subactions()]

    def _groups(self) -> "list[_Commands]":
        return [one for one in self._actions if isinstance(one, _Commands)]

    def _about_unknown(self, words: Sequence[str]) -> str:
        for word in words:
            option = word.partition("=")[0]
            if option.startswith("-"):
                return f"unknown option {option}{_nearest(option, self._option_string_actions)}"
        return f"unexpected argument {words[0]!r}"

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Raise ArgumentError where the value is not one of those that can be chosen."""
        if action.choices is None or value in action.choices:
            return
        choices = tuple(map(str, action.choices))
        if isinstance(action, _Commands):
            problem = f"unknown command {value!r}{_nearest(value, choices)}"
            raise argparse.ArgumentError(None, problem)
        expected = f"expected one of {', '.join(choices)}, found {value!r}"
        raise argparse.ArgumentError(action, f"{expected}{_nearest(value, choices)}")

    def error(self, message: str) -> NoReturn:
        """Print the problem, and which help to read; exit with status 2."""
        message = message.removeprefix("argument ")
        print_error(f"{message} (see {self.prog} --help)", self.prog)
        self.exit(2)

    def format_help(self) -> str:
        self.usage = self.usage or self._short_usage()
        return super().format_help()

    def print_help(self, file: IO[str] | None = None) -> None:  # type: ignore[override]
        stream = sys.stdout if file is None else file
        self._print_message(_colored(self.format_help(), paint_for(stream)), stream)

    def _short_usage(self) -> str:
        """Return the usage without a list of all options, which is below it."""
        parts = [_placed(one) for one in self._get_positional_actions()]
        return " ".join(["%(prog)s [OPTION...]", *parts])


class _Commands(argparse._SubParsersAction):  # type: ignore[type-arg]
    """Parses the words behind the name of a command with the parser of that command."""

    def __call__(
        self, parser: object, namespace: argparse.Namespace, values: Any, option: Any = None
    ) -> None:
        name, *words = values
        for key, value in vars(self.choices[name].parse_words(words)).items():
            setattr(namespace, key, value)


def add_commands(parser: Parser) -> Any:
    """Return that to which the commands of the parser are added."""
    return parser.add_subparsers(
        title="commands", metavar="COMMAND", required=True, parser_class=Parser, action=_Commands
    )


def add_command(
    commands: Any,
    name: str,
    function: str,
    help: str,  # noqa: A002 (as argparse calls it)
    description: str,
    examples: Sequence[str],
    **more: Any,
) -> Parser:
    """Add a command, and return its parser.

    function: what carries it out, as `module:function` below `invis_sim.cli`.
    help: what it does, in a few words, for the list of commands.
    description: the same in sentences. examples: command lines; a test tries each.
    more: further arguments of the parser.
    """
    shown = "\n".join(("examples:" if len(examples) > 1 else "example:", *examples))
    epilog = shown.replace("\n", "\n  ")
    if "epilog" in more:
        epilog = f"{more.pop('epilog')}\n\n{epilog}"
    parser: Parser = commands.add_parser(
        name, help=help, description=description, epilog=epilog, **more
    )
    parser.examples = tuple(examples)
    parser.set_defaults(function=function)
    return parser


def _nearest(word: str, known: Iterable[str]) -> str:
    from invis_sim.schema.describe import did_you_mean  # only when something is wrong

    return did_you_mean(word, known)


def _placed(action: argparse.Action) -> str:
    """Return an argument as the usage has it: `NAME`, `[NAME]` or `NAME...`."""
    text = str(action.metavar or action.dest)
    if isinstance(action, _Commands):
        return f"{text} ..."
    return {"?": f"[{text}]", "+": f"{text}...", "*": f"[{text}...]"}.get(str(action.nargs), text)


class _Formatter(argparse.HelpFormatter):
    """Fills lines up to the width of the terminal, and breaks them only at spaces."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=MAX_WIDTH)
        # argparse makes a formatter for each argument that is added, which would ask the terminal
        # for its width more than a hundred times: only one that writes a help does so.
        del self._width, self._max_help_position

    @cached_property
    def _width(self) -> int:  # type: ignore[override]
        return text_width()

    @cached_property
    def _max_help_position(self) -> int:  # type: ignore[override]
        return min(26, max(self._width - 20, 4))

    def _format_action(self, action: argparse.Action) -> str:
        if isinstance(action, _Commands):  # without a line for all of them
            return "".join(map(self._format_action, action._get_subactions()))
        return super()._format_action(action)

    def _split_lines(self, text: str, width: int) -> list[str]:
        return wrap(" ".join(text.split()), width)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        """Fill the paragraphs; the lines of one that has indented lines are kept."""
        paragraphs = text.strip().split("\n\n")
        return "\n\n".join(
            part if "\n  " in part else "\n".join(wrap(" ".join(part.split()), width))
            for part in paragraphs
        )


_HEADING = re.compile(r"^([a-z][a-z, ]*:)", re.MULTILINE)
_NAME = re.compile(r"^( {2,4})(-.+?|[A-Z][^\s,]*|[a-z]+)(?= {2}|$)", re.MULTILINE)
_EXAMPLE = re.compile(r"^  (invis-sim .*)$", re.MULTILINE)


def _colored(text: str, paint: Paint) -> str:
    """Return a help with its headings, names and examples in colour."""
    text = _HEADING.sub(lambda found: paint(found[1], "heading"), text)
    text = _NAME.sub(lambda found: found[1] + paint(found[2], "name"), text)
    return _EXAMPLE.sub(lambda found: f"  {paint(found[1], 'name')}", text)

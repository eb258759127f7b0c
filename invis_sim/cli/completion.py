"""`invis-sim completion`: a script for a shell, made from the parser of the command line."""

import argparse
import shlex
from collections.abc import Iterator
from functools import cache
from typing import get_args

import msgspec

from invis_sim.cli.arguments import make_parser
from invis_sim.cli.keys import tables
from invis_sim.cli.parser import Parser
from invis_sim.commands.registry import COMMANDS
from invis_sim.device.state import OutletState
from invis_sim.faults.catalogue import KINDS
from invis_sim.guides import guides
from invis_sim.journal.entries import ENTRY_KINDS
from invis_sim.protocol.callbacks import Callback
from invis_sim.protocol.transport import Transport
from invis_sim.scenario.bundled import bundled
from invis_sim.schema.fields import fields

__all__ = ["Argument", "Command", "commands_of", "completion"]


class Argument(msgspec.Struct, frozen=True):
    """An option, or an argument with a place.

    flags: as `("-o", "--output")`; none: it has a place. metavar: how manuals name its value.
    help: in one line.
    takes_value: whether an option is followed by a value. words: what the value may be.
    is_file: whether it may be any file.
    """

    flags: tuple[str, ...]
    metavar: str
    help: str
    takes_value: bool
    words: tuple[str, ...]
    is_file: bool


class Command(msgspec.Struct, frozen=True):
    """A command with its arguments. help: in a line; description: all of it; examples: command
    lines.
    """

    name: str
    help: str
    description: str
    examples: tuple[str, ...]
    arguments: tuple[Argument, ...]

    @property
    def options(self) -> tuple[Argument, ...]:
        """The arguments that are options."""
        return tuple(one for one in self.arguments if one.flags)

    @property
    def placed(self) -> tuple[Argument, ...]:
        """The others. A shell is offered the words of all of them, as options may be between."""
        return tuple(one for one in self.arguments if not one.flags)

    @property
    def words(self) -> tuple[str, ...]:
        """What may stand in the places."""
        return tuple(word for one in self.placed for word in one.words)


def completion(args: argparse.Namespace) -> int:
    """Print the script."""
    print(_SCRIPTS[args.shell](tuple(commands_of(make_parser()))), end="")
    return 0


def commands_of(parser: Parser) -> Iterator[Command]:
    """Yield the commands that a parser understands."""
    helps = {action.dest: action.help or "" for action in parser.command_actions}
    for name, one in parser.commands.items():
        arguments = tuple(map(_argument, one._actions))
        yield Command(name, helps[name], one.description or "", one.examples, arguments)


def _argument(action: argparse.Action) -> Argument:
    metavar = action.metavar if isinstance(action.metavar, str) else ""
    words = tuple(map(str, action.choices or _words().get(metavar, ())))
    return Argument(
        flags=tuple(action.option_strings),
        metavar=metavar,
        help=" ".join((action.help or "").replace("%%", "%").split()),
        takes_value=action.nargs != 0,
        words=words,
        is_file=metavar.startswith(_FILES),
    )


@cache
def _words() -> dict[str, tuple[str, ...]]:
    """Return what the value of a metavar may be, where the parser does not say so itself."""
    callbacks = tuple(str(int(callback)) for callback in Callback)
    return {
        "SCENARIO": (*bundled(),),
        "GUIDE": (*guides(),),
        "KIND": (*KINDS,),
        "KIND[:key=value,…]": (*KINDS,),
        "ENTRY": (*sorted(ENTRY_KINDS),),
        "ENTRY[,ENTRY…]": (*sorted(ENTRY_KINDS),),
        "TABLE": (*tables(),),
        "CALLBACK": callbacks,
        "T": get_args(Transport),
        "COMMAND=VALUE": (*COMMANDS,),
        "KEY=VALUE": (*_state_keys(OutletState),),
    }


def _state_keys(owner: type[msgspec.Struct], path: str = "") -> Iterator[str]:
    for key, field in fields(owner).items():
        if field.section is None:
            yield f"{path}{key}"
        else:
            yield from _state_keys(field.section, f"{path}{key}.")


_FILES = ("SCENARIO", "FILE", "PATH", "JOURNAL")
"""How the metavars of files begin."""


def _bash(commands: tuple[Command, ...]) -> str:
    names = " ".join(("--help", "--version", *(one.name for one in commands)))
    cases = "".join(map(_bash_case, commands))
    return f"""\
# bash completion of invis-sim: source <(invis-sim completion bash)
_invis_sim() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}}
    local options= words= files= value=
    # bash takes --option=value for three words.
    if [[ $current == = ]]; then
        current=
    elif [[ $previous == = ]]; then
        previous=${{COMP_WORDS[COMP_CWORD-2]}}
    fi
    COMPREPLY=()
    if (( COMP_CWORD == 1 )); then
        COMPREPLY=($(compgen -W '{names}' -- "$current"))
        return
    fi
    case ${{COMP_WORDS[1]}} in
{cases}    esac
    if [[ -z $value && $current == -* ]]; then
        words=$options files=
    fi
    COMPREPLY=($(compgen -W "$words" -- "$current"))
    if [[ -n $files ]]; then
        compopt -o filenames
        mapfile -t -O "${{#COMPREPLY[@]}}" COMPREPLY < <(compgen -f -- "$current")
    fi
}}
complete -F _invis_sim invis-sim
"""


def _bash_case(command: Command) -> str:
    flags = " ".join(flag for one in command.options for flag in one.flags)
    lines = [f"options='{flags}' words='{' '.join(command.words)}'"]
    if any(one.is_file for one in command.placed):
        lines.append("files=1")
    valued = [one for one in command.options if one.takes_value]
    if valued:
        lines.append("case $previous in")
        for one in valued:
            files = "1" if one.is_file else ""
            words = " ".join(one.words)
            lines.append(f"    {'|'.join(one.flags)}) value=1 words='{words}' files={files} ;;")
        lines.append("esac")
    body = "".join(f"            {line}\n" for line in lines)
    return f"        {command.name})\n{body}            ;;\n"


def _zsh(commands: tuple[Command, ...]) -> str:
    described = " ".join(shlex.quote(f"{one.name}:{one.help}") for one in commands)
    cases = "".join(map(_zsh_case, commands))
    return f"""\
#compdef invis-sim
# zsh completion of invis-sim: invis-sim completion zsh > "${{fpath[1]}}/_invis-sim"
_invis_sim_words_and_files() {{
    compadd -- "$@"
    _files
}}
_invis_sim() {{
    local curcontext=$curcontext state
    local -a commands=({described})
    _arguments -C '1: :->command' '*:: :->argument'
    case $state in
        command) _describe -t commands command commands ;;
        argument)
            case $words[1] in
{cases}            esac
            ;;
    esac
}}
# Sourced, or loaded as a function by compinit.
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _invis_sim "$@"
else
    compdef _invis_sim invis-sim
fi
"""


def _zsh_case(command: Command) -> str:
    specs: list[str] = []
    for one in command.options:
        text = one.help.translate(_ZSH_ESCAPES)
        value = f":value:{_zsh_action(one)}" if one.takes_value else ""
        specs += (shlex.quote(f"*{flag}[{text}]{value}") for flag in one.flags)
    if command.placed:
        every = Argument(
            (), "", "", True, command.words, any(one.is_file for one in command.placed)
        )
        specs.append(shlex.quote(f"*:argument:{_zsh_action(every)}"))
    lines = " \\\n                    ".join(specs)
    return f"                {command.name}) _arguments \\\n                    {lines} ;;\n"


def _zsh_action(argument: Argument) -> str:
    words = " ".join(argument.words)
    if argument.is_file:  # a space in front: as it is, without options for `compadd`
        return f" _invis_sim_words_and_files {words}"
    return f"({words})" if words else " "


_ZSH_ESCAPES = str.maketrans({char: f"\\{char}" for char in "[]:\\"})


def _fish(commands: tuple[Command, ...]) -> str:
    lines = [
        "# fish completion of invis-sim: invis-sim completion fish | source",
        "complete -c invis-sim -f",
    ]
    for command in commands:
        lines.append(
            f"complete -c invis-sim -n __fish_use_subcommand -a {command.name} "
            f"-d {_fish_quote(command.help)}"
        )
        start = f"complete -c invis-sim -n '__fish_seen_subcommand_from {command.name}'"
        for one in command.options:
            flags = " ".join(
                f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}"
                for flag in one.flags
            )
            lines.append(f"{start} {flags}{_fish_value(one)} -d {_fish_quote(one.help)}")
        lines += (f"{start}{_fish_value(one, 'argument')}" for one in command.placed if _has(one))
    return "\n".join(lines) + "\n"


def _has(argument: Argument) -> bool:
    return argument.is_file or bool(argument.words)


def _fish_value(argument: Argument, kind: str = "option") -> str:
    if not argument.takes_value:
        return ""
    words = f" -a {_fish_quote(' '.join(argument.words))}" if argument.words else ""
    if kind == "argument":
        return f"{words} -F" if argument.is_file else words
    return f"{words} -r -F" if argument.is_file else f"{words} -x"


def _fish_quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


_SCRIPTS = {"bash": _bash, "zsh": _zsh, "fish": _fish}

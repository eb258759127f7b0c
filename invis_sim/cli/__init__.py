"""The command `invis-sim`.

Each command is a function in one of the modules here, which is imported when the command is used,
so that a quick command does not wait for imports that it does not need.

Exit status: 0 success, 1 failure, 2 the command line or a scenario is wrong. Problems are printed
on stderr, one per line; never a traceback.
"""

import importlib
import io
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

from invis_sim.cli.arguments import make_parser
from invis_sim.cli.color import choose_color
from invis_sim.cli.messages import print_error
from invis_sim.cli.streams import wait_for_slow_readers
from invis_sim.client.errors import AddressError, ClientError

__all__ = ["CliError", "main"]


class CliError(Exception):
    """A command failed.

    problems: one line each, for stderr. status: the exit status of the process.
    """

    def __init__(self, *problems: str, status: int = 1) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
        self.status = status

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions are pickled by their `args`, which are not what `__init__` takes.
        return type(self), self.problems, self.__dict__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command named by the arguments (default: the process's); return its exit status."""
    wait_for_slow_readers()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # In an ASCII locale, "…" would otherwise end the command with a UnicodeEncodeError.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        given, behind = _split(sys.argv[1:] if arguments is None else arguments)
        choose_color(given)
        args = make_parser().parse_words(given)
        args.words = given
        if behind is not None:
            args.command = behind
        module, _, function = args.function.partition(":")
        command = getattr(importlib.import_module(f"invis_sim.cli.{module}"), function)
        status: int = command(args)
        if sys.stdout is not None:  # it is None if the descriptor is closed
            sys.stdout.flush()
        return status
    except CliError as error:
        for problem in error.problems:
            print_error(problem)
        return error.status
    except ClientError as error:
        print_error(str(error))
        return 2 if isinstance(error, AddressError) else 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except OSError as error:
        from invis_sim.server.net.system_errors import OUT_OF_DESCRIPTORS, explain

        if error.errno not in OUT_OF_DESCRIPTORS:
            # Otherwise Python would flush stdout again at exit, and print the error as a traceback.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return 0  # the reader has seen enough, as with `| head`
        print_error(explain(error))
        return 1


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str] | None]:
    """Return the arguments of the gauntlet and, behind `--`, the command that it runs; for any
    other command all arguments, and None.

    argparse would take the command for a scenario, and its options for our own.
    """
    if [*arguments[:1]] != ["gauntlet"] or "--" not in arguments:
        return [*arguments], None
    place = arguments.index("--")
    return [*arguments[:place]], [*arguments[place + 1 :]]

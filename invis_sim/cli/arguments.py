"""The arguments of `invis-sim`, command by command.

What carries out a command is named here and imported when the command is used, so that a quick
command does not wait for imports that it does not need.
"""

from typing import Any

from invis_sim import __version__
from invis_sim.cli.argument_types import seconds, whole
from invis_sim.cli.gauntlet_options import add_gauntlet
from invis_sim.cli.journal_options import add_journal
from invis_sim.cli.outlet_options import add_fleet_options, add_outlet_options
from invis_sim.cli.parser import Parser, add_command, add_commands
from invis_sim.cli.recording_arguments import add_recording_commands
from invis_sim.cli.steer_arguments import add_steering_commands
from invis_sim.schema.manual import NO_MANUALS, has_manuals

__all__ = ["make_parser"]

_ADDRESS = "HOST[:PORT] for TCP (port 3333), PORT on this machine, or ws://HOST[:PORT]/ws"


def make_parser() -> Parser:
    """Return the parser of the command line."""
    parser = Parser(
        prog="invis-sim",
        description=(
            "A simulated InvisOutlet: its JSON protocol over TCP and WebSocket, with faults on "
            "demand. `invis-sim run` starts one; clients connect to it as to a real outlet."
        ),
        epilog="`invis-sim COMMAND --help` shows what a command takes, with an example."
        + ("" if has_manuals() else f" {NO_MANUALS}"),
    )
    parser.add_argument(
        *("-V", "--version"),
        action="version",
        version=f"invis-sim {__version__}",
        help="show the version and exit",
    )
    commands = add_commands(parser)
    _add_run(commands)
    _add_manuals(commands)
    _add_clients(commands)
    add_gauntlet(commands)
    add_journal(commands)
    add_recording_commands(commands)
    add_steering_commands(commands)
    return parser


def _add_run(commands: Any) -> None:
    run = add_command(
        commands,
        "run",
        "run:run",
        help="run a simulated outlet until Ctrl-C",
        description=(
            "Run a simulated outlet, and print what clients ask and what they are answered. "
            "Options override what the scenario says.\n\n"
            "Ctrl-C, SIGTERM or SIGHUP (a terminal that closes) stops the outlet; started with "
            "nohup, it ignores SIGHUP. SIGUSR1 reconnects it after a network reset (callback 6)."
        ),
        examples=(
            "invis-sim run",
            "invis-sim run pro --control",
            "invis-sim run update-succeeds --speed 10 --log full",
            "invis-sim run --fault 'delay:seconds=2,when={callback=20}'",
            "invis-sim run --count 50",
            "invis-sim run mine.toml --tcp-port 0 --ws-port 0 --ready-file outlet.json",
        ),
    )
    run.add_argument(
        "scenario",
        nargs="?",
        default="default",
        metavar="SCENARIO",
        help="a scenario file, or the name of a bundled scenario (default: default)",
    )
    run.add_argument(
        "--watch",
        action="store_true",
        help="apply SCENARIO to the running outlet whenever it is saved (needs invis-sim[control])",
    )
    add_outlet_options(run)
    add_fleet_options(run)


def _add_manuals(commands: Any) -> None:
    """Add the commands that show what there is."""
    check = add_command(
        commands,
        "check",
        "info:check",
        help="validate scenario files and list every problem",
        description=(
            "Validate scenario files and list every problem with its line. "
            "Exit status 0: all are valid; 2: there are problems."
        ),
        examples=("invis-sim check mine.toml", "invis-sim check pro chaos"),
    )
    check.add_argument(
        "scenarios",
        nargs="+",
        metavar="SCENARIO",
        help="a scenario file, or the name of a bundled scenario",
    )

    faults = add_command(
        commands,
        "faults",
        "info:faults",
        help="list the kinds of faults, or show one in detail",
        description=(
            "List what can go wrong: each kind of fault with an example for a scenario file. With "
            "KIND, show its keys, what a client sees, and when it applies."
        ),
        examples=("invis-sim faults", "invis-sim faults delay"),
    )
    faults.add_argument(
        "kind", nargs="?", metavar="KIND", help="show this kind in detail, e.g. delay"
    )

    add_command(
        commands,
        "scenarios",
        "info:scenarios",
        help="list the bundled scenarios",
        description="List the bundled scenarios, which `run` and `check` accept by name.",
        examples=("invis-sim scenarios",),
    )

    guide = add_command(
        commands,
        "guide",
        "guide:guide",
        help="list the guides, or print one",
        description="List the guides, the manual of invis-sim by subject, or print one.",
        examples=("invis-sim guide", "invis-sim guide faults"),
    )
    guide.add_argument("name", nargs="?", metavar="GUIDE", help="its name, e.g. faults")

    keys = add_command(
        commands,
        "keys",
        "keys:keys",
        help="show the keys a scenario file accepts",
        description=(
            "List the tables of a scenario file. With TABLE, show each of its keys with its type, "
            "its range and its default."
        ),
        examples=("invis-sim keys", "invis-sim keys sensors", "invis-sim keys steps"),
    )
    keys.add_argument("table", nargs="?", metavar="TABLE", help="e.g. sensors, updates.IM or steps")

    callbacks = add_command(
        commands,
        "callbacks",
        "callbacks:callbacks",
        help="show what each callback takes and returns",
        description=(
            "List the callbacks of the protocol: the requests and the pushes. With CALLBACK, show "
            "what this one takes and returns, with an example."
        ),
        examples=("invis-sim callbacks", "invis-sim callbacks 20"),
    )
    callbacks.add_argument(
        "callback", nargs="?", type=whole, metavar="CALLBACK", help="its number, e.g. 20"
    )

    add_command(
        commands,
        "schema",
        "info:schema",
        help="print the JSON Schema of scenario files",
        description="Print the JSON Schema of scenario files, for editors that validate TOML.",
        examples=("invis-sim schema > invis-sim.schema.json",),
    )


def _add_clients(commands: Any) -> None:
    """Add the commands that are clients of an outlet."""
    send = add_command(
        commands,
        "send",
        "send:send",
        help="send one request and print the reply",
        description=(
            "Send one request to an outlet, simulated or real, and print the reply. "
            "Exit status 0: the reply has PUBACK 1; 1: PUBACK 0, no reply, or no connection."
        ),
        examples=(
            "invis-sim send 3333 20",
            "invis-sim send ws://127.0.0.1:8080/ws 10 '[1, 1]'",
        ),
    )
    send.add_argument("address", metavar="ADDRESS", help=_ADDRESS)
    send.add_argument(
        "callback", type=whole, metavar="CALLBACK", help="the callbackName, a number, e.g. 20"
    )
    send.add_argument("args", nargs="?", metavar="ARGS", help="the callbackArgs, as JSON")
    send.add_argument("--packet-id", type=whole, metavar="N", help="the packetID (default: random)")
    send.add_argument(
        "--timeout",
        type=seconds,
        default=5.0,
        metavar="SECONDS",
        help="how long to wait for the connection, and then for the reply (default: 5)",
    )

    watch = add_command(
        commands,
        "watch",
        "watch:watch",
        help="print every packet an outlet sends",
        description=(
            "Connect to an outlet, simulated or real, and print every packet that it sends, a line "
            "each. What is not a packet goes to stderr. "
            "Exit status 0: stopped by Ctrl-C, SIGTERM or --seconds; 1: no connection, or the "
            "outlet closed it."
        ),
        examples=(
            "invis-sim watch 3333",
            "invis-sim watch ws://127.0.0.1:8080/ws --reconnect --callback 9",
        ),
    )
    watch.add_argument("address", metavar="ADDRESS", help=_ADDRESS)
    watch.add_argument(
        "--reconnect",
        action="store_true",
        help="connect again when the connection ends, e.g. after a restart",
    )
    watch.add_argument(
        "--callback",
        type=whole,
        action="append",
        default=[],
        dest="callbacks",
        metavar="CALLBACK",
        help="print only packets with this callbackName, e.g. 22 (repeatable)",
    )
    watch.add_argument("--seconds", type=seconds, metavar="S", help="stop after this many seconds")

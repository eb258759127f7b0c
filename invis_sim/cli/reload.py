"""`invis-sim run SCENARIO --watch`: the outlet changes when its scenario file is saved.

A thread of `watchfiles` watches the folder of the file, and not the file: most editors write
another file and put it in the place of the one before.
"""

import argparse
import os
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import trio

from invis_sim.cli import CliError
from invis_sim.cli.introduction import Running
from invis_sim.cli.messages import print_error, print_note, print_warning
from invis_sim.cli.saved_file import SavedFile
from invis_sim.cli.scenario_options import with_options
from invis_sim.commands.command import CommandError
from invis_sim.scenario.loading import ScenarioError, one_outlet, parse_bytes
from invis_sim.scenario.model import Scenario
from invis_sim.schema.inline import parse_inline
from invis_sim.server.simulator import Simulator

__all__ = ["prepare_reload"]

LOOK_SECONDS = 1.0
"""How often the file is looked at even if no change is reported: network file systems report none,
and nothing is reported of a folder that was replaced."""

STEP_MILLISECONDS, DEBOUNCE_MILLISECONDS = 20, 100
"""How long the watcher waits for further changes, and for how long at most while there are some: a
busy folder, such as one with a journal in it, must not delay it."""

T = TypeVar("T", bound=msgspec.Struct)


def prepare_reload(args: argparse.Namespace) -> Callable[[Running], Awaitable[None]]:
    """Return what runs beside the outlet, and reloads the scenario whenever it is saved.

    Call it before the scenario is loaded: what is saved after that counts as a change.

    Raises CliError where there is no file to watch, or nothing to watch it with.
    """
    try:
        import watchfiles  # noqa: F401
    except ImportError:
        raise CliError(
            "--watch takes watchfiles: pip install 'invis-sim[control]' "
            "(from a clone: pip install '.[control]')"
        ) from None
    path = Path(args.scenario)
    content, _ = _read(path)
    if content is None and path.suffix != ".toml":
        raise CliError(f"--watch: {args.scenario!r} is not a file that could be saved", status=2)
    return _Reloader(args, path, content).run


class _Reloader:
    """Reloads the scenario of a file.

    content: of the file, when the scenario was loaded.
    """

    def __init__(self, args: argparse.Namespace, path: Path, content: bytes | None) -> None:
        self._args = args
        self._path = path
        self._file = SavedFile(content)
        self._changed = trio.Event()

    async def run(self, running: Running) -> None:
        """Reload until cancelled."""
        in_thread: Any = trio.to_thread.run_sync  # not every mypy sees its keywords
        with _watching(self._path, self._notice):
            while True:
                # Whatever happens from here on sets the event.
                self._changed = trio.Event()
                content, why = await in_thread(_read, self._path, abandon_on_cancel=True)
                if self._file.look(content, trio.current_time()):
                    self._reload(running, content, why)
                with trio.move_on_at(self._file.due):
                    await self._changed.wait()

    def _notice(self) -> None:
        self._changed.set()

    def _reload(self, running: Running, content: bytes | None, why: str) -> None:
        try:
            if content is None:
                raise CliError(f"{self._path}: {why}")
            scenario = with_options(parse_bytes(content, str(self._path)), self._args)
            if isinstance(running, Simulator):
                one_outlet(scenario)
            done = running.carry_out_reload(self._as_set(scenario, running.scenario), "reload")
        except (CliError, ScenarioError, CommandError) as error:
            for problem in error.problems:
                print_error(problem)
            print_note("nothing was reloaded; the outlet runs on as it was")
            return
        # What changes is in the log.
        if done.fixed:
            movable = {"listen.host", "listen.tcp_port", "listen.ws_port"}
            hint = ", or move it with the command set" if movable & set(done.fixed) else ""
            print_warning(
                f"{self._path}: a reload does not change {', '.join(done.fixed)}; "
                f"restart the outlet for that{hint}"
            )
        elif not done.changed:
            print_note(f"{self._path}: saved, and nothing changes")

    def _as_set(self, scenario: Scenario, running: Scenario) -> Scenario:
        """Return the scenario with what runs in place of each key that --set has given: it still
        overrides the file. Raises CliError.
        """
        try:
            for text in self._args.settings:
                scenario = _with_kept(scenario, running, parse_inline(text))
        except ValueError as error:
            raise CliError(f"{self._path}: with --set, {error}") from None
        return scenario


def _with_kept(new: T, old: T, keys: Mapping[str, Any]) -> T:
    """Return the new struct with the old values of some keys."""
    kept: dict[str, Any] = {}
    for key, value in keys.items():
        before, after = getattr(old, key), getattr(new, key)
        tables = isinstance(before, msgspec.Struct) and isinstance(after, msgspec.Struct)
        kept[key] = _with_kept(after, before, value) if tables else before
    return msgspec.structs.replace(new, **kept)


def _read(path: Path) -> tuple[bytes | None, str]:
    """Return the content of the file; None, and why, where it cannot be read."""
    try:
        return path.read_bytes(), ""
    except OSError as error:
        return None, error.strerror or str(error)


@contextmanager
def _watching(path: Path, on_change: Callable[[], None]) -> Iterator[None]:
    """Call the function, in trio's thread, when the file may have changed, until the block ends."""
    token = trio.lowlevel.current_trio_token()
    ended = threading.Event()

    def report() -> None:
        with suppress(trio.RunFinishedError):
            token.run_sync_soon(on_change, idempotent=True)

    def watch() -> None:
        # Of a symbolic link, also the folder of what it points to.
        folders = {str(path.absolute().parent), os.path.dirname(os.path.realpath(path))}
        while not ended.is_set():
            with suppress(OSError):  # a folder is away, or the system watches too many already
                _watch(folders, ended, report)
            report()
            ended.wait(LOOK_SECONDS)

    thread = threading.Thread(target=watch, name="invis-sim-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        # It must not be in Rust when the interpreter ends; it looks at the event all the time.
        thread.join()


def _watch(folders: set[str], ended: threading.Event, report: Callable[[], None]) -> None:
    """Report each change in the folders, and each look that is due, until the event is set."""
    from watchfiles import watch

    changes = watch(
        *folders,
        watch_filter=None,
        debounce=DEBOUNCE_MILLISECONDS,
        step=STEP_MILLISECONDS,
        stop_event=ended,
        rust_timeout=int(LOOK_SECONDS * 1000),
        yield_on_timeout=True,
        raise_interrupt=False,
        recursive=False,
    )
    for _ in changes:
        report()

"""Where the reports of the gauntlet go: files, and stdout."""

import argparse
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from invis_sim.cli import CliError
from invis_sim.cli.streams import write_utf8
from invis_sim.gauntlet.report.html import html_report
from invis_sim.gauntlet.report.junit import junit_report
from invis_sim.gauntlet.report.markdown import markdown_report
from invis_sim.gauntlet.report.text import text_report
from invis_sim.gauntlet.result import Report, encode

__all__ = ["check_paths", "write_reports"]

STDOUT = "-"

FORMS: dict[str, Callable[[Report], bytes]] = {
    "json": encode,
    "junit": junit_report,
    "markdown": lambda report: markdown_report(report).encode("utf-8", "replace"),
    "html": lambda report: html_report(report).encode("utf-8", "replace"),
}
"""The options that take a file, each with what is written there."""


def check_paths(args: argparse.Namespace) -> None:
    """Raise CliError for a file that cannot be written: better before a run than after it."""
    given = {name: getattr(args, name) for name in FORMS}
    if sum(path == STDOUT for path in given.values()) > 1:
        raise CliError("only one report can go to stdout", status=2)
    problems = []
    for name, path in {**given, "write-expect": args.write_expect}.items():
        if path is None or path == STDOUT:
            continue
        folder = Path(path).parent
        if Path(path).is_dir():
            problems.append(f"--{name} {path}: it is a folder")
        elif not folder.is_dir():
            problems.append(f"--{name} {path}: there is no folder {folder}")
        elif not os.access(path if Path(path).exists() else folder, os.W_OK):
            problems.append(f"--{name} {path}: no permission to write it")
    if problems:
        raise CliError(*problems, status=2)


def write_reports(report: Report, args: argparse.Namespace) -> None:
    """Write the report in every form that is asked for, and as text if stdout is free.

    Raises CliError for a file that could not be written, when all others are.
    """
    problems = []
    text = True
    for name, encoded in FORMS.items():
        path = getattr(args, name)
        if path == STDOUT:
            text = False
            write_utf8()
            _write_stdout(encoded(report))
        elif path is not None:
            try:
                _replace(path, encoded(report))
            except OSError as error:
                problems.append(f"--{name} {path}: {error.strerror}")
    if text:
        _write_stdout(text_report(report).encode("utf-8", "replace"))
    if problems:
        raise CliError(*problems)


def _write_stdout(data: bytes) -> None:
    if sys.stdout is not None:  # it is None if the descriptor is closed
        sys.stdout.write(data.decode())


def _replace(path: str, data: bytes) -> None:
    """Write a file, whole or not at all; a device or a pipe as it is. Raises OSError."""
    if Path(path).exists() and not Path(path).is_file():
        Path(path).write_bytes(data)
        return
    unfinished = Path(f"{path}.{os.getpid()}")
    try:
        unfinished.write_bytes(data)
        os.replace(unfinished, path)
    except OSError:
        with suppress(OSError):
            unfinished.unlink()
        raise

"""Where the reports of the gauntlet go: files, and stdout."""

import argparse
import os
import re
import sys
from collections.abc import Callable
from typing import NamedTuple

from invis_sim.cli import CliError
from invis_sim.cli.output_files import check_output_files, write_output
from invis_sim.cli.streams import write_utf8
from invis_sim.gauntlet.expect import is_list
from invis_sim.gauntlet.report.html import html_report
from invis_sim.gauntlet.report.junit import junit_report
from invis_sim.gauntlet.report.markdown import markdown_report
from invis_sim.gauntlet.report.text import text_report
from invis_sim.gauntlet.result import Report, encode

__all__ = ["check_paths", "write_reports"]

STDOUT = "-"


class Form(NamedTuple):
    """A form of the report.

    encode: makes it. begins: what its files have near their beginning.
    """

    encode: Callable[[Report], bytes]
    begins: re.Pattern[bytes]

    def is_own(self, head: bytes) -> bool:
        """Return whether a file that begins like this is a report of this form."""
        return self.begins.search(head) is not None


FORMS: dict[str, Form] = {
    "json": Form(
        encode, re.compile(rb'\A\s*{\s*"version":\s*\d+,\s*"seed":\s*\d+,\s*"command":\s*\[')
    ),
    "junit": Form(
        junit_report, re.compile(rb'\A<\?xml .*\s<testsuites [^>]*>\s*<testsuite name="invis-sim g')
    ),
    "markdown": Form(
        lambda report: markdown_report(report).encode("utf-8", "replace"),
        re.compile(rb"\A## \S+ invis-sim gauntlet\r?\n"),
    ),
    "html": Form(
        lambda report: html_report(report).encode("utf-8", "replace"),
        re.compile(rb'\A<!doctype html>.*<meta name="generator" content="invis-sim g', re.DOTALL),
    ),
}
"""The options that take a file, each with what is written there."""


def check_paths(args: argparse.Namespace) -> None:
    """Raise CliError for a file that cannot be written: better before a run than after it."""
    given = {name: getattr(args, name) for name in FORMS}
    if sum(path == STDOUT for path in given.values()) > 1:
        raise CliError("only one report can go to stdout", status=2)
    inputs = {"the scenario": args.scenario}
    # A list may be renewed where it is; a report may not take its place.
    if args.expect is not None and not _is_same(args.expect, args.write_expect):
        inputs["the list of known failures"] = args.expect
    check_output_files(
        {
            "--write-expect": (args.write_expect, is_list),
            **{
                f"--{name}": (None if path == STDOUT else path, FORMS[name].is_own)
                for name, path in given.items()
            },
        },
        inputs,
    )


def _is_same(path: str, other: str | None) -> bool:
    try:
        return other is not None and os.path.samefile(path, other)
    except (OSError, ValueError):  # one is not there; or no path, as with a NUL
        return False


def write_reports(report: Report, args: argparse.Namespace) -> None:
    """Write the report in every form that is asked for, and as text if stdout is free.

    Raises CliError for a file that could not be written, when all others are.
    """
    problems = []
    text = True
    for name, form in FORMS.items():
        path = getattr(args, name)
        if path == STDOUT:
            text = False
            write_utf8()
            _write_stdout(form.encode(report))
        elif path is not None:
            try:
                write_output(path, form.encode(report))
            except OSError as error:
                problems.append(f"--{name} {path}: {error.strerror}")
    if text:
        _write_stdout(text_report(report).encode("utf-8", "replace"))
    if problems:
        raise CliError(*problems)


def _write_stdout(data: bytes) -> None:
    if sys.stdout is not None:  # it is None if the descriptor is closed
        sys.stdout.write(data.decode())

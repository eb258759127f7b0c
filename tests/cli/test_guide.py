"""`guide`: the list of the guides, and each of them."""

import sys

import pytest

from invis_sim.cli import main
from invis_sim.guides import guides
from tests.cli.process import cli_here


def test_the_guides_are_listed_in_a_line_each() -> None:
    *lines, empty, hint = cli_here("guide").stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(guides())
    assert all(len(line) <= 80 for line in lines)
    assert (empty, "invis-sim guide first-steps" in hint) == ("", True)


def test_a_guide_is_printed_for_the_width_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for columns, width in ((60, 60), (300, 100)):
        monkeypatch.setenv("COLUMNS", str(columns))
        lines = cli_here("guide", "send-us-your-outlet").stdout.splitlines()
        assert lines[0] == "# Send us your outlet"
        text = [line for line in lines if not line.startswith("    ")]  # but for code
        assert width - 10 < max(map(len, text)) <= width


def test_an_unknown_guide_is_an_error_with_those_that_there_are() -> None:
    done = cli_here("guide", "gauntle")
    assert (done.returncode, done.stdout) == (2, "")
    assert "unknown guide 'gauntle'; known guides: " in done.stderr
    assert all(name in done.stderr for name in guides())


@pytest.mark.parametrize(("terminal", "no_color", "bold"), [(1, "", 1), (1, "1", 0), (0, "", 0)])
def test_headings_are_bold_on_a_terminal_unless_colors_are_not_wanted(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    terminal: int,
    no_color: str,
    bold: int,
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: bool(terminal))
    monkeypatch.setenv("NO_COLOR", no_color)
    main(["guide", "send-us-your-outlet"])
    assert capsys.readouterr().out.startswith("\x1b[1m# " if bold else "# ") is True

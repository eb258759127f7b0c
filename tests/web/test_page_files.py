"""The files of the page, as far as they can be judged without a browser."""

import re
from pathlib import Path

import invis_sim.web
from invis_sim.device.sensors import READINGS
from invis_sim.journal.entries import ENTRY_KINDS
from invis_sim.protocol.callbacks import Callback
from tests.cases import for_each

STATIC = Path(invis_sim.web.__file__).parent / "static"
FILES = sorted(path for path in STATIC.iterdir())


def source(name: str) -> str:
    return (STATIC / name).read_text()


def test_the_page_has_the_names_of_all_callbacks() -> None:
    found = dict(re.findall(r'^  (\d+): "(.*)",$', source("callbacks.js"), re.MULTILINE))
    expected = {str(int(one)): one.name.lower().replace("_", " ") for one in Callback}
    assert found == expected


def test_the_page_has_a_slider_for_each_reading() -> None:
    found = re.findall(r"^  (\w+): \[", source("sensors.js"), re.MULTILINE)
    assert sorted(found) == sorted(READINGS)


def test_the_page_has_words_for_each_kind_of_entry() -> None:
    words = source("entry_text.js").partition("const EVENTS = {")[2].partition("\n};")[0]
    found = re.findall(r"^  (\w+): \(", words, re.MULTILINE)
    assert {"exchange", *found} == ENTRY_KINDS


@for_each("path", FILES, ids=lambda path: path.name)
def test_nothing_is_read_as_html_or_run_or_loaded_from_elsewhere(path: Path) -> None:
    text = path.read_text()
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function"
    assert not re.search(forbidden, text)
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)
    assert not re.search(r"<[^>]+\s(style|on\w+)=", text) or path.suffix != ".html"


@for_each("path", FILES, ids=lambda path: path.name)
def test_no_file_is_too_long(path: Path) -> None:
    limit = 420 if path.suffix != ".css" else 700
    assert len(path.read_text().splitlines()) <= limit

"""The forms of the report: each says the same, and stays what it is whatever a client prints."""

import json
import re
from xml.etree.ElementTree import Element, fromstring

import jsonschema_rs
import msgspec
import pytest

from invis_sim.gauntlet.report.html import html_report
from invis_sim.gauntlet.report.junit import junit_report
from invis_sim.gauntlet.report.markdown import markdown_report
from invis_sim.gauntlet.report.text import text_report
from invis_sim.gauntlet.result import ExpectationProblem, Report, encode, report_schema
from tests.chromium import CHROMIUM, open_page
from tests.gauntlet.reports import BROKEN, CASES, FAILED, NASTY, report
from tests.gauntlet.support import result

LISTED = msgspec.structs.replace(report(), expectations=(ExpectationProblem("x/y/tcp", "is new"),))
KNOWN = report(CASES[0], msgspec.structs.replace(FAILED, known="ticket 12"))
EVERY = pytest.mark.parametrize(
    "one", [report(), BROKEN, LISTED, KNOWN], ids=["failed", "broken", "listed", "known"]
)

# Text


def test_text_begins_with_the_summary_and_ends_with_it() -> None:
    lines = text_report(report()).splitlines()
    assert (
        lines[0]
        == lines[-1]
        == ("1 of 3 cases as expected, 2 not as expected, 1 skipped (seed 7, 12.5 s).")
    )
    assert "     1 wrong, 1 not as expected (it claimed success though there was none)" in lines


def test_text_groups_failures_by_what_they_have_in_common_and_says_what_to_do() -> None:
    many = [msgspec.structs.replace(FAILED, id=f"fail/{n}/ws") for n in range(3)]
    many += [msgspec.structs.replace(FAILED, id=f"drop/{n}/ws", fault="drop") for n in range(2)]
    text = text_report(report(*many, CASES[3]))
    assert "The client claimed success though it cannot have had any (5):" in text
    assert "and also: fail/1/ws, fail/2/ws, drop/1/ws" in text
    assert "The client has no time-out for this, so it never said that it failed (1):" in text
    assert text.count("repeat it:   invis-sim gauntlet --only fail/always/ws --seed 7") == 2


@EVERY
def test_text_is_harmless_for_a_terminal(one: Report) -> None:
    assert not re.search(r"[^\n\x20-\x7e…→←\N{REPLACEMENT CHARACTER}]", text_report(one))


def test_text_of_a_broken_baseline_says_what_the_client_said() -> None:
    text = text_report(BROKEN)
    assert text.startswith("Broken baseline: before the cases, ")
    assert "undisturbed over tcp, first: ended with status 4" in text


# JSON


@EVERY
def test_json_is_as_its_schema_says(one: Report) -> None:
    schema = report_schema()
    jsonschema_rs.meta.validate(schema)
    data = json.loads(encode(one))
    jsonschema_rs.validate(schema, data)
    data["cases"][0]["verdict"] = "fine"
    with pytest.raises(jsonschema_rs.ValidationError):
        jsonschema_rs.validate(schema, data)


# JUnit

CHILDREN = {
    "testsuites": {"testsuite"},
    "testsuite": {"properties", "testcase", "system-out", "system-err"},
    "properties": {"property"},
    "testcase": {"skipped", "failure", "system-out", "system-err"},
}
ATTRIBUTES: dict[str, tuple[set[str], set[str]]] = {
    "testsuites": (set(), {"name", "time", "tests", "failures", "errors"}),
    "testsuite": ({"name", "tests", "failures", "errors"}, {"time", "skipped", "timestamp", "id"}),
    "property": ({"name", "value"}, set()),
    "testcase": ({"name"}, {"time", "classname", "group"}),
    "failure": (set(), {"type", "message"}),
    "skipped": (set(), {"type", "message"}),
}
"""What junit-10.xsd of the Jenkins plugin xUnit allows: required attributes, and others."""


def check_junit(node: Element) -> None:
    required, others = ATTRIBUTES.get(node.tag, (set(), set()))
    assert required <= set(node.attrib) <= required | others
    for name in {"time"} & set(node.attrib):
        assert re.fullmatch(r"[0-9]+\.[0-9]{3}", node.attrib[name])
    assert {child.tag for child in node} <= CHILDREN.get(node.tag, set())
    for child in node:
        check_junit(child)


@EVERY
def test_junit_is_as_the_usual_schema_says(one: Report) -> None:
    root = fromstring(junit_report(one))
    assert root.tag == "testsuites"
    check_junit(root)
    texts = (text for node in root.iter() for text in (*node.itertext(), *node.attrib.values()))
    assert all(line.isprintable() for text in texts for line in text.split("\n"))


def test_junit_has_a_test_for_each_case() -> None:
    (suite,) = fromstring(junit_report(report()))
    tests = {test.get("name"): test for test in suite.iter("testcase")}
    assert [*tests] == [case.id for case in CASES]
    counts = [suite.get(name) for name in ("tests", "failures", "errors", "skipped")]
    assert counts == ["4", "2", "0", "1"]
    failure = tests["fail/always/ws"].find("failure")
    assert failure is not None
    assert failure.get("type") == "wrong"
    assert "must notice: So it is." in (failure.get("message") or "")
    assert "repeat it:" in (failure.text or "")
    assert tests["split/bytes/tcp"].find("failure") is None
    skipped = tests["stale/1-ago/tcp"].find("skipped")
    assert skipped is not None
    assert skipped.get("message") == "it asks once"


def test_junit_fails_for_what_is_no_case_as_well() -> None:
    (suite,) = fromstring(junit_report(LISTED))
    assert suite.get("failures") == "3"
    (suite,) = fromstring(junit_report(BROKEN))
    assert next(suite.iter("testcase")).get("name") == "baseline/tcp/first"
    (suite,) = fromstring(junit_report(KNOWN))
    assert (suite.get("failures"), suite.get("skipped")) == ("0", "1")


# Markdown


@EVERY
def test_markdown_says_nothing_outside_of_its_blocks_that_a_client_has_printed(one: Report) -> None:
    text = markdown_report(one)
    outside = re.sub(r"^(`{3,})text\n.*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)
    assert "<script>" not in outside
    assert text.startswith("## ")


def test_markdown_has_the_summary_and_a_table_of_each_group() -> None:
    text = markdown_report(report())
    assert text.startswith("## ❌ invis-sim gauntlet\n\n1 of 3 cases as expected")
    assert "### The client claimed success though it cannot have had any (1)" in text
    assert "| `fail/always/ws` | wrong: status 0, though the goal cannot be reached | must" in text
    assert markdown_report(report(CASES[0])).startswith("## ✅")
    assert "`fail/always/ws`: wrong; ticket 12" in markdown_report(KNOWN)


# HTML


@EVERY
def test_html_holds_no_tag_that_a_client_has_printed_and_nothing_from_elsewhere(
    one: Report,
) -> None:
    text = html_report(one)
    assert text.count("<script>") == 1
    assert "x()</script>" not in text
    assert not re.search(r"""(src|href)=["'](?!#)""", text)
    assert "http:" not in text
    assert "https:" not in text
    assert all(line.isprintable() for pre in text.split("<pre>")[1:] for line in pre.split("\n"))


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_html_in_a_browser(tmp_path: object) -> None:
    long = result("noticed", id=f"fail/{'long-' * 30}/tcp", fault="fail", stderr="x" * 5000)
    path = f"{tmp_path}/report.html"
    with open(path, "wb") as file:
        file.write(html_report(report(*CASES, long)).encode("utf-8", "replace"))
    with open_page() as page:
        page.open(f"file://{path}", 400, dark=True)
        fits = "document.documentElement.scrollWidth <= innerWidth"
        assert page.evaluate(fits)
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.resize(1600)
        assert page.evaluate(fits)
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark
        # What a client has printed is shown, and not run.
        shown = "document.getElementById('fail/always/ws').textContent"
        assert NASTY[:25] in page.evaluate(shown)
        # A link of the matrix opens the case.
        page.evaluate("document.querySelector('td a[href=\"#fail/always/ws\"]').click()")
        is_open = (
            "new Promise(r => setTimeout(() => r(document.getElementById('fail/always/ws').open)))"
        )
        assert page.evaluate(is_open)
        visible = "[...document.querySelectorAll('details')].filter(d => !d.hidden).map(d => d.id)"
        assert len(page.evaluate(visible)) == 5
        for control, value, expected in (
            ("outcome", "bad", ["fail/always/ws", "drop/always/tcp"]),
            ("outcome", "hung", ["drop/always/tcp"]),
            ("outcome", "", None),
            ("transport", "ws", ["fail/always/ws"]),
            ("search", "no such thing", []),
        ):
            page.evaluate(
                f"document.getElementById('{control}').value = {value!r};"
                f"document.getElementById('{control}').dispatchEvent(new Event('input'))"
            )
            assert expected is None or page.evaluate(visible) == expected
        rows = "[...document.querySelectorAll('tbody')].filter(b => !b.hidden).length"
        assert page.evaluate(rows) == 0
        assert page.problems == []

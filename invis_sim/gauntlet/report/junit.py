"""The report as JUnit XML, which CI systems show: one test case per case."""

from xml.etree.ElementTree import Element, SubElement, indent, tostring

from invis_sim.gauntlet.report.text import case_lines
from invis_sim.gauntlet.report.words import EXPECTATIONS, headline
from invis_sim.gauntlet.result import CaseResult, Report
from invis_sim.protocol.printable import printable_lines

__all__ = ["junit_report"]

SUITE = "invis-sim gauntlet"


def junit_report(report: Report) -> bytes:
    """Return the report as JUnit XML.

    Known failures are skipped tests, with their reason. What is wrong with the baseline or with the
    list of known failures is a failed test of its own, since a build must not pass with it.
    """
    root = Element("testsuites")
    suite = SubElement(root, "testsuite", name=SUITE)
    properties = SubElement(suite, "properties")
    for name, value in (
        ("seed", str(report.seed)),
        ("command", " ".join(report.command)),
        ("plan", report.plan),
        ("result", headline(report)),
    ):
        SubElement(properties, "property", name=name, value=printable_lines(value))
    for run in report.baseline.runs:
        if not run.succeeded:
            name = f"baseline/{run.transport}/{run.when}"
            test = _test(suite, "baseline", name, run.seconds)
            _failure(test, "broken baseline", run.why, run.stderr)
    for case in report.cases:
        _case(suite, case)
    for problem in report.expectations:
        test = _test(suite, "known-failures", problem.id, 0.0)
        _failure(test, "known failures", problem.problem, "")
    for node in (root, suite):
        node.set("tests", str(len(suite.findall("testcase"))))
        node.set("failures", str(len(suite.findall("testcase/failure"))))
        node.set("errors", "0")
        node.set("time", f"{report.seconds:.3f}")
    suite.set("skipped", str(len(suite.findall("testcase/skipped"))))
    indent(root)
    text: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _case(suite: Element, case: CaseResult) -> None:
    test = _test(suite, case.fault, case.id, case.seconds)
    if case.known is not None:
        text = f"known failure ({case.verdict}): {case.known}"
        SubElement(test, "skipped", message=printable_lines(text))
    elif case.verdict == "skipped":
        SubElement(test, "skipped", message=printable_lines(case.why))
    elif not case.as_expected:
        expected = f"{EXPECTATIONS[case.expectation]}: {case.reason}"
        text = "\n".join(case_lines(case))
        _failure(test, case.verdict, f"{case.why}; {expected}", text)
    if case.journal:
        SubElement(test, "system-out").text = printable_lines("\n".join(case.journal))
    if case.stderr:
        SubElement(test, "system-err").text = printable_lines(case.stderr)


def _test(suite: Element, group: str, name: str, seconds: float) -> Element:
    return SubElement(
        suite,
        "testcase",
        classname=f"gauntlet.{group}",
        name=printable_lines(name),
        time=f"{seconds:.3f}",
    )


def _failure(test: Element, kind: str, message: str, text: str) -> None:
    SubElement(test, "failure", type=kind, message=printable_lines(message)).text = printable_lines(
        text
    )
